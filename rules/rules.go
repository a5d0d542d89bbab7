// Package rules says what to watch, what to foresee and what may be done about it:
// the rule file, parsed and checked, as plain data. It reads files and nothing
// else; the detector, the emitter and the remediation act on what it says.
package rules

import (
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/yamlstrict"
)

// Set is every rule of every file and preset, in the order they were named. Rule
// names are unique within a Set.
type Set struct {
	Watches    []*Watch
	Forecasts  []*Forecast
	Limits     []*Limit
	Correlates []*Correlate
	Remedies   []*Remedy

	watching map[string]*Watch // by name, those with an expression
}

// Matchers match labels when every one of them does.
type Matchers []*labels.Matcher

// Matches reports whether every matcher matches ls.
func (ms Matchers) Matches(ls labels.Labels) bool {
	for _, m := range ms {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

// Selector is one or more alternatives; a series is selected when all matchers of
// one alternative match its labels.
type Selector []Matchers

// Matches reports whether the selector selects ls.
func (s Selector) Matches(ls labels.Labels) bool {
	for _, ms := range s {
		if ms.Matches(ls) {
			return true
		}
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

// Grouping says whose an alert is.
type Grouping uint8

// GroupPlace, the default, has the series of one place, which a rule watches, raise one
// alert together; GroupOff each its own.
const (
	GroupPlace Grouping = iota
	GroupOff
)

// Watch selects series whose anomalies are worth an alert.
type Watch struct {
	// Name is the rule's name, unique among all rules. It becomes the alert's label
	// rule. Required.
	Name string `yaml:"watch"`
	// Select says which series: a PromQL series selector, or a list of them that
	// are alternatives. Where several watch rules select a series, the first counts.
	// Required, or expr.
	Select Selector `yaml:"select"`
	// Expr is PromQL whose results are watched instead: an instant vector or a scalar,
	// evaluated at every interval of the group. Each result is a series of its own,
	// foreshock_expr with its labels and the label rule, a gauge that no other rule
	// selects.
	Expr Expr `yaml:"expr"`
	// Sensitivity divides the threshold: 2 alerts at half of it, 0.5 at twice.
	// From 0.01 to 100.
	Sensitivity float64 `yaml:"sensitivity"`
	// Direction is the side of the expected band on which a deviation counts: both,
	// above or below.
	Direction Direction `yaml:"direction"`
	// MinDeviation is how far a value must at least be from the expected one, in
	// the unit of the series (per second for a counter); 0 switches this off.
	MinDeviation float64 `yaml:"min_deviation"`
	// MinRelative is how far a value must at least be from the expected one, as a
	// share of it: 0.2 is 20 %; 0 switches this off.
	MinRelative float64 `yaml:"min_relative_deviation"`
	// DataRange is the values a selected series can have, [lower, upper], of which
	// one may be .inf or -.inf: [0, 1] for a ratio. A value outside is anomalous in
	// itself, at once and whatever the other knobs say; bands and forecasts end at it.
	DataRange *Range `yaml:"data_range"`
	// Budget is how many alerts the rule may raise, such as 1 per day: its threshold
	// rises until it keeps to that, and then sensitivity changes nothing but how low
	// it may be. Left out, its alerts count against the budget of its group, else
	// that of the fleet, detector.alert_budget.
	Budget Budget `yaml:"budget"`
	// Absence is how long a selected series may go unheard while others of its target
	// are heard, before that is an anomaly: auto, off, or from 1m to 1w. With auto it is
	// five times the usual time between two samples, at least 5m, and only a series
	// that was there for 6h and is not known to come and go is missed. With a duration
	// every one is.
	Absence Absence `yaml:"absence"`
	// Group says who raises the alert where the rule selects two or more series of a
	// place, a pod, an instance, a node or a service: with place it is the place, once,
	// when what all of them say is too much for as many series; with off every series
	// for itself.
	Group Grouping `yaml:"group"`
	// GroupBy are the labels whose values the series of a group share, beside namespace and
	// cluster, where the place is not the right group. Either namespace is among them, and
	// the rule groups pods: by [namespace], or [namespace, deployment]. Or the label of the
	// place is, and the rule groups what is there: [instance, device]. A series to which
	// that does not apply raises its own alert, and is counted in
	// foreshock_detector_ungrouped_series_total.
	GroupBy []string `yaml:"group_by"`
	Hold    `yaml:",inline"`
	// Emit says which of the selected series are written out, sample by sample:
	// anomalous ones while they are, all, or none.
	Emit Emit `yaml:"emit"`
	// Labels are added to the alert, as they stand: they are its identity, so they
	// hold no templates. They may be neither alertname nor rule.
	Labels map[string]string `yaml:"labels"`
	// Annotations are added to the alert. They are templates as in Prometheus's
	// alerting rules, with $labels, $externalLabels, $externalURL and $value: those of
	// the series, or the labels of the place and the value of its series that says most.
	// An absence keeps its own summary and description.
	Annotations map[string]string `yaml:"annotations"`

	// Scope is what the rule's alerts count against; nil is the fleet.
	Scope *Scope `yaml:"-"`

	schedule schedule // of Expr
}

// Forecast selects series that should not cross a limit within the horizon.
type Forecast struct {
	// Name is the rule's name, unique among all rules. It becomes the alert's label
	// rule. Required.
	Name string `yaml:"forecast"`
	// Select says which series: a PromQL series selector, or a list of them that
	// are alternatives. Where several forecast rules select a series, the first counts.
	// Required, or expr.
	Select Selector `yaml:"select"`
	// Expr is PromQL whose results are foreseen instead: see expr of watch.
	Expr Expr `yaml:"expr"`
	// Horizon is how far to look ahead: an alert is raised when the limit will be
	// crossed within it. From 1m to 1y. Required.
	Horizon time.Duration `yaml:"horizon"`
	// Confidence is the share of values that the bands of the forecast are to hold, and of
	// crossings that the interval of their time is, such
	// as 0.9 or 90%, from 0.5 to 0.999; 0.95 where it is left out.
	Confidence Confidence `yaml:"confidence"`
	// ScaleHorizon is how far ahead of the load to scale, about what a new replica takes
	// to be of use, from 1m to 1d: 15m. The selected series are then written out as
	// foreshock_forecast_scale too, with foreshock_forecast_error_ratio beside it. Left out,
	// they are not.
	ScaleHorizon time.Duration `yaml:"scale_horizon"`
	// Limit is crossed upwards where Above, downwards otherwise.
	Limit float64 `yaml:"-"`
	Above bool    `yaml:"-"`
	Hold  `yaml:",inline"`

	schedule schedule // of Expr

	// Labels are added to the alert, as they stand: they are its identity, so they
	// hold no templates. They may be neither alertname nor rule.
	Labels map[string]string `yaml:"labels"`
	// Annotations are added to the alert. They are templates as in Prometheus's
	// alerting rules, with $labels, $externalLabels, $externalURL and $value.
	Annotations map[string]string `yaml:"annotations"`
}

// Remedy says which alerts may be treated with which configured action.
type Remedy struct {
	// Name is the rule's name, unique among all rules. Required.
	Name string `yaml:"remedy"`
	// Match says which alerts: a selector over the labels of an alert, such as
	// {alertname="ForeshockIncident", rule="cpu"}. Required.
	Match Matchers `yaml:"match"`
	// Action names the action to take: one of remediation.actions in the
	// configuration. Required.
	Action string `yaml:"action"`
	// Target names the alert label whose value selects among the action's
	// configured targets; left out for an action without targets.
	Target string `yaml:"target"`

	file *yamlstrict.File // where it stands
	at   string           // its path in there
}

// Mistake is one in the value of the remedy's key, which only who knows the actions
// can find.
func (r *Remedy) Mistake(key, format string, args ...any) error {
	if r.file == nil {
		return fmt.Errorf("remedy %q: %s: %s", r.Name, key, fmt.Sprintf(format, args...))
	}
	return r.file.Mistake(r.at+"."+key, format, args...)
}

// Len is the number of rules.
func (s *Set) Len() int {
	return len(s.Watches) + len(s.Forecasts) + len(s.Limits) + len(s.Correlates) + len(s.Remedies)
}

// Watch returns the first watch rule that selects ls, or nil. What an expression results
// in is its own rule's.
func (s *Set) Watch(ls labels.Labels) *Watch {
	if foreshock.IsExpr(ls) {
		return s.watching[ls.Get(foreshock.RuleLabel)]
	}
	for _, w := range s.Watches {
		if w.Expr.text == "" && w.Select.Matches(ls) {
			return w
		}
	}
	return nil
}

// Forecast returns the first forecast rule that selects ls, or nil.
func (s *Set) Forecast(ls labels.Labels) *Forecast {
	expr := foreshock.IsExpr(ls)
	for _, f := range s.Forecasts {
		if (f.Expr.text != "") == expr && f.Select.Matches(ls) {
			return f
		}
	}
	return nil
}

// Named returns the watch rule of that name, or nil.
func (s *Set) Named(name string) *Watch {
	for _, w := range s.Watches {
		if w.Name == name {
			return w
		}
	}
	return nil
}

// Text returns the alert labels and annotations that the named watch, forecast or
// limit rule adds, or nil where there is no such rule.
func (s *Set) Text(rule string) (lbls, annotations map[string]string) {
	if w := s.Named(rule); w != nil {
		return w.Labels, w.Annotations
	}
	for _, f := range s.Forecasts {
		if f.Name == rule {
			return f.Labels, f.Annotations
		}
	}
	for _, l := range s.Limits {
		if l.Name == rule {
			return l.Labels, l.Annotations
		}
	}
	return nil, nil
}
