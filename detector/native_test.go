package detector

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser/posrange"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// native is a native histogram as a client library keeps it.
type native struct {
	series     *foreshock.Series
	schema     int32
	bounds     []float64 // where they are custom
	zero       float64
	counts     map[int32]float64
	count, sum float64
}

func newNative(x *foreshock.Series, schema int32, bounds ...float64) *native {
	return &native{series: x, schema: schema, bounds: bounds, counts: map[int32]float64{}}
}

func (n *native) observe(x float64) {
	n.count++
	n.sum += x
	switch {
	case n.bounds != nil:
		i, _ := slices.BinarySearch(n.bounds, x)
		n.counts[int32(i)]++
	case x == 0:
		n.zero++
	default:
		n.counts[int32(math.Ceil(math.Ldexp(math.Log2(x), int(n.schema))))]++
	}
}

func (n *native) reset() {
	clear(n.counts)
	n.zero, n.count, n.sum = 0, 0, 0
}

// float is the histogram as it stands.
func (n *native) float() *histogram.FloatHistogram {
	h := &histogram.FloatHistogram{Schema: n.schema, ZeroCount: n.zero, Count: n.count, Sum: n.sum, CustomValues: n.bounds}
	if n.bounds == nil {
		h.ZeroThreshold = math.Exp2(-128)
	}
	var at []int32
	for i := range n.counts {
		at = append(at, i)
	}
	slices.Sort(at)
	for k, i := range at {
		offset := i
		if k > 0 {
			offset = i - at[k-1] - 1
		}
		h.PositiveSpans = append(h.PositiveSpans, histogram.Span{Offset: offset, Length: 1})
		h.PositiveBuckets = append(h.PositiveBuckets, n.counts[i])
	}
	if err := h.Validate(); err != nil {
		panic(err)
	}
	return h
}

func (n *native) scrape(t int64) foreshock.Histogram {
	return foreshock.NewHistogram(n.series, t, n.float())
}

func (b *bench) histograms(hs ...foreshock.Histogram) {
	b.t.Helper()
	b.batch(&foreshock.Batch{Histograms: hs})
}

// The streams made of a native histogram are what PromQL makes of its increase.
func TestNativeHistogramAsPromQL(t *testing.T) {
	for name, n := range map[string]*native{
		"schema -2": newNative(series("rpc_seconds"), -2),
		"schema 3":  newNative(series("rpc_seconds"), 3),
		"schema 4":  newNative(series("rpc_seconds"), 4),
		"custom":    newNative(series("rpc_seconds"), histogram.CustomBucketsSchema, latencyBounds...),
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(6, 7))
			b := run(t, Options{Rules: everything()})
			var before *histogram.FloatHistogram
			values := 0
			want := map[string]map[int64]float64{"mean": {}, "p50": {}, "p99": {}}
			for i := range int64(60) {
				for range r.IntN(30) {
					n.observe(math.Exp(r.NormFloat64() - 2))
				}
				if n.bounds == nil && r.IntN(3) == 0 {
					n.observe(0)
				}
				now := start + i*apart
				b.histograms(n.scrape(now))
				if h := n.float(); before != nil && h.Count > before.Count {
					d, _, _, err := h.Copy().Sub(before)
					if err != nil {
						t.Fatal(err)
					}
					d.Compact(0)
					want["mean"][now] = d.Sum / d.Count
					want["p50"][now], _ = promql.HistogramQuantile(0.5, d, "", posrange.PositionRange{})
					want["p99"][now], _ = promql.HistogramQuantile(0.99, d, "", posrange.PositionRange{})
					values++
				}
				before = n.float()
			}
			b.stop()
			for aspect, want := range want {
				got := b.told("rpc_seconds_" + aspect)
				if len(got) != values {
					t.Errorf("%s: %d values, want %d", aspect, len(got), values)
				}
				for at, w := range want {
					if g, ok := got[at]; !ok || math.Abs(g-w) > 1e-9*math.Abs(w) {
						t.Errorf("%s at %d: %v, want %v", aspect, at, g, w)
					}
				}
			}
			if rates := b.told("rpc_seconds"); len(rates) != 59 {
				t.Errorf("%d rates, want 59: they are the series' own", len(rates))
			}
		})
	}
}

