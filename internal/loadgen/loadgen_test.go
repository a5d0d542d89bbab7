package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The comparison works from end to end among the real programs, in both protocols: each
// keeps every sample it is sent, or the exit code says so.
func TestBothKeepEverySample(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{
		"--foreshock=../../bin/foreshock", "--tools=../../.tools/bin", "--dir", t.TempDir(), "--output=json", "--runs=1",
		"--series=1000", "--protocol=rw1", "--protocol=rw2", "--mix=moving", "--connections=2", "--churn=1", "--warm=12", "--scrapes=5",
	}, &stdout, &stderr)
	if code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, &stdout, &stderr)
	}
	var results []result
	if err := json.Unmarshal(stdout.Bytes(), &results); err != nil {
		t.Fatal(err)
	}
	if len(results) != 2 {
		t.Fatalf("%d rows of 2", len(results))
	}
	for _, r := range results {
		if len(r.Runs[0]) != 2 {
			t.Errorf("%s: %d programs of 2", &r.Row, len(r.Runs[0]))
		}
		for _, m := range r.Runs[0] {
			if m.Kept != 18*1000 || m.Sent != m.Kept || m.SamplesPerCPUSecond <= 0 || m.P99 < m.P50 {
				t.Errorf("%s: %+v", &r.Row, m)
			}
		}
	}
}

// Interrupted at work, it leaves no program and no file behind.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{
		"--foreshock=../../bin/foreshock", "--tools=../../.tools/bin", "--dir", dir,
		"--series=1000", "--rate=10", "--runs=1", // 100 s a scrape
	}, &stdout, &stderr)
	if code != 1 || !strings.Contains(stderr.String(), "deadline") {
		t.Errorf("exit code %d, %s", code, &stderr)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v are left in the directory, %v", left, err)
	}
}

// A server that loses samples fails its row, whatever it answered.
func TestLostSamplesFailTheRow(t *testing.T) {
	r := result{Row: standard()[0], Failed: "foreshock, run 1: kept 999 of the 1000 samples sent"}
	r.summarise()
	for _, form := range []string{"text", "markdown"} {
		var b strings.Builder
		if err := write(&b, form, []result{r}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "FAILED: foreshock, run 1: kept 999 of the 1000") || strings.Contains(b.String(), "÷") {
			t.Errorf("%s:\n%s", form, b.String())
		}
	}
}

// receiver notes what it is sent, and takes its time.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	times map[string][]int64 // by series
	slow  time.Duration
}

func newReceiver(t *testing.T, slow time.Duration) *receiver {
	r := &receiver{times: map[string][]int64{}, slow: slow}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		time.Sleep(r.slow)
		var body bytes.Buffer
		if _, err := body.ReadFrom(req.Body); err != nil {
			t.Error(err)
		}
		raw, err := snappy.Decode(nil, body.Bytes())
		if err != nil {
			t.Error(err)
		}
		var got prompb.WriteRequest
		if err := got.Unmarshal(raw); err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, ts := range got.Timeseries {
			name := ""
			for _, l := range ts.Labels {
				name += l.Name + "=" + l.Value + ","
			}
			r.times[name] = append(r.times[name], ts.Samples[0].Timestamp)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(r.Close)
	return r
}

// Whatever the number of connections, every series comes once a scrape and in order.
func TestSeriesArriveInOrder(t *testing.T) {
	const series, n = 3*perRequest + 500, 5
	scrapes, err := encode(t.Context(), newFleet(defaultMix, 0), rw1, series, n, 1e12)
	if err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t, 0)
	s := newSender(r.URL, rw1, 3)
	defer s.close()
	took, err := s.play(t.Context(), scrapes, 0)
	if err != nil || len(took) != n*4 {
		t.Fatalf("%d requests, %v", len(took), err)
	}
	if len(r.times) != series {
		t.Fatalf("%d series of %d", len(r.times), series)
	}
	for name, ts := range r.times {
		for k := range n {
			if len(ts) != n || ts[k] != 1e12+int64(k)*interval {
				t.Fatalf("%s came at %v", name, ts)
			}
		}
	}
}

// In an open loop a request that waits behind a slow one has waited too.
func TestOpenLoopCountsTheWait(t *testing.T) {
	scrapes, err := encode(t.Context(), newFleet(defaultMix, 0), rw1, 100, 10, 1e12)
	if err != nil {
		t.Fatal(err)
	}
	const slow = 20 * time.Millisecond
	s := newSender(newReceiver(t, slow).URL, rw1, 1)
	defer s.close()
	took, err := s.play(t.Context(), scrapes, 100/slow.Seconds()*4) // four times what it can take
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range took {
		if least := slow + time.Duration(i)*slow*3/4; d < least {
			t.Errorf("request %d is said to have taken %s, it was done %s after it was due", i, d, least)
		}
	}
}

func TestQuantile(t *testing.T) {
	var ds []time.Duration
	for i := range 100 {
		ds = append(ds, time.Duration(100-i)*time.Millisecond)
	}
	if p50, p99 := quantile(ds, 0.5), quantile(ds, 0.99); p50 != 50 || p99 != 99 {
		t.Errorf("p50 %g, p99 %g", p50, p99)
	}
}

func TestNumbersAreShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 999: "999", 1234: "1 230", 1234567: "1 230 000", -4567: "−4 570"} {
		if got := grouped(v); got != want {
			t.Errorf("grouped(%g) = %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0", 0.00224: "0.0022", 0.357: "0.36", 9.15: "9.2", 478.2: "478", 9354: "9 350"} {
		if got := digits(v); got != want {
			t.Errorf("digits(%g) = %q, want %q", v, got, want)
		}
	}
	for n, want := range map[int]string{1000: "1k", 1_000_000: "1M", 1234: "1234", 200: "200"} {
		if got := short(n); got != want {
			t.Errorf("short(%d) = %q, want %q", n, got, want)
		}
	}
}

// A server without room is asked again, and the sample arrives once.
func TestRefusedRequestsComeAgain(t *testing.T) {
	scrapes, err := encode(t.Context(), newFleet(defaultMix, 0), rw1, 10, 2, 1e12)
	if err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t, 0)
	asked := 0
	full := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if asked++; asked%2 == 1 {
			http.Error(w, "no room", http.StatusServiceUnavailable)
			return
		}
		r.Config.Handler.ServeHTTP(w, req)
	}))
	defer full.Close()
	s := newSender(full.URL, rw1, 1)
	defer s.close()
	took, err := s.play(t.Context(), scrapes, 0)
	if err != nil || len(took) != 2 || took[0] < 30*time.Millisecond {
		t.Fatalf("took %v, %v", took, err)
	}
	if got := s.refused.Load(); got != 2 || len(r.times) != 10 {
		t.Errorf("%d refusals of 2, %d series of 10", got, len(r.times))
	}
}

// Figures are medians, and so is the ratio: of those of each run, which had the same
// weather, and not of the medians.
func TestRatioIsTakenWithinARun(t *testing.T) {
	r := result{Row: standard()[0]}
	for _, v := range [][2]float64{{100, 20}, {60, 10}, {80, 40}} {
		r.Runs = append(r.Runs, map[program]measurement{foreshock: {P99: v[0]}, prometheus: {P99: v[1]}})
	}
	r.summarise()
	const name = "p99Milliseconds"
	if f, p, ratio := r.Medians[foreshock][name], r.Medians[prometheus][name], r.Ratio[name]; f != 80 || p != 20 || ratio != 5 {
		t.Errorf("medians %g and %g, ratio %g", f, p, ratio)
	}
	for _, runs := range r.Runs {
		delete(runs, prometheus)
	}
	r.summarise()
	if lines := r.lines(); len(lines) != 1 || lines[0][0] != "Foreshock" {
		t.Errorf("one program by itself has the lines %q", lines)
	}
}

// The charts have a line for each program and protocol, and a hole where a row failed.
func TestCharts(t *testing.T) {
	for _, s := range sweeps() {
		var results []result
		for i, r := range s.rows {
			res := result{Row: r, Runs: []map[program]measurement{{foreshock: {SamplesPerCPUSecond: 1e6}, prometheus: {SamplesPerCPUSecond: 2e5}}}}
			if i == 0 {
				res.Failed = "prometheus, run 1: it ended"
			}
			res.summarise()
			results = append(results, res)
		}
		c := s.chart(results)
		if len(c.Lines) != 4 {
			t.Fatalf("%s: %d lines of 4", s.file, len(c.Lines))
		}
		half := len(s.rows) / 2
		for _, l := range c.Lines {
			want := half
			if !l.Dashed {
				want-- // the row that failed
			}
			if len(l.Points) != want {
				t.Errorf("%s, %s: %d points, want %d", s.file, l.Label, len(l.Points), want)
			}
			if y := l.Points[0].Y; l.Name == "Foreshock" && y != 1000 || l.Name == "Prometheus" && y != 5000 {
				t.Errorf("%s, %s: %g ns a sample", s.file, l.Label, y)
			}
		}
		if err := s.draw(t.TempDir()+"/"+s.file, results); err != nil {
			t.Error(err)
		}
	}
}

// Odd flags are refused before anything starts.
func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"--series=0"}, {"--runs=-1"}, {"--churn=2"}, {"--protocol=rw3"}, {"surplus"}} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, &stdout, &stderr); code != 2 || !strings.Contains(stderr.String(), "--help") {
			t.Errorf("%v: exit code %d, %s", args, code, &stderr)
		}
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, &stdout, &stderr); code != 0 || !strings.Contains(stdout.String(), "open loop") {
		t.Errorf("--help: exit code %d, %s%s", code, &stdout, &stderr)
	}
	if rows := (&options{}).rows(); len(rows) != len(standard()) {
		t.Errorf("without flags there are %d rows", len(rows))
	}
	if rows := (&options{series: []int{1, 2}, mixes: []string{"moving"}, cores: []int{1, 2}}).rows(); len(rows) != 4 {
		t.Errorf("%d rows of 4", len(rows))
	}
}
