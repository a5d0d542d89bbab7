package ruletest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write writes files into a folder of their own and goes there.
func write(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const watchRules = `
groups:
  - name: g
    rules:
      - watch: w
        select: m
`

// TestMistakes: everything wrong with a file is told at once, at its place.
func TestMistakes(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"empty":       {"", "t.yml:1:1: rule_files: required\nt.yml:1:1: tests: required"},
		"unknown key": {"rule_file: [rules.yml]\ntests: [{name: a, silent: true, input_series: [{series: m, values: 1}]}]", `t.yml:1:1: rule_file: unknown key, did you mean "rule_files"?`},
		"no preset":   {"presets: [nodes]", `t.yml:1:11: presets[0]: no preset "nodes"`},
		"no rules":    {"rule_files: [none.yml]", "none.yml: no such file"},
		"bad rules":   {"rule_files: [bad.yml]", "bad.yml:2:24: groups[0].rules[0]: an empty item"},
		"twice":       {"config_file: c.yml\npresets: [node]\nconfig: {}", "t.yml:2:10: presets: must not be set beside config_file"},
		"bad config":  {"config_file: c.yml", `c.yml:1:21: detector.warm_up: want a whole number, got "x"`},
		"bad block":   {"rule_files: [rules.yml]\nconfig: {detector: {threshold: 2}}", "t.yml:2:32: config.detector.threshold: must lie between 0 and 1, got 2"},
		"bad action":  {"rule_files: [rules.yml]\nconfig: {remediation: {actions: [{name: a}]}}", "t.yml:2:34: config.remediation.actions[0]: must have one of webhook, exec, ansible, systemd, lambda and kubernetes, got none"},
		"samples": {
			"rule_files: [rules.yml]\ntests: [{name: a, silent: true, input_series: [{series: m, values: 1 two}]}]",
			"t.yml:2:68: tests[0].input_series[0].values: samples two: ",
		},
		"endless": {
			"rule_files: [rules.yml]\ntests: [{name: a, silent: true, input_series: [{series: m, values: 1x*}]}]",
			"t.yml:2:68: tests[0].input_series[0].values: samples 1x*: how long is not known",
		},
		"series": {
			"rule_files: [rules.yml]\ninput_series: [{series: 'm{', values: 1}]\ntests: [{name: a, silent: true}, {name: b, silent: true}]",
			"t.yml:2:25: input_series[0].series: series m{: ",
		},
		"series twice": {
			"rule_files: [rules.yml]\ntests: [{name: a, silent: true, input_series: [{series: m, values: 1}, {series: 'm{}', values: 1}]}]",
			"t.yml:2:81: tests[0].input_series[1].series: m comes already",
		},
		"nothing comes":    {"rule_files: [rules.yml]\ntests: [{name: a, silent: true}]", "t.yml:2:9: tests[0].input_series: required"},
		"nothing expected": {"rule_files: [rules.yml]\ntests: [{name: a, input_series: [{series: m, values: 1}]}]", "t.yml:2:9: tests[0]: expects nothing"},
		"name twice": {
			"rule_files: [rules.yml]\ninput_series: [{series: m, values: 1}]\ntests: [{name: a, silent: true}, {name: a, silent: true}]",
			`t.yml:3:41: tests[1].name: "a" names an earlier test`,
		},
		"silent or not": {
			"rule_files: [rules.yml]\ninput_series: [{series: m, values: 1}]\ntests: [{name: a, silent: true, alerts: [{rule: w}]}]",
			"t.yml:3:27: tests[0].silent: must not be set beside alerts",
		},
		"no action": {
			"rule_files: [rules.yml]\ninput_series: [{series: m, values: 1}]\ntests: [{name: a, remedies: []}]",
			"t.yml:3:29: tests[0].remedies: no action is known",
		},
		"time": {
			"rule_files: [rules.yml]\ninput_series: [{series: m, values: 1}]\ntests: [{name: a, alerts: [{at: soon}]}]",
			`t.yml:3:33: tests[0].alerts[0].at: want a time such as 1h30m, got "soon"`,
		},
		"time turned round": {
			"rule_files: [rules.yml]\ninput_series: [{series: m, values: 1}]\ntests: [{name: a, alerts: [{at: 2h..1h}]}]",
			`t.yml:3:33: tests[0].alerts[0].at: want FROM before TO, got "2h..1h"`,
		},
		"regex": {
			"rule_files: [rules.yml]\ninput_series: [{series: m, values: 1}]\ntests: [{name: a, alerts: [{rule: '=~('}]}]",
			"t.yml:3:35: tests[0].alerts[0].rule: error parsing regexp",
		},
		"too much": {
			"rule_files: [rules.yml]\ninput_series: [{series: m, values: 1 2 3x12000000}]\ntests: [{name: a, silent: true}]",
			"t.yml:2:36: input_series[0].values: samples 3x12000000: more than 10000000 in all",
		},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, map[string]string{
				"t.yml": tc.text, "rules.yml": watchRules, "bad.yml": "groups:\n  - {name: g, rules: [ ~ ]}\n",
				"c.yml": "detector: {warm_up: x}\n",
			})
			_, err := Load("t.yml")
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got:\n%v\nwant:\n%s", err, tc.want)
			}
		})
	}
}

