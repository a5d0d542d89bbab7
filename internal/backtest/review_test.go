package backtest

import (
	"strings"
	"testing"

	"github.com/foreshock/foreshock/config"
	"github.com/foreshock/foreshock/rules"
)

// TestQuietLimitsAreListed: a limit rule that no sample crossed is a rule of the report,
// as a watch rule is.
func TestQuietLimitsAreListed(t *testing.T) {
	c := config.Default()
	c.Rules = &rules.Set{Limits: []*rules.Limit{{Name: "disk_full"}}}
	r := newTally().report(Named{Config: c})
	if len(r.Rules) != 1 || r.Rules[0].Name != "disk_full" {
		t.Errorf("rules %+v, want disk_full", r.Rules)
	}
}

// TestReportsGiveTerminalsNoOrders: what a sender writes into a label is not for the
// terminal to obey.
func TestReportsGiveTerminalsNoOrders(t *testing.T) {
	a := Alert{Summary: "host \x1b]0;owned\x07\x1b[31m\u202e is odd"}
	if line := a.lines()[0]; strings.ContainsAny(line, "\x1b\x07\u202e") || !strings.HasSuffix(line, " is odd") {
		t.Errorf("%q", line)
	}
}
