package emitter

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	promconfig "github.com/prometheus/prometheus/config"

	"github.com/foreshock/foreshock"
)

func TestDefaultsAreValidAndMistakesAreAllNamed(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	err := Config{Names: "prophet", MaxSeries: -1}.Validate()
	for _, want := range []string{
		`emitter.names: must be foreshock or vmanomaly, got "prophet"`,
		"emitter.max_series: must be positive, got -1",
		"emitter.queue_capacity: must be positive, got 0",
		"emitter.freshness: must be positive, got 0s",
		"emitter.json_lines.max_size: must be at least 1MiB, got 0B",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func TestConfigDecodesOverTheDefaults(t *testing.T) {
	c := DefaultConfig()
	decodeYAML(t, &c, "{names: vmanomaly, freshness: 5m, json_lines: {file: out/foreshock.jsonl, max_size: 2MiB}}")
	c.SetDirectory("/etc/foreshock")
	if c.Names != VMAnomalyNames || c.MaxSeries != 20_000 || c.Freshness.String() != "5m" ||
		c.JSONLines.File != "/etc/foreshock/out/foreshock.jsonl" || c.JSONLines.MaxSize != 2<<20 {
		t.Errorf("decoded %+v", c)
	}
	c.JSONLines.File = standardOutput
	if c.SetDirectory("/etc"); c.JSONLines.File != standardOutput {
		t.Errorf("standard output became %s", c.JSONLines.File)
	}
}

func TestEveryMetricIsRegisteredOnceAndAtZero(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	_, stop := start(t, Options{
		Registerer:  reg,
		RemoteWrite: []*promconfig.RemoteWriteConfig{remoteWriteConfig(t, "http://localhost:1/write", "name: store\n")},
	})
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "foreshock_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	if n, err := testutil.GatherAndCount(reg, "foreshock_emitter_samples_dropped_total"); err != nil || n != len(droppedReasons) {
		t.Errorf("%d reasons to drop samples are there before one was: %v", n, err)
	}
	if err := stop(time.Second); err != nil {
		t.Fatal(err)
	}
}

func TestCloseNeedsNoRun(t *testing.T) {
	e, err := New(Options{Config: DefaultConfig()})
	if err != nil {
		t.Fatal(err)
	}
	e.Offer(scored(0, 2, series("__name__", "cpu")))
	if err := e.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
	e.Run() // returns, for there is nothing more to come
	e.Offer(scored(0, 2, series("__name__", "cpu")))
	if got := testutil.ToFloat64(e.metrics.findingsDropped); got != 1 {
		t.Errorf("%v findings dropped after the end, want 1", got)
	}
}

func TestOfferIsBounded(t *testing.T) {
	c := DefaultConfig()
	c.QueueCapacity = 100
	e, err := New(Options{Config: c}) // nobody runs it
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(t.Context())
	for second := range int64(1000) {
		e.Offer(scored(second, 2, series("__name__", "cpu")))
	}
	if waiting, _ := e.inbox.state(); waiting != 100 {
		t.Errorf("%d reports wait, want 100", waiting)
	}
	if got := testutil.ToFloat64(e.metrics.findingsDropped); got != 900 {
		t.Errorf("%v findings dropped, want 900", got)
	}
}

func TestABatchWaitsForItsDeadlineOrToBeFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := remoteWriteConfig(t, "http://localhost:1", "queue_config: {batch_send_deadline: 5s, max_samples_per_send: 3}\n")
		w := newRemoteWrite("store", c, remoteOptions().ExternalLabels, ForeshockNames,
			destinationOptions{now: time.Now, metrics: newMetrics(nil), logger: (&logged{}).logger()})
		wire, err := connect("store", c, c.ProtobufMessage)
		if err != nil {
			t.Fatal(err)
		}
		w.rewire(wire)
		begin := time.Now()
		go func() {
			time.Sleep(time.Minute)
			w.deliver(foreshock.Report{}, make([]sample, 1))
			time.Sleep(3 * time.Second)
			w.deliver(foreshock.Report{}, make([]sample, 1))
			time.Sleep(time.Minute)
			w.deliver(foreshock.Report{}, make([]sample, 4))
			time.Sleep(time.Second)
			w.close()
		}()
		for _, want := range []struct {
			samples int
			after   time.Duration
		}{
			{2, 65 * time.Second},  // the deadline counts from the first sample
			{3, 123 * time.Second}, // full
			{1, 124 * time.Second}, // the end
			{0, 124 * time.Second},
		} {
			if got := len(w.next(t.Context())); got != want.samples || time.Since(begin) != want.after {
				t.Errorf("%d samples after %s, want %d after %s", got, time.Since(begin), want.samples, want.after)
			}
		}
	})
}

func BenchmarkOffer(b *testing.B) {
	e, err := New(Options{Config: DefaultConfig()})
	if err != nil {
		b.Fatal(err)
	}
	go e.Run()
	defer e.Close(context.Background())
	r := scored(0, 0.2, series("__name__", "cpu"))
	b.ReportAllocs()
	for b.Loop() {
		e.Offer(r)
	}
}

func BenchmarkScrape(b *testing.B) {
	e, err := New(Options{Config: DefaultConfig(), Now: clockAt(60)})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close(context.Background())
	all := make([]*foreshock.Series, e.table.config.MaxSeries)
	for i := range all {
		all[i] = series("__name__", "cpu", "instance", strings.Repeat("x", i%7), "n", time.Duration(i).String())
	}
	e.emit(scored(0, 2, all...))
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		e.Anomalies().ServeHTTP(w, httptest.NewRequest("GET", "/metrics/anomalies", nil))
	}
}
