package detector

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	prommodel "github.com/prometheus/common/model"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// everything emits every sample that is scored, so that a test sees what the model saw.
func everything() *rules.Set {
	return &rules.Set{Watches: []*rules.Watch{{Name: "everything", Select: rules.Selector{{}}, Sensitivity: 1, Emit: rules.EmitAll}}}
}

// What is sent to one series a minute, and what the model gets of it.
func TestHygiene(t *testing.T) {
	const m = int64(60_000)
	inf, nan := math.Inf(1), math.NaN()
	type in struct {
		t int64 // ms after start
		v float64
	}
	for _, c := range []struct {
		name    string
		series  string
		in      []in
		scored  []float64
		skipped map[skip]int
		late    int
		kept    int // samples in the window
	}{
		{"a gauge", "load", []in{{0, 1}, {m, 2}, {2 * m, -3}}, []float64{1, 2, -3}, nil, 0, 3},
		{"a counter", "ticks_total", []in{{0, 100}, {m, 160}, {2 * m, 280}}, []float64{1, 2}, map[skip]int{skipFirst: 1}, 0, 3},
		{"a counter reset", "ticks_total", []in{{0, 100}, {m, 160}, {2 * m, 30}, {3 * m, 90}}, []float64{1, 1}, map[skip]int{skipFirst: 2}, 0, 4},
		{"a counter beyond float32", "ticks_total", []in{{0, 1 << 52}, {m, 1<<52 + 60}}, []float64{1}, map[skip]int{skipFirst: 1}, 0, 2},
		{"a counter across a gap", "ticks_total", []in{{0, 0}, {m, 60}, {61 * m, 7260}}, []float64{1, 2}, map[skip]int{skipFirst: 1}, 0, 3},
		{"a counter across a stale marker", "ticks_total", []in{{0, 0}, {m, 60}, {2 * m, staleMarker}, {3 * m, 0}, {4 * m, 60}}, []float64{1, 1}, map[skip]int{skipFirst: 2, skipStale: 1}, 0, 5},
		{"a counter with a hole", "ticks_total", []in{{0, 0}, {m, nan}, {2 * m, 120}}, []float64{1}, map[skip]int{skipFirst: 1, skipNotFinite: 1}, 0, 3},
		{"a counter that overflows", "ticks_total", []in{{0, -math.MaxFloat64}, {m, math.MaxFloat64}, {2 * m, math.MaxFloat64}}, []float64{0}, map[skip]int{skipFirst: 1, skipNotFinite: 1}, 0, 3},
		{"a bucket", "http_bucket", []in{{0, 1}, {m, 2}}, nil, map[skip]int{skipBucket: 2}, 0, 2},
		{"not finite", "load", []in{{0, 1}, {m, inf}, {2 * m, -inf}, {3 * m, nan}, {4 * m, 2}}, []float64{1, 2}, map[skip]int{skipNotFinite: 3}, 0, 5},
		{"stale", "load", []in{{0, 1}, {m, staleMarker}, {2 * m, 2}}, []float64{1, 2}, map[skip]int{skipStale: 1}, 0, 3},
		{"sent again", "load", []in{{0, 1}, {m, 2}, {m, 2}, {0, 1}}, []float64{1, 2}, map[skip]int{skipDuplicate: 1}, 1, 2},
		{"NaN sent again", "load", []in{{0, nan}, {0, nan}}, nil, map[skip]int{skipNotFinite: 1, skipDuplicate: 1}, 0, 1},
		{"first wins", "load", []in{{0, 1}, {0, 2}, {0, math.Copysign(0, -1)}, {m, 3}}, []float64{1, 3}, map[skip]int{skipConflict: 2}, 0, 2},
		{"late", "load", []in{{9 * m, 1}, {8 * m, 2}, {7 * m, 3}, {10 * m, 4}}, []float64{1, 4}, nil, 2, 2},
		{"late in order, within the hour", "load", []in{{9 * m, 1}, {1 * m, 2}, {2 * m, 3}, {3 * m, 4}, {4 * m, 4}, {10 * m, 5}}, []float64{1, 5}, nil, 4, 2},
		{"far future, then normal", "load", []in{{0, 1}, {m, 2}, {Latest - start, 9}, {2 * m, 3}, {3 * m, 4}, {4 * m, 5}, {5 * m, 6}}, []float64{1, 2, 9, 5, 6}, nil, 2, 2},
		{"far future first", "load", []in{{Latest - start, 9}, {2 * m, 3}, {3 * m, 4}, {4 * m, 5}}, []float64{9, 5}, nil, 2, 1},
		{"far past first", "load", []in{{Earliest - start, 9}, {0, 3}, {m, 4}}, []float64{9, 3, 4}, nil, 0, 2},
		{"descending", "load", []in{{5 * leap, 1}, {3 * leap, 2}, {2 * leap, 3}, {leap, 4}, {0, 5}}, []float64{1}, nil, 4, 1},
		{"beyond time", "load", []in{{0, 1}, {math.MaxInt64 - start, 2}, {math.MinInt64 + 1, 3}, {m, 4}}, []float64{1, 4}, map[skip]int{skipTime: 2}, 0, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			b := run(t, Options{Rules: everything(), Registerer: reg, Shards: 1})
			x := series(c.series)
			if c.series == "http_bucket" {
				x = series(c.series, prommodel.BucketLabel, "1")
			}
			for _, s := range c.in {
				b.append(foreshock.Sample{Series: x, T: start + s.t, V: s.v})
			}
			view := b.view(c.series)
			b.stop()

			var got []float64
			for _, f := range b.found {
				for _, s := range f.Scores {
					got = append(got, s.Value)
				}
			}
			if !slices.Equal(got, c.scored) {
				t.Errorf("scored %v, want %v", got, c.scored)
			}
			st := b.Status()
			if st.Late != c.late || st.Samples != len(c.in) || st.Scored != len(c.scored) {
				t.Errorf("status says %d samples, %d scored, %d late; want %d, %d, %d", st.Samples, st.Scored, st.Late, len(c.in), len(c.scored), c.late)
			}
			sum := 0
			for r := skipTime; r < skips; r++ {
				n := int(testutil.ToFloat64(b.metrics.skipped[r]))
				sum += n
				if n != c.skipped[r] {
					t.Errorf("skipped %d as %s, want %d", n, r, c.skipped[r])
				}
			}
			if st.Skipped != sum || st.Scored+st.Late+st.Skipped != st.Samples {
				t.Errorf("status %+v does not add up", st)
			}
			if len(view.Samples) != c.kept {
				t.Errorf("the window holds %d samples, want %d: %v", len(view.Samples), c.kept, view.Samples)
			}
		})
	}
}

