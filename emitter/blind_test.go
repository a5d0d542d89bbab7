package emitter

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foreshock/foreshock"
)

// Blindness is told once, repeated while it lasts, and resolved when it is over.
func TestBlindnessIsOneAlert(t *testing.T) {
	var b blindAlert
	blind := foreshock.Blindness{Since: at(0), Why: "no samples come"}
	sees := foreshock.Blindness{}
	for _, c := range []struct {
		second int64
		is     foreshock.Blindness
		alone  bool // there is no Alertmanager
		want   string
	}{
		{50, sees, false, ""},
		{61, blind, true, ""},
		{62, blind, false, "firing 0s to 5m2s"},
		{63, blind, false, ""},
		{122, blind, false, "firing 0s to 6m2s"},
		{130, sees, false, "resolved 0s to 2m10s"},
		{131, sees, false, ""},
		{190, sees, false, "resolved 0s to 2m10s"},
		{130 + 15*60 + 1, sees, false, ""},
		{2000, foreshock.Blindness{Since: at(1900)}, true, ""},
		{2010, sees, false, ""}, // over before anyone could be told
	} {
		got := ""
		if n := b.due(at(c.second), c.is, !c.alone); n != nil {
			got = strings.Join([]string{b.state(), n.StartsAt.Sub(at(0)).String(), "to", n.EndsAt.Sub(at(0)).String()}, " ")
			if name := n.Labels.Get("alertname"); name != "ForeshockBlind" {
				t.Errorf("alertname %s", name)
			}
		}
		if got != c.want {
			t.Errorf("at %ds: told %q, want %q", c.second, got, c.want)
		}
	}
}

func TestBlindnessReachesAlertmanager(t *testing.T) {
	m := newManager(t)
	var blind atomic.Bool
	blind.Store(true)
	_, stop := start(t, Options{
		Alerting: statically(t, m),
		Now:      clockAt(210),
		Blindness: func() foreshock.Blindness {
			if blind.Load() {
				return foreshock.Blindness{Since: at(90), Why: "no samples come"}
			}
			return foreshock.Blindness{}
		},
	})
	waitFor(t, "the alert", func() bool { return len(m.posted()) == 1 })
	blind.Store(false)
	waitFor(t, "its end", func() bool { return len(m.posted()) == 2 })
	if err := stop(2 * time.Second); err != nil {
		t.Fatal(err)
	}
	got := m.posted()[0]
	if want := "Foreshock is blind since 14:0"; got.Labels["alertname"] != "ForeshockBlind" || !strings.HasPrefix(got.Annotations["summary"], want) {
		t.Errorf("posted %v", got)
	}
}
