package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/console"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/internal/quantity"
	"github.com/foreshock/foreshock/internal/record"
	"github.com/foreshock/foreshock/rules"
)

const (
	// mostCounted series are held against the rules to count what each selects: 200 000 ×
	// ~1 µs = 0.2 s, at most every countedFor. Of more it is not known.
	mostCounted = 200_000
	countedFor  = time.Minute
)

// selected is how many series each rule selects, as of some time.
type selected struct {
	mu    sync.Mutex
	by    *rules.Set
	at    time.Time
	count map[string]int // nil where they are too many
}

// of counts, or says what it counted minutes ago.
func (s *selected) of(ctx context.Context, set *rules.Set, d *detector.Detector) (map[string]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == set && time.Since(s.at) < countedFor {
		return s.count, nil
	}
	all, err := d.Names(ctx, nil, 0, math.MaxInt64, mostCounted*6)
	switch {
	case errors.Is(err, detector.ErrTooMuch):
		s.count = nil
	case err != nil:
		return nil, err
	default:
		s.count = map[string]int{}
		for _, x := range all {
			for _, rule := range selecting(set, x.Series.Labels) {
				s.count[rule]++
			}
		}
	}
	s.by, s.at = set, time.Now()
	return s.count, nil
}

// selecting are the names of the rules that select ls.
func selecting(set *rules.Set, ls labels.Labels) (names []string) {
	if w := set.Watch(ls); w != nil {
		names = append(names, w.Name)
	}
	if f := set.Forecast(ls); f != nil {
		names = append(names, f.Name)
	}
	for _, l := range set.Limits {
		if (l.Expr.String() != "") == foreshock.IsExpr(ls) && l.Select.Matches(ls) {
			names = append(names, l.Name)
		}
	}
	return names
}

// ruleBook shows the console every rule and what became of it.
func (a *App) ruleBook(ctx context.Context) ([]console.Rule, error) {
	set := a.inUse.Load().Rules
	series, err := a.selected.of(ctx, set, a.detector)
	if err != nil {
		return nil, err
	}
	book := described(set)
	costs := map[string]*console.Expression{}
	for _, r := range a.evaluator.Records() {
		costs[r.Rule] = new(expressionOf(r))
	}
	lastWeek := a.detector.Status().Now.Add(-7 * 24 * time.Hour).UnixMilli()
	last, weekly := map[string]int64{}, map[string]float64{}
	for _, in := range a.incidents.list() {
		if in.State == foreshock.Pending || !in.Alerting {
			continue
		}
		last[in.Rule] = max(last[in.Rule], in.StartsAt)
		if in.StartsAt > lastWeek {
			weekly[in.Rule]++
		}
	}
	tallies := a.incidents.tallies()
	for i := range book {
		r := &book[i]
		r.Cost, r.LastFired, r.PerWeek = costs[r.Name], record.Instant(last[r.Name]), weekly[r.Name]
		r.Fired, r.Dismissed = tallies[r.Name].Fired, tallies[r.Name].Dismissed
		switch {
		case r.Series < 0: // selects none
		case series == nil:
			r.Series = -2
		default:
			r.Series = series[r.Name]
		}
	}
	return book, nil
}

// described are the rules as they were written.
func described(set *rules.Set) (book []console.Rule) {
	of := func(s rules.Selector, e rules.Expr) string {
		if e.String() != "" {
			return e.String()
		}
		return written(s...)
	}
	beyond := func(s rules.Selector, above bool, limit float64) string {
		side := "< "
		if above {
			side = "> "
		}
		return side + quantity.Finely(metricOf(s), limit)
	}
	for _, w := range set.Watches {
		book = append(book, console.Rule{
			Name: w.Name, Kind: "watch", Of: of(w.Select, w.Expr), Wants: "direction " + w.Direction.String(),
			Sensitivity: w.Sensitivity, BudgetPerWeek: w.Budget.PerWeek(),
		})
	}
	for _, f := range set.Forecasts {
		book = append(book, console.Rule{
			Name: f.Name, Kind: "forecast", Of: of(f.Select, f.Expr), Wants: fmt.Sprintf("%s within %s", beyond(f.Select, f.Above, f.Limit), model.Duration(f.Horizon)),
		})
	}
	for _, l := range set.Limits {
		book = append(book, console.Rule{Name: l.Name, Kind: "limit", Of: of(l.Select, l.Expr), Wants: beyond(l.Select, l.Above, l.Bound)})
	}
	for _, c := range set.Correlates {
		book = append(book, console.Rule{Name: c.Name, Kind: "correlate", Of: strings.Join(c.Labels, ", "), Wants: fmt.Sprintf("%d pairs", len(c.Pairs)), Series: -1})
	}
	for _, r := range set.Remedies {
		book = append(book, console.Rule{Name: r.Name, Kind: "remedy", Of: written(r.Match), Wants: r.Action, Series: -1})
	}
	return book
}

// metricOf is the metric that s selects, which tells its unit; "" where it is any of several.
func metricOf(s rules.Selector) (name string) {
	for _, ms := range s {
		for _, m := range ms {
			if m.Name != model.MetricNameLabel {
				continue
			}
			if m.Type != labels.MatchEqual || name != "" && name != m.Value {
				return ""
			}
			name = m.Value
		}
	}
	return name
}

// written are alternatives of matchers as PromQL has them.
func written(alternatives ...rules.Matchers) string {
	texts := make([]string, len(alternatives))
	for i, ms := range alternatives {
		parts := make([]string, len(ms))
		for k, m := range ms {
			parts[k] = m.String()
		}
		texts[i] = "{" + strings.Join(parts, ", ") + "}"
	}
	return strings.Join(texts, " or ")
}

// near shows the console what is noted of the series that a watch rule selects.
func (a *App) near(ctx context.Context, rule string) ([]console.Noted, bool, error) {
	if a.inUse.Load().Rules.Named(rule) == nil {
		return nil, false, nil
	}
	all, err := a.detector.Near(ctx, rule)
	noted := make([]console.Noted, 0, len(all))
	vetoes := []foreshock.Reason{foreshock.SmallDeviation, foreshock.OtherDirection, foreshock.NothingExpected, foreshock.WarmingUp, foreshock.AfterGap}
	for _, n := range all {
		if n.Threshold > 0 && !math.IsNaN(n.Raw) {
			noted = append(noted, console.Noted{Series: n.Series, T: n.T, Ratio: n.Raw / n.Threshold, Vetoed: slices.Contains(vetoes, n.Reason)})
		}
	}
	return noted, true, err
}

// often shows the console how often the rules that share the budget of a watch rule would have
// alerted of late.
func (a *App) often(rule string) console.Often {
	set := a.inUse.Load().Rules
	budget := func(w *rules.Watch) string {
		if w.Scope == nil {
			return rules.FleetScope
		}
		return w.Scope.Name
	}
	i := slices.IndexFunc(set.Watches, func(w *rules.Watch) bool { return w.Name == rule })
	if i < 0 {
		return console.Often{}
	}
	shown := console.Often{Budget: budget(set.Watches[i])}
	for _, w := range set.Watches {
		if budget(w) == shown.Budget {
			shown.Rules++
		}
	}
	if o, known := a.detector.Often(shown.Budget); known {
		shown.Weeks, shown.PerWeek = o.Weeks(), o.PerWeek
	}
	return shown
}
