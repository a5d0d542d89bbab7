package rules

import (
	"time"

	"github.com/prometheus/common/model"
)

// longestHold is the longest an alert can be put off or kept, a week: what is worth
// waiting for longer than that is worth nobody's sleep.
const longestHold = 7 * 24 * time.Hour

// Hold is how long an anomaly must last to be worth an alert, and how long the alert
// outlasts it. Its zero value puts nothing off and keeps nothing.
type Hold struct {
	// For is how long an anomaly must last before it is worth an alert, by the time of
	// the samples, at most 1w. Until then it is shown and its scores are emitted; the
	// alert still starts at its onset.
	For time.Duration `yaml:"for"`
	// KeepFiringFor is how long the alert goes on once the anomaly is over, at most 1w;
	// one that begins meanwhile continues it. It is resolved after this long or after
	// incident.resolve_after, whichever is longer.
	KeepFiringFor time.Duration `yaml:"keep_firing_for"`
}

// Holds are those of the rules that have one, by the names of the rules.
func (s *Set) Holds() map[string]Hold {
	holds := map[string]Hold{}
	note := func(rule string, h Hold) {
		if h != (Hold{}) {
			holds[rule] = h
		}
	}
	for _, w := range s.Watches {
		note(w.Name, w.Hold)
	}
	for _, f := range s.Forecasts {
		note(f.Name, f.Hold)
	}
	for _, l := range s.Limits {
		note(l.Name, l.Hold)
	}
	return holds
}

func (r *reader) hold(at string, h Hold) {
	for _, of := range []struct {
		key  string
		wait time.Duration
	}{{"for", h.For}, {"keep_firing_for", h.KeepFiringFor}} {
		if of.wait < 0 || of.wait > longestHold {
			r.Reject(at+"."+of.key, "must be from 0s to %s, got %s", model.Duration(longestHold), model.Duration(of.wait))
		}
	}
}
