package rules

import (
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/foreshock/foreshock"
)

// Expr is a PromQL expression whose value is a number for each of some series. The zero
// value is none.
type Expr struct {
	text string
	tree parser.Expr
}

// String is the expression as it was written.
func (e Expr) String() string { return e.text }

// MarshalText is the expression as it was written.
func (e Expr) MarshalText() ([]byte, error) { return []byte(e.text), nil }

// UnmarshalText parses the expression.
func (e *Expr) UnmarshalText(text []byte) error {
	expr := string(text)
	if err := BoundPromQL(expr); err != nil {
		return err
	}
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return located("PromQL", err)
	}
	for _, r := range (Expr{expr, tree}).reaches("") {
		if r.Back > longestReach {
			return fmt.Errorf("PromQL: reads %s back, more than %s: every sample of that time would have to stay in memory",
				model.Duration(r.Back), model.Duration(longestReach))
		}
	}
	if t := tree.Type(); t != parser.ValueTypeVector && t != parser.ValueTypeScalar {
		return fmt.Errorf("PromQL: want an instant vector or a scalar, got a %s", parser.DocumentedType(t))
	}
	*e = Expr{expr, tree}
	return nil
}

// located says at which character of what it parsed the parser stumbled: its own position
// is a line and column there.
func located(what string, err error) error {
	var pe parser.ParseErrors
	if errors.As(err, &pe) && len(pe) > 0 {
		return fmt.Errorf("%s: character %d: %w", what, pe[0].PositionRange.Start+1, pe[0].Err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Reach is how far back a rule reads the series that all matchers match.
type Reach struct {
	Rule     string
	Matchers Matchers
	Back     time.Duration
}

// Lookback is how long a sample counts for the current one of its series: Prometheus's
// default.
const Lookback = 5 * time.Minute

// longestReach is a month and what it takes to compare with one: a series every 15 s then
// keeps 32 × 5 760 samples, some 400 KB.
const longestReach = 32 * 24 * time.Hour

// reaches are those of the expression's selectors: their range or, of an instant, Lookback,
// their offset, and the ranges and offsets of subqueries around them. A fixed time, as by
// @, is taken for now.
func (e Expr) reaches(rule string) []Reach {
	var all []Reach
	parser.Inspect(e.tree, func(n parser.Node, path []parser.Node) error {
		s, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		back := Lookback
		for _, around := range path {
			switch around := around.(type) {
			case *parser.MatrixSelector:
				back += around.Range - Lookback
			case *parser.SubqueryExpr:
				back += around.Range + around.OriginalOffset
			}
		}
		all = append(all, Reach{rule, s.LabelMatchers, back + s.OriginalOffset})
		return nil
	})
	return all
}

// Expression is an expression that a rule has evaluated.
type Expression struct {
	Rule string
	Expr Expr
	// Every is the time between evaluations, which happen when the time since the epoch
	// divided by Every leaves Offset. The rules of a group are evaluated at one time, and
	// the groups of a file each at their own.
	Every, Offset time.Duration
}

// Expressions are those of all rules, in their order.
func (s *Set) Expressions() []Expression {
	var all []Expression
	add := func(name string, e Expr, sc schedule) {
		if e.text != "" {
			all = append(all, Expression{name, e, sc.every, sc.offset})
		}
	}
	for _, w := range s.Watches {
		add(w.Name, w.Expr, w.schedule)
	}
	for _, f := range s.Forecasts {
		add(f.Name, f.Expr, f.schedule)
	}
	for _, l := range s.Limits {
		add(l.Name, l.Expr, l.schedule)
	}
	return all
}

// Reaches are how far back the expressions read.
func (s *Set) Reaches() []Reach {
	var all []Reach
	for _, e := range s.Expressions() {
		all = append(all, e.Expr.reaches(e.Rule)...)
	}
	return all
}

// schedule is when the expressions of a group are evaluated.
type schedule struct{ every, offset time.Duration }

// Bounds of interval, and what it is where a group does not say.
const (
	defaultInterval  = time.Minute
	shortestInterval = time.Second
	longestInterval  = 24 * time.Hour
)

// scheduled is when the expressions of the group at path are evaluated.
func (r *reader) scheduled(at string, g *ruleGroup) schedule {
	every := g.Interval
	if every == 0 {
		every = defaultInterval
	}
	if every < shortestInterval || every > longestInterval {
		r.Reject(at+".interval", "must be from %s to %s, got %s",
			model.Duration(shortestInterval), model.Duration(longestInterval), model.Duration(every))
		every = defaultInterval
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s\xff%s", r.name, g.Name) // a hash takes anything
	return schedule{every, time.Duration(h.Sum64()%uint64(every/time.Second)) * time.Second}
}

// choose takes the series that a rule at path is about: those selected, or the results of
// its expression, which is then evaluated when its group is.
func (r *reader) choose(at, name string, selector *Selector, e Expr, when schedule) schedule {
	sel, expr := at+".select", at+".expr"
	switch {
	case len(*selector) > 0 && e.text != "":
		r.Reject(expr, "select says already what the rule is about; have one of the two")
	case e.text != "":
		*selector = Selector{{
			labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, foreshock.ExprName),
			labels.MustNewMatcher(labels.MatchEqual, foreshock.RuleLabel, name),
		}}
		return when
	case len(*selector) == 0 && r.Sound(sel) && r.Sound(expr):
		r.Reject(sel, "required, or expr")
	}
	return schedule{}
}