// TestConfigFile: what is tested is what would run, with its external labels and its
// actions.
func TestConfigFile(t *testing.T) {
	write(t, map[string]string{
		"etc/foreshock.yml": `
global: {external_labels: {cluster: eu-1}}
rule_files: [rules.yml]
remediation:
  max_per_hour: 1
  actions: [{name: restart, targets: [a, b], webhook: {url: http://localhost:1/}}]
`,
		"etc/rules.yml": watchRules + `
      - remedy: restart
        match: '{rule="w", cluster="eu-1"}'
        action: restart
        target: instance
`,
		"tests/t.yml": `
config_file: ../etc/foreshock.yml
warm_up: 1d
tests:
  - name: treated once an hour, and only where it is allowed
    input_series:
      - {series: 'm{instance="a"}', values: 10~1x1h 90~1x10m 10~1x2h}
      - {series: 'm{instance="b"}', values: 10~1x90m 90~1x10m 10~1x90m}
      - {series: 'm{instance="c"}', values: 10~1x2h 90~1x10m 10~1x1h}
    remedies:
      - {at: 1h..1h2m, remedy: restart, action: restart, target: a, labels: {cluster: eu-1, instance: a}}
      - {at: 1h30m..1h32m, refused: the rule acted 1 times within the hour, labels: {instance: b}}
      - {at: 2h..2h2m, refused: =~target "c" is not among those of .*, target: ""}
`,
	})
	if got := play(t, "tests/t.yml"); got != "" {
		t.Error(got)
	}
}

// TestEveryKind of expectation, met and not.
func TestEveryKind(t *testing.T) {
	write(t, map[string]string{"rules.yml": watchRules + `
      - watch: broken_text
        select: other
        annotations: {hint: '{{ index $labels 1 }}'}
`, "t.yml": `
rule_files: [rules.yml]
warm_up: 1d
input_series: [{series: 'm{instance="a"}', values: 10~1x1h 90~1x10m 10~1x1h}]
tests:
  - name: all of it
    anomalies: [{series: 'm{instance="a"}', rule: w, kind: outlier, at: 1h..1h2m, ends: 1h10m..1h20m}]
    incidents: [{rule: w, kind: outlier, members: 1, labels: {instance: a, pod: ""}, at: 1h.., ends: ..1h20m}]
    alerts: [{alertname: ForeshockIncident, annotations: {summary: '=~a m (8.9|9).*× normal .*', hint: ""}}]
  - name: none of it
    anomalies: [{series: other}]
    incidents: [{members: 2, ends: never}]
    alerts: []
  - name: a template that fails
    input_series: [{series: 'other{instance="b"}', values: 10~1x1h 90~1x10m 10~1x1h}]
    alerts: [{rule: w}, {rule: broken_text}]
`})
	const want = `FAIL  t.yml:10: none of it
  anomalies:
    - at any time other
    + at 1h, ended 1h17m, kind outlier, rule w m{instance="a"}
  incidents:
    - at any time, ended never, members 2
    + at 1h, ended 1h17m30s, kind outlier, members 1, rule w {instance="a"}
  alerts:
    + at 1h, ended 1h17m30s {alertname="ForeshockIncident", instance="a", rule="w", severity="warning"}
FAIL  t.yml:14: a template that fails
  templates:
    + rule broken_text, annotation hint: `
	if got := play(t, "t.yml"); !strings.HasPrefix(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestPair: an expectation that many events meet leaves the one to the expectation that
// only it meets, whatever their order.
func TestPair(t *testing.T) {
	any := wanted{}
	early := wanted{at: span{to: time.Hour, hasTo: true}}
	one := wanted{labels: []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "a", "1")}}
	got := []*event{
		{at: time.Minute, labels: labels.FromStrings("a", "1")},
		{at: time.Minute},
		{at: 2 * time.Hour},
	}
	for _, want := range [][]wanted{{any, early, one}, {one, early, any}, {early, one, any}} {
		for i, j := range pair(want, got) {
			if j < 0 {
				t.Errorf("%s is not met", want[i].String())
			}
		}
	}
	if by := pair([]wanted{any, any, any, early}, got); by[0] < 0 || by[1] < 0 || by[3] < 0 && by[2] < 0 {
		t.Errorf("three events meet %v of four expectations, want three of them", by)
	}
}
