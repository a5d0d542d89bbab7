package eval

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const start = 1_600_000_000 // Unix s

// write puts text into a gzipped file, or a plain one by its name.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	b := []byte(text)
	if strings.HasSuffix(path, ".gz") {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		w.Write(b)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		b = z.Bytes()
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// aSet writes a machine of two series, three days by five minutes, the last of them
// labelled: the second series jumps for half an hour.
func aSet(t *testing.T, dir string) {
	const rows, from, at = 864, 576, 700
	r := rand.New(rand.NewPCG(7, 8))
	data, labels := "timestamp,v0,v1\n", "timestamp,label\n"
	for i := range rows {
		v, label := r.NormFloat64(), 0
		if i >= at && i < at+6 {
			v, label = v+40, 1
		}
		cell := fmt.Sprint(100 + v)
		if i == 300 {
			cell = "" // missing
		}
		data += fmt.Sprintf("%d,%f,%s\n", start+i*300, 5+r.NormFloat64(), cell)
		if i >= from {
			labels += fmt.Sprintf("%d,%d\n", start+i*300, label)
		}
	}
	write(t, filepath.Join(dir, "series/asd/meta.json"), fmt.Sprintf(`{"m":{"interval":300,"score_from":%d}}`, start+from*300))
	write(t, filepath.Join(dir, "series/asd/data/m.csv.gz"), data)
	write(t, filepath.Join(dir, "series/asd/labels/m.csv.gz"), labels)
}

// aBenchmark writes a file of NAB's: two days by five minutes, a spike in a window,
// one row that is repeated and one that goes back in time.
func aBenchmark(t *testing.T, dir string) {
	r := rand.New(rand.NewPCG(9, 10))
	at := func(i int) string { return time.Unix(int64(start+i*300), 0).UTC().Format(time.DateTime) }
	data := "timestamp,value\n"
	for i := range 576 {
		v := r.NormFloat64()
		if i == 400 {
			v += 40
		}
		data += fmt.Sprintf("%s,%f\n", at(i), v)
		if i == 350 {
			data += fmt.Sprintf("%s,%f\n%s,%f\n", at(350), v, at(340), v)
		}
	}
	write(t, filepath.Join(dir, "nab/windows.json"), fmt.Sprintf(`{"real/f.csv":[["%s.000000","%s.000000"]]}`, at(400), at(420)))
	write(t, filepath.Join(dir, "nab/data/real/f.csv.gz"), data)
}

func TestASetIsLoadedAsItWasRecorded(t *testing.T) {
	dir := t.TempDir()
	aSet(t, dir)
	aBenchmark(t, dir)
	streams, err := set{name: "asd"}.load(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := streams[0]
	if got, want := fmt.Sprintln(len(streams), s.name, s.interval, len(s.times), len(s.values), s.from, s.events, s.days(), s.samples()), "1 m 5m0s 864 2 576 [{700 705}] 1 1727\n"; got != want {
		t.Errorf("got %swant %s", got, want)
	}
	if streams, err = (set{name: "nab", windows: true}).load(dir); err != nil {
		t.Fatal(err)
	}
	s = streams[0]
	// Two more rows; 15 % of 578 are 86.
	if got, want := fmt.Sprintln(s.name, s.interval, len(s.times), s.from, s.events), "real/f.csv 5m0s 578 86 [{402 422}]\n"; got != want {
		t.Errorf("got %swant %s", got, want)
	}
}

func TestARunMeasuresEveryMethodOnEverySet(t *testing.T) {
	dir := t.TempDir()
	aSet(t, dir)
	aBenchmark(t, dir)
	var progress []string
	report, err := Run(t.Context(), dir, Options{Baselines: true, Progress: func(what string) { progress = append(progress, what) }})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Series) != 8 || len(report.NAB) != 8 || len(report.Mean) != 0 {
		t.Fatalf("%d rows, %d of NAB, %d means; want 8, 8 and, of a single set, 0", len(report.Series), len(report.NAB), len(report.Mean))
	}
	live := report.Series[0]
	if live.Method != "foreshock" || live.Shipped.Recall != 1 || live.Shipped.Delay != 0 || live.AUCPR < 0.5 || live.Cost.Nanoseconds <= 0 || live.Cost.Bytes <= 0 {
		t.Errorf("the jump of 40 σ: %+v", live)
	}
	if n := report.NAB[0]; n.Shipped[0] < 95 || n.Best[0] < n.Shipped[0] {
		t.Errorf("the spike at the first row of its window: %+v", n)
	}
	if !strings.Contains(strings.Join(progress, "\n"), "asd: foreshock") {
		t.Errorf("nobody was told what was under way: %q", progress)
	}

	var table, object bytes.Buffer
	if err := report.Table(&table); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(table.String(), "\n"); got != 8+8+5+2+3 {
		t.Errorf("a table of %d lines, want 26:\n%s", got, &table)
	}
	if err := report.JSON(&object); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Series []struct {
			Cost struct {
				Bytes *float64 `json:"bytes_per_series"`
			} `json:"cost"`
		} `json:"series"`
	}
	if err := json.Unmarshal(object.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Series) != 8 || back.Series[0].Cost.Bytes == nil || back.Series[1].Cost.Bytes != nil {
		t.Errorf("JSON: want bytes for the live path and null for a baseline:\n%s", &object)
	}
}

