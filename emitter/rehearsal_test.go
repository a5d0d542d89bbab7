package emitter

import (
	"fmt"
	"strings"
	"testing"

	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/foreshock/foreshock"
)

// TestRehearsalTellsWhatIsTold: the first word and the last of every alert, and none
// of the repetitions between.
func TestRehearsalTellsWhatIsTold(t *testing.T) {
	h := NewRehearsal(Options{ExternalLabels: labels.FromStrings("cluster", "eu-1", "instance", "not this one")})
	tell := func(second int64, changed ...foreshock.Incident) string {
		t.Helper()
		told, err := h.Observe(foreshock.Report{Findings: foreshock.Findings{Now: at(second).UnixMilli()}, Incidents: changed})
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, a := range told {
			said = append(said, fmt.Sprintf("%s %s/%s", a.State, a.Labels.Get("cluster"), a.Labels.Get("instance")))
		}
		return strings.Join(said, ", ")
	}
	for _, step := range []struct {
		got, want string
	}{
		{tell(0, incident("a", foreshock.Pending, 0, 0)), ""},
		{tell(10, incident("a", foreshock.Firing, 0, 0)), "firing eu-1/a"},
		{tell(20, incident("a'", foreshock.Firing, 15, 0)), ""}, // one alert to Alertmanager
		{tell(100), ""}, // repeated live
		{tell(110, incident("b", foreshock.Resolved, 100, 105)), "firing eu-1/b, resolved eu-1/b"},
		{tell(200, incident("a", foreshock.Resolved, 0, 190)), ""}, // a' goes on
		{tell(210, incident("a'", foreshock.Resolved, 15, 205)), "resolved eu-1/a"},
		{tell(300, incident("a''", foreshock.Firing, 290, 0)), "firing eu-1/a"},
	} {
		if step.got != step.want {
			t.Errorf("told %q, want %q", step.got, step.want)
		}
	}
}

// TestRehearsalRelabels: an alert that alert_relabel_configs drop is told to nobody.
func TestRehearsalRelabels(t *testing.T) {
	drop := relabel.DefaultRelabelConfig
	drop.Action, drop.Regex = relabel.Drop, relabel.MustNewRegexp("a")
	drop.SourceLabels = append(drop.SourceLabels, "instance")
	h := NewRehearsal(Options{Alerting: promconfig.AlertingConfig{AlertRelabelConfigs: []*relabel.Config{&drop}}})
	told, err := h.Observe(foreshock.Report{
		Findings:  foreshock.Findings{Now: at(10).UnixMilli()},
		Incidents: []foreshock.Incident{incident("a", foreshock.Firing, 0, 0), incident("b", foreshock.Firing, 0, 0)},
	})
	if err != nil || len(told) != 1 || told[0].Labels.Get("instance") != "b" {
		t.Errorf("told %v (%v), want b alone", told, err)
	}
}
