package eval

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/internal/synthetic"
)

// The floors of the suite are the promise that ships: on no change may the detector
// find less, or cry wolf more.
func TestSyntheticSuiteHolds(t *testing.T) {
	if testing.Short() {
		t.Skip("a simulation, run without -short: it has one goroutine, and the race detector would take minutes")
	}
	t.Parallel()
	report, err := Run(t.Context(), "", Options{Synthetic: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Synthetic) != len(suite) {
		t.Errorf("%d rows, want %d", len(report.Synthetic), len(suite))
	}
	for _, r := range report.Synthetic {
		if err := r.Holds(); err != nil {
			t.Error(err)
		}
	}
	if len(report.Budgets) != len(budgets) {
		t.Errorf("%d budgets, want %d", len(report.Budgets), len(budgets))
	}
	for _, r := range report.Budgets {
		if err := r.Holds(); err != nil {
			t.Error(err)
		}
	}
	var table strings.Builder
	if err := report.Table(&table); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", &table)
}

// The same seeds must give the same rows, on however many processors.
func TestACaseIsTheSameInEveryRun(t *testing.T) {
	c := suite[0]
	c.pattern.Event, c.within, c.saw = synthetic.Raised(8, 0), time.Hour, []string{"value", "magnitude"}
	c.streams, c.days, c.most, c.least, c.truth = 6, 3, 0, 0.5, 0.5
	first, err := c.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	second, err := c.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a, b := fmt.Sprint(first), fmt.Sprint(second); a != b {
		t.Errorf("two runs differ:\n%s\n%s", a, b)
	}
	if first.Found != 1 || first.Truthful != 1 || first.Delay > 10 || first.Holds() != nil {
		t.Errorf("shifts of 8 σ: %+v", first)
	}
	for name, miss := range map[string]SyntheticRow{
		"alerts per series-day":      {AlertDaily: 0.07, Most: 0.06},
		"% found":                    {AlertDaily: 0.07, Most: unknown, Found: 0.93, Least: 0.94},
		"name a channel that saw it": {Most: unknown, Found: 1, Least: 0.94, Truthful: 0.5, Truth: 0.9},
	} {
		if err := miss.Holds(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