// What the harness writes down for a row must be what was said of that row.
func TestEveryRowHasItsOwnScore(t *testing.T) {
	dir := t.TempDir()
	aBenchmark(t, dir)
	streams, err := set{name: "nab", windows: true}.load(dir)
	if err != nil {
		t.Fatal(err)
	}
	tracks, _, err := live(t.Context(), streams)
	if err != nil {
		t.Fatal(err)
	}
	tr := tracks[0]
	for row, a := range tr.alerts {
		if (a > 0) != (row == 402) {
			t.Errorf("row %d: alert %v, want one at row 402 alone", row, a)
		}
	}
	if tr.top[401] >= above1 || tr.top[402] < above1 || tr.top[402] != tr.alerts[402] {
		t.Errorf("scores around the spike: %v", tr.top[400:404])
	}
	// The rows that were repeated and late have the score before.
	if tr.top[351] != tr.top[350] || tr.top[352] != tr.top[350] {
		t.Errorf("scores around the late row: %v", tr.top[350:353])
	}
}

func TestMistakesAreNamed(t *testing.T) {
	dir := t.TempDir()
	if _, err := Run(t.Context(), filepath.Join(dir, "nowhere"), Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if _, err := Run(t.Context(), dir, Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
	aSet(t, dir)
	if _, err := Run(t.Context(), dir, Options{Sets: []string{"asd", "smd"}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a set that was asked for is not there: %v", err)
	}
	labels := filepath.Join(dir, "series/asd/labels/m.csv.gz")
	write(t, labels, "timestamp,label\n1,0\n")
	if _, err := Run(t.Context(), dir, Options{}); err == nil || !strings.Contains(err.Error(), "want a label for each row") {
		t.Errorf("labels of other rows: %v", err)
	}
	write(t, labels, "timestamp,label\n1,x\n")
	if _, err := Run(t.Context(), dir, Options{}); err == nil || !strings.Contains(err.Error(), "m.csv.gz:2:") {
		t.Errorf("a label that is no number: %v", err)
	}
}

func TestFiguresNobodyMeasuredAreDashes(t *testing.T) {
	for f, want := range map[figure]string{1.25: "1.2", unknown: "–"} {
		if got := f.to(1); got != want {
			t.Errorf("%v: %q, want %q", float64(f), got, want)
		}
	}
	for _, f := range []float64{math.NaN(), math.Inf(1)} {
		if b, err := json.Marshal(figure(f)); err != nil || string(b) != "null" {
			t.Errorf("%v: %s, %v", f, b, err)
		}
	}
}