// A native histogram is read as a counter of its observations.
func TestNativeHistogram(t *testing.T) {
	b := run(t, Options{Rules: everything()})
	x := series("rpc_seconds")
	add := func(t int64, count, sum float64) {
		b.batch(&foreshock.Batch{Histograms: []foreshock.Histogram{{Series: x, T: start + t, Count: count, Sum: sum}}})
	}
	add(0, 10, 1)
	add(10_000, 30, 2)
	add(20_000, 0, staleMarker)
	add(30_000, 30, 2)
	add(40_000, 40, math.NaN())
	b.append(foreshock.Sample{Series: x, T: start + 50_000, V: 1}) // a float of that name is another thing
	v := b.view("rpc_seconds")
	b.stop()
	var got []float64
	for _, f := range b.found {
		for _, s := range f.Scores {
			if s.Series.Name() == "rpc_seconds" {
				got = append(got, s.Value)
			}
		}
	}
	if want := []float64{2, 1}; !slices.Equal(got, want) {
		t.Errorf("scored %v, want %v", got, want)
	}
	if v.Kind != "histogram" || len(v.Samples) != 5 {
		t.Errorf("seen as a %s of %d samples, want a histogram of 5", v.Kind, len(v.Samples))
	}
	if n := testutil.ToFloat64(b.metrics.skipped[skipMixed]); n != 1 {
		t.Errorf("%v samples counted as mixed, want 1", n)
	}
}

// Metadata that comes after the samples changes how they are read from then on.
func TestMetadataAfterSamples(t *testing.T) {
	b := run(t, Options{Rules: everything()})
	x := series("ticks")
	b.append(foreshock.Sample{Series: x, T: start, V: 60})
	b.batch(&foreshock.Batch{Metadata: []foreshock.Metadata{{Family: "ticks", Type: prommodel.MetricTypeCounter}}})
	for i := range int64(3) {
		b.append(foreshock.Sample{Series: x, T: start + 60_000*(i+1), V: float64(120 + 60*i)})
	}
	if v := b.view("ticks"); v.Kind != "counter" || v.Last.Value != 1 {
		t.Errorf("a %s with the last value %v, want a counter at 1 a second", v.Kind, v.Last.Value)
	}
}

// Whatever times are sent, no other series may notice: not by being late, not by
// losing its window, its model or its place.
func TestAnyTimestampMovesNoOther(t *testing.T) {
	var want string
	for _, poison := range [][]int64{
		nil,
		{Latest},
		{math.MaxInt64, math.MinInt64, Latest, Earliest, 0, -1, start + leap + 1, start - leap - 1, start + 1000*week},
	} {
		cfg := DefaultConfig()
		cfg.IdleAfter = cfg.Window
		b := run(t, Options{Config: cfg, Rules: everything()})
		x, bad := series("good"), series("bad")
		for i := range int64(500) {
			now := start + i*60_000
			b.append(foreshock.Sample{Series: x, T: now, V: float64(i % 7)})
			if len(poison) > 0 {
				b.append(foreshock.Sample{Series: bad, T: poison[int(i)%len(poison)], V: 1})
			}
		}
		v := b.view("good")
		b.stop()
		got := fmt.Sprintln(v.Kind, v.Ended, v.Last.T, v.Last.Score, v.Last.Band)
		for _, s := range v.Samples {
			got += fmt.Sprintln(s.T, s.V)
		}
		for _, f := range b.found {
			if f.Now > start+500*60_000 {
				t.Fatalf("poison %v: the detector thinks it is %s", poison, foreshock.Time(f.Now))
			}
			for _, s := range f.Scores {
				if s.Series == x {
					got += fmt.Sprintln(s.T, s.Score, s.Band, s.Warming)
				}
			}
		}
		if want == "" {
			want = got
		} else if got != want {
			t.Errorf("poison %v: the other series is not as it was without", poison)
		}
	}
}
