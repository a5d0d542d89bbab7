package emitter

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/foreshock/foreshock"
)

const (
	v1 = "protobuf_message: prometheus.WriteRequest\n"
	v2 = "protobuf_message: io.prometheus.write.v2.Request\n"
)

func remoteOptions(c ...*promconfig.RemoteWriteConfig) Options {
	return Options{Config: DefaultConfig(), RemoteWrite: c, Now: clockAt(60)}
}

func TestBothMessagesCarryTheSameSamples(t *testing.T) {
	cpu := series("__name__", "cpu", "instance", "node-7")
	for version, extra := range map[string]string{"0.1.0": v1, "2.0.0": v2} {
		rec := newReceiver(t, nil)
		o := remoteOptions(remoteWriteConfig(t, rec.URL+"/api/v1/write", extra+"headers: {X-Team: ops}\n"))
		o.ExternalLabels = labels.FromStrings("cluster", "eu-1", "instance", "must not win")
		e, stop := start(t, o)
		for second := range int64(3) {
			e.Offer(scored(second, 2, cpu))
		}
		if err := stop(time.Second); err != nil {
			t.Fatal(err)
		}
		got := bySeries(t, rec.samples())
		if len(got) != 4 {
			t.Fatalf("%s: got %d series, want 4: %v", version, len(got), got)
		}
		for key, samples := range got {
			if len(samples) != 4 || !samples[3].stale() {
				t.Errorf("%s: %s: got %v, want three values and a stale marker", version, key, samples)
			}
		}
		want := `{__name__="foreshock_anomaly_score", cluster="eu-1", for="cpu", instance="node-7"}`
		if samples := got[want]; len(samples) == 0 || samples[0].v != 2 || samples[0].t != t0 {
			t.Errorf("%s: no score under %s", version, want)
		}
		h := rec.all()[0].header
		for name, want := range map[string]string{
			"X-Prometheus-Remote-Write-Version": version, "Content-Encoding": "snappy", "X-Team": "ops", "Retry-Attempt": "",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: header %s is %q, want %q", version, name, h.Get(name), want)
			}
		}
		if !strings.HasPrefix(h.Get("User-Agent"), "foreshock/") {
			t.Errorf("%s: user agent is %q", version, h.Get("User-Agent"))
		}
		holdsAccount(t, e.metrics, rec.URL+"/api/v1/write")
	}
}

func TestMetadataSaysWhatTheSeriesAre(t *testing.T) {
	rec := newReceiver(t, nil)
	e, stop := start(t, remoteOptions(
		remoteWriteConfig(t, rec.URL+"/v1", v1+"metadata_config: {send: true, send_interval: 1m}\n"),
		remoteWriteConfig(t, rec.URL+"/v2", v2),
	))
	e.Offer(scored(0, 2, series("__name__", "cpu")))
	if err := stop(time.Second); err != nil {
		t.Fatal(err)
	}
	var told int
	for _, r := range rec.all() {
		for _, m := range r.v1.Metadata {
			if m.MetricFamilyName == foreshock.ScoreMetric && m.Help == familyHelp[scoreFamily] {
				told++
			}
		}
		for _, s := range r.v2.Timeseries {
			if s.Metadata.Type != writev2.Metadata_METRIC_TYPE_GAUGE || !slices.Contains(familyHelp[:], r.v2.Symbols[s.Metadata.HelpRef]) {
				t.Errorf("2.0 metadata is %v", s.Metadata)
			}
		}
	}
	if told != 1 {
		t.Errorf("1.0 metadata was sent %d times within a minute, want once", told)
	}
}

func TestBatchesAreBounded(t *testing.T) {
	rec := newReceiver(t, nil)
	c := remoteWriteConfig(t, rec.URL, v2)
	c.QueueConfig.MaxSamplesPerSend = 7
	c.QueueConfig.BatchSendDeadline = 0
	e, stop := start(t, remoteOptions(c))
	for second := range int64(10) {
		e.Offer(scored(second, 2, series("__name__", "cpu")))
	}
	if err := stop(time.Second); err != nil {
		t.Fatal(err)
	}
	for _, r := range rec.all() {
		if n := len(r.samples()); n > 7 {
			t.Errorf("a request has %d samples", n)
		}
	}
	bySeries(t, rec.samples())
	if n := len(rec.samples()); n != 44 {
		t.Errorf("%d samples arrived, want 40 and 4 markers", n)
	}
}

