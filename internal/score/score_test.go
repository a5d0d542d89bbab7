package score

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/internal/plot"
	"github.com/foreshock/foreshock/internal/synthetic"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func scored(t *testing.T, text string, o Options) (string, Summary) {
	t.Helper()
	o.Name, o.Config = "f.csv", detector.DefaultConfig()
	var b bytes.Buffer
	sum, err := Run(context.Background(), &b, strings.NewReader(text), o)
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), sum
}

// marked are the values of those rows whose anomaly column is 1.
func marked(t *testing.T, out string) []string {
	t.Helper()
	var values []string
	for line := range strings.Lines(out) {
		if fields := strings.Split(line, ","); fields[3] == "1" {
			values = append(values, fields[1])
		}
	}
	return values
}

// Ten points are fewer than any detector needs to warm up, yet everybody sees it.
func TestTheTenPointExampleMarksThe200AndNothingElse(t *testing.T) {
	values := []int{50, 51, 52, 53, 200, 55, 56, 57, 58, 60}
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, stamp := range map[string]func(time.Time) string{
		"RFC 3339":     func(at time.Time) string { return at.Format(time.RFC3339) },
		"seconds":      func(at time.Time) string { return fmt.Sprint(at.Unix()) },
		"milliseconds": func(at time.Time) string { return fmt.Sprint(at.UnixMilli()) },
	} {
		var b strings.Builder
		for i, v := range values {
			fmt.Fprintf(&b, "%s,%d\n", stamp(start.Add(time.Duration(i)*time.Minute)), v)
		}
		out, sum := scored(t, b.String(), Options{})
		if got := fmt.Sprint(marked(t, out)); got != "[200]" || sum.Anomalies != 1 {
			t.Errorf("%s: marked %s, %d anomalies; want [200]\n%s", name, got, sum.Anomalies, out)
		}
	}
}

func TestEveryRowComesBackAsItWas(t *testing.T) {
	in := "time,a,b\n2026-03-01T13:00:00+01:00,1.50,-0\n2026-03-01T12:01:00Z,,NaN\n2026-03-01T12:01:00Z,3,4\n2026-03-01T11:00:00Z,5,6\n2026-03-01T12:02:00Z,7,+Inf\n"
	out, sum := scored(t, in, Options{})
	want := `timestamp,series,value,score,anomaly,expected,lower,upper
2026-03-01T13:00:00+01:00,a,1.50,0,0,,,
2026-03-01T13:00:00+01:00,b,-0,0,0,,,
2026-03-01T12:01:00Z,a,,,,,,
2026-03-01T12:01:00Z,b,NaN,,,,,
2026-03-01T12:01:00Z,a,3,,,,,
2026-03-01T12:01:00Z,b,4,,,,,
2026-03-01T11:00:00Z,a,5,,,,,
2026-03-01T11:00:00Z,b,6,,,,,
2026-03-01T12:02:00Z,a,7,0,0,,,
2026-03-01T12:02:00Z,b,+Inf,,,,,
`
	if out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
	sum.Figure.Panels = nil
	if got, want := fmt.Sprintf("%+v", sum), "{Rows:5 Anomalies:0 Missing:3 Late:1 Duplicate:1 FirstLine:4 Figure:{Title: Panels:[]}}"; got != want {
		t.Errorf("summary %s, want %s", got, want)
	}
}

// The picture in docs/score.md: foreshock score testdata/requests.csv --plot …
func TestTheDocumentedPictureShowsASpikeAndAnOutage(t *testing.T) {
	in, err := os.ReadFile("testdata/requests.csv")
	if err != nil {
		t.Fatal(err)
	}
	out, _ := scored(t, string(in), Options{})
	if got := fmt.Sprint(marked(t, out)); got != "[298.1 122.5]" {
		t.Errorf("marked %s, want the spike's 298.1 and the 122.5 the outage began with", got)
	}
}