// What becomes of a scrape in which something is amiss.
func TestNativeHistogramHygiene(t *testing.T) {
	for _, c := range []struct {
		name       string
		meddle     func(i int64, n *native, h *foreshock.Histogram)
		p99, mean  string // scrapes that have one
		incomplete int
	}{
		{"nothing", func(int64, *native, *foreshock.Histogram) {}, "123456789", "123456789", 0},
		{"a reset", func(i int64, n *native, h *foreshock.Histogram) {
			if i == 5 {
				n.reset()
				n.observe(0.3)
				*h = n.scrape(h.T)
			}
		}, "12346789", "12346789", 0},
		{"a reset that only a bucket tells", func(i int64, n *native, h *foreshock.Histogram) {
			if i == 5 {
				n.reset()
				for range 1000 {
					n.observe(0.4) // of another bucket
				}
				*h = n.scrape(h.T)
			}
		}, "12346789", "12346789", 0},
		{"a reset that the sender tells", func(i int64, _ *native, h *foreshock.Histogram) {
			if i == 5 {
				h.Hint = histogram.CounterReset
			}
		}, "12346789", "12346789", 0},
		{"a finer resolution", func(i int64, n *native, h *foreshock.Histogram) {
			if i == 5 {
				n.counts = map[int32]float64{-7: n.count}
				n.schema = 2
				*h = n.scrape(h.T)
			}
		}, "12346789", "12346789", 0},
		{"a coarser resolution", func(i int64, n *native, h *foreshock.Histogram) {
			if i == 5 {
				n.counts = map[int32]float64{-1: n.count}
				n.schema = 0
				*h = n.scrape(h.T)
			}
		}, "123456789", "123456789", 0},
		{"it ends and comes back", func(i int64, _ *native, h *foreshock.Histogram) {
			if i == 5 {
				h.Sum = staleMarker
			}
		}, "1234789", "1234789", 0},
		{"a gauge histogram", func(_ int64, _ *native, h *foreshock.Histogram) { h.Hint = histogram.GaugeType }, "0123456789", "0123456789", 0},
		{"NaN is observed", func(i int64, _ *native, h *foreshock.Histogram) {
			if i >= 5 {
				h.Sum = math.NaN()
			}
		}, "123456789", "1234", 0},
		{"a bucket that is no number", func(i int64, _ *native, h *foreshock.Histogram) {
			if i == 5 {
				h.PositiveBuckets = slices.Clone(h.PositiveBuckets)
				h.PositiveBuckets[0] = math.NaN()
			}
		}, "1234789", "123456789", 1},
		{"a count that is no number", func(i int64, _ *native, h *foreshock.Histogram) {
			if i == 5 {
				h.Count = math.Inf(1)
			}
		}, "12346789", "12346789", 0},
		{"sent again with another count", func(i int64, _ *native, h *foreshock.Histogram) {
			if i == 5 {
				h.T -= apart
			}
		}, "12346789", "12346789", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := run(t, Options{Rules: everything(), Shards: 1})
			n := newNative(series("rpc_seconds"), 1)
			for i := range int64(10) {
				for range 10 {
					n.observe(0.3)
				}
				h := n.scrape(start + i*apart)
				c.meddle(i, n, &h)
				b.histograms(h)
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
				t.Errorf("%d histograms counted as incomplete, want %d", got, c.incomplete)
			}
			if st := b.Status(); st.Scored+st.Late+st.Skipped+st.Refused != st.Samples {
				t.Errorf("status %+v does not add up", st)
			}
		})
	}
}

// A gauge histogram's count goes up and down: it is no counter.
func TestGaugeHistogramCount(t *testing.T) {
	b := run(t, Options{Rules: everything()})
	for i, count := range []float64{5, 3, 8} {
		h := histogram.FloatHistogram{CounterResetHint: histogram.GaugeType, Count: count, ZeroCount: count}
		b.histograms(foreshock.NewHistogram(series("queue"), start+int64(i)*apart, &h))
	}
	b.stop()
	if got := b.told("queue"); len(got) != 3 || got[start+apart] != 3 {
		t.Errorf("scored %v, want the counts 5, 3 and 8", got)
	}
}

// Where a target is scraped for both, one of the two speaks, and the other goes on
// when it ends.
func TestNativeAndClassicOfOneName(t *testing.T) {
	for _, first := range []string{"native", "classic"} {
		b := run(t, Options{Rules: everything(), Shards: 7})
		c, n := newClassic("rpc_seconds", []float64{1}, "job", "a"), newNative(series("rpc_seconds", "job", "a"), 8)
		for i := range int64(20) {
			c.observe(0.3)
			n.observe(0.3)
			at := start + i*apart
			batch := &foreshock.Batch{Samples: c.scrape(at)}
			h := n.scrape(at)
			if i == 10 {
				h.Sum = staleMarker
			}
			switch {
			case i > 10:
				b.batch(batch)
			case first == "native":
				b.histograms(h)
				b.batch(batch)
			default:
				b.batch(batch)
				b.histograms(h)
			}
		}
		b.stop()
		got := b.told("rpc_seconds_p50")
		for i := range int64(20) {
			x, ok := got[start+i*apart]
			if native := ok && math.Abs(x-0.3) < 0.01; i > 1 && i < 10 && !native {
				t.Errorf("%s first: %v at scrape %d, want 0.3 as the native one has it", first, x, i)
			}
			if classic := ok && x == 0.5; i > 12 && !classic {
				t.Errorf("%s first: %v at scrape %d, want 0.5 as the classic one has it", first, x, i)
			}
		}
	}
}

