// Package forecast says where one stream will be minutes to days from now, and how
// sure that is.
//
// Near the present the level tells most, later the time of day, and which of them
// tells how much differs from stream to stream. So a Forecaster keeps a few simple
// experts: the season of the last seven days with and without what the stream lies
// beside it by now, yesterday's curve, last week's, the level, a line. At each of
// eight lead times, from a quarter of an hour to a week, it blends them by weights
// that it learns as its forecasts come due (exponentiated gradient; Kivinen and
// Warmuth, 1997), and what they then missed by calibrates the interval (adaptive
// conformal inference; Gibbs and Candès, NeurIPS 2021).
//
// A Forecaster is plain data of fixed size, under 10 KiB: no clock, no randomness, no
// pointer, no allocation; not safe for concurrent use. Times are milliseconds, need
// not be regular, and grow; one that does not begins anew. Values are finite; beyond
// ±1e30 they count as that.
package forecast

import "math"

const (
	minute  = 60 * 1000 // ms
	quarter = 15 * minute
	day     = 96  // quarters
	week    = 672 // quarters

	// How long the averages remember, in seconds: of what the stream lies beside its
	// season by at once, over an hour and over a day; and its level over a week. The
	// first is the mean of two samples of five minutes.
	atOnce   = 5 * 60
	anHour   = 55 * 60
	aDay     = 24 * 3600
	aWeek    = 7 * aDay
	nearPast = day    // quarters whose averages are kept, for leads of up to a day
	farStep  = 24     // quarters: further back one moment in six hours is kept,
	farPast  = 28 + 1 // a week of them

	// huge keeps what is learned within a float32.
	huge = 1e30
)

// Forecaster is what one stream has taught about its future. The zero value is ready.
type Forecaster struct {
	at      int64 // time of the newest sample, ms
	base    float64
	last    float64 // the newest sample; like all below it, less base
	misses  float64 // share of values the interval may miss; 0 is miss
	started bool

	quarter int64 // number of the one being filled
	sum     float64
	n       int // samples in it
	heard   uint32

	now     moment
	history history
	// What the history says of the quarter before the one being filled, of it and of
	// the next.
	seasons [3]float64

	near    [nearPast]mark // by quarter: what was known at its end
	far     [farPast]mark  // by step
	leads   [len(reaches)]lead
	waiting [waiting]edges // of the leads, each in its own stretch
}

// moment is what is known of a stream at one time, besides its history.
type moment struct {
	level, week       float64 // at once, and over a week
	fast, hour, daily float64 // what it lies beside its season by: at once, over an hour, over a day
	slope             float64 // per second
}

// mark is a moment that waits for its forecasts to come due.
type mark struct {
	at                                    int64 // ms
	level, week, fast, hour, daily, slope float32
}

func (m *moment) mark(at int64) mark {
	return mark{at, float32(m.level), float32(m.week), float32(m.fast), float32(m.hour), float32(m.daily), float32(m.slope)}
}

func (m *mark) moment() moment {
	return moment{float64(m.level), float64(m.week), float64(m.fast), float64(m.hour), float64(m.daily), float64(m.slope)}
}

// Hold has the interval hold that share of the values, from now on: 0.95 if it is never
// called. What the stream has taught of another share is taken over as if its errors were
// normal, and corrected as forecasts come due; the Tally begins anew.
func (f *Forecaster) Hold(share float64) {
	if share == f.share() {
		return
	}
	wider := Relative(share) / Relative(f.share())
	f.misses = 1 - share
	for i := range f.leads {
		l := &f.leads[i]
		l.up, l.down, l.tally = l.up*wider, l.down*wider, Tally{}
	}
	for i := range f.waiting {
		e := &f.waiting[i]
		*e = edges{e.up * float32(wider), e.down * float32(wider)}
	}
}

// share is what the interval is to hold, and missed what it may miss.
func (f *Forecaster) share() float64 { return 1 - f.missed() }

func (f *Forecaster) missed() float64 {
	if f.misses == 0 {
		return miss
	}
	return f.misses
}

// Relative is how much wider an interval must be that holds the share of normal noise
// than one that holds 95 %.
func Relative(share float64) float64 { return math.Erfinv(share) / math.Erfinv(1-miss) }

// Learn takes the sample in.
func (f *Forecaster) Learn(at int64, x float64) {
	x = min(max(x, -huge), huge)
	if !f.started || at <= f.at {
		f.start(at, x)
		return
	}
	if q := floor(at, quarter); q != f.quarter {
		f.close(q)
	}
	f.follow(float64(at-f.at)/1000, x-f.base, f.season(at))
	f.at, f.last = at, x-f.base
	f.sum += f.last
	f.n++
}

func (f *Forecaster) start(at int64, x float64) {
	*f = Forecaster{at: at, base: x, misses: f.misses, started: true, quarter: floor(at, quarter), n: 1, heard: 1}
	f.history.clear(f.quarter)
	f.seasons = [3]float64{math.NaN(), math.NaN(), math.NaN()}
	for i := range f.near {
		f.near[i].at = math.MinInt64 // of no quarter that comes due
	}
	for i := range f.far {
		f.far[i].at = math.MinInt64
	}
}