// What a receiver answers, and what becomes of four samples.
func TestAnswers(t *testing.T) {
	failOnce := func(status int, header ...string) func(http.ResponseWriter, request, int) {
		return func(w http.ResponseWriter, r request, n int) {
			if n > 1 {
				accept(w, r)
				return
			}
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			fmt.Fprint(w, "because")
		}
	}
	for _, c := range []struct {
		name                  string
		config                string
		answer                func(http.ResponseWriter, request, int)
		sent, failed, retried float64
		log                   string
	}{
		{"500 is tried again", v1, failOnce(500), 4, 0, 4, "because"},
		{"400 is not", v1, failOnce(400), 0, 4, 0, "400 Bad Request: because"},
		{"400 may have kept some", v2, failOnce(400, "X-Prometheus-Remote-Write-Samples-Written", "3"), 3, 1, 0, "because"},
		{"400 may lie about what it kept", v2, failOnce(400, "X-Prometheus-Remote-Write-Samples-Written", "99"), 4, 0, 0, ""},
		{"429 is not by default", v1, failOnce(429), 0, 4, 0, "429"},
		{"429 is where asked for", v1 + "queue_config: {retry_on_http_429: true, batch_send_deadline: 10ms, min_backoff: 1ms}\n", failOnce(429), 4, 0, 4, "429"},
		{"2.0 accepted in silence falls back", v2, func(w http.ResponseWriter, _ request, _ int) { w.WriteHeader(204) }, 4, 0, 0, "falling back"},
		{"2.0 refused falls back", v2, func(w http.ResponseWriter, r request, _ int) {
			if r.isV2() {
				w.WriteHeader(415)
				return
			}
			accept(w, r)
		}, 4, 0, 0, "falling back"},
		{"1.0 refused has nothing to fall back to", v1, failOnce(415), 0, 4, 0, "415"},
		{"a lower count is a loss", v2, failOnce(204, "X-Prometheus-Remote-Write-Samples-Written", "1"), 1, 3, 0, "written count"},
		{"less than nothing is nothing", v2, failOnce(204, "X-Prometheus-Remote-Write-Samples-Written", "-99"), 0, 4, 0, "written count"},
		{"a lying count gains nothing", v2, failOnce(204, "X-Prometheus-Remote-Write-Samples-Written", "99"), 4, 0, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := newReceiver(t, c.answer)
			var log logged
			o := remoteOptions(remoteWriteConfig(t, rec.URL, c.config))
			o.Logger = log.logger()
			e, _ := start(t, o)
			e.Offer(scored(0, 2, series("__name__", "cpu")))
			m, name := e.metrics, rec.URL
			waitFor(t, "an end of the samples", func() bool {
				return testutil.ToFloat64(m.samples.WithLabelValues(name)) == 4 && testutil.ToFloat64(m.samplesPending.WithLabelValues(name)) == 0
			})
			for what, pair := range map[string][2]float64{
				"sent":    {testutil.ToFloat64(m.samplesSent.WithLabelValues(name)), c.sent},
				"failed":  {testutil.ToFloat64(m.samplesFailed.WithLabelValues(name)), c.failed},
				"retried": {testutil.ToFloat64(m.samplesRetried.WithLabelValues(name)), c.retried},
			} {
				if pair[0] != pair[1] {
					t.Errorf("%s %v, want %v", what, pair[0], pair[1])
				}
			}
			if c.retried > 0 && rec.all()[1].header.Get("Retry-Attempt") != "1" {
				t.Error("the retry does not say that it is one")
			}
			waitFor(t, "the log to say "+c.log, func() bool { return strings.Contains(log.text(), c.log) })
			holdsAccount(t, m, name)
		})
	}
}

func TestTheFallbackIsRemembered(t *testing.T) {
	rec := newReceiver(t, func(w http.ResponseWriter, _ request, _ int) { w.WriteHeader(204) })
	e, stop := start(t, remoteOptions(remoteWriteConfig(t, rec.URL, v2)))
	e.Offer(scored(0, 2, series("__name__", "cpu")))
	if err := stop(time.Second); err != nil {
		t.Fatal(err)
	}
	var versions []string
	for _, r := range rec.all() {
		versions = append(versions, r.header.Get("X-Prometheus-Remote-Write-Version"))
		if n := r.header.Get("Retry-Attempt"); n != "" {
			t.Errorf("the first request in another version says it is attempt %s", n)
		}
	}
	if versions[0] != "2.0.0" || slices.Contains(versions[1:], "2.0.0") {
		t.Errorf("sent versions %v, want 2.0 once", versions)
	}
}

