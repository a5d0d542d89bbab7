package rules

import (
	"math"
	"strings"
	"testing"
)

func TestBudgetIsReadAndWritten(t *testing.T) {
	for text, weekly := range map[string]float64{
		"":               0,
		"2 per week":     2,
		" 1  per  day ":  7,
		"0.5 per day":    3.5,
		"12 per hour":    12 * 24 * 7,
		"3 per month":    0.7,
		"1e-2 per month": 0.07 / 30,
	} {
		var b Budget
		if err := b.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := b.PerWeek(); math.Abs(got-weekly) > 1e-9 {
			t.Errorf("%q is %v a week, want %v", text, got, weekly)
		}
		var again Budget
		written, _ := b.MarshalText()
		if err := again.UnmarshalText(written); err != nil || again != b {
			t.Errorf("%q is written %q, which is read as %v, %v", text, written, again, err)
		}
	}
	if Weekly(3).String() != "3 per week" || Weekly(0) != (Budget{}) && Weekly(0).PerWeek() != 0 {
		t.Errorf("three a week is written %q", Weekly(3))
	}
}

func TestBudgetIsRefused(t *testing.T) {
	for text, why := range map[string]string{
		"2":                        "a number per hour",
		"two per week":             "above 0",
		"0 per week":               "above 0",
		"-1 per week":              "above 0",
		"NaN per week":             "above 0",
		"Inf per week":             "above 0",
		"2 a week":                 "a number per hour",
		"2 per weeks":              `did you mean "week"`,
		"2 per fortnight":          "hour, day, week or month",
		"13 per hour":              "at most 12 per hour",
		"1e9 per month":            "at most 8640 per month",
		"1e-9 per month":           "hundred years",
		"2 per week and something": "a number per hour",
	} {
		b := Weekly(1)
		if err := b.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want something about %s", text, err, why)
		}
		if b != Weekly(1) {
			t.Errorf("%q changed the budget to %s", text, b)
		}
	}
}

// An alert counts against the narrowest scope that has a budget.
func TestScopes(t *testing.T) {
	set, err := ParseFile("rules.yml", []byte(`
groups:
- name: g
  budget: 2 per week
  rules:
  - {watch: own, select: up, budget: 1 per day}
  - {watch: a, select: up}
  - {watch: b, select: up}
  - {forecast: f, select: up, limit: "> 1", horizon: 1h}
- name: h
  rules:
  - {watch: c, select: up}
  - {watch: d, select: up, budget: 1 per month}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range set.Watches {
		scope := FleetScope
		if w.Scope != nil {
			scope = w.Scope.Name + " " + w.Scope.Budget.String()
		}
		got = append(got, w.Name+": "+scope)
	}
	const want = "own: own 1 per day, a: g 2 per week, b: g 2 per week, c: fleet, d: d 1 per month"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("got %s\nwant %s", text, want)
	}
	if set.Watches[1].Scope != set.Watches[2].Scope {
		t.Error("two rules of a group do not share its scope")
	}
}

func TestRange(t *testing.T) {
	inf := math.Inf(1)
	for text, want := range map[string]Range{
		"[0, 1]":             {0, 1},
		"[-1e3, .inf]":       {-1000, inf},
		"[-.inf, -0.5]":      {-inf, -0.5},
		"\n    - 1\n    - 2": {1, 2},
	} {
		set, err := ParseFile("rules.yml", []byte("groups:\n- name: g\n  rules:\n  - watch: w\n    select: up\n    data_range: "+text+"\n"))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := set.Watches[0].DataRange; got == nil || *got != want {
			t.Errorf("%s is %v", text, got)
		}
	}
	r := &Range{0, 1}
	for _, c := range []struct {
		x, clipped float64
		contained  bool
	}{{0, 0, true}, {1, 1, true}, {0.5, 0.5, true}, {-1, 0, false}, {2, 1, false}, {inf, 1, false}} {
		if r.Contains(c.x) != c.contained || r.Clip(c.x) != c.clipped {
			t.Errorf("%v: contained %v, clipped to %v", c.x, r.Contains(c.x), r.Clip(c.x))
		}
	}
	if !math.IsNaN(r.Clip(math.NaN())) {
		t.Error("what no band says became a bound")
	}
	var none *Range
	if !none.Contains(1e300) || none.Clip(-1e300) != -1e300 {
		t.Error("no range holds something back")
	}
}
