package rules

import (
	"strings"
	"testing"
)

func TestShareOf(t *testing.T) {
	for _, c := range []struct {
		what, comparison, want string
		above                  bool
	}{
		{`used`, `> quota`, `(used) / ((quota) > 0)`, true},
		{`free`, `< on (job) group_left (team) floor`, `(free) / on (job) group_left (team) ((floor) > 0)`, false},
		{`a + b`, `> ignoring (pod) sum by (ns) (q)`, `(a + b) / ignoring (pod) ((sum by (ns) (q)) > 0)`, true},
		{`used`, `> scalar(max(quota))`, `(used) / scalar(max(quota))`, true},
		{`{__name__="used",job="a"} or {__name__="load"}`, `> 2 * quota`, `({__name__="used",job="a"} or {__name__="load"}) / ((2 * quota) > 0)`, true},
	} {
		e, above, err := shareOf(c.what, c.comparison)
		if err != nil || e.String() != c.want || above != c.above {
			t.Errorf("%s %s: got %s, %t, %v; want %s", c.what, c.comparison, e, above, err, c.want)
		}
	}
}

func TestShareOfWhatIsNoComparison(t *testing.T) {
	for comparison, want := range map[string]string{
		"> quota or floor":          "parentheses",
		"> quota > floor":           "parentheses",
		">= quota":                  "want > or <",
		"> bool quota":              "want > or <",
		"> sum(quota":               "character",
		"> quota[5m]":               "PromQL",
		"> quota{job=~'['}":         "PromQL",
		"> max_over_time(q[200y:])": "back, more than 32d",
	} {
		if _, _, err := shareOf("used", comparison); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", comparison, err, want)
		}
	}
}
