package annotation

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// An annotation copied from a Prometheus alerting rule is taken, as long as it does
// not query.
func TestAnnotationsOfAlertingRulesAreTaken(t *testing.T) {
	for _, text := range []string{
		"plain", "", `{{ $value }}`, `{{ $labels.instance }} ({{ .Labels.job }})`, `{{ printf "%.2f" $value | title }}`,
		`{{ if gt $value 0.9 }}full{{ else }}{{ $value | humanize1024 }}B{{ end }}`,
		`{{ range $k, $v := $labels }}{{ $k }}={{ $v }} {{ end }}`,
		`{{ $labels.instance | reReplaceAll ":.*" "" | toUpper }}`, `{{ $externalURL }}/{{ $externalLabels.cluster }}`,
		`{{ humanizeDuration 12 }} {{ humanizeTimestamp $value }} {{ with $x := 1 }}{{ $x }}{{ end }}`,
	} {
		if _, err := Parse(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		"{{ $value":                          "unclosed action",
		"{{ end }}":                          "unexpected {{end}}",
		"{{ if $value }}":                    "unexpected EOF",
		`{{ query "up" | first }}`:           `function "query" not defined`,
		`{{ template "x" }}{{ humanise 1 }}`: `function "humanise" not defined`,
	} {
		if _, err := Parse(text); err == nil || err.Error() != "not a template: "+want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

// The functions are Prometheus's, and so are these answers.
func TestFunctions(t *testing.T) {
	data := Data{
		Labels: map[string]string{"instance": "node-7.eu.example:9100"}, ExternalURL: "http://foreshock/base", Value: 123456, Now: time.UnixMilli(1500),
	}
	for text, want := range map[string]string{
		`{{ humanize $value }}`:                                  "123.5k",
		`{{ humanize 0.00012 }}`:                                 "120u",
		`{{ humanize 0.0 }}`:                                     "0",
		`{{ humanize1024 $value }}`:                              "120.6ki",
		`{{ humanize1024 0.5 }}`:                                 "0.5",
		`{{ humanizePercentage 0.123 }}`:                         "12.3%",
		`{{ humanizeDuration 5400 }}`:                            "1h 30m 0s",
		`{{ humanizeTimestamp 0 }}`:                              "1970-01-01 00:00:00 +0000 UTC",
		`{{ stripPort $labels.instance }}`:                       "node-7.eu.example",
		`{{ stripDomain $labels.instance }}`:                     "node-7:9100",
		`{{ stripDomain "10.0.0.1:80" }}`:                        "10.0.0.1:80",
		`{{ reReplaceAll "node-(.*)" "$1" "node-7" }}`:           "7",
		`{{ match "^n" "node" }}`:                                "true",
		`{{ title "node" }} {{ toUpper "a" }} {{ toLower "A" }}`: "Node A a",
		`{{ pathPrefix }} {{ externalURL }}`:                     "/base http://foreshock/base",
		`{{ parseDuration "1h30m" }}`:                            "5400",
		`{{ toDuration 90 }}`:                                    "1m30s",
		`{{ (toTime 0).Year }} {{ now }}`:                        "1970 1.5",
		`{{ (args 1 "b").arg1 }} {{ safeHtml "<b>" }}`:           "b <b>",
		`{{ urlQueryEscape "a b" }} {{ graphLink "up" }}`:        "a+b /graph?g0.expr=up&g0.tab=0",
	} {
		got, err := execute(text, data)
		if err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", text, got, err, want)
		}
	}
	for _, text := range []string{
		`{{ query "up" }}`, `{{ reReplaceAll "(" "" "" }}`, `{{ toTime 1e300 }}`, `{{ parseDuration "x" }}`,
		`{{ range $i, $c := "` + strings.Repeat("x", 1000) + `" }}{{ printf "%100d" $i }}{{ end }}`,
	} {
		if got, err := execute(text, data); err == nil {
			t.Errorf("%.40s made %.40q, want an error", text, got)
		}
	}
}

// A template that goes in circles must not keep the alert, or all that wait behind it.
func TestLoopsEnd(t *testing.T) {
	for text, ok := range map[string]bool{
		`{{ range 100 }}x{{ end }}`:                                                   true,
		`{{ range $i := 1000000000000 }}{{ end }}`:                                    false,
		`{{ $n := 1000000000000 }}{{ if true }}{{ range $n }}{{ end }}{{ end }}`:      false,
		`{{ range 9999 }}{{ range 9999 }}{{ range 9999 }}{{ end }}{{ end }}{{ end }}`: false,
		`{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}`:               false,
		`{{ define "x" }}x{{ end }}{{ template "x" }}`:                                true,
	} {
		begun := time.Now()
		if got, err := execute(text, Data{}); (err == nil) != ok {
			t.Errorf("%s made %.40q, %v", text, got, err)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("%s took %s", text, took)
		}
	}
}

// What can never work is said when the rule is read.
func TestUnknownFields(t *testing.T) {
	for text, want := range map[string]string{
		`{{ .Foo }}`: "no field .Foo", `{{ if .Value }}{{ humanize .Valeu }}{{ end }}`: "no field .Valeu",
		`{{ (printf "%v" .Label) }}`: "no field .Label", `{{ range .Labels }}{{ .Foo }}{{ end }}`: "",
		`{{ with .Labels }}{{ .pod }}{{ else }}{{ .pod }}{{ end }}`: "no field .pod",
		`{{ define "x" }}{{ .Foo }}{{ end }}{{ .Labels.pod }}`:      "",
	} {
		_, err := Parse(text)
		if got := fmt.Sprint(err); (want == "") != (err == nil) || !strings.Contains(got, want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func execute(text string, d Data) (string, error) {
	t, err := Parse(text)
	if err != nil {
		return "", err
	}
	return t.Execute(d)
}

// One template may be executed for many alerts at once.
func TestExecutionsShareNothing(t *testing.T) {
	tmpl, err := Parse(`{{ externalURL }}`)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("at once", func(t *testing.T) {
		for _, url := range []string{"http://a", "http://b"} {
			t.Run(url, func(t *testing.T) {
				t.Parallel()
				for range 100 {
					if got, err := tmpl.Execute(Data{ExternalURL: url}); got != url || err != nil {
						t.Fatalf("%q, %v", got, err)
					}
				}
			})
		}
	})
}
