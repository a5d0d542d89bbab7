package rules

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock/internal/yamlstrict"
)

// FleetScope is the name of the scope of all watch rules that have no budget of their
// own, nor one of their group.
const FleetScope = "fleet"

// BurstLength is how long alerts of one scope count as one: a burst is one incident, and
// nobody is paged twice for it.
const BurstLength = 5 * time.Minute

// Budget is how many alerts there may be in a while, such as 2 per week. Its zero value
// is none.
type Budget struct {
	count float64
	per   string // a key of periods
}

// periods are the units of time of a budget. A month has 30 days.
var periods = map[string]time.Duration{
	"hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour, "month": 30 * 24 * time.Hour,
}

var periodNames = []string{"hour", "day", "week", "month"}

// Weekly returns a budget of so many alerts a week.
func Weekly(count float64) Budget { return Budget{count, "week"} }

// PerWeek is how many alerts a week the budget allows; 0 where there is none.
func (b Budget) PerWeek() float64 {
	if b.count == 0 {
		return 0
	}
	return b.count * float64(periods["week"]) / float64(periods[b.per])
}

// String is the budget as it is written; empty where there is none.
func (b Budget) String() string {
	if b.count == 0 {
		return ""
	}
	return strconv.FormatFloat(b.count, 'g', -1, 64) + " per " + b.per
}

// MarshalText is the budget as it is written.
func (b Budget) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText parses "2 per week"; an empty text is no budget.
func (b *Budget) UnmarshalText(text []byte) error {
	words := strings.Fields(string(text))
	if len(words) == 0 {
		*b = Budget{}
		return nil
	}
	if len(words) != 3 || words[1] != "per" {
		return fmt.Errorf(`want a number per hour, day, week or month, such as "2 per week", got %q`, text)
	}
	count, err := strconv.ParseFloat(words[0], 64)
	if err != nil || !(count > 0) || math.IsInf(count, 0) {
		return fmt.Errorf("want a number above 0 before per, got %q; leave the budget out for none", words[0])
	}
	per, known := periods[words[2]]
	if !known {
		return fmt.Errorf("want hour, day, week or month behind per, got %q%s", words[2], yamlstrict.Suggest(words[2], periodNames))
	}
	// A budget of more is met by whatever happens, and one of less is a typing error.
	if most := float64(per / BurstLength); count > most {
		return fmt.Errorf("at most %g per %s: alerts less than %s apart count as one", most, words[2], model.Duration(BurstLength))
	}
	if least := float64(per) / float64(100*365*24*time.Hour); count < least {
		return fmt.Errorf("less than one in a hundred years, got %q", text)
	}
	*b = Budget{count, words[2]}
	return nil
}

// Scope is whatever has a budget of its own: a watch rule, or the watch rules of a group
// that have none. Names are unique within a Set.
type Scope struct {
	Name   string
	Budget Budget
}

// scope has w's alerts count against its own budget, else against its group's.
func (r *reader) scope(at string, w *Watch, group *Scope) {
	w.Scope = group
	if w.Budget != (Budget{}) {
		w.Scope = r.budgeted(at+".budget", w.Name, w.Budget)
	}
}

// groupScope is the scope of the group g, nil where it has no budget.
func (r *reader) groupScope(at string, g *ruleGroup) *Scope {
	if g.Budget == (Budget{}) {
		return nil
	}
	return r.budgeted(at+".budget", g.Name, g.Budget)
}

// budgeted is a new scope. Its name labels metrics, so no two have the same.
func (r *reader) budgeted(path, name string, b Budget) *Scope {
	s := &Scope{Name: name, Budget: b}
	if name == FleetScope {
		r.Reject(path, "%q is the name of the budget of all rules together; choose another name for what has its own", name)
	} else if name != "" && slices.ContainsFunc(r.scopes, func(o *Scope) bool { return o.Name == name }) {
		r.Reject(path, "%q is the name of another rule or group that has a budget; choose another name", name)
	}
	r.scopes = append(r.scopes, s)
	return s
}
