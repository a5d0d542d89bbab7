package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"

	"github.com/foreshock/foreshock"
)

// start is when the samples of these tests begin, on the hour.
const start = int64(1772366400000) // 2026-03-01T12:00:00Z

// store is a data directory of Prometheus's own, with five hours of samples every 15 s:
// two gauges, of which one ends, a native histogram and a series Foreshock emitted.
func store(t *testing.T) (*tsdb.DB, []string) {
	t.Helper()
	db, err := tsdb.Open(t.TempDir(), promslog.NewNopLogger(), nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	app := db.Appender(t.Context())
	add := func(ls labels.Labels, at int64, v float64) {
		if _, err := app.Append(0, ls, at, v); err != nil {
			t.Fatal(err)
		}
		if !foreshock.OwnOutput(ls) {
			want = append(want, told(foreshock.Sample{Series: foreshock.NewSeries(ls), T: at, V: v}))
		}
	}
	natively := labels.FromStrings("__name__", "latency")
	for i := range int64(5 * 240) {
		at := start + i*15_000
		add(labels.FromStrings("__name__", "temperature", "room", "a"), at, float64(i))
		switch {
		case i < 600:
			add(labels.FromStrings("__name__", "temperature", "room", "b"), at+1, -float64(i))
		case i == 600:
			add(labels.FromStrings("__name__", "temperature", "room", "b"), at+1, math.Float64frombits(value.StaleNaN))
		}
		add(labels.FromStrings("__name__", "foreshock_anomaly_score", "for", "temperature"), at, 1)
		h := tsdbutil.GenerateTestHistogram(i)
		if _, err := app.AppendHistogram(0, natively, at, h, nil); err != nil {
			t.Fatal(err)
		}
		want = append(want, toldHistogram(foreshock.NewHistogram(foreshock.NewSeries(natively), at, h.ToFloat(nil))))
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	return db, want
}

func told(s foreshock.Sample) string {
	return fmt.Sprintf("%d %s %x", s.T, s.Series, math.Float64bits(s.V))
}

func toldHistogram(h foreshock.Histogram) string {
	f := h.Float()
	f.CounterResetHint = histogram.UnknownCounterReset // is each reader's to say
	return fmt.Sprintf("%d %s %s", h.T, h.Series, f.String())
}

// gather reads everything of a source, sees to its order and returns it sorted.
func gather(t *testing.T, s Source, span Span) []string {
	t.Helper()
	var got []string
	newest := int64(math.MinInt64)
	err := s.Read(t.Context(), span, func(_ context.Context, b *foreshock.Batch) error {
		if b.Len() > batchSamples {
			t.Errorf("a batch of %d", b.Len())
		}
		times := []int64{}
		for _, x := range b.Samples {
			got, times = append(got, told(x)), append(times, x.T)
		}
		for _, h := range b.Histograms {
			got, times = append(got, toldHistogram(h)), append(times, h.T)
		}
		if len(times) == 0 {
			return nil
		}
		if slices.Min(times) < newest || slices.Max(times) >= slices.Min(times)+batchSpan {
			t.Errorf("a batch from %d to %d after one up to %d", slices.Min(times), slices.Max(times), newest)
		}
		newest = slices.Max(times)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	return got
}

// served is the store behind Prometheus's own handler of remote read.
func served(t *testing.T, db storage.SampleAndChunkQueryable) Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/prometheus/api/v1/read", remote.NewReadHandler(promslog.NewNopLogger(), nil, db,
		func() promconfig.Config { return promconfig.Config{} }, 0, 10, 1<<20))
	mux.HandleFunc("/prometheus/api/v1/metadata", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"status":"success","data":{"temperature":[{"type":"gauge"}],"odd":[{"type":"unknown"}]}}`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	u, err := ParseURL(server.URL + "/prometheus")
	if err != nil {
		t.Fatal(err)
	}
	return Server{URL: u}
}

// TestEverySourceTellsTheSame: what was written is read back, sample for sample, from the
// data directory, from one block and over remote read.
func TestEverySourceTellsTheSame(t *testing.T) {
	db, want := store(t)
	defer db.Close()

	data, err := OpenTSDB(db.Dir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if data.Span().From != start {
		t.Errorf("the data begins %s, want %s", stamp(data.Span().From), stamp(start))
	}

	prometheus, err := NewPrometheus(served(t, db), nil)
	if err != nil {
		t.Fatal(err)
	}

	q, err := db.Querier(start, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	var series []storage.Series
	for set := q.Select(t.Context(), true, nil, all...); set.Next(); {
		series = append(series, set.At())
	}
	dir, err := tsdb.CreateBlock(series, t.TempDir(), 24*time.Hour.Milliseconds(), promslog.NewNopLogger())
	if err != nil {
		t.Fatal(err)
	}
	q.Close()
	block, err := OpenTSDB(dir, nil)
	if err != nil {
		t.Fatal(err)
	}

	for name, s := range map[string]struct {
		Source
		Span
	}{
		"data directory": {data, data.Span()},
		"one block":      {block, block.Span()},
		"remote read":    {prometheus, Span{start, start + 24*time.Hour.Milliseconds()}},
	} {
		if got := gather(t, s.Source, s.Span); !slices.Equal(got, want) {
			t.Errorf("%s: %d samples, want %d; the first are\n%s\nand should be\n%s", name, len(got), len(want), got[:min(3, len(got))], want[:3])
		}
		if s.Progress() != 1 || s.Skipped() != 1 {
			t.Errorf("%s: progress %v, skipped %d, want all, and the one of Foreshock's own", name, s.Progress(), s.Skipped())
		}
	}
	if err := errors.Join(data.Close(), block.Close()); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(db.Dir(), "tmp_*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSelectorsAndSpan(t *testing.T) {
	db, all := store(t)
	defer db.Close()
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(`temperature{room="b"}`)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPrometheus(served(t, db), Selectors{matchers})
	if err != nil {
		t.Fatal(err)
	}
	span := Span{start + 60_000, start + 120_001}
	var want []string
	for _, s := range all {
		if at := s[:len("1772366400000")]; strings.Contains(s, `room="b"`) && at >= fmt.Sprint(span.From) && at <= fmt.Sprint(span.To) {
			want = append(want, s)
		}
	}
	if got := gather(t, p, span); !slices.Equal(got, want) || len(want) != 5 {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// TestTypesComeFirst: without them a counter of an uncommon name would be taken for a
// gauge.
func TestTypesComeFirst(t *testing.T) {
	db, _ := store(t)
	defer db.Close()
	p, err := NewPrometheus(served(t, db), nil)
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("enough")
	err = p.Read(t.Context(), Span{start, start}, func(_ context.Context, b *foreshock.Batch) error {
		if b.Len() > 0 || fmt.Sprint(b.Metadata) != "[{temperature gauge}]" {
			t.Errorf("the first batch is %+v", b)
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Errorf("error %v, want the one of who was called", err)
	}
}

// TestFullSlicesAreHalved: a fleet too large for a slice is read in smaller ones.
func TestFullSlicesAreHalved(t *testing.T) {
	s := newSlicer(1000)
	x := foreshock.NewSeries(labels.FromStrings("__name__", "x"))
	var lengths []int64
	n := 0
	err := s.read(t.Context(), Span{start, start + 600_000 - 1}, func(_ context.Context, span Span, into *slice) error {
		if length := span.To - span.From + 1; length > 80_000 {
			return errFull
		} else {
			lengths = append(lengths, length)
		}
		return into.add(x, span.From, 1)
	}, func(_ context.Context, b *foreshock.Batch) error {
		n += b.Len()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for _, l := range lengths {
		sum += l
	}
	if sum != 600_000 || n != len(lengths) {
		t.Errorf("slices of %v, %d samples", lengths, n)
	}
	err = s.read(t.Context(), Span{start, start}, func(context.Context, Span, *slice) error { return errFull }, nil)
	if !errors.Is(err, errFull) {
		t.Errorf("a second too full for memory: error %v", err)
	}
}

func TestServersThatFail(t *testing.T) {
	for what, answer := range map[string]http.HandlerFunc{
		"500":         func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "out of disk", 500) },
		"not ours":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"broken":      func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
		"torn stream": tornStream,
		"a long tale": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, strings.Repeat("no ", 1<<20), 500) },
	} {
		server := httptest.NewServer(answer)
		u, err := ParseURL(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		p, err := NewPrometheus(Server{URL: u}, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = p.Read(t.Context(), Span{start, start + 1000}, func(context.Context, *foreshock.Batch) error { return nil })
		if err == nil {
			t.Errorf("%s: no error", what)
		} else if len(err.Error()) > 2<<10 {
			t.Errorf("%s: an error of %d bytes", what, len(err.Error()))
		}
		q, err := NewQuery(Server{URL: u}, "up", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		err = q.Read(t.Context(), Span{start, start + 1000}, func(context.Context, *foreshock.Batch) error { return nil })
		if err == nil {
			t.Errorf("%s: no error of a query", what)
		}
		server.Close()
	}
}

// tornStream announces a frame and sends half of it.
func tornStream(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse")
	w.Write([]byte{100, 1, 2, 3, 4, 5, 6})
}

func TestQueries(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if got := r.FormValue("query"); got != "rate(x[1m])" {
			t.Errorf("asked for %q", got)
		}
		from := r.FormValue("start")
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"cpu":"0"},"values":[[%s,"0.5"]]}]}}`, from)
	}))
	defer server.Close()
	u, _ := ParseURL(server.URL)
	q, err := NewQuery(Server{URL: u}, "rate(x[1m])", 15*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	got := gather(t, q, Span{start, start + 600_000})
	if want := fmt.Sprintf(`%d query{cpu="0"} %x`, start, math.Float64bits(0.5)); len(got) != asked || got[0] != want {
		t.Errorf("got %v in %d answers, want %s first", got, asked, want)
	}
	for expression, want := range map[string]string{
		"rate(x[1m]":   "query: 1:11: parse error: unclosed left parenthesis",
		"x[5m]":        "query: is a range vector; want what has one value at a time, such as rate(…) of it",
		`"a sentence"`: "query: is a string; want what has one value at a time, such as rate(…) of it",
	} {
		if _, err := NewQuery(Server{URL: u}, expression, time.Second); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", expression, err, want)
		}
	}
}

func csv(text string) *CSV {
	return NewCSV("f.csv", int64(len(text)), func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil })
}

func TestCSV(t *testing.T) {
	got := gather(t, csv("time,\"up{job=\"\"shop\"\"}\",free memory,foreshock_incident\n0,1,5,1\n60,0,,1\n120,1,7,1\n"), Span{60_000, math.MaxInt64})
	want := []string{
		`120000 up{job="shop"} 3ff0000000000000`,
		`120000 value{column="free memory"} 401c000000000000`,
		`60000 up{job="shop"} 0`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	err := csv("time,a\n60,1\n0,1\n").Read(t.Context(), Span{math.MinInt64, math.MaxInt64}, func(context.Context, *foreshock.Batch) error { return nil })
	if err == nil || err.Error() != "f.csv:3: before the time of an earlier row; sort the file by time" {
		t.Error(err)
	}
}

func TestNoBlocks(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "absent")} {
		if _, err := OpenTSDB(dir, nil); err == nil || !strings.HasPrefix(err.Error(), "open the blocks in "+dir) {
			t.Error(err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) > 0 {
			t.Errorf("left behind: %v", entries)
		}
	}
}