// As for classic histograms: the findings are the same on any number of shards.
func TestNativeHistogramsDependOnTheBatchesAlone(t *testing.T) {
	var batches []*foreshock.Batch
	r := rand.New(rand.NewPCG(1, 9))
	var fleet []*native
	for i := range 20 {
		fleet = append(fleet, newNative(series("rpc_seconds", "pod", fmt.Sprint(i), "instance", fmt.Sprint(i)), int32(i%13-4)))
	}
	for round := range int64(200) {
		b := &foreshock.Batch{}
		for _, n := range fleet {
			for range r.IntN(20) {
				n.observe(math.Exp(r.NormFloat64() - 2))
			}
			if r.IntN(100) == 0 {
				n.reset()
			}
			h := n.scrape(start + round*apart)
			switch r.IntN(100) {
			case 0:
				h.Sum = staleMarker
			case 1:
				continue
			case 2:
				h.T -= 2 * apart
			}
			b.Histograms = append(b.Histograms, h)
		}
		batches = append(batches, b)
	}
	var want bytes.Buffer
	for _, shards := range []int{1, 2, 7} {
		b := run(t, Options{Rules: everything(), Shards: shards})
		for _, batch := range batches {
			b.batch(batch)
		}
		b.stop()
		var got bytes.Buffer
		for _, f := range b.found {
			encode(&got, f)
		}
		if len(b.told("rpc_seconds_p99")) == 0 {
			t.Fatal("nothing was derived: it proves nothing")
		}
		if want.Len() == 0 {
			want = got
		} else if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("%d shards: other findings than with one", shards)
		}
	}
}

// A batch is the receiver's again after Append, and so are its histograms' buckets.
func TestAppendKeepsNoBuckets(t *testing.T) {
	b := run(t, Options{Rules: everything()})
	n := newNative(series("rpc_seconds"), 8)
	for i := range int64(5) {
		n.observe(0.3)
		h := n.scrape(start + i*apart)
		b.histograms(h)
		for k := range h.PositiveBuckets {
			h.PositiveBuckets[k] = 1e6
		}
		for k := range h.PositiveSpans {
			h.PositiveSpans[k].Offset = 1000
		}
	}
	b.stop()
	got := b.told("rpc_seconds_p99")
	if len(got) != 4 {
		t.Errorf("%d quantiles, want 4", len(got))
	}
	for _, x := range got {
		if math.Abs(x-0.3) > 0.01 {
			t.Errorf("a p99 of %v, want 0.3", x)
		}
	}
}

// Buckets wait in the queue like samples, so they are counted in what it may hold.
func TestBucketsWeigh(t *testing.T) {
	h := foreshock.Histogram{PositiveSpans: make([]histogram.Span, 20), PositiveBuckets: make([]float64, 160)}
	if got := weight(&foreshock.Batch{Histograms: []foreshock.Histogram{h, h}}); got != 2+2*180/3 {
		t.Errorf("two histograms of 180 numbers weigh %d, want %d", got, 2+2*180/3)
	}
}

// nativeFleet is a shard, n histograms of it, of some hundred buckets, and how to
// scrape them once more.
func nativeFleet(n int) (s *shard, scrape func()) {
	s = newShard(0, 1, DefaultConfig(), &rules.Set{}, false)
	r := rand.New(rand.NewPCG(1, 1))
	var fleet []*native
	for i := range n {
		x := newNative(series("rpc_seconds", "instance", fmt.Sprint(i)), 4)
		for range 1000 {
			x.observe(math.Exp(2 * r.NormFloat64()))
		}
		fleet = append(fleet, x)
	}
	var batch foreshock.Batch
	for _, x := range fleet {
		batch.Histograms = append(batch.Histograms, x.scrape(start))
	}
	j := newJob(1)
	return s, func() {
		for i := range batch.Histograms {
			h := &batch.Histograms[i]
			h.T += apart
			for k := range h.PositiveBuckets {
				d := float64(r.IntN(3))
				h.PositiveBuckets[k] += d
				h.Count += d
			}
			h.Sum += 100
		}
		j.split(&batch)
		j.working.Add(1)
		s.work(task{job: j, part: &j.parts[0]})
		j.reset()
	}
}

// Nothing is allocated for a native histogram that is known; what is left is the growth
// of the windows, of four series, now and then.
func TestNativeHistogramsAllocateNothing(t *testing.T) {
	_, scrape := nativeFleet(20)
	for range 400 {
		scrape()
	}
	if allocs := testing.AllocsPerRun(100, scrape); allocs > 20*4/10 {
		t.Errorf("%v allocations for 20 histograms", allocs)
	}
}

// BenchmarkNativeHistograms is the cost of one native histogram of some hundred buckets
// on one shard, of its copy into the shard's queue, and of the series made of it.
func BenchmarkNativeHistograms(b *testing.B) {
	const fleet = 100
	_, scrape := nativeFleet(fleet)
	for range 400 {
		scrape()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += fleet {
		scrape()
	}
}
