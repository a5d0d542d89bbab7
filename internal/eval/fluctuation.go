package eval

import "time"

// FluxEV's settings, as its authors published them for the KPIs of the AIOps challenge,
// but for the risk: of what they call usual, 10⁻³ to 10⁻⁵, the middle. The 0.003 they
// set for a point-adjusted F1 calls four minutes of every day anomalous.
const (
	fluxWindow = 10   // rows: s
	fluxDays   = 5    // periods: p, this one included
	fluxDrift  = 2    // rows that a day may be early or late: d
	fluxGain   = 0.2  // of the predictor, a weighted mean
	fluxRisk   = 1e-4 // of SPOT
)

// fluctuation is FluxEV: how much a value adds to the deviation of its prediction
// errors of late, beyond what was added at that time of the days before. Both
// differences count only where they are positive. The threshold is SPOT's; what it
// calls an anomaly is not held against the days that follow.
//
// Source: Li, Di, Shen and Chen, "FluxEV: A Fast and Effective Unsupervised Framework
// for Time-Series Anomaly Detection" (WSDM 2021), and its authors' program.
type fluctuation struct {
	interval int64 // ms
	slots    int64 // of a day
	values   *ring
	errors   *ring
	added    []slot // to the deviation, by time
	since    int64  // the slot of the first addition
	some     bool   // there was one
	limit    *spot
}

func newFluctuation(interval time.Duration) scorer {
	slots := lasting(day, interval, 1)
	return &fluctuation{
		interval: interval.Milliseconds(),
		slots:    int64(slots),
		values:   newRing(fluxWindow),
		errors:   newRing(fluxWindow + 1),
		added:    make([]slot, fluxDays*slots+fluxDrift+1),
		limit:    newSpot(fluxRisk, slots),
	}
}

func (f *fluctuation) score(t int64, x float64) float64 {
	ready := f.values.full()
	expected := f.expect()
	f.values.add(x)
	if !ready {
		return 0
	}
	f.errors.add(x - expected)
	if !f.errors.full() {
		return 0
	}
	_, with := moments(f.errors.values)
	_, without := moments(f.before())
	added := max(with-without, 0)

	now := t / f.interval
	if !f.some {
		f.since, f.some = now, true
	}
	at := f.slot(now)
	*at = slot{at: now, value: added, known: true}
	if now-f.since < (fluxDays-1)*f.slots+fluxDrift {
		return 0
	}
	usual := 0.0 // nothing is less
	for d := int64(1); d < fluxDays; d++ {
		for near := now - d*f.slots - fluxDrift; near <= now-d*f.slots+fluxDrift; near++ {
			if s := f.slot(near); s.known && s.at == near && near < now {
				usual = max(usual, s.value)
			}
		}
	}
	s := f.limit.score(max(added-usual, 0))
	if s >= above1 {
		at.known = false
	}
	return s
}

// expect is the weighted mean of the values of late, the oldest first.
func (f *fluctuation) expect() float64 {
	mean := 0.0
	for i := min(f.values.n, fluxWindow) - 1; i >= 0; i-- {
		if x := f.values.ago(i); i == fluxWindow-1 {
			mean = x
		} else {
			mean += fluxGain * (x - mean)
		}
	}
	return mean
}

// before is the errors but the latest, in any order.
func (f *fluctuation) before() []float64 {
	var all [fluxWindow]float64
	for i := range all {
		all[i] = f.errors.ago(i + 1)
	}
	return all[:]
}

// slot is where the addition at that time is kept, or at one some days apart.
func (f *fluctuation) slot(at int64) *slot {
	n := int64(len(f.added))
	return &f.added[(at%n+n)%n]
}
