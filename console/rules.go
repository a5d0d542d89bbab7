package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/record"
	"github.com/foreshock/foreshock/rules"
)

// Rule is one rule and what became of it, in JSON as it is here.
type Rule struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`   // watch, forecast, limit, correlate or remedy
	Of     string `json:"of"`     // what it is about: its selector, expression or match
	Wants  string `json:"wants"`  // what of that: the limit, the direction, the action
	Series int    `json:"series"` // that it selects; -1 where it selects none
	// Sensitivity and BudgetPerWeek belong to a watch rule; the latter is 0 where it has none.
	Sensitivity   float64 `json:"sensitivity,omitempty"`
	BudgetPerWeek float64 `json:"budgetPerWeek,omitempty"`
	// Fired and Dismissed count its incidents since Since.
	Fired     uint64         `json:"fired"`
	Dismissed uint64         `json:"dismissed"`
	PerWeek   float64        `json:"perWeek"` // fired, of late
	LastFired record.Instant `json:"lastFired"`
	Cost      *Expression    `json:"cost,omitempty"` // of an expression
}

func (c *console) rules(r *http.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	all, err := c.Rules(ctx)
	if all == nil && err == nil {
		all = []Rule{}
	}
	return all, err
}

// Noted is what is noted of one sample that was anomalous or near it.
type Noted struct {
	Series *foreshock.Series
	T      int64
	Ratio  float64 // its raw score ÷ the threshold then; above 1 is anomalous
	Vetoed bool    // whatever its score, the rule does not want it
}

// whatIfJSON is what a watch rule would have raised, had it been another.
type whatIfJSON struct {
	Since  record.Instant `json:"since"`  // the oldest note; from then on is counted
	Factor record.Number  `json:"factor"` // times the sensitivity
	Now    int            `json:"now"`    // alerts as it is, by the same count
	Then   int            `json:"then"`   // alerts as it would be
	Alerts []whatIfAlert  `json:"alerts"` // of Then, the newest first
	Series int            `json:"series"` // with notes
}

type whatIfAlert struct {
	At     record.Instant `json:"at"`
	Series string         `json:"series"`
	Score  record.Number  `json:"score"` // as it would be
}

const (
	maxWhatIf = 50 // alerts that are listed
	// A note is taken of what scores 0.5 or more: of what would be anomalous at twice the
	// sensitivity. Beyond that nothing is known.
	mostFactor  = 2
	leastFactor = 0.01
	mostBudget  = 10_000
)

// whatIf answers /api/v1/rules/{name}/whatif?factor=F or ?budget=N: what the named watch
// rule would have raised in the time of which notes are kept, were its sensitivity F
// times what it is, or what it takes to keep to N alerts a week. Alerts within five minutes
// of each other count as one, as they do in a budget; that one also waits after an alert
// is left out.
func (c *console) whatIf(r *http.Request) (any, error) {
	query := r.URL.Query()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	noted, known, err := c.Near(ctx, r.PathValue("name"))
	switch {
	case err != nil:
		return nil, err
	case !known:
		return nil, notFound{fmt.Errorf("no watch rule %q", r.PathValue("name"))}
	}
	noted = slices.DeleteFunc(noted, func(n Noted) bool { return n.Vetoed })
	slices.SortFunc(noted, func(a, b Noted) int { return cmp.Compare(a.T, b.T) })
	answer := whatIfJSON{Factor: 1, Alerts: []whatIfAlert{}}
	factor := 1.0
	switch {
	case query.Has("factor") == query.Has("budget"):
		return nil, badRequest{errors.New("factor or budget: must be one of them")}
	case query.Has("factor"):
		if factor, err = positive("factor", query.Get("factor"), leastFactor, mostFactor); err != nil {
			return nil, err
		}
	default:
		budget, err := positive("budget", query.Get("budget"), 0, mostBudget)
		if err != nil {
			return nil, err
		}
		factor = withinBudget(noted, budget)
	}
	answer.Factor = record.Number(factor)
	if len(noted) > 0 {
		answer.Since = record.Instant(noted[0].T)
	}
	answer.Now = len(bursts(noted, 1))
	raised := bursts(noted, factor)
	answer.Then = len(raised)
	for i := len(raised) - 1; i >= 0 && len(answer.Alerts) < maxWhatIf; i-- {
		n := noted[raised[i]]
		answer.Alerts = append(answer.Alerts, whatIfAlert{record.Instant(n.T), n.Series.String(), record.Number(n.Ratio * factor)})
	}
	seen := map[*foreshock.Series]bool{}
	for _, n := range noted {
		seen[n.Series] = true
	}
	answer.Series = len(seen)
	return answer, nil
}

// bursts are the indices of the notes, which are by time, that would each have begun an
// alert: what is anomalous five minutes or more after anything was.
func bursts(noted []Noted, factor float64) (begin []int) {
	last := int64(math.MinInt64)
	for i, n := range noted {
		if n.Ratio*factor <= 1 {
			continue
		}
		if last == math.MinInt64 || n.T-last >= rules.BurstLength.Milliseconds() {
			begin = append(begin, i)
		}
		last = n.T
	}
	return begin
}

// withinBudget is the greatest factor, 2 at most, that raises no more than so many alerts a
// week.
func withinBudget(noted []Noted, perWeek float64) float64 {
	if len(noted) == 0 {
		return 1
	}
	const week = 7 * 24 * time.Hour
	kept := time.Duration(noted[len(noted)-1].T-noted[0].T) * time.Millisecond
	allowed := int(perWeek * float64(kept) / float64(week))
	factors := []float64{mostFactor}
	for _, n := range noted {
		factors = append(factors, math.Min(1/n.Ratio, mostFactor)) // at which n is just not anomalous
	}
	slices.SortFunc(factors, func(a, b float64) int { return cmp.Compare(b, a) })
	for _, f := range slices.Compact(factors) {
		if len(bursts(noted, f)) <= allowed {
			return f
		}
	}
	return leastFactor
}

// positive is the number in text, from least to most.
func positive(name, text string, least, most float64) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= least && v <= most) {
		return 0, badRequest{fmt.Errorf("%s: must be from %g to %g, got %q", name, least, most, text)}
	}
	return v, nil
}
