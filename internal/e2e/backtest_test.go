package e2e

import (
	"encoding/json"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/internal/stack"
)

// told is an alert as Alertmanager and a backtest both know it.
type told struct {
	StartsAt time.Time
	Labels   map[string]string
}

func (a told) is(b told) bool { return a.StartsAt.Equal(b.StartsAt) && maps.Equal(a.Labels, b.Labels) }

// TestBacktestTellsWhatWasTold: a live run raises an alert; then a backtest over what
// Prometheus remembers of that time raises the same one and no other, and so does one over
// the requests that were recorded meanwhile, and one over Prometheus's own files.
func TestBacktestTellsWhatWasTold(t *testing.T) {
	t.Parallel() // it waits most of the time
	a := newApp(t)
	a.latency.Store(20)
	s := start(t, "testdata/stack")
	write(t, s, "prometheus.yml", s.Local(strings.Replace(prometheusYML(a, "io.prometheus.write.v2.Request")+
		"  - {url: http://localhost:9798/api/v1/write, protobuf_message: io.prometheus.write.v2.Request}\n",
		"scrape_configs:", "scrape_configs:\n  - {job_name: node, scrape_interval: 1s, scrape_timeout: 1s, static_configs: [{targets: [\"localhost:9100\"]}]}", 1)))
	must[*stack.Process](t)(s.NodeExporter(t.Context()))
	must[*stack.Process](t)(s.Alertmanager(t.Context()))
	sidecar(t, s)
	must[*stack.Process](t)(s.Start(program(t), "record", "kept", "--web.listen-address="+s.Addr(9798)))
	began := time.Now()
	must[*stack.Process](t)(s.Prometheus(t.Context()))

	eventually(t, time.Minute, "the end of the warm-up", func() bool {
		return query(t, s, `count_over_time(app_latency_seconds[5m]) > 200`) == 1
	})
	a.latency.Store(900)
	var live []told
	eventually(t, time.Minute, "the alert in Alertmanager", func() bool {
		live = nil
		getJSON(t, s.URL(9093, "/api/v2/alerts?active=true"), &live)
		return len(live) == 1
	})
	a.latency.Store(20)
	eventually(t, 2*time.Minute, "the alert to be gone", func() bool { return len(activeAlerts(t, s)) == 0 })

	seen := time.Now()
	var incidents struct{ Data []incident }
	getJSON(t, s.URL(9797, "/api/v1/incidents"), &incidents)
	for what, from := range map[string][]string{
		"Prometheus":         {"--url", s.URL(9090, ""), "--from", began.UTC().Format(time.RFC3339)},
		"the recording":      {"--capture", "kept"},
		"Prometheus's files": {"--tsdb", "prometheus-data"},
	} {
		report := backtested(t, s, append(from, "--config.file", "foreshock.yml")...)
		if len(report.Alerts) != 1 || !report.Alerts[0].is(live[0]) {
			t.Errorf("%s: a backtest tells of\n%v\nand the live run told of\n%v", what, report.Alerts, live)
		}
		if got, want := settled(report.Incidents, seen), settled(incidents.Data, seen); !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("%s: a backtest has the incidents\n%v\nand the live run had\n%v", what, got, want)
		}
	}

	// The line of the README, and of the tutorial it takes the place of.
	answer := backtested(t, s, "--url", s.URL(9090, ""), "--from", "-5m", "--step", "100ms",
		"--query", "app_latency_seconds + 0", "--plot", "latency.html")
	if answer.Series != 1 || len(answer.Alerts) != 1 {
		t.Errorf("the query's backtest has %d series and the alerts %v", answer.Series, answer.Alerts)
	}
	if page := read(t, s, "latency.html"); !strings.Contains(page, "<svg") {
		t.Error("nothing was drawn")
	}
}

// report is what of a backtest's answer these tests look at.
type report struct {
	Series, Samples int
	Alerts          []told
	Incidents       []incident
}

// incident is what happened, whether or not anyone was told.
type incident struct {
	ID, State string
	StartsAt  time.Time
}

// settled are the incidents that had begun, and were more than pending, a while before
// they were asked for.
func settled(all []incident, asked time.Time) (ids []string) {
	for _, in := range all {
		if in.State != "pending" && in.StartsAt.Before(asked.Add(-5*time.Second)) {
			ids = append(ids, in.StartsAt.UTC().Format(time.RFC3339Nano)+" "+in.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// backtested is what foreshock backtest reports.
func backtested(t *testing.T, s *stack.Stack, args ...string) (r report) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t), append([]string{"backtest", "-o", "json"}, args...)...)
	cmd.Dir = s.Dir
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, errors.String())
	}
	t.Logf("%s: %s", args[1], strings.TrimSpace(errors.String()))
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return r
}
