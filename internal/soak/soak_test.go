package main

import (
	"bytes"
	"context"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"github.com/foreshock/foreshock"
)

// TestBriefChaos: the real process is killed twice under load and has a downstream that
// misbehaves in every way; nothing is lost, nothing held up. `make chaos` does more.
func TestBriefChaos(t *testing.T) {
	brief(t, "chaos", "--brief", "--kills=2", "--pause=300ms")
}

// TestBriefRestart: a process that is killed tells what one tells that is not. `make
// restart` does it with a million series.
func TestBriefRestart(t *testing.T) { brief(t, "restart", "--series=3000") }

// TestBriefApart: requests are taken beside a downstream that is dead or hostile as beside one
// that is well, but for what a busy machine does to either. Who waits for it waits 5 s. `make
// apart` has enough of them for a closer look.
func TestBriefApart(t *testing.T) { brief(t, "apart", "--requests=40", "--most=20") }

// brief runs a command among the real programs.
func brief(t *testing.T, args ...string) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	code := run(t.Context(), append(args, "--dir="+t.TempDir(), "--foreshock=../../bin/foreshock", "--tools=../../.tools/bin"), out, out)
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", text)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestWhatGrowsFails: a slope is found under noise, and a rest has none; the report fails
// where a gate does.
func TestWhatGrowsFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		memory func(minute float64) float64
		fds    float64
		fails  string
	}{
		{"rests", func(m float64) float64 { return 1e8 + 1e6*math.Sin(7*m) }, 0, ""},
		{"grows", func(m float64) float64 { return 1e8 + 1e6*math.Sin(7*m) + 1.5e6*m }, 0, "resident memory"},
		{"leaks descriptors", func(float64) float64 { return 1e8 }, 1, "descriptors"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := &job{options: options{duration: time.Hour, speed: 24}, down: newDownstream(), stderr: new(bytes.Buffer)}
			defer j.down.close()
			take(t, j.down, 0, 15_000)
			var levels []level
			for m := range 60 {
				levels = append(levels, level{time.Duration(m) * time.Minute, c.memory(float64(m)), 50, 20 + c.fds*float64(m*2), 1e7})
			}
			if err := j.judge(levels); err != nil {
				t.Fatal(err)
			}
			var failed []string
			for _, r := range j.results {
				if r.verdict != "ok" {
					failed = append(failed, r.what)
				}
			}
			if got := strings.Join(failed, ", "); got != c.fails || j.failed != (c.fails != "") {
				t.Errorf("failed: %q, want %q", got, c.fails)
			}
		})
	}
}

// TestGaps: a score that never came is a gap, one that came twice or is a staleness marker
// is none.
func TestGaps(t *testing.T) {
	d := newDownstream()
	defer d.close()
	take(t, d, 0, 15_000, 15_000, 30_000, 75_000)
	if gap, scores := d.seen(); gap != 45*time.Second || scores != 5 {
		t.Errorf("a gap of %s in %d scores", gap, scores)
	}
	d.become(refusing)
	if status := take(t, d, 300_000); status != http.StatusServiceUnavailable {
		t.Errorf("refusing, it says %d", status)
	}
	if gap, _ := d.seen(); gap != 45*time.Second {
		t.Errorf("what was refused was taken: a gap of %s", gap)
	}
}

// take sends the downstream scores of one series at those times, ms.
func take(t *testing.T, d *downstream, at ...int64) int {
	t.Helper()
	ts := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: foreshock.ScoreMetric}, {Name: "number", Value: "1"}}}
	for _, at := range at {
		ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: at, Value: 1})
	}
	raw, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{ts}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, d.URL, bytes.NewReader(snappy.Encode(nil, raw)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
