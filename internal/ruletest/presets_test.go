package ruletest

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/rules"
)

// TestPresets runs the test file of every preset: each is silent on ordinary load, and
// alerts on two faults at least.
func TestPresets(t *testing.T) {
	for _, name := range rules.Presets() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join("../../rules/presets/tests", name+".yml")
			tests, err := Load(file)
			if err != nil {
				t.Fatal(err)
			}
			silent, faults := 0, 0
			for _, test := range tests {
				if len(test.wanted["alerts"]) == 0 {
					silent++
				} else {
					faults++
				}
			}
			if silent < 1 || faults < 2 {
				t.Errorf("%d tests of ordinary load and %d of faults, want one and two at least", silent, faults)
			}
			if got := play(t, file); got != "" {
				t.Error("\n" + got)
			}
		})
	}
}

// TestPresetsTogether: all of them can be used at once, and every rule says how grave it
// is, in a sentence what is wrong, and what to do.
func TestPresetsTogether(t *testing.T) {
	set, err := rules.Load(rules.Presets(), nil, "")
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, labels, annotations map[string]string) {
		if s := labels["severity"]; s != "warning" && s != "critical" {
			t.Errorf("%s has severity %q, want warning or critical", name, s)
		}
		if s := annotations["summary"]; !strings.HasSuffix(s, ".") {
			t.Errorf("%s has summary %q, want a sentence", name, s)
		}
		if annotations["hint"] == "" {
			t.Errorf("%s gives no hint", name)
		}
	}
	for _, w := range set.Watches {
		check(w.Name, w.Labels, w.Annotations)
		if w.Scope == nil {
			t.Errorf("%s has no budget, nor has its group", w.Name)
		}
	}
	for _, f := range set.Forecasts {
		check(f.Name, f.Labels, f.Annotations)
	}
	for _, l := range set.Limits {
		check(l.Name, l.Labels, l.Annotations)
	}
}
