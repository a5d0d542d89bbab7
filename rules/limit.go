package rules

import (
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// Limit is a threshold that is simply known: nothing has to be learned to tell that it
// is crossed.
type Limit struct {
	// Name is the rule's name, unique among all rules. It becomes the alert's label
	// rule. Required.
	Name string `yaml:"limit"`
	// Select says which series: a PromQL series selector, or a list of them that
	// are alternatives. Where several limit rules select a series, each of them counts,
	// and each raises its own alert. Required, or expr.
	Select Selector `yaml:"select"`
	// Expr is PromQL whose results are held against the bound instead: see expr of watch.
	Expr Expr `yaml:"expr"`
	// Bound is crossed upwards where Above, downwards otherwise.
	Bound float64 `yaml:"-"`
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

// limitRule is a Limit as it is written, its bound as one text.
type limitRule struct {
	Limit `yaml:",inline"`
	// Bound is what must not be crossed, and from which side: "> 0.9" or "< 10". The
	// bound itself is on the right side.
	// Required.
	Bound limit `yaml:"bound"`
}

// Crossed reports whether x is beyond the bound.
func (l *Limit) Crossed(x float64) bool {
	if l.Above {
		return x > l.Bound
	}
	return x < l.Bound
}

// LimitsOf returns the limit rules that select ls, in their order. What an expression
// results in is its own rule's.
func (s *Set) LimitsOf(ls labels.Labels) (all []*Limit) {
	expr := foreshock.IsExpr(ls)
	for _, l := range s.Limits {
		if (l.Expr.text != "") == expr && l.Select.Matches(ls) {
			all = append(all, l)
		}
	}
	return all
}

// limit adds one limit rule to the set.
func (r *reader) limit(at string, one *limitRule, when schedule) {
	l := one.Limit
	l.Bound, l.Above = one.Bound.value, one.Bound.above
	r.unique(at, "limit", l.Name)
	l.schedule = r.choose(at, l.Name, &l.Select, l.Expr, when)
	r.required(at, "bound", one.Bound == limit{})
	r.hold(at, l.Hold)
	r.labels(at+".labels", l.Labels)
	r.annotations(at+".annotations", l.Annotations)
	r.set.Limits = append(r.set.Limits, &l)
}
