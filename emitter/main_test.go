package emitter

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// t0 is when the tests' samples begin, ms.
var t0 = time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC).UnixMilli()

// series makes a series of name, value, name, value, …
func series(pairs ...string) *foreshock.Series {
	return foreshock.NewSeries(labels.FromStrings(pairs...))
}

// scored is a report of one score of each series, at t0 + the given seconds.
func scored(second int64, score float64, all ...*foreshock.Series) foreshock.Report {
	at := t0 + second*1000
	r := foreshock.Report{Findings: foreshock.Findings{Now: at}}
	for _, s := range all {
		r.Scores = append(r.Scores, foreshock.Score{
			Series: s, T: at, Value: 0.98, Score: score,
			Band: foreshock.Band{Expected: 0.07, Lower: 0.03, Upper: 0.11},
		})
	}
	return r
}

// clockAt is a clock that stands at t0 + seconds.
func clockAt(second int64) func() time.Time {
	return func() time.Time { return time.UnixMilli(t0 + second*1000) }
}

// decodeYAML decodes text as the configuration does.
func decodeYAML[T any](t testing.TB, into *T, text string) *T {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
	return into
}

// remoteWriteConfig is a remote write to target, impatient unless extra says how it
// queues.
func remoteWriteConfig(t testing.TB, target, extra string) *promconfig.RemoteWriteConfig {
	t.Helper()
	if !strings.Contains(extra, "queue_config") {
		extra += "queue_config: {batch_send_deadline: 10ms, min_backoff: 1ms, max_backoff: 5ms}\n"
	}
	if !strings.Contains(extra, "metadata_config") {
		extra += "metadata_config: {send: false}\n"
	}
	return decodeYAML(t, &promconfig.RemoteWriteConfig{}, "url: "+target+"\n"+extra)
}

// start runs an Emitter until the test ends or stop is called, which returns
// Close's error.
func start(t *testing.T, o Options) (e *Emitter, stop func(within time.Duration) error) {
	t.Helper()
	if o.Config == (Config{}) {
		o.Config = DefaultConfig()
	}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		e.Run()
	}()
	waitFor(t, "the emitter to run", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.started
	})
	stop = func(within time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		err := e.Close(ctx)
		select {
		case <-ran:
		case <-time.After(5 * time.Second):
			t.Error("Run did not return after Close")
		}
		return err
	}
	t.Cleanup(func() { _ = stop(time.Second) })
	return e, stop
}

// reload changes e to o.
func reload(t *testing.T, e *Emitter, o Options) {
	t.Helper()
	commit, err := e.Prepare(o)
	if err != nil {
		t.Fatal(err)
	}
	commit()
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// request is what a receiver got.
type request struct {
	header http.Header
	path   string
	v1     prompb.WriteRequest
	v2     writev2.Request
}

func (r request) isV2() bool { return r.header.Get("X-Prometheus-Remote-Write-Version") == "2.0.0" }

// received is one sample as the receiver got it.
type received struct {
	labels labels.Labels
	t      int64
	v      float64
}

func (r received) stale() bool { return value.IsStaleNaN(r.v) }

func (r request) samples() []received {
	var all []received
	b := labels.NewScratchBuilder(0)
	for _, s := range r.v1.Timeseries {
		for _, p := range s.Samples {
			all = append(all, received{s.ToLabels(&b, nil), p.Timestamp, p.Value})
		}
	}
	for _, s := range r.v2.Timeseries {
		ls, err := s.ToLabels(&b, r.v2.Symbols)
		if err != nil {
			panic(err)
		}
		for _, p := range s.Samples {
			all = append(all, received{ls, p.Timestamp, p.Value})
		}
	}
	return all
}

// receiver is a remote-write receiver that decodes with Prometheus's own types. What
// it answers is up to answer; nil accepts as each version demands.
type receiver struct {
	*httptest.Server
	answer func(w http.ResponseWriter, r request, n int)

	mu       sync.Mutex
	requests []request
}

func newReceiver(t *testing.T, answer func(w http.ResponseWriter, r request, n int)) *receiver {
	t.Helper()
	rec := &receiver{answer: answer}
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client went away
		}
		raw, err := snappy.Decode(nil, body)
		if err != nil {
			t.Errorf("body is not snappy: %v", err)
		}
		req := request{header: r.Header, path: r.URL.Path}
		if req.isV2() {
			err = req.v2.Unmarshal(raw)
		} else {
			err = req.v1.Unmarshal(raw)
		}
		if err != nil {
			t.Errorf("body does not decode: %v", err)
		}
		rec.mu.Lock()
		rec.requests = append(rec.requests, req)
		n := len(rec.requests)
		rec.mu.Unlock()
		if rec.answer != nil {
			rec.answer(w, req, n)
			return
		}
		accept(w, req)
	}))
	t.Cleanup(func() {
		rec.CloseClientConnections()
		rec.Close()
	})
	return rec
}

func accept(w http.ResponseWriter, r request) {
	if r.isV2() {
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(len(r.samples())))
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) all() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.requests...)
}

func (r *receiver) samples() []received {
	var all []received
	for _, req := range r.all() {
		all = append(all, req.samples()...)
	}
	return all
}

// bySeries checks what is promised of every series, sorted labels and times strictly
// increasing, and returns the values of each by its labels.
func bySeries(t *testing.T, all []received) map[string][]received {
	t.Helper()
	grouped := map[string][]received{}
	for _, s := range all {
		key := s.labels.String()
		if before := grouped[key]; len(before) > 0 && s.t <= before[len(before)-1].t {
			t.Errorf("%s: sample at %d after one at %d", key, s.t, before[len(before)-1].t)
		}
		grouped[key] = append(grouped[key], s)
	}
	return grouped
}

// holdsAccount checks that every sample of a destination is accounted for.
func holdsAccount(t *testing.T, m *metrics, name string) {
	t.Helper()
	count := func(c prometheus.Collector) float64 { return testutil.ToFloat64(c) }
	in := count(m.samples.WithLabelValues(name))
	out := count(m.samplesSent.WithLabelValues(name)) + count(m.samplesFailed.WithLabelValues(name)) + count(m.samplesPending.WithLabelValues(name))
	for _, reason := range droppedReasons {
		out += count(m.samplesDropped.WithLabelValues(name, reason))
	}
	if in != out {
		t.Errorf("%v samples in, %v accounted for", in, out)
	}
}

// logged collects what is logged.
type logged struct {
	mu sync.Mutex
	strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Builder.Write(p)
}

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
