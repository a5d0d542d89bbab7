package gate

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// guarded serves h behind a gate.
func guarded(t *testing.T, most int, h http.HandlerFunc) (*httptest.Server, *Gate, *strings.Builder) {
	t.Helper()
	var log strings.Builder
	g := New(Options{MaxConnections: most, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	s := httptest.NewUnstartedServer(h)
	g.Guard(s.Config)
	// httptest replaces the hook and calls ours from its own.
	s.Start()
	t.Cleanup(s.Close)
	return s, g, &log
}

func eventually(t *testing.T, what string, seen func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if seen() {
			return
		}
	}
	t.Fatalf("never seen: %s", what)
}

// dial opens a connection that says so much and no more.
func dial(t *testing.T, s *httptest.Server, said string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, said); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestWhoHoldsConnectionsKeepsNobodyOut: of many connections that drip their headers only
// the newest are kept, and a request that is whole is answered all the while.
func TestWhoHoldsConnectionsKeepsNobodyOut(t *testing.T) {
	s, g, log := guarded(t, 20, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "good") })
	var held []net.Conn
	for i := range 60 {
		held = append(held, dial(t, s, []string{"", "GET / HTTP/1.1\r\nHost: x\r\nX-Drip"}[i%2]))
		if i%10 == 9 {
			c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
			resp, err := c.Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			if body, _ := io.ReadAll(resp.Body); string(body) != "good" {
				t.Errorf("answered %q", body)
			}
			resp.Body.Close()
		}
	}
	eventually(t, "ten are left, as many as one address may hold", func() bool {
		half, idle, serving := g.states()
		return half <= 10 && idle+serving == 0
	})
	if cut := testutil.ToFloat64(g.metrics.cut.WithLabelValues(cutHalfOpen)); cut < 50 {
		t.Errorf("%v were cut", cut)
	}
	// The oldest are gone: their end of the line is closed.
	held[0].SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := held[0].Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("the oldest connection: %v", err)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines of log:\n%s", n, log)
	}
}

// TestBusyIsNeverCut: while all that there may be are being served a new connection is
// turned away; once one idles between two requests that one goes.
func TestBusyIsNeverCut(t *testing.T) {
	hold := make(chan struct{})
	s, g, _ := guarded(t, 4, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-hold
		}
	})
	for range 2 {
		dial(t, s, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	eventually(t, "two are served", func() bool { _, _, serving := g.states(); return serving == 2 })
	if _, err := http.Get(s.URL); err == nil {
		t.Error("a third one from the same address was let in")
	}
	eventually(t, "it was cut", func() bool { return testutil.ToFloat64(g.metrics.cut.WithLabelValues(cutFull)) > 0 })
	close(hold)
	eventually(t, "both idle", func() bool { _, idle, _ := g.states(); return idle == 2 })
	resp, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if cut := testutil.ToFloat64(g.metrics.cut.WithLabelValues(cutIdle)); cut != 1 {
		t.Errorf("%v idle ones were cut", cut)
	}
}

// TestPanicIsAnswered: a handler that panics is a 500 and one bounded line, however often.
func TestPanicIsAnswered(t *testing.T) {
	s, g, log := guarded(t, 10, func(http.ResponseWriter, *http.Request) { panic(strings.Repeat("x\n", 100)) })
	for range 100 {
		resp, err := http.Get(s.URL + "/" + strings.Repeat("p", 1000))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusInternalServerError || !strings.Contains(string(body), `"errorType":"internal"`) {
			t.Fatalf("%d %s", resp.StatusCode, body)
		}
	}
	if n := testutil.ToFloat64(g.metrics.panics); n != 100 {
		t.Errorf("%v panics were counted", n)
	}
	if strings.Count(log.String(), "\n") != 1 || log.Len() > 4<<10 || !strings.Contains(log.String(), "gate_test.go") {
		t.Errorf("%d bytes of log:\n%s", log.Len(), log)
	}
}

// TestOnlyOurOwnPagesChange: what a browser says of where a request comes from decides; who
// is no browser says nothing. Every answer, a refusal too, tells browsers what they may do.
func TestOnlyOurOwnPagesChange(t *testing.T) {
	s, _, _ := guarded(t, 10, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/-/reload" {
			Browserless(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		}
	})
	for _, c := range []struct {
		method, path, header, value string
		want                        int
	}{
		{"POST", "/", "", "", 200},
		{"POST", "/", "Sec-Fetch-Site", "same-origin", 200},
		{"POST", "/", "Sec-Fetch-Site", "cross-site", 403},
		{"POST", "/", "Sec-Fetch-Site", "same-site", 403},
		{"POST", "/", "Origin", "http://evil.example", 403},
		{"POST", "/", "Origin", "null", 403},
		{"PUT", "/", "Origin", "http://evil.example", 403},
		{"POST", "/", "Origin", "http://" + s.Listener.Addr().String(), 200},
		{"GET", "/", "Origin", "http://evil.example", 200},
		{"POST", "/-/reload", "", "", 200},
		{"POST", "/-/reload", "Origin", "http://" + s.Listener.Addr().String(), 403},
		{"POST", "/-/reload", "Sec-Fetch-Site", "same-origin", 403},
	} {
		req, err := http.NewRequest(c.method, s.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.header != "" {
			req.Header.Set(c.header, c.value)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s %s with %s %q: %d, want %d", c.method, c.path, c.header, c.value, resp.StatusCode, c.want)
		}
		for name, value := range policy {
			if resp.Header.Get(name) != value {
				t.Errorf("%s %s: %s %q", c.method, c.path, name, resp.Header.Get(name))
			}
		}
	}
}

func TestSender(t *testing.T) {
	for remote, want := range map[string]string{
		"10.1.2.3:80":             "10.1.2.3",
		"[::ffff:10.1.2.3]:80":    "10.1.2.3",
		"[2001:db8:1:2:3:4::]:80": "2001:db8:1:2::",
		"[fe80::1%eth0]:80":       "fe80::",
		"@":                       "invalid IP",
		"":                        "invalid IP",
	} {
		if got := Sender(remote).String(); got != want {
			t.Errorf("Sender(%q) = %s, want %s", remote, got, want)
		}
	}
}
