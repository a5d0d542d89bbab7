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
		Value: math.Inf(1), Score: 1.5, Band: foreshock.NoBand(), Channel: "level", Limit: 10, Arrival: foreshock.Arrival{ETA: time.Hour},
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
		`{"type":"anomaly","time":"2026-03-01T14:00:01.500Z","series":"disk{instance=\"node-7\"}","metric":{"__name__":"disk","instance":"node-7"},"kind":"breach",`,
		`{"type":"forecast","time":"2026-03-01T14:00:02.000Z","series":"disk{instance=\"node-7\"}","metric":{"__name__":"disk","instance":"node-7"},"horizonSeconds":86400,`,
		`{"type":"incident","time":"2026-03-01T14:03:05.000Z","id":"3f2a","kind":"outlier","state":"firing","startsAt":"2026-03-01T14:03:05.000Z",`,
	}
	got := readLines(t, file)
	if len(got) != len(want) {
		t.Fatalf("wrote %d lines, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) || !json.Valid([]byte(got[i])) {
			t.Errorf("line %d is\n%s\nwant it to begin\n%s", i, got[i], want[i])
		}
	}
}

func TestTheFileIsRotatedAndBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "foreshock.jsonl")
	const maxSize = 4000
	m := newMetrics(nil)
	j, err := newJSONLines(JSONLinesConfig{File: file, MaxSize: maxSize}, destinationOptions{now: clockAt(0), metrics: m, logger: (&logged{}).logger()})
	if err != nil {
		t.Fatal(err)
	}
	j.queue.resize(1000)
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
