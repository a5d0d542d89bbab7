package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/internal/stack"
)

// warm starts an app, what watches it and Foreshock, and waits until that knows it. A scrape
// may take longer than the other tests' 100 ms: one that fails has Prometheus write a
// staleness marker, which ends an incident, and a busy machine is late for one now and then.
func warm(t *testing.T) (*app, *stack.Stack) {
	a := newApp(t)
	a.latency.Store(20)
	s := start(t, "testdata/stack")
	write(t, s, "prometheus.yml", s.Local(strings.ReplaceAll(prometheusYML(a, "prometheus.WriteRequest"), "100ms", "500ms")))
	must[*stack.Process](t)(s.Alertmanager(t.Context()))
	sidecar(t, s)
	must[*stack.Process](t)(s.Prometheus(t.Context()))
	eventually(t, 3*time.Minute, "the end of the warm-up", func() bool {
		return query(t, s, `count_over_time(app_latency_seconds[5m]) > 60`) == 1 // of which 30 warm it up
	})
	return a, s
}

// TestSilenceIsADismissal: whoever silences an alert in Alertmanager says that it is none,
// unless they did so before it was raised.
func TestSilenceIsADismissal(t *testing.T) {
	t.Parallel() // it waits most of the time
	a, s := warm(t)
	silence := func(by, matcher string) {
		now := time.Now()
		body := fmt.Sprintf(`{"matchers":[%s],"startsAt":%q,"endsAt":%q,"createdBy":%q,"comment":"known"}`,
			matcher, now.Format(time.RFC3339Nano), now.Add(time.Hour).Format(time.RFC3339Nano), by)
		r := must[*http.Response](t)(http.Post(s.URL(9093, "/api/v2/silences"), "application/json", strings.NewReader(body)))
		defer r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Fatalf("silence: %s", r.Status)
		}
	}
	silence("before", `{"name":"alertname","value":"Foreshock.*","isRegex":true,"isEqual":true}`)
	a.latency.Store(900)
	var list struct {
		Data []struct {
			State     string
			Dismissed struct{ By, Reason string }
		}
	}
	incidents := s.URL(9797, "/api/v1/incidents?match[]=app_latency_seconds")
	eventually(t, time.Minute, "the alert, silenced before it was raised", func() bool {
		var alerts []json.RawMessage
		getJSON(t, s.URL(9093, "/api/v2/alerts?silenced=true"), &alerts)
		return len(alerts) == 1
	})
	if getJSON(t, incidents, &list); len(list.Data) == 0 || list.Data[0].State != "firing" {
		t.Fatalf("%+v: not firing any more", list.Data)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("incidents: %s", must[[]byte](t)(stack.Fetch(context.Background(), incidents)))
		}
	})
	silence("kim", `{"name":"rule","value":"latency","isRegex":false,"isEqual":true}`)
	eventually(t, time.Minute, "the dismissal", func() bool {
		getJSON(t, incidents, &list)
		for _, in := range list.Data {
			if in.State == "resolved" && in.Dismissed.By == "kim" && in.Dismissed.Reason == "silenced known" {
				return true
			}
		}
		return false
	})
}

// TestFalseAlarm: a real fault raises an incident; somebody looks at it from the terminal
// and dismisses it. Its alert is gone from Alertmanager although the fault goes on.
func TestFalseAlarm(t *testing.T) {
	t.Parallel() // it waits most of the time
	a, s := warm(t)
	write(t, s, "client.yml", "authorization: {credentials_file: webhook.token}\n")
	ask := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), program(t), append([]string{"incidents"}, append(args, "--url", s.URL(9797, ""))...)...)
		cmd.Dir = s.Dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	a.latency.Store(900)
	var firing []struct{ ID string }
	eventually(t, time.Minute, "the incident and its alert", func() bool {
		text := must[string](t)(ask("list", "--state", "firing", "--match", "app_latency_seconds", "-o", "json"))
		if err := json.Unmarshal([]byte(text), &firing); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return len(firing) == 1 && len(activeAlerts(t, s)) == 1
	})
	id := firing[0].ID
	leadsElsewhere(t, s, id)

	if shown := must[string](t)(ask("show", id[:6])); !strings.Contains(shown, "app_latency_seconds") || !strings.Contains(shown, "expected") {
		t.Errorf("show:\n%s", shown)
	}
	for file, begins := range map[string]string{"line.html": "<!", "line.png": "\x89PNG"} {
		must[string](t)(ask("timeline", id, "--plot", file))
		picture := must[[]byte](t)(os.ReadFile(filepath.Join(s.Dir, file)))
		if len(picture) < 5000 || !strings.HasPrefix(string(picture), begins) {
			t.Errorf("%s: %d bytes, %.20q", file, len(picture), picture)
		}
	}

	if said, err := ask("dismiss", id); err == nil || !strings.Contains(said, "--http.config.file") {
		t.Errorf("dismissed without a token: %v, %s", err, said)
	}
	if said, err := ask("dismiss", id, "--by", "kim", "--reason", "load test", "--http.config.file", "client.yml"); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	eventually(t, time.Minute, "the alert to be gone", func() bool { return len(activeAlerts(t, s)) == 0 })
	if a.latency.Load() != 900 {
		t.Fatal("the fault is over")
	}
	if n := metric(t, s, 9797, "foreshock_incidents_dismissed_total", map[string]string{"rule": "latency"}); n != 1 {
		t.Errorf("dismissed: %g", n)
	}
	if shown := must[string](t)(ask("show", id)); !strings.Contains(shown, "by kim: load test") {
		t.Errorf("show:\n%s", shown)
	}
}

// leadsElsewhere: the incident's link to Alertmanager shows its alert there, and the alert's
// link to Grafana is the incident's.
func leadsElsewhere(t *testing.T, s *stack.Stack, id string) {
	t.Helper()
	var in struct {
		Data struct {
			Links struct {
				Alertmanagers []string
				Series        string
			}
		}
	}
	getJSON(t, s.URL(9797, "/api/v1/incidents/"+id), &in)
	links := in.Data.Links
	if len(links.Alertmanagers) != 1 {
		t.Fatalf("%+v", links)
	}
	address, after, _ := strings.Cut(links.Alertmanagers[0], "#/alerts?")
	query := must[url.Values](t)(url.ParseQuery(after))
	filter := strings.Trim(query.Get("filter"), "{}")
	if alerts := alertsOf(t, s, filter); address != s.URL(9093, "/") || len(alerts) != 1 || alerts[0].Annotations["incident"] != id {
		t.Errorf("%s shows %+v", links.Alertmanagers[0], alerts)
	} else if leads := alerts[0].Annotations["dashboard_url"]; leads != links.Series || !strings.Contains(leads, "var-metric=app_latency_seconds") {
		t.Errorf("the alert leads to %s, the incident to %s", leads, links.Series)
	}
}
