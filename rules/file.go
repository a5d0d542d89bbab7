package rules

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foreshock/foreshock/internal/yamlstrict"
)

// The file is shaped like Prometheus's rule files.
type ruleFile struct {
	// Groups of rules.
	Groups []ruleGroup `yaml:"groups"`
}

type ruleGroup struct {
	// Name of the group, unique within its file. Required.
	Name string `yaml:"name"`
	// Interval is the time between two evaluations of the expressions of the group's
	// rules; 1m where it is left out. It changes nothing of rules that select.
	Interval time.Duration `yaml:"interval"`
	// Budget is how many alerts the watch rules of the group that have no budget of
	// their own may raise together, such as 1 per day; see budget of a watch rule.
	Budget Budget `yaml:"budget"`
	// Rules of the group, in the order in which they are tried.
	Rules []rule `yaml:"rules"`
}

// rule is one of the kinds; the others are nil.
type rule struct {
	watch     *Watch
	forecast  *forecastRule
	limit     *limitRule
	correlate *Correlate
	remedy    *Remedy
}

// forecastRule is a Forecast as it is written, its limit as one text.
type forecastRule struct {
	Forecast `yaml:",inline"`
	// Limit is what must not be crossed, and from which side: a number, "> 0.9" or
	// "< 10", or the rest of a PromQL comparison whose left side is what the rule is about:
	// "> on (namespace) kube_resourcequota". By PromQL each series is foreseen as its share
	// of its limit, against 1, where it has a limit and that is above zero. Required.
	Limit comparison `yaml:"limit"`
}

// comparison is a limit, or what stands instead of one behind a series in PromQL.
type comparison struct {
	limit
	promql string // with > or <; "" where the limit is a number
}

// UnmarshalText parses "> 0.9" and "> on (job) quota"; share says what is wrong with the
// latter.
func (c *comparison) UnmarshalText(text []byte) error {
	err := c.limit.UnmarshalText(text)
	if s := strings.TrimSpace(string(text)); errors.Is(err, errNoNumber) && len(s) > 1 {
		*c = comparison{promql: s}
		return nil
	}
	return err
}

// Kinds of rules, by the key that names them. The last is a key of a forecast too.
var kinds = []string{"watch", "forecast", "correlate", "remedy", "limit"}

// Choose implements yamlstrict.Chooser: a rule is of the kind whose key it has.
func (r *rule) Choose(keys []string) (any, error) {
	var found []string
	for _, key := range keys {
		if slices.Contains(kinds, key) && !(key == "limit" && slices.Contains(keys, "forecast")) {
			found = append(found, key)
		}
	}
	if len(found) > 1 {
		return nil, fmt.Errorf("both %s and %s: a rule is of one kind", found[0], found[1])
	}
	if len(found) == 0 {
		for _, key := range keys {
			if hint := yamlstrict.Suggest(key, kinds); hint != "" {
				return nil, fmt.Errorf("unknown key %q%s", key, hint)
			}
		}
		return nil, errors.New("want a rule that begins with watch, forecast, limit, correlate or remedy and its name")
	}
	switch found[0] {
	case "watch":
		w := DefaultWatch()
		r.watch = &w
		return r.watch, nil
	case "forecast":
		r.forecast = new(forecastRule)
		return r.forecast, nil
	case "limit":
		r.limit = new(limitRule)
		return r.limit, nil
	case "correlate":
		r.correlate = new(Correlate)
		return r.correlate, nil
	default:
		r.remedy = new(Remedy)
		return r.remedy, nil
	}
}

// DefaultWatch is what a watch rule does not say, and how a series is judged that no
// rule selects. It keeps changes of less than a fifth from waking anyone, however unusual
// they are for a series that hardly ever moves.
func DefaultWatch() Watch { return Watch{Sensitivity: 1, MinRelative: 0.2} }

// limit is a bound and the side from which it must not be crossed; zero is none.
type limit struct {
	value        float64
	above, below bool
}

var errNoNumber = errors.New("want a number")

// UnmarshalText parses "> 0.9" and "< 10".
func (l *limit) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	above, below := strings.HasPrefix(s, ">"), strings.HasPrefix(s, "<")
	if !above && !below {
		return fmt.Errorf(`want > or < and a number, such as "> 0.9", got %q`, s)
	}
	number := strings.TrimSpace(s[1:])
	x, err := strconv.ParseFloat(number, 64)
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return fmt.Errorf(`want a finite number behind %s, got %q`, s[:1], number)
	}
	if err != nil {
		return fmt.Errorf(`%w behind %s, got %q`, errNoNumber, s[:1], number)
	}
	*l = limit{x, above, below}
	return nil
}

// UnmarshalText parses both, above and below.
func (d *Direction) UnmarshalText(text []byte) (err error) {
	*d, err = oneOf[Direction](string(text), directions)
	return err
}

// MarshalText is the direction's name.
func (d Direction) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is the direction as it is written in a rule.
func (d Direction) String() string { return directions[d] }

// UnmarshalText parses anomalous, all and none.
func (e *Emit) UnmarshalText(text []byte) (err error) {
	*e, err = oneOf[Emit](string(text), emits)
	return err
}

// MarshalText is the name of what to emit.
func (e Emit) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// String is what to emit as it is written in a rule.
func (e Emit) String() string { return emits[e] }

// UnmarshalText parses place and off.
func (g *Grouping) UnmarshalText(text []byte) (err error) {
	*g, err = oneOf[Grouping](string(text), groupings)
	return err
}

// MarshalText is the name of the grouping.
func (g Grouping) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// String is the grouping as it is written in a rule.
func (g Grouping) String() string { return groupings[g] }

var (
	directions = []string{Both: "both", Above: "above", Below: "below"}
	emits      = []string{EmitAnomalous: "anomalous", EmitAll: "all", EmitNone: "none"}
	groupings  = []string{GroupPlace: "place", GroupOff: "off"}
)

func oneOf[T ~uint8](word string, words []string) (T, error) {
	for i, w := range words {
		if w == word {
			return T(i), nil
		}
	}
	return 0, fmt.Errorf("want one of %s, got %q%s", strings.Join(words, ", "), word, yamlstrict.Suggest(word, words))
}
