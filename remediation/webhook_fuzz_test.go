package remediation

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzWebhook: whatever a webhook's body holds, it is taken or refused for good; what is
// planned points at a target that is configured, and nothing is done where nothing may be.
func FuzzWebhook(f *testing.F) {
	now := time.Now().UTC().Format(time.RFC3339)
	fresh := strings.ReplaceAll(captured, "2026-01-02T03:04:05.678Z", now)
	f.Add([]byte(fresh))
	one := func(labels, more string) {
		f.Add([]byte(`{"version":"4","alerts":[{"status":"firing","startsAt":"` + now + `","labels":{` + labels + `}` + more + `}]}`))
	}
	one(`"remediation":"restart","pod":"a"`, "")
	one(`"remediation":"restart","pod":"A"`, "")
	one(`"remediation":"restart","pod":""`, "")
	one(`"remediation":"restart","pod":"--all"`, "")
	one(`"remediation":"restart","pod":"a","pod":"b"`, "")
	one(`"remediation":"restart","pod":"a; reboot"`, "")
	one(`"remediation":"restart","pod":"../../etc"`, "")
	one(`"remediation":"restart","pod":"a\u0000"`, "")
	one(`"remediation":"restart","pod":{"a":1}`, "")
	one(`"remediation":"restart","pod":"a"`, `,"endsAt":"0001-01-01T00:00:00Z","status":"resolved"`)
	f.Fuzz(func(t *testing.T, body []byte) {
		w := newWorld(t, Suggest)
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/alertmanager/webhook", strings.NewReader(string(body)))
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		w.Webhook().ServeHTTP(rec, req)
		if rec.Code != http.StatusOK && rec.Code != http.StatusBadRequest && rec.Code != http.StatusRequestEntityTooLarge {
			t.Fatalf("answered %d %s", rec.Code, rec.Body)
		}
		for _, e := range w.plans() {
			switch e.State {
			case stateSuggested:
				if !slices.Contains(w.o.Config.Actions[0].Targets, e.Plan.Target) {
					t.Errorf("suggests %q for %q", e.Plan.Action, e.Plan.Target)
				}
			case stateRefused:
			default:
				t.Errorf("a plan is %s", e.State)
			}
		}
		if w.calls.Load() > 0 {
			t.Error("it acted")
		}
	})
}
