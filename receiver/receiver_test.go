package receiver

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/foreshock/foreshock"
)

const (
	typeV1 = "application/x-protobuf"
	typeV2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
)

// keeper is an Appender that keeps everything, or answers err.
type keeper struct {
	mu  sync.Mutex
	err error
	foreshock.Batch
}

func (k *keeper) Append(_ context.Context, b *foreshock.Batch) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return k.err
	}
	k.Samples = append(k.Samples, b.Samples...)
	k.Histograms = append(k.Histograms, b.Histograms...)
	k.Metadata = append(k.Metadata, b.Metadata...)
	return nil
}

// start is the time at which all samples of these tests are taken to arrive.
var start = time.UnixMilli(1_700_000_000_000)

func newReceiver(t *testing.T, c Config, log io.Writer) (*Receiver, *keeper, *prometheus.Registry) {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if log == nil {
		log = io.Discard
	}
	k, reg := &keeper{}, prometheus.NewRegistry()
	return New(Options{
		Config: c, Appender: k, Now: func() time.Time { return start }, Registerer: reg,
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}), k, reg
}

// post sends body, compressed, and returns the answer.
func post(h http.Handler, contentType string, raw []byte) *httptest.ResponseRecorder {
	return send(h, http.MethodPost, contentType, "snappy", snappy.Encode(nil, raw))
}

