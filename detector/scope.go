package detector

import (
	"github.com/foreshock/foreshock/detector/calibration"
	"github.com/foreshock/foreshock/rules"
)

// scope is the watched series that share a budget, and the threshold that keeps to it:
// those of a rule or a group that has one, or, as the fleet, of all the others.
type scope struct {
	name      string
	budget    float64 // alerts a week; 0: none
	threshold float64

	controller calibration.Controller
	samples    [classes]float64 // faded: scores that could have alerted
	quiet      int64            // the detector's age where the scope stops counting as heard, ms
	burst      int64            // where an alert is the next one, ms
}

// setConfig takes the threshold and the budget of the fleet from c.
func (k *calibrator) setConfig(c Config) {
	k.floor, k.scopes[0].budget = c.Threshold, c.AlertBudget.PerWeek()
}

// setRules takes the scopes from r. Those that had a scope by that name keep what it
// learned.
func (k *calibrator) setRules(r *rules.Set) {
	known := map[string]*scope{}
	for _, sc := range k.scopes[1:] {
		known[sc.name] = sc
	}
	k.scopes, k.of = k.scopes[:1:1], map[*rules.Watch]uint32{}
	number := map[string]uint32{}
	for _, w := range r.Watches {
		if w.Scope == nil {
			continue // the fleet, which is 0
		}
		n, placed := number[w.Scope.Name]
		if !placed {
			n = uint32(len(k.scopes))
			number[w.Scope.Name] = n
			sc := known[w.Scope.Name]
			if sc == nil {
				sc = &scope{name: w.Scope.Name}
			}
			sc.budget = w.Scope.Budget.PerWeek()
			k.scopes = append(k.scopes, sc)
		}
		k.of[w] = n
	}
}

// hear takes in what the scope's series did from one age to another, both in ms.
func (sc *scope) hear(y *scopeTally, from, to int64) {
	var p calibration.Period
	var heard int64
	done := from // as far as time was looked at
	awake := func() {
		if until := min(sc.quiet, to); until > done {
			heard, done = heard+until-done, until
		}
	}
	awake()
	var peak float64
	for i := range y.minutes {
		m, at := &y.minutes[i], from+int64(i)*minute
		if m.heard {
			done = max(done, at)
			sc.quiet = max(sc.quiet, at+patience)
			awake()
		}
		if m.onset && at >= sc.burst {
			p.Alerts++
			sc.burst = at + block
		}
		peak = max(peak, m.peak)
		if last := i == len(y.minutes)-1; peak > 0 && (last || at/block != (at+minute)/block) {
			p.Peaks.Add(peak)
			peak = 0
		}
	}
	p.Weeks = float64(heard) / float64(week)
	share := sc.controller.Observe(&p, sc.budget)
	for c, n := range y.samples {
		sc.samples[c] = sc.samples[c]*share + float64(n)
	}
}

// choose sets the threshold for what follows.
func (sc *scope) choose(floor, high float64, rarity *[classes]*calibration.Table) {
	sc.threshold = floor
	if sc.budget == 0 {
		return
	}
	weeks := sc.controller.Weeks()
	sc.threshold = sc.controller.Threshold(sc.budget, floor, high, func(score float64) (often float64) {
		if weeks == 0 {
			return 0
		}
		for c, n := range sc.samples {
			often += n / weeks * rarity[c].P(score)
		}
		return often
	})
}
