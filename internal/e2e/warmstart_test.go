package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/foreshock/foreshock/internal/stack"
)

// TestWarmStart: two Foreshocks are pointed at by a Prometheus that has run for a while. One
// reads what was first: meanwhile it asks Prometheus to wait, says nothing of the fault that
// was, and then sees the one that comes in the first seconds. The other begins cold and
// sees nothing.
func TestWarmStart(t *testing.T) {
	t.Parallel() // it waits most of the time
	a, other := newApp(t), newApp(t)
	a.latency.Store(20)
	other.latency.Store(20)
	s := start(t, "testdata/stack")
	const both = `
  - url: http://localhost:9798/api/v1/write
    queue_config: {batch_send_deadline: 200ms}
`
	yml := s.Local(prometheusYML(a, "io.prometheus.write.v2.Request") + both)
	yml = strings.Replace(yml, "targets: [", fmt.Sprintf("targets: [%q, ", strings.TrimPrefix(other.URL, "http://")), 1)
	untold, _, _ := strings.Cut(yml, "remote_write:")
	write(t, s, "prometheus.yml", untold)
	config := strings.ReplaceAll(read(t, s, "foreshock.yml"), "warm_up: 30", "warm_up: 200") // 20 s
	write(t, s, "foreshock.yml", config+s.Local("\nwarm_start: {url: http://localhost:9090, lookback: 1h, rate_limit: 2000}\n"))
	write(t, s, "cold.yml", "rule_files: [cold-rules.yml]\ndetector: {warm_up: 200}\n")
	rules, _, _ := strings.Cut(read(t, s, "rules.yml"), "      - remedy:")
	write(t, s, "cold-rules.yml", rules)

	must[*stack.Process](t)(s.Alertmanager(t.Context()))
	prometheus := must[*stack.Process](t)(s.Prometheus(t.Context()))
	recorded := func(what, n string) {
		t.Helper()
		eventually(t, 2*time.Minute, what, func() bool {
			return query(t, s, `count_over_time(app_latency_seconds[5m]) > `+n) == 2
		})
	}
	recorded("a history", "240")
	other.latency.Store(900)
	recorded("a fault in it", "270")
	other.latency.Store(20)
	recorded("its end", "320")

	write(t, s, "prometheus.yml", yml)
	if err := prometheus.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	must[*stack.Process](t)(s.Start(program(t), "serve", "--config.file=cold.yml", "--storage.path=cold-data", "--web.listen-address="+s.Addr(9798)))
	p := must[*stack.Process](t)(s.Start(program(t), "serve", "--config.file=foreshock.yml", "--storage.path=foreshock-data", "--web.listen-address="+s.Addr(9797)))
	defer func() {
		if t.Failed() {
			t.Log(p.Log())
		}
	}()
	eventually(t, 10*time.Second, "the warm start, with its share", func() bool {
		_, err := stack.Fetch(t.Context(), s.URL(9797, "/-/ready"))
		return err != nil && strings.Contains(err.Error(), "503 Service Unavailable: Foreshock is not ready: warming up on history, ")
	})
	answer := must[*http.Response](t)(http.Post(s.URL(9797, "/api/v1/write"), "application/x-protobuf", nil))
	answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("senders are answered with %s, Retry-After %q", answer.Status, answer.Header.Get("Retry-After"))
	}
	eventually(t, time.Minute, "the end of the warm start", func() bool {
		_, err := stack.Fetch(t.Context(), s.URL(9797, "/-/ready"))
		return err == nil
	})
	if learned := metric(t, s, 9797, "foreshock_warm_start_samples_total", nil); learned < 640 {
		t.Errorf("only %g samples were learned\n%s", learned, p.Log())
	}
	if metric(t, s, 9797, "foreshock_warm_start_gave_up_total", nil) != 0 || metric(t, s, 9797, "foreshock_warm_start_progress_ratio", nil) != 1 {
		t.Errorf("not all was learned:\n%s", p.Log())
	}

	live := time.Now()
	a.latency.Store(900)
	var alerts []told
	eventually(t, 20*time.Second, "the alert", func() bool {
		alerts = nil
		getJSON(t, s.URL(9093, "/api/v2/alerts"), &alerts)
		return len(alerts) > 0
	})
	t.Logf("alert %s after the fault", time.Since(live).Round(100*time.Millisecond))
	// A sample of noise just before may be where it is thought to begin; the other one's fault
	// began ten seconds before at least.
	if instance := strings.TrimPrefix(a.URL, "http://"); len(alerts) != 1 || alerts[0].Labels["instance"] != instance || alerts[0].StartsAt.Before(live.Add(-5*time.Second)) {
		t.Errorf("told of %v, want one alert of %s that began at %s", alerts, instance, live)
	}
	for port, want := range map[int]int{9797: 1, 9798: 0} {
		var incidents struct {
			Data []struct{ StartsAt time.Time }
		}
		getJSON(t, s.URL(port, "/api/v1/incidents"), &incidents)
		if len(incidents.Data) != want {
			t.Errorf("on port %d the incidents are %v, want %d", port, incidents.Data, want)
		}
	}
	if n := query(t, s, `count_over_time(foreshock_anomaly_score[10m] offset 15s)`); n != 0 {
		t.Errorf("of %d series scores of the history were written", n)
	}
	if failed := metric(t, s, 9090, "prometheus_remote_storage_samples_failed_total", nil); failed != 0 {
		t.Errorf("Prometheus lost %g samples", failed)
	}
}
