package remediation

import (
	"strings"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock/rules"
)

// TestRehearsalGuards: what would be refused live is refused in the rehearsal, for the
// same reason, and nothing is called.
func TestRehearsalGuards(t *testing.T) {
	hook := DefaultWebhookConfig()
	hook.URL = promconfig.Secret("http://127.0.0.1:1/never-called")
	c := DefaultConfig()
	c.MaxPerHour, c.Cooldown, c.BlastRadius = 2, 0, 1
	c.Actions = []ActionConfig{{Name: "restart", Targets: []string{"a", "b"}, Webhook: &hook}}
	h, err := NewRehearsal(c, []*rules.Remedy{restart})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	fire := func(after time.Duration, lbls ...string) string {
		t.Helper()
		var said []string
		for _, r := range h.Firing(labels.FromStrings(lbls...), start, start.Add(after)) {
			said = append(said, strings.Join([]string{r.Rule, r.Action, r.Target, r.Refused}, "|"))
		}
		return strings.Join(said, ", ")
	}
	for _, step := range []struct{ got, want string }{
		{fire(0, "pod", "a"), ""}, // no rule matches
		{fire(0, "remediation", "restart", "pod", "a"), "restart-pod|restart|a|"},
		{fire(0, "remediation", "restart", "pod", "$(reboot)"), "restart-pod|restart||target \"$(reboot)\" is not among those of action restart"},
		{fire(0, "remediation", "restart"), "restart-pod|restart||the alert has no label pod to select a target"},
		{fire(time.Minute, "remediation", "restart", "pod", "b"), "restart-pod|restart|b|"},
		{fire(2*time.Minute, "remediation", "restart", "pod", "b"), "restart-pod|restart|b|the rule acted 2 times within the hour"},
		{fire(time.Hour, "remediation", "restart", "pod", "b"), "restart-pod|restart|b|"},
	} {
		if step.got != step.want {
			t.Errorf("got %q, want %q", step.got, step.want)
		}
	}
	c.Mode = Off
	if h, err = NewRehearsal(c, []*rules.Remedy{restart}); err != nil {
		t.Fatal(err)
	}
	if got := fire(0, "remediation", "restart", "pod", "a"); got != "" {
		t.Errorf("switched off, but %s", got)
	}
}
