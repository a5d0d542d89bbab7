// Package rules says what to watch, what to foresee and what may be done about it:
// the rule file, parsed and checked, as plain data. It reads files and nothing
// else; the detector, the emitter and the remediation act on what it says.
package rules

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Set is every rule of every file and preset, in the order they were named. Rule
// names are unique within a Set.
type Set struct {
	Watches   []*Watch
	Forecasts []*Forecast
	Remedies  []*Remedy
}

// Selector is one or more alternatives; a series is selected when all matchers of
// one alternative match its labels.
type Selector [][]*labels.Matcher

// Matches reports whether the selector selects ls.
func (s Selector) Matches(ls labels.Labels) bool {
next:
	for _, ms := range s {
		for _, m := range ms {
			if !m.Matches(ls.Get(m.Name)) {
				continue next
			}
		}
		return true
	}
	return false
}

// Direction is the side of the expected band on which a deviation counts.
type Direction uint8

// Both is the default.
const (
	Both Direction = iota
	Above
	Below
)

// Emit says which of a rule's series are written out, sample by sample.
type Emit uint8

// EmitAnomalous, the default, emits a series while it is anomalous; EmitAll always;
// EmitNone never.
const (
	EmitAnomalous Emit = iota
	EmitAll
	EmitNone
)

// Watch selects series whose anomalies are worth an alert.
type Watch struct {
	Name   string
	Group  string
	Select Selector
	// Sensitivity divides the threshold: 2 alerts at half of it, 0.5 at twice.
	Sensitivity float64
	Direction   Direction
	// MinDeviation and MinRelative keep small deviations from alerting: a value
	// must be at least MinDeviation, and at least MinRelative × |expected|, away
	// from the expected one. Zero switches either off.
	MinDeviation float64
	MinRelative  float64
	Emit         Emit
	// Labels are added to the alert; they may not be alertname.
	Labels      map[string]string
	Annotations map[string]string
}

// Forecast selects series that should not cross a limit within the horizon.
type Forecast struct {
	Name    string
	Group   string
	Select  Selector
	Horizon time.Duration
	// Limit is crossed upwards where Above, downwards otherwise.
	Limit       float64
	Above       bool
	Labels      map[string]string
	Annotations map[string]string
}

// Remedy says which alerts may be treated with which configured action.
type Remedy struct {
	Name  string
	Group string
	// Match is held against the alert's labels; all must match.
	Match []*labels.Matcher
	// Action names one of remediation.actions in the configuration.
	Action string
	// Target names the alert label whose value selects among the action's
	// configured targets; "" for an action without targets.
	Target string
}

// Watch returns the first watch rule that selects ls, or nil.
func (s *Set) Watch(ls labels.Labels) *Watch {
	for _, w := range s.Watches {
		if w.Select.Matches(ls) {
			return w
		}
	}
	return nil
}

// Forecast returns the first forecast rule that selects ls, or nil.
func (s *Set) Forecast(ls labels.Labels) *Forecast {
	for _, f := range s.Forecasts {
		if f.Select.Matches(ls) {
			return f
		}
	}
	return nil
}

// Text returns the alert labels and annotations that the named watch or forecast
// rule adds, or nil where there is no such rule.
func (s *Set) Text(rule string) (lbls, annotations map[string]string) {
	for _, w := range s.Watches {
		if w.Name == rule {
			return w.Labels, w.Annotations
		}
	}
	for _, f := range s.Forecasts {
		if f.Name == rule {
			return f.Labels, f.Annotations
		}
	}
	return nil, nil
}