func TestRetryAfterReplacesTheBackoff(t *testing.T) {
	now := time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)
	for after, want := range map[string]time.Duration{
		"7": 7 * time.Second, "": 0, "-3": -3 * time.Second, "soon": 0,
		"99999999999": maxRetryAfter, "Sun, 01 Mar 2026 14:00:30 GMT": 30 * time.Second,
	} {
		if got := (&answer{after: after}).retryAfter(now); got != want {
			t.Errorf("Retry-After %q is %s, want %s", after, got, want)
		}
	}

	var begun []time.Time
	rec := newReceiver(t, func(w http.ResponseWriter, r request, n int) {
		begun = append(begun, time.Now()) // one request at a time
		if n == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(503)
			return
		}
		accept(w, r)
	})
	e, stop := start(t, remoteOptions(remoteWriteConfig(t, rec.URL, v1)))
	e.Offer(scored(0, 2, series("__name__", "cpu")))
	waitFor(t, "the retry", func() bool { return len(rec.samples()) == 8 })
	if err := stop(time.Second); err != nil {
		t.Fatal(err)
	}
	if pause := begun[1].Sub(begun[0]); pause < time.Second {
		t.Errorf("tried again after %s, asked for 1s", pause)
	}
}

func TestJitterStaysWithinATenth(t *testing.T) {
	for range 1000 {
		if d := jitter(time.Second); d < 900*time.Millisecond || d > 1100*time.Millisecond {
			t.Fatalf("jitter made %s of a second", d)
		}
	}
}

func TestRelabelingAndAgeDropBeforeSending(t *testing.T) {
	rec := newReceiver(t, nil)
	c := remoteWriteConfig(t, rec.URL, `
queue_config: {sample_age_limit: 30s, batch_send_deadline: 10ms}
write_relabel_configs:
  - {source_labels: [__name__], regex: foreshock_expected.*, action: drop}
  - {target_label: team, replacement: ops}
`)
	e, stop := start(t, remoteOptions(c)) // whose clock is at 60 s
	for _, second := range []int64{0, 29, 30, 45} {
		e.Offer(scored(second, 2, series("__name__", "cpu")))
	}
	if err := stop(time.Second); err != nil {
		t.Fatal(err)
	}
	got := bySeries(t, rec.samples())
	if samples := got[`{__name__="foreshock_anomaly_score", for="cpu", team="ops"}`]; len(got) != 1 || len(samples) != 3 {
		t.Errorf("arrived: %v", got)
	}
	if n := testutil.ToFloat64(e.metrics.samplesDropped.WithLabelValues(rec.URL, droppedOld)); n != 2 {
		t.Errorf("%v too old, want the 2 that relabeling left", n)
	}
	if n := testutil.ToFloat64(e.metrics.samplesDropped.WithLabelValues(rec.URL, droppedRelabeled)); n != 15 {
		t.Errorf("%v dropped by relabeling, want 15", n)
	}
	holdsAccount(t, e.metrics, rec.URL)
}

// Whatever is downstream, what is upstream must not notice.
func TestAReceiverThatHangsSlowsNobody(t *testing.T) {
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hanging.Close()
	defer hanging.CloseClientConnections()
	defer close(release)
	healthy := newReceiver(t, nil)

	c := remoteWriteConfig(t, hanging.URL, v1)
	c.QueueConfig.Capacity, c.QueueConfig.MaxShards, c.QueueConfig.MaxSamplesPerSend = 100, 1, 10
	e, stop := start(t, remoteOptions(c, remoteWriteConfig(t, healthy.URL, v1)))
	var slowest time.Duration
	const offers = 2000
	for second := range int64(offers) {
		begin := time.Now()
		e.Offer(scored(second, 2, series("__name__", "cpu")))
		slowest = max(slowest, time.Since(begin))
	}
	if slowest > 100*time.Millisecond {
		t.Errorf("Offer took %s", slowest)
	}
	healthyName, hangingName := healthy.URL, hanging.URL
	sent := func(name string) float64 { return testutil.ToFloat64(e.metrics.samplesSent.WithLabelValues(name)) }
	waitFor(t, "the healthy receiver to have all", func() bool { return sent(healthyName) == 4*offers })

	if err := stop(50 * time.Millisecond); err == nil {
		t.Error("Close did not say that it gave up")
	}
	if sent(hangingName) != 0 || testutil.ToFloat64(e.metrics.samplesDropped.WithLabelValues(hangingName, droppedShutdown)) == 0 {
		t.Error("what was left at the end is not counted")
	}
	if dropped := testutil.ToFloat64(e.metrics.samplesDropped.WithLabelValues(hangingName, droppedFull)); dropped < 4*offers-200 {
		t.Errorf("dropped %v of %d samples from a queue of 100", dropped, 4*offers)
	}
	holdsAccount(t, e.metrics, hangingName)
	holdsAccount(t, e.metrics, healthyName)
}

