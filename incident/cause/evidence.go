package cause

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foreshock/foreshock/internal/quantity"
)

// mostEvidence is how many reasons are told of one cause.
const mostEvidence = 4

// changeWithin is how long before the onset a change may be the cause: what is rolled out
// shows within the first quarter of an hour, or under the next hour's load. An hour is
// more often wrong than right.
const changeWithin = 15 * time.Minute

// latest is the latest change at c that may be the cause, nil where there is none.
func (q *Question) latest(c *Candidate) *Change {
	u := q.Uncertainty.Milliseconds()
	var latest *Change
	for i := range c.Changes {
		t := c.Changes[i].T
		if t <= q.Onset+u && t >= q.Onset-u-changeWithin.Milliseconds() && (latest == nil || t > latest.T) {
			latest = &c.Changes[i]
		}
	}
	return latest
}

func (c *Change) words(q *Question, _ *graph, _ []place) string {
	return fmt.Sprintf("%s %s", c.What, since(q.Onset, c.T))
}

func fellSilent(*Question, *graph, []place) string {
	return "most of its series fell silent"
}

// slowCallers tells of the callers of i.
func slowCallers(i int) func(*Question, *graph, []place) string {
	return func(q *Question, g *graph, places []place) string {
		return fmt.Sprintf("calls of it are slow as seen from %s", names(q, g.callers[i], func(c int) bool { return places[c].calls > 0 }))
	}
}

// starvedCallees tells of what i calls less.
func starvedCallees(i int) func(*Question, *graph, []place) string {
	return func(q *Question, g *graph, places []place) string {
		return fmt.Sprintf("it is asked as before, but asks less of %s", names(q, g.callees[i], func(y int) bool { return places[y].starved > 0 }))
	}
}

// names lists the places that count, three at most.
func names(q *Question, of []int, counts func(int) bool) string {
	var all []string
	for _, i := range of {
		if counts(i) {
			all = append(all, q.Candidates[i].Place)
		}
	}
	slices.Sort(all)
	if len(all) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:3], ", "), len(all)-3)
	}
	return strings.Join(all, ", ")
}

// evidence is why place i is where it is, the weightiest first.
func (g *graph) evidence(q *Question, places []place, i int) []Evidence {
	p := &places[i]
	reasons := slices.Clone(p.reasons)
	slices.SortStableFunc(reasons, func(a, b reason) int { return cmp.Compare(b.weight, a.weight) })
	factor := 1 - upstream + upstream*p.seen
	var all []Evidence
	for _, r := range reasons[:min(len(reasons), mostEvidence)] {
		e := Evidence{Weight: r.weight * factor, Before: math.NaN(), After: math.NaN()}
		if r.words != nil {
			e.Text = r.words(q, g, places)
		} else {
			e.Series, e.Before, e.After = r.told.series, r.told.before, r.told.after
			e.Text = fmt.Sprintf("%s, %s", ratio(r.told.series, r.told.before, r.told.after), since(q.Onset, r.told.at))
			if r.aspect != Unknown {
				e.Text = fmt.Sprintf("%s %s", r.aspect, e.Text)
			}
		}
		all = append(all, e)
	}
	if n := g.suffering(places, i); n > 0 {
		all = append(all, Evidence{
			Text:   fmt.Sprintf("%s; %.0f %% of all symptoms lie at it or upstream", dependents(n), 100*p.seen),
			Before: math.NaN(), After: math.NaN(),
			Weight: p.score - (1-upstream)/factor*p.score,
		})
	}
	return all
}

func dependents(n int) string {
	if n == 1 {
		return "one place that depends on it suffers"
	}
	return fmt.Sprintf("%d places that depend on it suffer", n)
}

// suffering counts those that depend on place i and have symptoms.
func (g *graph) suffering(places []place, i int) (n int) {
	visited := make([]bool, len(places))
	visited[i] = true
	for stack := []int{i}; len(stack) > 0; {
		y := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, c := range g.callers[y] {
			if visited[c] {
				continue
			}
			visited[c] = true
			stack = append(stack, c)
			if places[c].worst() > 0 {
				n++
			}
		}
	}
	return n
}

// ratio tells how a value of the series changed: "4.2× usual (310 ms, usually 74 ms)".
func ratio(series string, before, after float64) string {
	numbers := fmt.Sprintf("(%s, usually %s)", quantity.Of(series, after), quantity.Of(series, before))
	switch x := after / before; {
	case before == 0 || math.IsNaN(x) || math.IsInf(x, 0) || x < 0:
		return numbers
	case x >= 1.1:
		return quantity.Number(x) + "× usual " + numbers
	case x <= .9:
		return strconv.FormatFloat(100*(1-x), 'f', 0, 64) + " % below usual " + numbers
	}
	return numbers
}

// since tells when t was, seen from the onset.
func since(onset, t int64) string {
	d := time.Duration(t-onset) * time.Millisecond
	switch d = d.Round(time.Second); {
	case d == 0:
		return "at the onset"
	case d < 0:
		return fmt.Sprintf("%s before the onset", -d)
	}
	return fmt.Sprintf("%s after the onset", d)
}
