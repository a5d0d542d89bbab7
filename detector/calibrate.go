package detector

import (
	"math"
	"sync"
	"time"

	"github.com/foreshock/foreshock/detector/calibration"
	"github.com/foreshock/foreshock/rules"
)

const (
	// period is how often, in ms of the detector's age, the shards put together what
	// they saw and take new thresholds.
	period = int64(10 * time.Minute / time.Millisecond)

	// halfLife is when a score that was pooled weighs half, in ms: two weeks.
	halfLife = int64(14 * 24 * time.Hour / time.Millisecond)

	// refit is how often, in ms, the tails of the scores are fitted anew: six hours, as
	// a fit takes some milliseconds.
	refit = int64(6 * time.Hour / time.Millisecond)

	// patience is how long, in ms, a scope counts as heard after its last score: hourly
	// samples are one in twelve blocks, but not a twelfth of the time.
	patience = 2 * leap

	// block is what one peak is of, and what alerts of one scope count as one in, ms.
	block = int64(rules.BurstLength / time.Millisecond)
)

// settings are what the shards judge by until they next meet. They do not change.
type settings struct {
	floor      float64   // the threshold configured
	thresholds []float64 // by the number of the scope
	scopes     map[*rules.Watch]uint32
	rarity     [classes]*calibration.Table
	budgets    []BudgetStatus
	peaks      []*calibration.Peaks `image:"-"` // as budgets
}

// P is how likely a raw score at least as high as this one is in a series of the class,
// by the scores of all series of late: 1e-6 is one sample in a million.
func (s *settings) P(c class, score float64) float64 { return s.rarity[c].P(score) }

// calibrator learns how high scores are and chooses the thresholds that keep to the
// budgets. One goroutine at a time has it: see meeting.
type calibrator struct {
	floor  float64  // no threshold is lower
	scopes []*scope // the fleet's first
	of     map[*rules.Watch]uint32

	pools  [classes]calibration.Pool
	age    int64 // of the detector, ms: what came before is in the pools
	refits int64 // how many there have been
}

func newCalibrator(c Config, r *rules.Set) *calibrator {
	k := &calibrator{scopes: []*scope{{name: rules.FleetScope}}}
	k.setConfig(c)
	k.setRules(r)
	return k
}

// meeting is where all shards put their tallies together, at the same batch. The last
// one to come has the calibrator learn from the sum and choose, and all go on by what it
// chose: thresholds are a function of the batches, not of who was faster.
//
// It cannot hang. Every batch goes to every shard or to none, in one order, and sending
// does not block; a shard that waits here holds nothing that another needs to get here,
// and those behind it have only earlier batches before them.
type meeting struct {
	calibrator *calibrator
	next       int64             // the detector's age where the next period begins, ms
	change     func(*calibrator) // after the period that ends: new rules, new configuration; or nil

	mu     sync.Mutex
	absent int // shards that are still to come
	sum    tally
	over   chan struct{} // closed when chosen
	chosen *settings
}

// convene is the meeting ahead of j, before which the detector was as old as before says:
// one where j brings it into the next period or changes how it judges, else none.
func (d *Detector) convene(before int64, j *job) *meeting {
	next := (before/period + 1) * period
	if j.recalibrate != nil {
		next = j.awake
	} else if j.awake < next {
		return nil
	}
	return &meeting{
		calibrator: d.calibrator,
		next:       next,
		change:     j.recalibrate,
		absent:     len(d.shards),
		over:       make(chan struct{}),
	}
}

// meet is one shard's part in m.
func (s *shard) meet(m *meeting) {
	m.mu.Lock()
	if m.sum.scopes == nil {
		m.sum.scopes = make([]scopeTally, len(s.tally.scopes))
	}
	m.sum.merge(&s.tally)
	if m.absent--; m.absent == 0 {
		m.chosen = m.calibrator.close(&m.sum, m.next, m.change)
		close(m.over)
	}
	m.mu.Unlock()
	<-m.over
	s.settings = m.chosen
	s.tally.begin(m.next, len(s.settings.thresholds))
}

// close takes in the sum of the period that ends where the next begins, applies change,
// and chooses.
func (k *calibrator) close(sum *tally, next int64, change func(*calibrator)) *settings {
	share := math.Exp2(-float64(next-k.age) / float64(halfLife))
	for c := range k.pools {
		k.pools[c].Fade(share)
		k.pools[c].Add(&sum.scores[c])
	}
	if n := next / refit; n > k.refits {
		k.refits = n
		for c := range k.pools {
			k.pools[c].Fit()
		}
	}
	for i, sc := range k.scopes {
		sc.hear(&sum.scopes[i], k.age, next)
	}
	k.age = next
	if change != nil {
		change(k)
	}
	return k.choose()
}

// choose are the settings from now on.
func (k *calibrator) choose() *settings {
	s := &settings{floor: k.floor, scopes: k.of}
	var high float64
	for c := range k.pools {
		s.rarity[c] = k.pools[c].Table()
		high = max(high, s.rarity[c].High())
	}
	for _, sc := range k.scopes {
		sc.choose(k.floor, high, &s.rarity)
		s.thresholds = append(s.thresholds, sc.threshold)
		s.budgets = append(s.budgets, sc.status())
	}
	s.peaks = k.peaks()
	return s
}

// peaks are those of all scopes.
func (k *calibrator) peaks() (all []*calibration.Peaks) {
	for _, sc := range k.scopes {
		all = append(all, sc.controller.Peaks())
	}
	return all
}
