// Package e2e runs the built Foreshock among real Prometheus and Alertmanager
// processes. Nothing is faked but the application that Prometheus scrapes, so that
// the tests decide when it misbehaves.
package e2e

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foreshock/foreshock/internal/stack"
)

const root = "../.."

// start copies files and prepares a stack on free ports in a directory of the test's own.
func start(t testing.TB, files string) *stack.Stack {
	t.Helper()
	bin, err := filepath.Abs(filepath.Join(root, ".tools/bin"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := stack.New(t.TempDir(), bin, files, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	write(t, s, "webhook.token", rand.Text())
	return s
}

func write(t testing.TB, s *stack.Stack, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, s *stack.Stack, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// program is the built Foreshock.
func program(t testing.TB) string {
	t.Helper()
	return must[string](t)(filepath.Abs(filepath.Join(root, "bin/foreshock")))
}

func sidecar(t testing.TB, s *stack.Stack, args ...string) *stack.Process {
	t.Helper()
	p := must[*stack.Process](t)(s.Foreshock(t.Context(), program(t), args...))
	t.Cleanup(func() {
		if log := p.Log(); t.Failed() {
			t.Logf("foreshock said:\n%s", log[max(0, len(log)-4000):])
		}
	})
	return p
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// app is the application under watch: one gauge, which the test sets.
type app struct {
	*httptest.Server
	latency atomic.Int64 // milliseconds
}

func newApp(t *testing.T) *app {
	a := &app{}
	n := int64(0)
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		// A little honest jitter: a constant has nothing to teach.
		jitter := atomic.AddInt64(&n, 1) * 7919 % 11
		fmt.Fprintf(w, "# TYPE app_latency_seconds gauge\napp_latency_seconds %g\n", float64(a.latency.Load()+jitter)/1000)
	}))
	t.Cleanup(a.Close)
	return a
}

// metric is the sum over all series of the named metric at /metrics of the program
// that the quickstart expects on port.
func metric(t *testing.T, s *stack.Stack, port int, name string, match map[string]string) float64 {
	t.Helper()
	return must[float64](t)(stack.Metric(t.Context(), s.URL(port, "/metrics"), name, match))
}

// eventually waits until seen, which may look as often as it likes.
func eventually(t testing.TB, within time.Duration, what string, seen func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if seen() {
			return
		}
	}
	t.Fatalf("not seen within %s: %s", within, what)
}

// query is the number of results a PromQL expression has in Prometheus now.
func query(t *testing.T, s *stack.Stack, expr string) int {
	t.Helper()
	return asked(t, s, 9090, expr)
}

// asked is query of the program that the quickstart expects on port.
func asked(t *testing.T, s *stack.Stack, port int, expr string) int {
	t.Helper()
	var answer struct {
		Data struct{ Result []json.RawMessage }
	}
	getJSON(t, s.URL(port, "/api/v1/query?query="+url.QueryEscape(expr)), &answer)
	return len(answer.Data.Result)
}

func getJSON(t *testing.T, url string, into any) {
	t.Helper()
	body := must[[]byte](t)(stack.Fetch(t.Context(), url))
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
}

// rss is the resident memory of the process, in bytes: now, and the most it was.
func rss(t *testing.T, pid int) (now, peak int64) {
	t.Helper()
	status := must[[]byte](t)(os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)))
	field := func(name string) int64 {
		_, rest, ok := strings.Cut(string(status), name+":")
		if !ok {
			t.Fatalf("no %s in the process's status", name)
		}
		kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return kib << 10
	}
	return field("VmRSS"), field("VmHWM")
}
