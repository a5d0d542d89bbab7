package detector

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// classic is a histogram as a client library keeps it, and its series.
type classic struct {
	bounds     []float64
	counts     []float64 // cumulative
	count, sum float64
	quiet      bool // observes nothing before the next scrape

	buckets            []*foreshock.Series
	countOf, sumSeries *foreshock.Series
}

func newClassic(name string, bounds []float64, pairs ...string) *classic {
	h := &classic{bounds: append(slices.Clone(bounds), math.Inf(1))}
	h.counts = make([]float64, len(h.bounds))
	for _, b := range h.bounds {
		le := fmt.Sprint(b)
		h.buckets = append(h.buckets, series(append([]string{name + "_bucket", prommodel.BucketLabel, le}, pairs...)...))
	}
	h.countOf = series(append([]string{name + "_count"}, pairs...)...)
	h.sumSeries = series(append([]string{name + "_sum"}, pairs...)...)
	return h
}

func (h *classic) observe(x float64) {
	if h.quiet {
		return
	}
	for i, b := range h.bounds {
		if x <= b {
			h.counts[i]++
		}
	}
	h.count++
	h.sum += x
}

// reset is a restart of the process.
func (h *classic) reset() {
	clear(h.counts)
	h.count, h.sum = 0, 0
}

// scrape is the histogram as it stands at t: its buckets, then count and sum.
func (h *classic) scrape(t int64) []foreshock.Sample {
	h.quiet = false
	var all []foreshock.Sample
	for i, x := range h.buckets {
		all = append(all, foreshock.Sample{Series: x, T: t, V: h.counts[i]})
	}
	return append(all, foreshock.Sample{Series: h.countOf, T: t, V: h.count}, foreshock.Sample{Series: h.sumSeries, T: t, V: h.sum})
}

// ending is the scrape's staleness markers.
func (h *classic) ending(t int64) []foreshock.Sample {
	all := h.scrape(t)
	for i := range all {
		all[i].V = staleMarker
	}
	return all
}

// told are the values scored of the series of that name, by time.
func (b *bench) told(name string) map[int64]float64 {
	got := map[int64]float64{}
	for _, f := range b.found {
		for _, s := range f.Scores {
			if s.Series.Name() == name {
				got[s.T] = s.Value
			}
		}
	}
	return got
}

const apart = int64(15_000)

var latencyBounds = []float64{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5}

// The streams made of a histogram are what PromQL would make of the increase from
// scrape to scrape, in whatever order and however many batches a scrape comes.
func TestClassicHistogramAsPromQL(t *testing.T) {
	for _, batches := range []string{"one", "one for each sample", "shuffled over three"} {
		t.Run(batches, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			b := run(t, Options{Rules: everything()})
			h := newClassic("rpc_seconds", latencyBounds, "job", "cart")
			before := slices.Clone(h.counts)
			count, sum := h.count, h.sum
			var p50s, p99s, means []float64
			var at []int64
			for i := range int64(50) {
				for range r.IntN(40) { // none at times
					h.observe(math.Exp(r.NormFloat64() - 2))
				}
				now := start + i*apart
				all := h.scrape(now)
				switch batches {
				case "one":
					b.append(all...)
				case "one for each sample":
					for _, x := range all {
						b.append(x)
					}
				default:
					r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
					b.append(all[:3]...)
					b.append(all[3:5]...)
					b.append(all[5:]...)
				}
				if i > 0 && h.count > count {
					var bs promql.Buckets
					for k, bound := range h.bounds {
						bs = append(bs, promql.Bucket{UpperBound: bound, Count: h.counts[k] - before[k]})
					}
					median, _, _, _, _, _ := promql.BucketQuantile(0.5, slices.Clone(bs))
					high, _, _, _, _, _ := promql.BucketQuantile(0.99, bs)
					at, p50s, p99s = append(at, now), append(p50s, median), append(p99s, high)
					means = append(means, (h.sum-sum)/(h.count-count))
				}
				copy(before, h.counts)
				count, sum = h.count, h.sum
			}
			b.stop()
			for name, want := range map[string][]float64{"rpc_seconds_p50": p50s, "rpc_seconds_p99": p99s, "rpc_seconds_mean": means} {
				got := b.told(name)
				if len(got) != len(want) {
					t.Errorf("%s: %d values, want %d", name, len(got), len(want))
				}
				for i, now := range at {
					if x, ok := got[now]; !ok || math.Abs(x-want[i]) > 1e-12*want[i] {
						t.Errorf("%s at %d: %v, want %v", name, now, x, want[i])
					}
				}
			}
			if rates := b.told("rpc_seconds_count"); len(rates) != 49 {
				t.Errorf("%d rates of the count, want 49: it is the family's", len(rates))
			}
			if got := len(b.told("rpc_seconds_sum")) + len(b.told("rpc_seconds_bucket")); got != 0 {
				t.Errorf("%d scores of the sum and single buckets, want none", got)
			}
			st := b.Status()
			if st.Scored+st.Late+st.Skipped+st.Refused != st.Samples {
				t.Errorf("status %+v does not add up: what is made of samples is no sample", st)
			}
			if n := int(testutil.ToFloat64(b.metrics.derived)); n != len(p50s)+len(p99s)+len(means) {
				t.Errorf("%d derived values counted, want %d", n, len(p50s)+len(p99s)+len(means))
			}
		})
	}
}

