package emitter

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/foreshock/foreshock"
)

// eventful is a report with an anomaly, a forecast and an incident.
func eventful() foreshock.Report {
	disk := series("__name__", "disk", "instance", "node-7")
	r := telling(foreshock.Firing)
	r.Anomalies = []foreshock.Anomaly{{
		Series: disk, Kind: foreshock.Breach, Phase: foreshock.Started, Rule: "disk", Onset: t0, T: t0 + 1500,
		Value: math.Inf(1), Score: 1.5, Band: foreshock.NoBand(), Channel: "level", Limit: 10, ETA: time.Hour,
	}}
	r.Forecasts = forecasting(2, -1, disk).Forecasts
	return r
}

func jsonOptions(file string) Options {
	c := DefaultConfig()
	c.JSONLines.File = file
	return Options{Config: c, Now: clockAt(210)}
}

func readLines(t *testing.T, file string) []string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var lines []string
	for s := bufio.NewScanner(f); s.Scan(); {
		lines = append(lines, s.Text())
	}
	return lines
}

func TestEveryFindingIsALine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "foreshock.jsonl")
	e, stop := start(t, jsonOptions(file))
	e.Offer(eventful())
	if err := stop(time.Second); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"type":"anomaly","time":"2026-03-01T14:00:01.500Z","series":{"__name__":"disk","instance":"node-7"},"kind":"breach","phase":"started","rule":"disk","onset":"2026-03-01T14:00:00.000Z","value":null,"score":1.5,"channel":"level","expected":null,"lower":null,"upper":null,"limit":10,"eta_seconds":3600}`,
		`{"type":"forecast","time":"2026-03-01T14:00:02.000Z","series":{"__name__":"disk","instance":"node-7"},"horizon_seconds":86400,"expected":10,"lower":5,"upper":15,"limit":0,"eta_seconds":null}`,
		`{"type":"incident","time":"2026-03-01T14:03:05.000Z","id":"3f2a","kind":"outlier","state":"firing","starts_at":"2026-03-01T14:03:05.000Z","labels":{"instance":"node-7","job":"node"},"alerting":true,"rule":"cpu","members":[{"series":{"__name__":"node_cpu_seconds_total","instance":"node-7","job":"node"},"rule":"cpu","onset":"2026-03-01T14:03:05.000Z","peak":1.7,"value":0.98,"expected":0.07,"lower":0.03,"upper":0.11}]}`,
	}
	got := readLines(t, file)
	if len(got) != len(want) {
		t.Fatalf("wrote %d lines, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d is\n%s\nwant\n%s", i, got[i], want[i])
		}
	}
}

func TestATimeFromBeyondTheCalendarIsWritten(t *testing.T) {
	for _, ms := range []int64{math.MinInt64, math.MaxInt64} {
		if b, err := json.Marshal(instant(ms)); err != nil || !json.Valid(b) {
			t.Errorf("%d is written %s: %v", ms, b, err)
		}
	}
}

func TestTheFileIsRotatedAndBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "foreshock.jsonl")
	const maxSize = 4000
	m := newMetrics(nil)
	j, err := newJSONLines(JSONLinesConfig{File: file, MaxSize: maxSize}, 1000, destinationOptions{now: clockAt(0), metrics: m, logger: (&logged{}).logger()})
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		j.deliver(eventful(), nil)
	}
	j.close()
	j.run(t.Context())
	for _, f := range []string{file, file + ".1"} {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > maxSize || info.Size() < maxSize/2 && f != file {
			t.Errorf("%s has %d bytes", filepath.Base(f), info.Size())
		}
		for _, line := range readLines(t, f) {
			if !json.Valid([]byte(line)) {
				t.Errorf("a line was torn: %s", line)
			}
		}
	}
	if got := testutil.ToFloat64(m.linesFailed); got != 0 {
		t.Errorf("%v lines failed", got)
	}
}

func TestAFileThatCannotBeWrittenIsCountedAndTriedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "foreshock.jsonl")
	e, stop := start(t, jsonOptions(file))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	e.Offer(eventful())
	waitFor(t, "the failure", func() bool { return testutil.ToFloat64(e.metrics.linesFailed) == 3 })
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	e.Offer(eventful())
	if err := stop(time.Second); err != nil {
		t.Fatal(err)
	}
	if got := readLines(t, file); len(got) != 3 {
		t.Errorf("%d lines after the file came back", len(got))
	}
}

// Opening a pipe that nobody reads waits for ever.
func TestAPipeIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(jsonOptions(file)); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("error %v", err)
	}
}
