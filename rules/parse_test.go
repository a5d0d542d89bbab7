package rules

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock/internal/yamlstrict"
)

const allKinds = `
groups:
- name: g
  rules:
  - watch: full
    select: ['up{job="a"}', '{__name__=~"down|out",job!="b"}']
    sensitivity: 2
    direction: below
    absence: 10m
    group: off
    min_deviation: 1.5
    min_relative_deviation: 0
    emit: all
    labels: {severity: page}
    annotations: {summary: '{{ $labels.job }} at {{ $value | humanizePercentage }}'}
  - watch: bare
    select: up
- name: h
  rules:
  - forecast: above
    select: disk_used_ratio
    limit: "> 0.9"
    horizon: 1d12h
    confidence: 90%
    scale_horizon: 15m
    labels: {severity: page}
    annotations: {summary: full}
  - forecast: below
    select: disk_free_bytes
    limit: <-1e9
    horizon: 1y
  - remedy: fix
    match: '{alertname="ForeshockIncident",rule=~"full|bare"}'
    action: restart
    target: instance
  - remedy: bare_fix
    match: '{rule="bare"}'
    action: tell
`

func TestParseFile(t *testing.T) {
	set, err := ParseFile("rules.yml", []byte(allKinds))
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Watches) != 2 || len(set.Forecasts) != 2 || len(set.Remedies) != 2 || set.Len() != 6 {
		t.Fatalf("got %+v", set)
	}
	full, bare := *set.Watches[0], *set.Watches[1]
	above, below := *set.Forecasts[0], *set.Forecasts[1]
	fix := *set.Remedies[0]
	page := map[string]string{"severity": "page"}
	summary := map[string]string{"summary": "{{ $labels.job }} at {{ $value | humanizePercentage }}"}

	for _, c := range []struct{ got, want any }{
		{clear(full), Watch{Name: "full", Sensitivity: 2, Direction: Below, MinDeviation: 1.5, Absence: Absence(10 * time.Minute), Group: GroupOff, Emit: EmitAll, Labels: page, Annotations: summary}},
		{clear(bare), Watch{Name: "bare", Sensitivity: 1, MinRelative: 0.2, Absence: AbsenceAuto}},
		{fmt.Sprint(full.Select), `[[job="a" __name__="up"] [__name__=~"down|out" job!="b"]]`},
		{[]any{above.Name, above.Horizon, above.Limit, above.Above}, []any{"above", 36 * time.Hour, 0.9, true}},
		{[]any{above.Confidence.Share(), above.ScaleHorizon}, []any{0.9, 15 * time.Minute}},
		{[]any{below.Name, below.Horizon, below.Limit, below.Above}, []any{"below", 365 * 24 * time.Hour, -1e9, false}},
		{[]any{below.Confidence.Share(), below.ScaleHorizon}, []any{0.95, time.Duration(0)}},
		{[]any{fix.Name, fix.Action, fix.Target}, []any{"fix", "restart", "instance"}},
		{fmt.Sprint(fix.Match), `[alertname="ForeshockIncident" rule=~"full|bare"]`},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}

	ls, as := set.Text("above")
	if !maps.Equal(ls, page) || as["summary"] != "full" {
		t.Errorf("text of above: %v, %v", ls, as)
	}
	if ls, as := set.Text("fix"); ls != nil || as != nil {
		t.Errorf("a remedy adds %v, %v", ls, as)
	}
	if w := set.Watch(labels.FromStrings("__name__", "out", "job", "a")); w != set.Watches[0] {
		t.Errorf("out is watched by %v", w)
	}
	if w := set.Watch(labels.FromStrings("__name__", "up", "job", "b")); w != set.Watches[1] {
		t.Errorf("up of b is watched by %v", w)
	}
	if w := set.Watch(labels.FromStrings("__name__", "out", "job", "b")); w != nil {
		t.Errorf("out of b is watched by %v", w)
	}
}

// clear leaves out the selector, which does not compare.
func clear(w Watch) Watch {
	w.Select = nil
	return w
}

// Who knows the actions says what is wrong with a remedy, at its place.
func TestRemedyKnowsItsPlace(t *testing.T) {
	set, err := ParseFile("rules.yml", []byte(allKinds))
	if err != nil {
		t.Fatal(err)
	}
	err = set.Remedies[1].Mistake("action", "%q does nothing", "tell")
	if want := `rules.yml:38:13: groups[1].rules[3].action: "tell" does nothing`; err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// FuzzParseFile looks for a file that panics, or that is neither right nor wrong.
func FuzzParseFile(f *testing.F) {
	f.Add([]byte(allKinds))
	for _, line := range strings.Split(allKinds, "\n") {
		f.Add([]byte("groups: [{name: g, rules: [{watch: w, select: up, " + strings.TrimLeft(line, " -") + "}]}]"))
		f.Add([]byte("groups: [{name: g, rules: [{forecast: f, " + strings.TrimLeft(line, " -") + "}]}]"))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := ParseFile("x.yml", data)
		var ms yamlstrict.Mistakes
		if (set == nil) != errors.As(err, &ms) {
			t.Fatalf("got %v and %v", set, err)
		}
		if set == nil {
			return
		}
		for _, w := range set.Watches {
			if w.Name == "" || w.Select.Matches(labels.EmptyLabels()) || !(w.Sensitivity > 0) {
				t.Errorf("not a rule: %+v", w)
			}
		}
		for _, r := range set.Forecasts {
			if r.Name == "" || r.Select.Matches(labels.EmptyLabels()) || r.Horizon <= 0 || r.Limit != r.Limit {
				t.Errorf("not a rule: %+v", r)
			}
		}
		for _, r := range set.Remedies {
			if r.Name == "" || r.Action == "" || r.Match.Matches(labels.EmptyLabels()) {
				t.Errorf("not a rule: %+v", r)
			}
		}
	})
}

// TestEndlessExpressions: half a million of brackets would take the parser hours.
func TestEndlessExpressions(t *testing.T) {
	for what, text := range map[string]string{
		"brackets": strings.Repeat("(", 400_000) + "x" + strings.Repeat(")", 400_000),
		"signs":    strings.Repeat("-", 400_000) + "x",
		"chain":    strings.Repeat("x+", 400_000) + "x",
	} {
		began := time.Now()
		var e Expr
		if err := e.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "more than 2000 words and signs") {
			t.Errorf("%s: %v", what, err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s: refused after %s", what, took)
		}
	}
	var e Expr
	if err := e.UnmarshalText([]byte(strings.Repeat("x+", 900) + "x")); err != nil {
		t.Error(err)
	}
}

// TestExpressionsThatReadFarBack: windows in memory are not kept for years.
func TestExpressionsThatReadFarBack(t *testing.T) {
	for text, ok := range map[string]bool{
		"avg_over_time(x[31d])": true, "x offset 4w": true,
		"avg_over_time(x[200y])": false, "x offset 40d": false, "max_over_time(x[20d:1h] offset 20d)": false,
	} {
		var e Expr
		if err := e.UnmarshalText([]byte(text)); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}