// A derived series is one like any other: its labels, its view, its rule.
func TestDerivedSeries(t *testing.T) {
	set := &rules.Set{Watches: []*rules.Watch{{Name: "slow", Select: selecting("rpc_seconds_p99"), Sensitivity: 1, Emit: rules.EmitAll}}}
	b := run(t, Options{Rules: set})
	h := newClassic("rpc_seconds", latencyBounds, "job", "cart")
	for i := range int64(5) {
		h.observe(0.2)
		b.append(h.scrape(start + i*apart)...)
	}
	v := b.view("rpc_seconds_p99")
	if got, want := v.Series.String(), `rpc_seconds_p99{job="cart"}`; got != want {
		t.Errorf("the series is %s, want %s", got, want)
	}
	if v.Kind != "derived" || v.Rule != "slow" || len(v.Samples) != 4 || v.Last.T != start+4*apart {
		t.Errorf("seen as %s under %q with %d samples, the last at %d", v.Kind, v.Rule, len(v.Samples), v.Last.T)
	}
	if n := b.Status().Series; n != len(h.bounds)+2+3 {
		t.Errorf("%d series known, want the parts and three made of them: they count as series", n)
	}
	b.stop()
	if got := b.told("rpc_seconds_p99"); len(got) != 4 {
		t.Errorf("%d scores handed out, want 4", len(got))
	}
}

