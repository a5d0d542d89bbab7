package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sort"
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

// Often is how often the rules of one budget would have alerted of late.
type Often struct {
	Budget string  // what it is of: fleet, or a group or a rule
	Rules  int     // watch rules that share it
	Weeks  float64 // of time heard, of which the past counts less
	// PerWeek is how many alerts a week it would have been at so many times the
	// sensitivity of all of them; NaN is not known.
	PerWeek func(factor float64) float64
}

// whatIfJSON is what a watch rule would have raised, had it been another.
type whatIfJSON struct {
	Since  record.Instant `json:"since"`  // the oldest note; from then on is counted
	Factor record.Number  `json:"factor"` // times the sensitivity
	Now    int            `json:"now"`    // alerts as it is, by the same count
	Then   *int           `json:"then"`   // alerts as it would be; null beyond what notes tell
	Alerts []whatIfAlert  `json:"alerts"` // of Then, the newest first
	Series int            `json:"series"` // with notes
	Budget *oftenJSON     `json:"budget"` // of the rules that share one; null where nothing is known
}

// oftenJSON is how often the rules of one budget alert, and would at that factor.
type oftenJSON struct {
	Name  string        `json:"name"`
	Rules int           `json:"rules"`
	Weeks record.Number `json:"weeks"` // behind it, of which the past counts less
	Now   record.Number `json:"nowPerWeek"`
	Then  record.Number `json:"thenPerWeek"`
}

type whatIfAlert struct {
	At     record.Instant `json:"at"`
	Series string         `json:"series"`
	Score  record.Number  `json:"score"` // as it would be
}

const (
	maxWhatIf   = 50 // alerts that are listed
	leastFactor = 0.01
	mostFactor  = 100
	// A note is taken of what scores 0.5 or more: of what would be anomalous at twice the
	// sensitivity. Beyond that the count of the budget is all that is known.
	mostNoted  = 2
	mostBudget = 10_000
)

// whatIf answers /api/v1/rules/{name}/whatif?factor=F or ?budget=N: what the named watch
// rule would have raised in the time of which notes are kept, were its sensitivity F
// times what it is, or what it takes to keep to N alerts a week. Alerts within five minutes
// of each other count as one, as they do in a budget; that one also waits after an alert
// is left out. What keeps the budget counts for longer, with places, and at every factor, but for
// all rules that share it: where the rule has its own, or is alone, that decides.
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
		if often := c.often(r.PathValue("name")); often.Rules == 1 && often.Weeks > 0 {
			factor = often.within(budget)
		} else {
			factor = withinBudget(noted, budget)
		}
	}
	answer.Factor = record.Number(factor)
	if len(noted) > 0 {
		answer.Since = record.Instant(noted[0].T)
	}
	answer.Now = len(bursts(noted, 1))
	answer.Budget = c.often(r.PathValue("name")).at(factor)
	var raised []int
	if factor <= mostNoted {
		raised = bursts(noted, factor)
		answer.Then = new(len(raised))
	}
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

func (c *console) often(rule string) Often {
	if c.Often == nil {
		return Often{}
	}
	return c.Often(rule)
}

// at is what is answered of o at a factor; nil where it knows nothing.
func (o Often) at(factor float64) *oftenJSON {
	if o.PerWeek == nil || o.Weeks == 0 {
		return nil
	}
	return &oftenJSON{o.Budget, o.Rules, record.Number(o.Weeks), record.Number(o.PerWeek(1)), record.Number(o.PerWeek(factor))}
}

// within is the greatest factor at which there are no more than so many alerts a week, or the
// least.
func (o Often) within(perWeek float64) float64 {
	const steps = 1000 // 1.3 % each: scores are counted by 9 %
	ratio := math.Pow(mostFactor/leastFactor, 1.0/steps)
	n := sort.Search(steps+1, func(n int) bool { return o.PerWeek(leastFactor*math.Pow(ratio, float64(n))) > perWeek })
	return min(leastFactor*math.Pow(ratio, float64(max(n-1, 0))), mostFactor)
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
	factors := []float64{mostNoted}
	for _, n := range noted {
		factors = append(factors, math.Min(1/n.Ratio, mostNoted)) // at which n is just not anomalous
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