func TestSecretsStayOutOfTheLogAndTheMetrics(t *testing.T) {
	var log logged
	c := remoteWriteConfig(t, "http://user:canary1@127.0.0.1:1/write?token=canary2", "authorization: {credentials: canary3}\n")
	o := remoteOptions(c)
	o.Logger = log.logger()
	e, stop := start(t, o)
	e.Offer(scored(0, 2, series("__name__", "cpu")))
	waitFor(t, "a failure", func() bool { return strings.Contains(log.text(), "trying again") })
	_ = stop(50 * time.Millisecond)
	if strings.Contains(log.text(), "canary") {
		t.Errorf("the log tells:\n%s", log.text())
	}
	if n := testutil.ToFloat64(e.metrics.samples.WithLabelValues("http://127.0.0.1:1/write")); n == 0 {
		t.Error("the destination is not named by its URL without secrets")
	}
}

func TestARedirectElsewhereIsNotFollowed(t *testing.T) {
	elsewhere := newReceiver(t, nil)
	rec := newReceiver(t, func(w http.ResponseWriter, _ request, _ int) {
		w.Header().Set("Location", elsewhere.URL)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	e, stop := start(t, remoteOptions(remoteWriteConfig(t, rec.URL, v1)))
	e.Offer(scored(0, 2, series("__name__", "cpu")))
	waitFor(t, "the redirect", func() bool { return len(rec.all()) > 0 })
	_ = stop(50 * time.Millisecond)
	if len(elsewhere.all()) > 0 {
		t.Error("samples went to where nobody configured")
	}
}

func TestDestinationsWithOneAddressHaveTwoNames(t *testing.T) {
	taken := map[string]bool{}
	c := remoteWriteConfig(t, "http://localhost/write", "")
	named := remoteWriteConfig(t, "http://localhost/write", "name: store\n")
	got := []string{remoteWriteName(c, taken), remoteWriteName(c, taken), remoteWriteName(named, taken)}
	if want := []string{"http://localhost/write", "http://localhost/write (2)", "store"}; !slices.Equal(got, want) {
		t.Errorf("named %q, want %q", got, want)
	}
}

// Infinities are values; a payload in a NaN would not be, but the stale marker's must
// arrive to the bit.
func TestEveryBitOfAValueArrives(t *testing.T) {
	for _, v := range []float64{0, math.Inf(1), math.SmallestNonzeroFloat64, math.Float64frombits(0x7ff0000000000002)} {
		batch := []sample{{labels: labels.FromStrings("__name__", "x"), t: math.MinInt64, v: v}}
		if got := requestV1(batch).Timeseries[0].Samples[0]; math.Float64bits(got.Value) != math.Float64bits(v) || got.Timestamp != math.MinInt64 {
			t.Errorf("1.0 made %v of %v", got, v)
		}
		if got := requestV2(batch).Timeseries[0].Samples[0]; math.Float64bits(got.Value) != math.Float64bits(v) || got.Timestamp != math.MinInt64 {
			t.Errorf("2.0 made %v of %v", got, v)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	batch := make([]sample, 2000)
	for i := range batch {
		batch[i] = sample{
			labels: labels.FromStrings("__name__", foreshock.ScoreMetric, "for", "cpu", "instance", fmt.Sprint(i), "job", "node"),
			t:      t0, v: float64(i),
		}
	}
	for _, c := range []string{v1, v2} {
		message := remoteWriteConfig(b, "http://localhost", c).ProtobufMessage
		b.Run(string(message), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := encode(message, batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(batch)), "ns/sample")
		})
	}
}