// What becomes of one scrape in which something is amiss: the values of that scrape
// are missing or changed, those of the next are whole again.
func TestClassicHistogramHygiene(t *testing.T) {
	type scrapes = func(i int64, h *classic, all []foreshock.Sample) []foreshock.Sample
	drop := func(k int) scrapes {
		return func(i int64, h *classic, all []foreshock.Sample) []foreshock.Sample {
			if i == 5 {
				return slices.Delete(all, k, k+1)
			}
			return all
		}
	}
	n := len(latencyBounds) + 1 // buckets; then the count, then the sum
	for _, c := range []struct {
		name       string
		meddle     scrapes
		p99, mean  string // scrapes that have one: 1 to 9 unless amiss
		incomplete int
	}{
		{"nothing", func(i int64, _ *classic, all []foreshock.Sample) []foreshock.Sample { return all }, "123456789", "123456789", 0},
		{"a bucket is missing", drop(2), "12346789", "123456789", 1},
		{"the highest bucket is missing", drop(n - 1), "12346789", "123456789", 1},
		{"the count is missing", drop(n), "123456789", "12346789", 1},
		{"the sum is missing", drop(n + 1), "123456789", "12346789", 1},
		{"a bucket that is no number", func(i int64, _ *classic, all []foreshock.Sample) []foreshock.Sample {
			if i == 5 {
				all[2].V = math.NaN()
			}
			return all
		}, "12346789", "123456789", 1},
		{"a reset", func(i int64, h *classic, all []foreshock.Sample) []foreshock.Sample {
			if i == 5 {
				h.reset()
				h.observe(0.2)
				return h.scrape(all[0].T)
			}
			return all
		}, "12346789", "12346789", 0},
		{"a reset of one bucket alone", func(i int64, _ *classic, all []foreshock.Sample) []foreshock.Sample {
			if i >= 5 {
				all[4].V -= 40
			}
			return all
		}, "12346789", "12346789", 0},
		{"a reset while a bucket is missing", func(i int64, h *classic, all []foreshock.Sample) []foreshock.Sample {
			if i == 5 {
				h.reset()
				return slices.Delete(h.scrape(all[0].T), 0, 1)
			}
			return all
		}, "1234789", "12346789", 1},
		{"a bucket joins", func(i int64, _ *classic, all []foreshock.Sample) []foreshock.Sample {
			if i < 5 {
				return all[1:]
			}
			return all
		}, "12346789", "123456789", 0},
		{"a bucket never comes again", func(i int64, _ *classic, all []foreshock.Sample) []foreshock.Sample {
			if i > 3 {
				return all[1:]
			}
			return all
		}, "1239", "123456789", 5},
		{"a bucket ends", func(i int64, _ *classic, all []foreshock.Sample) []foreshock.Sample {
			if i == 5 {
				all[0].V = staleMarker
			} else if i > 5 {
				return all[1:]
			}
			return all
		}, "123456789", "123456789", 0},
		{"nothing was observed", func(i int64, h *classic, all []foreshock.Sample) []foreshock.Sample {
			if i == 4 {
				h.quiet = true // until the next scrape
			}
			return all
		}, "12346789", "12346789", 0},
		{"no highest bucket at all", func(i int64, _ *classic, all []foreshock.Sample) []foreshock.Sample {
			return slices.Delete(all, n-1, n)
		}, "", "123456789", 0},
		{"all of it ends and comes back", func(i int64, h *classic, all []foreshock.Sample) []foreshock.Sample {
			if i == 5 {
				return h.ending(all[0].T)
			}
			return all
		}, "1234789", "1234789", 0},
		{"the count ends and comes back", func(i int64, h *classic, all []foreshock.Sample) []foreshock.Sample {
			if i == 5 {
				all[n].V = staleMarker
			}
			return all
		}, "12346789", "1234789", 0},
		{"sent again", func(i int64, _ *classic, all []foreshock.Sample) []foreshock.Sample {
			return append(slices.Clone(all), all...)
		}, "123456789", "123456789", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := run(t, Options{Rules: everything(), Shards: 1})
			h := newClassic("rpc_seconds", latencyBounds)
			for i := range int64(10) {
				for range 10 {
					h.observe(0.3)
				}
				b.append(c.meddle(i, h, h.scrape(start+i*apart))...)
			}
			b.stop()
			for name, want := range map[string]string{"rpc_seconds_p99": c.p99, "rpc_seconds_p50": c.p99, "rpc_seconds_mean": c.mean} {
				got := ""
				told := b.told(name)
				for i := range int64(10) {
					if x, ok := told[start+i*apart]; ok {
						got += fmt.Sprint(i)
						if x < 0.25 || x > 0.5 {
							t.Errorf("%s at scrape %d is %v, and all that is observed is 0.3", name, i, x)
						}
					}
				}
				if got != want {
					t.Errorf("%s has a value at scrapes %q, want %q", name, got, want)
				}
			}
			if got := int(testutil.ToFloat64(b.metrics.incomplete)); got != c.incomplete {
				t.Errorf("%d scrapes counted as incomplete, want %d", got, c.incomplete)
			}
		})
	}
}

