package emitter

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

type postedAlert struct {
	Labels, Annotations map[string]string
	StartsAt, EndsAt    time.Time
	GeneratorURL        string
}

// manager is as much of an Alertmanager as posting an alert needs.
type manager struct {
	*httptest.Server
	mu     sync.Mutex
	alerts []postedAlert
	auth   []string
	status int
}

func newManager(t *testing.T) *manager {
	m := &manager{status: http.StatusOK}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/api/v2/alerts" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s of %q", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.status != http.StatusOK {
			w.WriteHeader(m.status)
			fmt.Fprint(w, "not today")
			return
		}
		body, _ := io.ReadAll(r.Body)
		var posted []postedAlert
		if err := json.Unmarshal(body, &posted); err != nil {
			t.Errorf("body: %v", err)
		}
		m.alerts = append(m.alerts, posted...)
		m.auth = append(m.auth, r.Header.Get("Authorization"))
	}))
	t.Cleanup(func() {
		m.CloseClientConnections()
		m.Close()
	})
	return m
}

func (m *manager) address() string { return strings.TrimPrefix(m.URL, "http://") }

func (m *manager) posted() []postedAlert {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]postedAlert(nil), m.alerts...)
}

func alertingConfig(t *testing.T, format string, args ...any) promconfig.AlertingConfig {
	t.Helper()
	return *decodeYAML(t, &promconfig.AlertingConfig{}, fmt.Sprintf(format, args...))
}

func statically(t *testing.T, m *manager) promconfig.AlertingConfig {
	return alertingConfig(t, "alertmanagers: [{static_configs: [{targets: [%q]}]}]", m.address())
}

func telling(state foreshock.State) foreshock.Report {
	i := firingIncident()
	i.State = state
	if state == foreshock.Resolved {
		i.EndsAt = i.StartsAt + 30_000
	}
	return foreshock.Report{Findings: foreshock.Findings{Now: t0 + 200_000}, Incidents: []foreshock.Incident{i}}
}

func TestAnIncidentReachesEveryAlertmanagerOnce(t *testing.T) {
	one, two := newManager(t), newManager(t)
	file := filepath.Join(t.TempDir(), "alertmanagers.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, `[{"targets": [%q]}]`, two.address()), 0o600); err != nil {
		t.Fatal(err)
	}
	e, stop := start(t, Options{
		Alerting: alertingConfig(t, `
alert_relabel_configs: [{action: labeldrop, regex: replica}]
alertmanagers:
  - static_configs: [{targets: [%q]}]
  - file_sd_configs: [{files: [%q]}]
`, one.address(), file),
		ExternalLabels: labels.FromStrings("cluster", "eu-1", "replica", "a", "job", "must not win"),
		ExternalURL:    "http://foreshock:9797",
		Rules:          cpuRule(map[string]string{"severity": "page"}, nil),
		Now:            clockAt(210),
	})
	e.Offer(telling(foreshock.Pending))
	e.Offer(telling(foreshock.Firing))
	waitFor(t, "both to be told", func() bool { return len(one.posted()) > 0 && len(two.posted()) > 0 })
	e.Offer(telling(foreshock.Firing))
	e.Offer(telling(foreshock.Resolved))
	if err := stop(2 * time.Second); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*manager{one, two} {
		got := m.posted()
		if len(got) != 2 {
			t.Fatalf("posted %d alerts, want one firing and one resolved: %v", len(got), got)
		}
		want := map[string]string{
			"alertname": "ForeshockIncident", "instance": "node-7", "job": "node", "rule": "cpu", "severity": "page", "cluster": "eu-1",
		}
		for _, a := range got {
			if fmt.Sprint(a.Labels) != fmt.Sprint(want) {
				t.Errorf("labels %v, want %v", a.Labels, want)
			}
			if !a.StartsAt.Equal(at(185)) {
				t.Errorf("starts at %s", a.StartsAt)
			}
		}
		if a := got[0]; !a.EndsAt.Equal(at(210+240)) || a.GeneratorURL != "http://foreshock:9797/#incident=3f2a" || !strings.Contains(a.Annotations["summary"], "node-7 cpu 14× normal (0.98)") {
			t.Errorf("firing: %+v", a)
		}
		if a := got[1]; !a.EndsAt.Equal(at(210)) {
			t.Errorf("resolved: %+v", a)
		}
	}
}

// Service discovery takes a moment after the start; an incident in that moment must
// not wait for the resend a minute later.
func TestAnIncidentBeforeDiscoveryIsToldAfterIt(t *testing.T) {
	m := newManager(t)
	e, err := New(Options{Config: DefaultConfig(), Alerting: statically(t, m), Now: clockAt(210)})
	if err != nil {
		t.Fatal(err)
	}
	e.Offer(telling(foreshock.Firing))
	go e.Run()
	waitFor(t, "the alert", func() bool { return len(m.posted()) == 1 })
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestARefusalSaysWhy(t *testing.T) {
	m := newManager(t)
	m.status = http.StatusBadRequest
	var log logged
	e, _ := start(t, Options{Alerting: statically(t, m), Now: clockAt(210), Logger: log.logger()})
	e.Offer(telling(foreshock.Firing))
	waitFor(t, "the log", func() bool { return strings.Contains(log.text(), "400 Bad Request: not today") })
}

// A configuration that reads the same but for a secret must not keep the old secret.
func TestAChangedPasswordIsUsed(t *testing.T) {
	m := newManager(t)
	with := func(token string) Options {
		return Options{Config: DefaultConfig(), Now: clockAt(210), Alerting: alertingConfig(t, `
alertmanagers:
  - authorization: {credentials: %s}
    static_configs: [{targets: [%q]}]
`, token, m.address())}
	}
	e, _ := start(t, with("old"))
	e.Offer(telling(foreshock.Firing))
	waitFor(t, "the alert", func() bool { return len(m.posted()) == 1 })
	reload(t, e, with("new"))
	waitFor(t, "the alert again", func() bool { return len(m.posted()) == 2 })
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.auth[0] != "Bearer old" || m.auth[1] != "Bearer new" {
		t.Errorf("authorized by %q", m.auth)
	}
}

func TestAnAlertmanagerThatHangsHoldsNobodyUp(t *testing.T) {
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hanging.Close()
	defer hanging.CloseClientConnections()
	defer close(release)
	m := newManager(t)
	e, stop := start(t, Options{Now: clockAt(210), Alerting: alertingConfig(t,
		"alertmanagers: [{static_configs: [{targets: [%q, %q]}]}]", strings.TrimPrefix(hanging.URL, "http://"), m.address())})
	e.Offer(telling(foreshock.Firing))
	waitFor(t, "the healthy one to be told", func() bool { return len(m.posted()) == 1 })
	begin := time.Now()
	if err := stop(100 * time.Millisecond); err == nil {
		t.Error("Close did not say that it gave up")
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("Close took %s", took)
	}
}
