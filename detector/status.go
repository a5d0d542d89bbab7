package detector

import (
	"slices"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/calibration"
)

// Status is where the detector stands, since it was made.
type Status struct {
	Series      int           `json:"series"`
	Warming     int           `json:"warming"` // of them
	Owners      int           `json:"owners"`  // of pods, ReplicaSets and Jobs, as kube-state-metrics has them
	MaxSeries   int           `json:"max_series"`
	WindowBytes int           `json:"window_bytes"`
	MemoryBytes int           `json:"memory_bytes"` // of all that is held, windows included
	MemoryLimit int           `json:"memory_limit"` // 0: any
	Shards      []ShardStatus `json:"shards"`

	Batches   int `json:"batches"`
	Samples   int `json:"samples"` // taken in
	Scored    int `json:"scored"`
	Late      int `json:"late"`
	Refused   int `json:"refused"`   // of new series, for want of room
	Evicted   int `json:"evicted"`   // series
	Inherited int `json:"inherited"` // by series of new pods
	Skipped   int `json:"skipped"`   // neither scored, late nor refused: the metrics say why

	// Budgets are those of the fleet, then of the groups and rules that have one, as of
	// the latest ten minutes.
	Budgets []BudgetStatus `json:"budgets"`

	// Now is the sample time reached; zero before the first sample.
	Now time.Time `json:"now"`
}

// ShardStatus is one shard's part of the Status.
type ShardStatus struct {
	Series  int `json:"series"`
	Warming int `json:"warming"`
}

// standing is what the collector knows after the latest batch.
type standing struct {
	limit    int // max_series
	memory   int // memory_limit, bytes
	batches  int
	leaps    int   // of the clock
	now      int64 // ms
	counts   counts
	levels   levels
	shards   []levels
	budgets  []BudgetStatus
	peaks    []*calibration.Peaks // as budgets
	foretold foretold
	full     bool // the latest batch brought new series for which there was no room
}

// account adds what the shards counted in j to the standing and the metrics.
func (d *Detector) account(j *job) {
	d.standingMu.Lock()
	defer d.standingMu.Unlock()
	at := &d.standing
	var sum counts
	at.levels = levels{}
	for i := range j.parts {
		p := &j.parts[i]
		sum.add(&p.counts)
		at.levels.add(&p.levels)
		at.shards[i] = p.levels
		at.foretold.add(p.came)
	}
	at.levels.held[heldRoll] = d.roll.bytes()
	at.counts.add(&sum)
	d.metrics.batch(&sum, &at.levels)
	if j.meeting != nil {
		d.show(j.meeting.chosen)
	}
	if j.change != nil || j.save != nil {
		return
	}
	if full := sum.refused > 0; full != at.full {
		at.full = full
		if full {
			limit, allowed := "detector.max_series", at.limit
			if sum.short > 0 {
				limit, allowed = "detector.memory_limit", at.memory
			}
			d.logger.Warn("refusing new series: raise "+limit+" or send fewer", "series", at.levels.series, "limit", allowed)
		} else {
			d.logger.Info("no new series had to be refused", "series", at.levels.series)
		}
	}
	if j.leaps != at.leaps {
		d.logger.Warn("the samples' time leapt", "from", foreshock.Time(at.now), "to", foreshock.Time(j.now))
	}
	d.metrics.batches.Inc()
	d.metrics.leaps.Add(float64(j.leaps - at.leaps))
	d.metrics.now.Set(float64(j.now) / 1000)
	at.batches++
	at.leaps, at.now = j.leaps, j.now
}

// show notes what the shards judge by now; standingMu is held, or nobody else has d yet.
func (d *Detector) show(s *settings) {
	d.standing.budgets, d.standing.peaks = s.budgets, s.peaks
	d.metrics.budgets.set(s.budgets)
}

// Status returns where the detector stood after the latest batch.
func (d *Detector) Status() Status {
	d.standingMu.Lock()
	defer d.standingMu.Unlock()
	at := &d.standing
	st := Status{
		Series:      at.levels.series,
		Warming:     at.levels.warming,
		Owners:      at.levels.owners,
		MaxSeries:   at.limit,
		WindowBytes: at.levels.held[heldWindows],
		MemoryLimit: at.memory,
		Batches:     at.batches,
		Samples:     at.counts.samples,
		Scored:      at.counts.scored,
		Late:        at.counts.late,
		Refused:     at.counts.refused,
		Inherited:   at.counts.inherited,
	}
	for _, n := range at.levels.held {
		st.MemoryBytes += n
	}
	st.Budgets = slices.Clone(at.budgets)
	for _, l := range at.shards {
		st.Shards = append(st.Shards, ShardStatus{Series: l.series, Warming: l.warming})
	}
	for _, n := range at.counts.skipped {
		st.Skipped += n
	}
	for _, n := range at.counts.evicted {
		st.Evicted += n
	}
	if at.batches > 0 {
		st.Now = foreshock.Time(at.now)
	}
	return st
}