// A part that comes when the next scrape has begun is late: dropped and counted. Its
// scrape has no quantiles, and nothing else suffers.
func TestLatePartOfHistogram(t *testing.T) {
	b := run(t, Options{Rules: everything()})
	h := newClassic("rpc_seconds", latencyBounds)
	for i := range int64(4) {
		h.observe(0.3)
		if all := h.scrape(start + i*apart); i == 1 {
			late := all[3]
			b.append(slices.Delete(all, 3, 4)...)
			h.observe(0.3)
			next := h.scrape(start + 2*apart)
			b.append(next[0])
			b.append(late)
			b.append(next[1:]...)
		} else if i != 2 {
			b.append(all...)
		}
	}
	b.stop()
	for i, want := range []bool{false, false, true, true} {
		if _, got := b.told("rpc_seconds_p99")[start+int64(i)*apart]; got != want {
			t.Errorf("scrape %d has a p99: %t, want %t", i, got, want)
		}
	}
	if n := testutil.ToFloat64(b.metrics.piecesLate); n != 1 {
		t.Errorf("%v late parts counted, want 1", n)
	}
}

// A summary's mean is derived as well; its quantiles are series already.
func TestSummary(t *testing.T) {
	b := run(t, Options{Rules: everything()})
	count, sum, q := series("gc_seconds_count"), series("gc_seconds_sum"), series("gc_seconds", "quantile", "0.99")
	for i := range int64(4) {
		at := start + i*apart
		b.append(foreshock.Sample{Series: sum, T: at, V: 6 * float64(i)}, foreshock.Sample{Series: count, T: at, V: 3 * float64(i)}, foreshock.Sample{Series: q, T: at, V: 5})
	}
	b.stop()
	if got := b.told("gc_seconds_mean"); len(got) != 3 || got[start+apart] != 2 {
		t.Errorf("means %v, want 2 three times", got)
	}
	if got := b.told("gc_seconds"); len(got) != 4 {
		t.Errorf("quantiles scored %d times, want 4", len(got))
	}
	if got := len(b.told("gc_seconds_sum")) + len(b.told("gc_seconds_p99")); got != 0 {
		t.Errorf("%d scores of what there is none of", got)
	}
}

// A histogram that grows a thousand buckets costs bounded memory, keeps its mean, and
// has no quantiles rather than wrong ones.
func TestHistogramOfThousandBuckets(t *testing.T) {
	b := run(t, Options{Rules: everything(), Shards: 1})
	bounds := make([]float64, 1000)
	for i := range bounds {
		bounds[i] = float64(i + 1)
	}
	h := newClassic("size_bytes", bounds)
	for i := range int64(5) {
		h.observe(500)
		b.append(h.scrape(start + i*apart)...)
	}
	b.settle()
	for _, f := range b.shards[0].families {
		if len(f.buckets) > maxBuckets {
			t.Errorf("the family holds %d buckets, want %d at most", len(f.buckets), maxBuckets)
		}
	}
	b.stop()
	if got := b.told("size_bytes_mean"); len(got) != 4 {
		t.Errorf("%d means, want 4", len(got))
	}
	if got := b.told("size_bytes_p99"); len(got) != 0 {
		t.Errorf("quantiles %v of some of the buckets", got)
	}
	if n := testutil.ToFloat64(b.metrics.crowded); n != 1001-maxBuckets {
		t.Errorf("%v buckets counted as refused, want %d", n, 1001-maxBuckets)
	}
}

// When the target goes, its derived series end, and whoever was told of them hears it.
func TestDerivedSeriesEnd(t *testing.T) {
	b := run(t, Options{Rules: everything()})
	h := newClassic("rpc_seconds", latencyBounds)
	for i := range int64(5) {
		h.observe(0.3)
		b.append(h.scrape(start + i*apart)...)
	}
	b.append(h.ending(start + 5*apart)...)
	for _, a := range []string{"mean", "p50", "p99"} {
		if v := b.view("rpc_seconds_" + a); !v.Ended {
			t.Errorf("%s goes on", v.Series)
		}
	}
	b.stop()
	var gone []string
	for _, f := range b.found {
		for _, g := range f.Gone {
			gone = append(gone, g.Name())
		}
	}
	if want := []string{"rpc_seconds_count", "rpc_seconds_mean", "rpc_seconds_p50", "rpc_seconds_p99"}; !slices.Equal(gone, want) {
		t.Errorf("gone: %v, want %v", gone, want)
	}
}

