package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
)

// hostile is a downstream that treats senders as it is told.
type hostile struct {
	*httptest.Server

	mu       sync.Mutex
	ways     []func(w http.ResponseWriter) (taken bool) // one a request, in turn; none takes all
	requests int
	samples  int
	last     map[string]int64 // of each series, ms
	twice    int              // samples that came again
}

// Ways of a downstream. Each says whether it took what was sent.
func hangsUp(w http.ResponseWriter) bool {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		reset(conn)
	}
	return false
}

func hangs(http.ResponseWriter) bool { time.Sleep(1200 * time.Millisecond); return false }

func drips(w http.ResponseWriter) bool {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return false
	}
	defer conn.Close()
	for _, b := range []byte("HTTP/1.1 204 No Content\r\nX-Slow: as can be") {
		if _, err := conn.Write([]byte{b}); err != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}

func redirects(w http.ResponseWriter) bool {
	w.Header().Set("Location", "http://169.254.169.254/latest/meta-data/")
	w.WriteHeader(http.StatusTemporaryRedirect)
	return false
}

func takesAndResets(w http.ResponseWriter) bool {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return false
	}
	_, err = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
	time.Sleep(20 * time.Millisecond) // for the answer to arrive before the reset
	reset(conn)
	return err == nil
}

func reset(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

func newHostile(t *testing.T) *hostile {
	h := &hostile{last: map[string]int64{}}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // killed while it sent
		}
		h.mu.Lock()
		ways := h.ways
		h.requests++
		n := h.requests
		h.mu.Unlock()
		if len(ways) > 0 && !ways[n%len(ways)](w) {
			return
		}
		raw, err := snappy.Decode(nil, body)
		if err != nil {
			t.Error(err)
		}
		var req prompb.WriteRequest
		if err := req.Unmarshal(raw); err != nil {
			t.Error(err)
		}
		h.take(&req)
		if len(ways) == 0 {
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	return h
}

func (h *hostile) take(req *prompb.WriteRequest) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := labels.NewScratchBuilder(0)
	for _, ts := range req.Timeseries {
		key := ts.ToLabels(&b, nil).String()
		for _, x := range ts.Samples {
			if x.Timestamp <= h.last[key] {
				h.twice++
				continue
			}
			h.last[key] = x.Timestamp
			h.samples++
		}
	}
}

func (h *hostile) behave(ways ...func(http.ResponseWriter) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ways = ways
}

func (h *hostile) taken() (samples, twice int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.samples, h.twice
}

// TestOutboxOutlivesKills: the downstream is away while the process is killed with -9
// again and again, then hangs, drips, redirects, and resets what it took. Nothing that was
// on disk is lost, nothing but a request under way comes twice, and taking in is none the
// slower.
func TestOutboxOutlivesKills(t *testing.T) {
	h := newHostile(t)
	h.behave(hangsUp)
	s := start(t, "testdata/stack")
	write(t, s, "rules.yml", restartRules)
	write(t, s, "foreshock.yml", fmt.Sprintf(`
rule_files: [rules.yml]
remote_write:
  - url: %q
    remote_timeout: 1s
    metadata_config: {send: false}
    queue_config: {batch_send_deadline: 100ms, min_backoff: 10ms, max_backoff: 100ms, max_samples_per_send: 1000}
`, h.URL))
	emitted := func(name string) float64 { return metric(t, s, 9797, "foreshock_emitter_"+name, nil) }
	n := 0
	slowest := time.Duration(0)
	some := func() {
		t.Helper()
		for range 60 {
			began := time.Now()
			send(t, s, n)
			slowest = max(slowest, time.Since(began))
			n++
		}
	}
	waiting := 0.0
	for range 5 {
		p := sidecar(t, s)
		if there := emitted("samples_pending"); there < waiting {
			t.Fatalf("%v samples are left of %v that were on disk", there, waiting)
		}
		some()
		eventually(t, 20*time.Second, "more to be on disk", func() bool { return emitted("outbox_samples") >= waiting+1200 })
		waiting = emitted("outbox_samples")
		if err := p.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = p.Wait() // killed
	}
	if samples, _ := h.taken(); samples > 0 {
		t.Fatalf("%d samples were taken by one that takes none", samples)
	}

	h.behave(hangs, takesAndResets, drips, redirects, takesAndResets, hangsUp)
	p := sidecar(t, s)
	there := emitted("samples_pending")
	if samples, _ := h.taken(); there+float64(samples) < waiting { // it may have begun to take them
		t.Fatalf("%v samples are left, and %d taken, of %v that were on disk", there, samples, waiting)
	}
	some()
	eventually(t, 20*time.Second, "some to be taken", func() bool { samples, _ := h.taken(); return samples > 2000 })
	if err := p.Signal(syscall.SIGKILL); err != nil { // in the midst of it
		t.Fatal(err)
	}
	_ = p.Wait() // killed
	if samples, twice := h.taken(); samples+twice >= int(waiting) {
		t.Fatalf("killed too late: %d of %v were taken", samples, waiting)
	}

	h.behave()
	sidecar(t, s)
	eventually(t, 30*time.Second, "nothing to wait", func() bool { return emitted("samples_pending") == 0 })
	samples, twice := h.taken()
	if samples < int(waiting) {
		t.Errorf("%d samples came of %v that were on disk", samples, waiting)
	}
	if twice > 1000 {
		t.Errorf("%d samples came twice, more than one request has", twice)
	}
	for _, reason := range []string{"outbox_full", "queue_full", "shutdown"} {
		if lost := metric(t, s, 9797, "foreshock_emitter_samples_dropped_total", map[string]string{"reason": reason}); lost > 0 {
			t.Errorf("%v samples are dropped: %s", lost, reason)
		}
	}
	if slowest > 5*time.Second {
		t.Errorf("the slowest request took %s", slowest)
	}
	t.Logf("%d samples, %d of them twice; the slowest request took %s", samples, twice, slowest)
}