// A change of the maths shows here, to be read before it is accepted with -update.
func TestTheDocumentedOutputIsWhatComesOut(t *testing.T) {
	in, err := os.ReadFile("testdata/ten.csv")
	if err != nil {
		t.Fatal(err)
	}
	out, _ := scored(t, string(in), Options{})
	const golden = "testdata/ten.golden.csv"
	if *update {
		if err := os.WriteFile(golden, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if out != string(want) {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
	page, err := os.ReadFile("../../docs/score.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), string(want)) {
		t.Error("docs/score.md does not hold " + golden)
	}
}

func TestTwoRunsGiveTheSameBytesOnOneProcessorAndOnTwo(t *testing.T) {
	var streams []synthetic.Stream
	for seed := range uint64(7) {
		streams = append(streams, synthetic.Shift(4)(seed, time.Minute, 3000))
	}
	text := asColumns(streams)
	all := map[Format][]string{}
	for _, procs := range []int{1, 2, 2} {
		for _, format := range []Format{CSV, JSON} {
			before := runtime.GOMAXPROCS(procs)
			out, sum := scored(t, text, Options{Output: format, Picture: true})
			runtime.GOMAXPROCS(before)
			var b bytes.Buffer
			if err := sum.Figure.SVG(&b, plot.Light); err != nil {
				t.Fatal(err)
			}
			if sum.Anomalies == 0 {
				t.Fatal("nothing was found, so nothing was compared")
			}
			all[format] = append(all[format], out+b.String())
		}
	}
	for format, runs := range all {
		for i, run := range runs[1:] {
			if run != runs[0] {
				t.Errorf("format %d: run %d differs from run 1", format, i+2)
			}
		}
	}
}

func TestJSONSaysNullWhereTheCSVSaysNothing(t *testing.T) {
	out, _ := scored(t, "t,<a>\n0,1.50\n60,\n120,NaN\n120,4\n", Options{Output: JSON})
	want := `{"timestamp":"0","series":"<a>","value":1.5,"score":0,"anomaly":false,"expected":null,"lower":null,"upper":null}
{"timestamp":"60","series":"<a>","value":null,"score":null,"anomaly":false,"expected":null,"lower":null,"upper":null}
{"timestamp":"120","series":"<a>","value":null,"score":null,"anomaly":false,"expected":null,"lower":null,"upper":null}
{"timestamp":"120","series":"<a>","value":4,"score":null,"anomaly":false,"expected":null,"lower":null,"upper":null}
`
	if out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

// An anomaly in the picture reaches from its onset to its end, at its worst.
func TestThePictureFollowsAnAnomaly(t *testing.T) {
	in, err := os.ReadFile("testdata/ten.csv")
	if err != nil {
		t.Fatal(err)
	}
	_, sum := scored(t, string(in), Options{Picture: true})
	p := sum.Figure.Panels[0]
	if p.Title != "value" || len(p.Points) != 10 || len(p.Anomalies) != 1 {
		t.Fatalf("panel %q with %d points, %d anomalies", p.Title, len(p.Points), len(p.Anomalies))
	}
	a := p.Anomalies[0]
	if at := p.Points[4]; a.Start != at.T || a.Value != 200 || a.Score != at.Score || a.Why == "" || !at.Marked {
		t.Errorf("anomaly %+v at point %+v", a, at)
	}
	if a.End != p.Points[5].T {
		t.Errorf("it ended at %d, want %d, when the value was back", a.End, p.Points[5].T)
	}
}

// failing takes so many bytes and no more.
type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestARunThatCannotBeWrittenSaysSoAndStops(t *testing.T) {
	text := asColumns([]synthetic.Stream{synthetic.Noise(1, time.Minute, 10_000)})
	for _, format := range []Format{CSV, JSON} {
		_, err := Run(context.Background(), &failing{50_000}, strings.NewReader(text), Options{Name: "f.csv", Config: detector.DefaultConfig(), Output: format})
		if err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("error %v, want disk full", err)
		}
	}
}

func TestWhatWasReadBeforeAMistakeIsWritten(t *testing.T) {
	var b bytes.Buffer
	_, err := Run(context.Background(), &b, strings.NewReader("0,1\n60,2\n120,x\n"), Options{Name: "f.csv", Config: detector.DefaultConfig()})
	if err == nil || !strings.HasPrefix(err.Error(), "f.csv:3: ") {
		t.Errorf("error %v, want one of f.csv:3", err)
	}
	if got, want := strings.Count(b.String(), "\n"), 3; got != want {
		t.Errorf("%d lines, want the header and %d rows:\n%s", got, want-1, b.String())
	}
}
