package e2e

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/foreshock/foreshock/internal/stack"
)

// TestQuickstart runs the very files a user copies: every program accepts its own,
// node_exporter's series reach Foreshock, and its scores reach Prometheus.
func TestQuickstart(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := start(t, filepath.Join(root, "examples/quickstart"))
	must[*stack.Process](t)(s.NodeExporter(t.Context()))
	must[*stack.Process](t)(s.Alertmanager(t.Context()))
	sidecar(t, s)
	must[*stack.Process](t)(s.Prometheus(t.Context()))
	eventually(t, time.Minute, "a score for every watched CPU series", func() bool {
		scores := query(t, s, `foreshock_anomaly_score{for="node_cpu_seconds_total",cluster="quickstart"}`)
		return scores > 0 && scores == query(t, s, `node_cpu_seconds_total{mode=~"user|system"}`)
	})
	if refused := metric(t, s, 9090, "prometheus_remote_storage_samples_failed_total", nil); refused != 0 {
		t.Errorf("Prometheus says %g samples failed", refused)
	}
	body := must[[]byte](t)(stack.Fetch(t.Context(), s.URL(9797, "/metrics/anomalies")))
	if !strings.Contains(string(body), "foreshock_anomaly_score{") {
		t.Errorf("/metrics/anomalies has no score:\n%s", body)
	}
}

// TestReload: a good file takes effect by SIGHUP and by /-/reload; a bad one changes
// nothing and says where it is bad.
func TestReload(t *testing.T) {
	s := start(t, "testdata/stack")
	p := sidecar(t, s, "--web.enable-lifecycle")
	loaded := func() float64 {
		return metric(t, s, 9797, "foreshock_app_config_last_reload_success_timestamp_seconds", nil)
	}
	first := loaded()

	if err := p.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "a newer configuration", func() bool { return loaded() > first })

	good, before := read(t, s, "foreshock.yml"), loaded()
	write(t, s, "foreshock.yml", good+"\ndetecter: {}\n")
	reason, status := reload(t, s)
	if status != http.StatusBadRequest || !strings.Contains(reason, "foreshock.yml:") || !strings.Contains(reason, "detecter") {
		t.Errorf("reload of a bad file: %d %s", status, reason)
	}
	if loaded() != before || metric(t, s, 9797, "foreshock_app_config_last_reload_successful", nil) != 0 {
		t.Error("the bad file counts as loaded")
	}

	write(t, s, "foreshock.yml", good)
	if reason, status := reload(t, s); status != http.StatusOK {
		t.Errorf("reload of the good file: %d %s", status, reason)
	}
	if loaded() <= before {
		t.Error("the good file was not loaded")
	}
}

func reload(t *testing.T, s *stack.Stack) (reason string, status int) {
	t.Helper()
	resp := must[*http.Response](t)(http.Post(s.URL(9797, "/-/reload"), "", nil))
	defer resp.Body.Close()
	return string(must[[]byte](t)(io.ReadAll(resp.Body))), resp.StatusCode
}