// follow moves the averages towards v, dt seconds after the sample before. An average
// younger than its memory is that of all it heard.
func (f *Forecaster) follow(dt, v, season float64) {
	f.heard = min(f.heard, math.MaxUint32-1) + 1
	least := 1 / float64(f.heard)
	toward := func(mean *float64, v, memory float64) { *mean += max(dt/(dt+memory), least) * (v - *mean) }
	m := &f.now
	toward(&m.level, v, atOnce)
	toward(&m.week, v, aWeek)
	if math.IsNaN(season) {
		season = 0
	}
	toward(&m.fast, v-season, atOnce)
	toward(&m.hour, v-season, anHour)
	toward(&m.daily, v-season, aDay)
}

// season is what the history says of the time at, which is in the quarter being
// filled: NaN where it says nothing.
func (f *Forecaster) season(at int64) float64 {
	share := float64(at-f.quarter*quarter)/quarter - 0.5
	if share < 0 {
		return mix(f.seasons[0], f.seasons[1], 1+share)
	}
	return mix(f.seasons[1], f.seasons[2], share)
}

// close ends the quarter being filled, of which next is the next that is heard of:
// what was foreseen of its last sample comes due, and it is history.
func (f *Forecaster) close(next int64) {
	q := f.quarter
	f.settle()
	f.history.put(q, f.sum/float64(f.n))
	f.now.slope = f.slope()
	f.near[modulo(q, nearPast)] = f.now.mark(f.at)
	if modulo(q, farStep) == 0 {
		f.far[modulo(floor(q, farStep), farPast)] = f.now.mark(f.at)
	}
	f.promise()
	f.history.skip(next)
	f.quarter, f.sum, f.n = next, 0, 0
	for i := range f.seasons {
		f.seasons[i] = f.history.past(next-1+int64(i), q).season
	}
}

// settle holds what was foreseen of the newest sample against it.
func (f *Forecaster) settle() {
	var seen past
	for i, r := range reaches {
		made := f.quarter - r.quarters
		if modulo(made, r.step) != 0 {
			continue
		}
		m := &f.near[modulo(made, nearPast)]
		if r.quarters > nearPast {
			m = &f.far[modulo(floor(made, farStep), farPast)]
		}
		// Leads of less than a day know the same past.
		if i == 0 || r.quarters >= day {
			seen = f.history.at(f.at, made)
		}
		if floor(m.at, quarter) != made { // nothing was heard then
			continue
		}
		then := m.moment()
		said := then.experts(seen, float64(f.at-m.at)/1000)
		l := &f.leads[i]
		if l.settled == 0 && i > 0 {
			l.weights = f.leads[i-1].weights
		}
		l.settle(&said, f.last, *f.edges(r, made), r, f.missed())
	}
}

// promise keeps the edges of the forecasts that could be made at the end of the
// quarter, until they come due.
func (f *Forecaster) promise() {
	for i, r := range reaches {
		if modulo(f.quarter, r.step) != 0 {
			continue
		}
		e := f.edges(r, f.quarter)
		*e = edges{}
		if l := &f.leads[i]; l.reliable(r) {
			*e = edges{float32(l.up * l.scale), float32(l.down * l.scale)}
		}
	}
}

// edges are those promised at the end of the quarter made.
func (f *Forecaster) edges(r reach, made int64) *edges {
	return &f.waiting[r.from+modulo(floor(made, r.step), r.waiting())]
}

// Tally is that of the forecasts about as far ahead as ms: of the longest lead that is
// no longer, or of the shortest.
func (f *Forecaster) Tally(ms int64) Tally {
	i := 0
	for i+1 < len(reaches) && reaches[i+1].quarters*quarter <= ms {
		i++
	}
	return f.leads[i].tally
}

// Known reports whether anything can be said about the future at all.
func (f *Forecaster) Known() bool { return f.leads[0].reliable(reaches[0]) }

// Expect is the value expected at the time at, which is after the newest sample, and
// the interval that holds 95 of 100 values, or the share of Hold. All are NaN while nothing is Known.
func (f *Forecaster) Expect(at int64) (point, lower, upper float64) {
	if !f.Known() {
		return math.NaN(), math.NaN(), math.NaN()
	}
	ms := max(float64(at)-float64(f.at), 0)
	i, j, share, wider := f.between(ms / quarter)
	a, b := &f.leads[i], &f.leads[j]

	// The history goes back a week: later than that is like the same hour of the week
	// to come.
	weeks := math.Floor(ms / (week * quarter))
	seen := f.history.at(f.at+int64(ms-weeks*week*quarter), f.quarter-1)
	said := f.now.experts(seen, ms/1000)
	point = (1-share)*a.blend(&said) + share*b.blend(&said) + f.base
	up := (1-share)*a.up*a.scale + share*b.up*b.scale
	down := (1-share)*a.down*a.scale + share*b.down*b.scale
	return point, point - down*wider, point + up*wider
}

// between is the two leads whose forecasts have come due and between which the time q
// quarters ahead lies, and what share of the way it is, by the logarithm. Beyond the
// last of them the interval is wider, as that of a random walk would be.
func (f *Forecaster) between(q float64) (i, j int, share, wider float64) {
	for j+1 < len(reaches) && float64(reaches[j].quarters) < q && f.leads[j+1].reliable(reaches[j+1]) {
		i, j = j, j+1
	}
	first, last := float64(reaches[i].quarters), float64(reaches[j].quarters)
	switch {
	case q >= last:
		return j, j, 0, math.Sqrt(q / last)
	case i == j:
		return j, j, 0, 1
	}
	return i, j, math.Log(q/first) / math.Log(last/first), 1
}