// A series that is sent under a derived series' name is the one that stays.
func TestSentSeriesGoesBeforeDerived(t *testing.T) {
	for _, early := range []bool{true, false} {
		b := run(t, Options{Rules: everything(), Shards: 7})
		h := newClassic("rpc_seconds", latencyBounds, "job", "a")
		sent := series("rpc_seconds_p99", "job", "a")
		for i := range int64(8) {
			h.observe(0.3)
			if early || i >= 4 {
				b.append(foreshock.Sample{Series: sent, T: start + i*apart, V: 7})
			}
			b.append(h.scrape(start + i*apart)...)
		}
		v := b.view("rpc_seconds_p99")
		b.stop()
		if want := map[bool]int{true: 8, false: 4}[early]; v.Kind != "gauge" || len(v.Samples) != want || v.Last.Value != 7 {
			t.Errorf("early %t: a %s of %d samples, the last %v; want the %d sent", early, v.Kind, len(v.Samples), v.Last.Value, want)
		}
		if got := len(b.told("rpc_seconds_mean")); got != 7 {
			t.Errorf("early %t: %d means, want 7", early, got)
		}
	}
}

// What is forgotten leaves nothing behind, and comes back as new.
func TestFamiliesAreForgotten(t *testing.T) {
	cfg := DefaultConfig()
	cfg.IdleAfter = prommodel.Duration(60 * 60 * 1e9)
	b := run(t, Options{Rules: everything(), Config: cfg, Shards: 1})
	h, clock := newClassic("rpc_seconds", latencyBounds), series("clock")
	for i := range int64(400) {
		at := start + i*60_000
		b.append(foreshock.Sample{Series: clock, T: at, V: 1})
		if i < 100 || i >= 300 {
			h.observe(0.3)
			b.append(h.scrape(at)...)
		}
		if i == 299 {
			b.settle()
			if s := b.shards[0]; len(s.families) != 0 || s.series.len() != 1 {
				t.Errorf("%d families and %d series are known three hours after the last sample, want none and the clock", len(s.families), s.series.len())
			}
		}
	}
	b.stop()
	if got := len(b.told("rpc_seconds_p99")); got != 99+99 {
		t.Errorf("%d quantiles, want 198", got)
	}
}

// Requests grow slower for one in sixty: neither their rate nor their mean says so.
func TestRegressionThatOnlyTheTailShows(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	b := run(t, Options{Shards: 2})
	h := newClassic("http_request_seconds", []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}, "job", "shop")
	const calm, bad = 1500, 1520
	for i := range int64(bad) {
		load := 0.4 + 1.2*r.Float64() // of the scrape: the mean varies by it
		for range 400 + r.IntN(60) {
			x := 0.04 * load * math.Exp(r.NormFloat64()/3)
			if i >= calm && r.IntN(60) == 0 {
				x = 0.3
			}
			h.observe(x)
		}
		b.append(h.scrape(start + i*apart)...)
	}
	b.stop()
	started := map[string]int{}
	for _, f := range b.found {
		for _, a := range f.Anomalies {
			if a.Phase == foreshock.Started && a.T >= start+calm*apart {
				started[a.Series.Name()]++
			}
		}
	}
	if started["http_request_seconds_p99"] == 0 || started["http_request_seconds_mean"] > 0 || started["http_request_seconds_count"] > 0 {
		t.Errorf("anomalies %v, want one of http_request_seconds_p99", started)
	}
}

