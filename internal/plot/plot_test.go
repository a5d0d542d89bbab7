package plot

import (
	"bytes"
	"flag"
	"fmt"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var keep = flag.String("keep", "", "folder to keep the pictures of the tests in, to be looked at")

// gallery holds what has gone wrong in other people's plots.
func gallery() map[string]Figure {
	const minute = 60_000
	start := int64(1_700_000_000_000)
	nan := math.NaN()

	wave := func(n int, step int64) []Point {
		ps := make([]Point, n)
		for i := range ps {
			x := 50 + 10*math.Sin(float64(i)/30) + 2*math.Sin(float64(i*i))
			ps[i] = Point{T: start + int64(i)*step, Value: x, Expected: x - 1, Lower: x - 6, Upper: x + 6, Score: 0.3 + 0.2*math.Sin(float64(i)/7)}
		}
		return ps
	}
	spike := func(ps []Point, at int) Panel {
		ps[at].Value, ps[at].Score, ps[at].Marked = 120, 3, true
		for i := at + 1; i < len(ps); i++ {
			ps[i].Score = max(ps[i].Score, ps[i-1].Score*0.95)
		}
		a := Anomaly{Start: ps[at].T, End: ps[at].T + 10*ps[1].T - 10*ps[0].T, Value: 120, Lower: 44, Upper: 56, Score: 3, Why: "value"}
		return Panel{Title: `http_latency_seconds{pod="a"}`, Unit: "seconds", Points: ps, Anomalies: []Anomaly{a}}
	}

	gaps := wave(300, minute)
	for i := range gaps {
		p := &gaps[i]
		if i < 40 || (i > 150 && i < 170) {
			p.Expected, p.Lower, p.Upper = nan, nan, nan
		}
		if i > 90 && i < 120 {
			p.Value = nan
		}
		if i >= 220 {
			p.T += 90 * minute
		}
	}
	huge := wave(50, minute)
	for i := range huge {
		huge[i].Value = math.MaxFloat64 * math.Cos(float64(i))
		huge[i].Lower, huge[i].Upper = math.Inf(-1), math.Inf(1)
	}
	constant := make([]Point, 100)
	for i := range constant {
		constant[i] = Point{T: start + int64(i)*minute, Value: 1e9, Expected: 1e9, Lower: 1e9, Upper: 1e9}
	}
	return map[string]Figure{
		"spike":    {Panels: []Panel{spike(wave(600, minute), 400)}},
		"many":     {Panels: []Panel{spike(wave(100_000, minute), 70_000)}},
		"seconds":  {Panels: []Panel{spike(wave(90, 500), 40)}},
		"years":    {Panels: []Panel{spike(wave(900, 86_400_000), 500)}},
		"gaps":     {Panels: []Panel{{Title: "gaps", Points: gaps}}},
		"one":      {Panels: []Panel{{Title: "one point", Points: []Point{{T: start, Value: 42, Expected: nan, Lower: nan, Upper: nan}}}}},
		"constant": {Panels: []Panel{{Title: "constant", Unit: "bytes", Points: constant}}},
		"huge":     {Panels: []Panel{{Title: "huge", Points: huge}}},
		"missing":  {Panels: []Panel{{Title: "all missing", Points: []Point{{T: start, Value: nan}, {T: start + minute, Value: nan}}}}},
		"empty":    {Panels: []Panel{{Title: "no points"}}},
		"eternity": {Panels: []Panel{{Title: "int64", Points: []Point{{T: math.MinInt64, Value: 1}, {T: 0, Value: 2}, {T: math.MaxInt64, Value: 3}}}}},
		"hostile":  {Title: "</title><script>alert(1)</script>", Panels: []Panel{{Title: strings.Repeat("</text><script>alert(1)</script>\x00\n", 20), Unit: "<b>&", Points: wave(20, minute), Anomalies: []Anomaly{{Start: start, Why: "<i>"}}}}},
		"two":      {Title: "Two", Panels: []Panel{spike(wave(200, minute), 100), spike(wave(300, minute), 200)}},
	}
}

func TestEveryFormatDrawsWhatOthersStumbleOver(t *testing.T) {
	for name, f := range gallery() {
		t.Run(name, func(t *testing.T) {
			for format, write := range map[string]func(io.Writer) error{
				"png":  func(w io.Writer) error { return f.PNG(w, Light) },
				"svg":  func(w io.Writer) error { return f.SVG(w, Light) },
				"html": f.HTML,
				"txt":  func(w io.Writer) error { return f.Text(w, Terminal{Width: 100}) },
			} {
				// Every format is drawn by the same strokes; the slow one need not draw them all.
				if format == "png" && *keep == "" && !slices.Contains([]string{"many", "huge", "two"}, name) {
					continue
				}
				var a, b bytes.Buffer
				if err := write(&a); err != nil {
					t.Fatalf("%s: %v", format, err)
				}
				if err := write(&b); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
					t.Errorf("%s: the second drawing differs from the first (error %v)", format, err)
				}
				if *keep != "" {
					if err := os.WriteFile(filepath.Join(*keep, name+"."+format), a.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				switch format {
				case "png":
					img, err := png.Decode(&a)
					if err != nil {
						t.Fatalf("png: %v", err)
					}
					if got, want := img.Bounds().Dx(), 1440; got != want {
						t.Errorf("png: %d dots wide, want %d", got, want)
					}
				default:
					for _, bad := range []string{"NaN", "Inf", "\x00", "<script", "<i>", "<b>"} {
						if markup := strings.HasPrefix(bad, "<"); markup && format == "txt" {
							continue // means nothing there
						}
						if strings.Contains(a.String(), bad) {
							t.Errorf("%s: holds %q", format, bad)
						}
					}
				}
			}
		})
	}
}

func TestAHundredThousandPointsStaySmallAndKeepTheSpike(t *testing.T) {
	f := gallery()["many"]
	var b bytes.Buffer
	if err := f.SVG(&b, Light); err != nil {
		t.Fatal(err)
	}
	if got := b.Len(); got > 300<<10 {
		t.Errorf("the drawing takes %d bytes, want at most 300 KiB", got)
	}
	top := math.Inf(-1)
	for _, piece := range line(f.Panels[0].Points, func(p *Point) float64 { return p.Value }) {
		for _, p := range piece {
			top = max(top, p.Y)
		}
	}
	if top != 120 {
		t.Errorf("the highest point drawn is %v, want the spike's 120", top)
	}
}

func TestLineBreaksAtMissingValuesAndGaps(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name   string
		t      []int64
		v      []float64
		pieces string
	}{
		{"whole", []int64{0, 1, 2, 3}, []float64{1, 2, 3, 4}, "[4]"},
		{"missing", []int64{0, 1, 2, 3}, []float64{1, nan, 3, 4}, "[1 2]"},
		{"missing ends", []int64{0, 1, 2, 3}, []float64{nan, 2, 3, math.Inf(1)}, "[2]"},
		{"gap of 5 intervals", []int64{0, 1, 2, 3, 8}, []float64{1, 2, 3, 4, 5}, "[5]"},
		{"gap of 6 intervals", []int64{0, 1, 2, 3, 9}, []float64{1, 2, 3, 4, 5}, "[4 1]"},
		{"none", nil, nil, "[]"},
	} {
		ps := make([]Point, len(c.t))
		for i := range ps {
			ps[i] = Point{T: c.t[i], Value: c.v[i]}
		}
		sizes := []int{}
		for _, piece := range line(ps, func(p *Point) float64 { return p.Value }) {
			sizes = append(sizes, len(piece))
		}
		if got := fmt.Sprint(sizes); got != c.pieces {
			t.Errorf("%s: pieces of %s points, want %s", c.name, got, c.pieces)
		}
	}
}

func TestFiguresThatCannotBeDrawn(t *testing.T) {
	for _, c := range []struct {
		panels int
		want   string
	}{
		{0, "plot: nothing to draw"},
		{25, "plot: 25 series are too many for one picture, which holds 24; as HTML there is no limit"},
	} {
		f := Figure{Panels: make([]Panel, c.panels)}
		for _, err := range []error{f.PNG(io.Discard, Light), f.SVG(io.Discard, Light), f.Text(io.Discard, Terminal{})} {
			if err == nil || err.Error() != c.want {
				t.Errorf("%d panels: error %v, want %s", c.panels, err, c.want)
			}
		}
	}
}

func BenchmarkPNG(b *testing.B) {
	f := gallery()["many"]
	b.ReportAllocs()
	for b.Loop() {
		if err := f.PNG(io.Discard, Light); err != nil {
			b.Fatal(err)
		}
	}
}