func send(h http.Handler, method, contentType, encoding string, body []byte) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, "/api/v1/write", bytes.NewReader(body))
	for k, v := range map[string]string{"Content-Type": contentType, "Content-Encoding": encoding} {
		if v != "" {
			req.Header.Set(k, v)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

// oneSampleV1 is a request with one sample of the series of labels name, value, ….
func oneSampleV1(t testing.TB, at int64, v float64, ls ...string) []byte {
	t.Helper()
	ts := prompb.TimeSeries{Samples: []prompb.Sample{{Timestamp: at, Value: v}}}
	for i := 0; i < len(ls); i += 2 {
		ts.Labels = append(ts.Labels, prompb.Label{Name: ls[i], Value: ls[i+1]})
	}
	raw, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{ts}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func marshalV2(t *testing.T, st *writev2.SymbolsTable, ts ...writev2.TimeSeries) []byte {
	t.Helper()
	raw, err := (&writev2.Request{Symbols: st.Symbols(), Timeseries: ts}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func symbolize(st *writev2.SymbolsTable, ls ...string) (refs []uint32) {
	for _, s := range ls {
		refs = append(refs, st.Symbolize(s))
	}
	return refs
}

// What cannot be accepted is answered with the status on which each sender does the
// right thing, whatever else is wrong with the request: method before type before
// encoding before size before content.
func TestRefusesInOrder(t *testing.T) {
	c := DefaultConfig()
	c.MaxBody, c.MaxDecoded = 4<<10, 8<<10
	r, k, _ := newReceiver(t, c, nil)
	good := snappy.Encode(nil, oneSampleV1(t, 1, 1, "__name__", "up"))
	big := bytes.Repeat([]byte{'x'}, 5<<10)
	for _, f := range []struct {
		name, method, contentType, encoding string
		body                                []byte
		code                                int
		text                                string
	}{
		{"get", "GET", "text/plain", "gzip", nil, 405, "only POST"},
		{"type before encoding", "POST", "text/plain", "gzip", big, 415, "Content-Type"},
		{"unparsable type", "POST", "application/x-protobuf;;=", "snappy", good, 415, "Content-Type"},
		{"unknown proto", "POST", typeV1 + "; proto=io.prometheus.write.v3.Request", "snappy", good, 415, "v3"},
		{"encoding before size", "POST", typeV1, "zstd", big, 415, `"zstd" is not snappy`},
		{"size before snappy", "POST", typeV1, "snappy", big, 400, "body is too large"},
		{"not snappy", "POST", typeV1, "snappy", []byte{0xff}, 400, "snappy"},
		{"framed snappy", "POST", typeV1, "snappy", []byte("\xff\x06\x00\x00sNaPpY\x00"), 400, "snappy"},
		{"lying length", "POST", typeV1, "snappy", []byte{0xff, 0x3f, 0, 0}, 400, "snappy"},
		{"decompression bomb", "POST", typeV1, "snappy", snappy.Encode(nil, make([]byte, 9<<10)), 400, "decompressed body is too large: 9216"},
		{"not proto", "POST", typeV1, "snappy", snappy.Encode(nil, []byte("hello")), 400, "malformed"},
		{"no type, no encoding", "POST", "", "", good, 204, ""},
		{"with a space", "POST", typeV1 + "; proto=prometheus.WriteRequest", "snappy", good, 204, ""},
		{"quoted, of 2.0", "POST", typeV1 + `; proto="io.prometheus.write.v2.Request"`, "snappy", nil, 400, "snappy"},
	} {
		w := send(r, f.method, f.contentType, f.encoding, f.body)
		if w.Code != f.code || !strings.Contains(w.Body.String(), f.text) {
			t.Errorf("%s: %d %q, want %d with %q", f.name, w.Code, w.Body, f.code, f.text)
		}
		if f.code == 405 && w.Header().Get("Allow") != "POST" {
			t.Errorf("%s: Allow is %q", f.name, w.Header().Get("Allow"))
		}
	}
	if len(k.Samples) != 2 {
		t.Errorf("%d samples arrived, want those of the two good requests", len(k.Samples))
	}
}

// A sender of version 2.0 believes the counts; one of 1.0 must not be sent any, for
// Prometheus takes zeros there for loss.
func TestWrittenCounts(t *testing.T) {
	r, k, _ := newReceiver(t, DefaultConfig(), nil)
	w := post(r, typeV1, oneSampleV1(t, 1, 1, "__name__", "up"))
	if w.Code != 204 || w.Body.Len() != 0 || len(w.Header()) != 0 {
		t.Errorf("version 1.0: %d, body %q, headers %v", w.Code, w.Body, w.Header())
	}

	st := writev2.NewSymbolTable()
	up := symbolize(&st, "__name__", "up")
	ints, _ := nativeHistograms()
	raw := marshalV2(t, &st,
		writev2.TimeSeries{LabelsRefs: up, Samples: []writev2.Sample{{Value: 1, Timestamp: 1}, {Value: 2, Timestamp: 2}}},
		writev2.TimeSeries{LabelsRefs: up, Histograms: []writev2.Histogram{writev2.FromIntHistogram(0, 3, ints[0])}},
		writev2.TimeSeries{LabelsRefs: up, Exemplars: []writev2.Exemplar{{Value: 1}, {Value: 2}, {Value: 3}}},
		writev2.TimeSeries{LabelsRefs: up, Metadata: writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_GAUGE}},
		writev2.TimeSeries{LabelsRefs: symbolize(&st, "__name__", foreshock.ScoreMetric, "for", "up"), Samples: []writev2.Sample{{Value: 1, Timestamp: 1}}},
	)
	k.Batch = foreshock.Batch{}
	wantWritten(t, post(r, typeV2, raw), 204, "3", "1", "3")
	if len(k.Samples) != 2 || len(k.Histograms) != 1 {
		t.Errorf("%d samples and %d histograms arrived: our own output comes back only to be dropped", len(k.Samples), len(k.Histograms))
	}
}

func wantWritten(t *testing.T, w *httptest.ResponseRecorder, code int, samples, histograms, exemplars string) {
	t.Helper()
	h := w.Header()
	got := []string{
		h.Get("X-Prometheus-Remote-Write-Samples-Written"),
		h.Get("X-Prometheus-Remote-Write-Histograms-Written"),
		h.Get("X-Prometheus-Remote-Write-Exemplars-Written"),
	}
	if want := []string{samples, histograms, exemplars}; w.Code != code || !slices.Equal(got, want) {
		t.Errorf("%d, written %q, want %d, %q: %s", w.Code, got, code, want, w.Body)
	}
}

// What is good of a request is kept; the sender's log says how much was not, why,
// and where to look, without letting a label write the log.
func TestPartialWrite(t *testing.T) {
	r, k, reg := newReceiver(t, DefaultConfig(), nil)
	st := writev2.NewSymbolTable()
	sample := []writev2.Sample{{Value: 1, Timestamp: start.UnixMilli()}}
	bad := symbolize(&st, "job", "x\n\"level=error\" "+strings.Repeat("é", 5000))
	up := symbolize(&st, "__name__", "up")
	w := post(r, typeV2, marshalV2(t, &st,
		writev2.TimeSeries{LabelsRefs: up, Samples: sample},
		writev2.TimeSeries{LabelsRefs: bad[:2], Samples: sample},
		writev2.TimeSeries{LabelsRefs: []uint32{up[0], 77}, Samples: sample},
		writev2.TimeSeries{LabelsRefs: up, Samples: []writev2.Sample{{Value: 3, Timestamp: start.UnixMilli() + 600_001}, {Value: 2, Timestamp: start.UnixMilli() + 600_000}}},
	))
	wantWritten(t, w, 400, "2", "0", "0")
	if got, want := w.Body.String(), "rejected 2 of 4 series, 1 of 5 samples: "; !strings.HasPrefix(got, want) || len(got) > 1024 || strings.Count(got, "\n") > 1 {
		t.Errorf("%d bytes of message: %s", len(got), got)
	}
	if len(k.Samples) != 2 {
		t.Errorf("%d samples arrived, want 2", len(k.Samples))
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP foreshock_receiver_samples_total Samples handed on to the detector.
# TYPE foreshock_receiver_samples_total counter
foreshock_receiver_samples_total 2
`), "foreshock_receiver_samples_total"); err != nil {
		t.Error(err)
	}
	w = post(r, typeV1, append(oneSampleV1(t, 1, 1, "job", "x"), oneSampleV1(t, 1, 1, "__name__", "up")...))
	if got, want := w.Body.String(), "rejected 1 of 2 series: 1 missing __name__; first: {job=\"x\"}\n"; w.Code != 400 || got != want {
		t.Errorf("%d %q, want 400 %q", w.Code, got, want)
	}
}

// Metadata comes in requests of its own, without series.
func TestMetadata(t *testing.T) {
	r, k, _ := newReceiver(t, DefaultConfig(), nil)
	raw, err := (&prompb.WriteRequest{Metadata: []prompb.MetricMetadata{{Type: prompb.MetricMetadata_COUNTER, MetricFamilyName: "requests_total", Help: "h"}}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if w := post(r, typeV1, raw); w.Code != 204 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	st := writev2.NewSymbolTable()
	w := post(r, typeV2, marshalV2(t, &st, writev2.TimeSeries{
		LabelsRefs: symbolize(&st, "__name__", "latency_bucket", "le", "1"), Metadata: writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_HISTOGRAM},
	}))
	wantWritten(t, w, 204, "0", "0", "0")
	want := []foreshock.Metadata{{Family: "requests_total", Type: model.MetricTypeCounter}, {Family: "latency", Type: model.MetricTypeHistogram}}
	if !slices.Equal(k.Metadata, want) {
		t.Errorf("got %v, want %v", k.Metadata, want)
	}
}

// Version 2.0 types each series in every request. The Appender is told once, and once
// more where the type changes, or where a batch that told it was refused.
func TestTypesAreToldOnce(t *testing.T) {
	r, k, _ := newReceiver(t, DefaultConfig(), nil)
	typed := func(kind writev2.Metadata_MetricType) []byte {
		st := writev2.NewSymbolTable()
		return marshalV2(t, &st, writev2.TimeSeries{
			LabelsRefs: symbolize(&st, "__name__", "x"), Metadata: writev2.Metadata{Type: kind}, Samples: []writev2.Sample{{Timestamp: 1}},
		})
	}
	gauge, counter := typed(writev2.Metadata_METRIC_TYPE_GAUGE), typed(writev2.Metadata_METRIC_TYPE_COUNTER)
	broken := append(slices.Clone(counter), 0x2a, 0x7f)
	for i, f := range []struct {
		raw  []byte
		err  error
		code int
		want []model.MetricType // told by now
	}{
		{raw: gauge, err: foreshock.ErrOverloaded, code: 503},
		{raw: gauge, code: 204, want: []model.MetricType{"gauge"}},
		{raw: gauge, code: 204, want: []model.MetricType{"gauge"}},
		{raw: counter, err: foreshock.ErrClosed, code: 503, want: []model.MetricType{"gauge"}},
		{raw: counter, code: 204, want: []model.MetricType{"gauge", "counter"}},
		{raw: typed(writev2.Metadata_METRIC_TYPE_UNSPECIFIED), code: 204, want: []model.MetricType{"gauge", "counter"}},
		{raw: counter, code: 204, want: []model.MetricType{"gauge", "counter"}},
		{raw: gauge, code: 204, want: []model.MetricType{"gauge", "counter", "gauge"}},
		{raw: broken, code: 400, want: []model.MetricType{"gauge", "counter", "gauge"}},
		{raw: counter, code: 204, want: []model.MetricType{"gauge", "counter", "gauge", "counter"}},
	} {
		k.err = f.err
		if w := post(r, typeV2, f.raw); w.Code != f.code {
			t.Errorf("request %d: answered %d, want %d", i, w.Code, f.code)
		}
		var got []model.MetricType
		for _, m := range k.Metadata {
			got = append(got, m.Type)
		}
		if !slices.Equal(got, f.want) {
			t.Errorf("request %d: told %v, want %v", i, got, f.want)
		}
	}
}

// A staleness marker arrives with its very bits: it is a signalling NaN, which
// arithmetic would turn into another.
func TestStaleMarkerKeepsItsBits(t *testing.T) {
	r, k, _ := newReceiver(t, DefaultConfig(), nil)
	for _, bits := range []uint64{value.StaleNaN, value.NormalNaN, 0x7ff0000000000123} {
		post(r, typeV1, oneSampleV1(t, 1, math.Float64frombits(bits), "__name__", "up"))
		if got := math.Float64bits(k.Samples[len(k.Samples)-1].V); got != bits {
			t.Errorf("%x arrived as %x", bits, got)
		}
	}
}

// The detector is told what to do by its own state only: overload and shutdown are
// answered so that the sender comes again, or does not, as configured.
func TestAppenderRefuses(t *testing.T) {
	c := DefaultConfig()
	for _, f := range []struct {
		err        error
		configured int
		code       int
	}{
		{foreshock.ErrOverloaded, 503, 503},
		{foreshock.ErrOverloaded, 429, 429},
		{context.DeadlineExceeded, 429, 429},
		{foreshock.ErrClosed, 429, 503},
	} {
		c.OverloadStatus, c.RetryAfter = f.configured, model.Duration(6500*time.Millisecond)
		r, k, _ := newReceiver(t, c, nil)
		k.err = f.err
		st := writev2.NewSymbolTable()
		w := post(r, typeV2, marshalV2(t, &st, writev2.TimeSeries{LabelsRefs: symbolize(&st, "__name__", "up"), Samples: []writev2.Sample{{Timestamp: 1}}}))
		wantWritten(t, w, f.code, "0", "0", "0")
		if got := w.Header().Get("Retry-After"); got != "7" {
			t.Errorf("%v: Retry-After %q, want 7", f.err, got)
		}
	}
}

// With every decoder busy a request waits a second, then is told to come again; the
// next one finds a decoder as soon as there is one.
func TestWaitsForADecoder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := DefaultConfig()
		c.Concurrency = 1
		r, _, _ := newReceiver(t, c, nil)
		raw := oneSampleV1(t, 1, 1, "__name__", "up")
		d := r.settings.Load().decoders.take(t.Context(), netip.Addr{}, 1)
		began := time.Now()
		if w := post(r, typeV1, raw); w.Code != 503 || time.Since(began) != maxTurn {
			t.Errorf("%d after %s", w.Code, time.Since(began))
		}
		go func() {
			time.Sleep(maxTurn / 2)
			r.settings.Load().decoders.release(d)
		}()
		if w := post(r, typeV1, raw); w.Code != 204 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// A reload takes effect on the next request, also for series that were judged
// under the old limits, and series keep their identity.
func TestSetConfig(t *testing.T) {
	c := DefaultConfig()
	r, k, _ := newReceiver(t, c, nil)
	raw := oneSampleV1(t, 1, 1, "__name__", "up", "job", "a", "x", "y")
	post(r, typeV1, raw)
	c.MaxLabels = 2
	r.SetConfig(c)
	if w := post(r, typeV1, raw); w.Code != 400 || !strings.Contains(w.Body.String(), "too many labels") {
		t.Errorf("with a limit of 2 labels: %d %s", w.Code, w.Body)
	}
	r.SetConfig(DefaultConfig())
	post(r, typeV1, raw)
	if len(k.Samples) != 2 {
		t.Fatalf("%d samples arrived, want 2", len(k.Samples))
	}
}

// Each limit has its own reason, in the answer and as a counter.
func TestLimits(t *testing.T) {
	c := DefaultConfig()
	c.MaxSeries, c.MaxSamples, c.MaxObjects, c.MaxLabels, c.MaxLabelName, c.MaxLabelValue, c.MaxLabelsSize, c.MaxLearned = 8, 15, 20, 3, 10, 20, 40, 1<<10
	many := func(n int, raw []byte) []byte { return bytes.Repeat(raw, n) }
	for _, f := range []struct {
		what, reason string
		raw          []byte
	}{
		{"request", "too_many_series", many(9, oneSampleV1(t, 1, 1, "__name__", "a"))},
		{"request", "too_many_samples", []byte("\x0a\x20" + strings.Repeat("\x12\x00", 8) + strings.Repeat("\x22\x00", 8))},
		{"request", "too_many_objects", []byte("\x0a\x2c" + strings.Repeat("\x1a\x00", 22))},
		{"series", "too_many_labels", oneSampleV1(t, 1, 1, "__name__", "a", "b", "c", "d", "e", "f", "g")},
		{"series", "label_name_too_long", oneSampleV1(t, 1, 1, "__name__", "a", strings.Repeat("b", 11), "c")},
		{"series", "label_value_too_long", oneSampleV1(t, 1, 1, "__name__", strings.Repeat("b", 21))},
		{"series", "labels_too_long", oneSampleV1(t, 1, 1, "__name__", strings.Repeat("b", 20), "c", strings.Repeat("d", 20))},
		{"series", "too_much_new", slices.Concat(
			oneSampleV1(t, 1, 1, "__name__", "a"), oneSampleV1(t, 1, 1, "__name__", "b"), oneSampleV1(t, 1, 1, "__name__", "c"),
			oneSampleV1(t, 1, 1, "__name__", "d"),
		)},
	} {
		r, _, _ := newReceiver(t, DefaultConfig(), nil)
		r.SetConfig(c)
		w := post(r, typeV1, f.raw)
		n := 0.0
		refusable(func(k kind, why refusal) {
			if kindNames[k] == f.what && why.label() == f.reason {
				n = testutil.ToFloat64(r.metrics.refused[k][why])
			}
		})
		if w.Code != 400 || n != 1 {
			t.Errorf("%s %s: counted %v times, answered %d %s", f.what, f.reason, n, w.Code, w.Body)
		}
	}
}

// A sender that is refused is refused every second: it gets a line of log each at
// debug level and a warning a minute, and none is longer for what it sends.
func TestLogIsBounded(t *testing.T) {
	var log bytes.Buffer
	r, _, _ := newReceiver(t, DefaultConfig(), &log)
	raw := oneSampleV1(t, 1, 1, "job", strings.Repeat("\x00", 4000))
	for range 10 {
		post(r, typeV1, bytes.Repeat(raw, 100))
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 10 || strings.Count(log.String(), "level=WARN") != 1 || log.Len() > 10*2<<10 {
		t.Errorf("%d lines, %d bytes:\n%s", len(lines), log.Len(), lines[0])
	}
}

func TestMetricsAreWellNamed(t *testing.T) {
	_, _, reg := newReceiver(t, DefaultConfig(), nil)
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

func TestConfigSaysEveryMistake(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	c.MaxBody, c.MaxSeries, c.OverloadStatus, c.Concurrency, c.RetryAfter = 0, -1, 500, -1, 0
	err := c.Validate()
	for _, want := range []string{"receiver.max_body: ", "receiver.max_series: must be positive, got -1", "receiver.overload_status: ", "receiver.concurrency: ", "receiver.retry_after: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
}