// interleaved is a fleet of histograms at their worst, in batches that cut and shuffle
// scrapes.
func interleaved(seed uint64, rounds int) []*foreshock.Batch {
	r := rand.New(rand.NewPCG(seed, 8))
	var fleet []*classic
	for i := range 20 {
		fleet = append(fleet, newClassic([]string{"rpc_seconds", "db_seconds"}[i%2], latencyBounds, "pod", fmt.Sprint(i/2), "instance", fmt.Sprint(i/2)))
	}
	var batches []*foreshock.Batch
	var queue []foreshock.Sample
	for round := range int64(rounds) {
		var all []foreshock.Sample
		for i, h := range fleet {
			for range r.IntN(20) {
				h.observe(math.Exp(r.NormFloat64() - 2))
			}
			switch r.IntN(200) {
			case 0:
				h.reset()
			case 1:
				all = append(all, h.ending(start+round*apart+int64(i))...)
				continue
			case 2:
				continue
			}
			all = append(all, h.scrape(start+round*apart+int64(i))...)
		}
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		queue = append(queue, all...)
		for len(queue) > 60 {
			n := 20 + r.IntN(30)
			batches = append(batches, &foreshock.Batch{Samples: slices.Clone(queue[:n])})
			queue = queue[n:]
		}
	}
	return batches
}

// All parts of a family meet on one shard, whatever the number of shards.
func TestHistogramsDependOnTheBatchesAlone(t *testing.T) {
	batches := interleaved(1, 300)
	var want bytes.Buffer
	for _, shards := range []int{1, 2, 7} {
		b := run(t, Options{Rules: everything(), Shards: shards})
		for i, batch := range batches {
			if i == 300 {
				b.SetRules(everything())
			}
			b.batch(batch)
		}
		b.stop()
		var got bytes.Buffer
		for _, f := range b.found {
			encode(&got, f)
		}
		if n := len(b.told("rpc_seconds_p99")) + len(b.told("db_seconds_mean")); n == 0 {
			t.Fatal("nothing was derived: it proves nothing")
		}
		if want.Len() == 0 {
			want = got
		} else if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("%d shards: other findings than with one", shards)
		}
	}
}

// Nothing is allocated for a sample of a histogram that is known.
func TestHistogramsAllocateNothing(t *testing.T) {
	s, xs, scrape := classicFleet(20)
	for range 400 {
		scrape(s)
	}
	// A window grows where its hour is livelier than those before: fewer than one allocation
	// for twenty samples is theirs, as with any series.
	if allocs := testing.AllocsPerRun(100, func() { scrape(s) }); allocs > float64(xs)/20 {
		t.Errorf("%v allocations for a scrape of %d samples", allocs, xs)
	}
}

// BenchmarkHistograms is the cost of one sample of a classic histogram on one shard: of
// a dozen buckets, count and sum, and of the three series made of them.
func BenchmarkHistograms(b *testing.B) {
	s, xs, scrape := classicFleet(100)
	for range 400 {
		scrape(s)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += xs {
		scrape(s)
	}
}

// classicFleet is a shard, n histograms of it and how to scrape them once more.
func classicFleet(n int) (s *shard, samples int, scrape func(*shard)) {
	s = newShard(0, 1, DefaultConfig(), &rules.Set{}, false)
	r := rand.New(rand.NewPCG(1, 1))
	var fleet []*classic
	for i := range n {
		fleet = append(fleet, newClassic("rpc_seconds", []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}, "instance", fmt.Sprint(i)))
	}
	j := newJob(1)
	p := &j.parts[0]
	at := start
	return s, n * (12 + 2), func(s *shard) {
		at += apart
		for _, h := range fleet {
			for i := range h.counts {
				h.counts[i] += float64(1 + i + r.IntN(3))
			}
			h.count = h.counts[len(h.counts)-1]
			h.sum += 3 + r.Float64()
			for i, x := range h.buckets {
				p.samples = append(p.samples, foreshock.Sample{Series: x, T: at, V: h.counts[i]})
			}
			p.samples = append(p.samples, foreshock.Sample{Series: h.countOf, T: at, V: h.count}, foreshock.Sample{Series: h.sumSeries, T: at, V: h.sum})
		}
		j.working.Add(1)
		s.work(task{job: j, part: p})
		j.reset()
	}
}
