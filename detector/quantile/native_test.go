package quantile

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser/posrange"
)

func promqlNative(q float64, h *histogram.FloatHistogram) float64 {
	x, _ := promql.HistogramQuantile(q, h, "", posrange.PositionRange{})
	return x
}

// near reports whether both are the same number but for the table that PromQL takes its
// bounds from, or both no finite one.
func near(a, b float64) bool {
	if math.IsNaN(b) || math.IsInf(b, 0) {
		return math.IsNaN(a) || math.IsInf(a, 0)
	}
	return math.Abs(a-b) <= 1e-9*math.Abs(b)
}

// client is a native histogram in the making.
type client struct {
	schema             int32
	threshold          float64
	zero, sum          float64
	positive, negative map[int32]float64
	bounds             []float64 // of a custom one, whose buckets are the positive
}

// float is the client's histogram, with its buckets cut into spans at random.
func (c *client) float(r *rand.Rand) *histogram.FloatHistogram {
	h := &histogram.FloatHistogram{Schema: c.schema, ZeroThreshold: c.threshold, ZeroCount: c.zero, Count: c.zero, Sum: c.sum, CustomValues: c.bounds}
	side := func(m map[int32]float64) (spans []histogram.Span, counts []float64) {
		at := int32(math.MinInt32)
		for i := int32(-300); i <= 300; i++ {
			v, ok := m[i]
			if !ok && !(len(spans) > 0 && r.IntN(40) == 0 && c.bounds == nil) {
				continue // an empty bucket at times
			}
			switch {
			case len(spans) == 0:
				spans = append(spans, histogram.Span{Offset: i, Length: 1})
			case i == at+1 && r.IntN(4) > 0:
				spans[len(spans)-1].Length++
			default:
				spans = append(spans, histogram.Span{Offset: i - at - 1, Length: 1})
			}
			at = i
			counts = append(counts, v)
			h.Count += v
		}
		return spans, counts
	}
	h.PositiveSpans, h.PositiveBuckets = side(c.positive)
	h.NegativeSpans, h.NegativeBuckets = side(c.negative)
	if err := h.Validate(); err != nil {
		panic(err)
	}
	return h
}

// observe makes some observations of the sorts there are.
func (c *client) observe(r *rand.Rand) {
	for range r.IntN(30) {
		i := int32(r.NormFloat64() * 20)
		most := int32(math.Ldexp(1000, int(c.schema))) // of a bucket whose bounds are floats
		i = min(max(i, -most), most)
		if c.threshold > 0 && math.Exp2(math.Ldexp(float64(i-1), -int(c.schema))) < c.threshold {
			i = max(1, -i) // it would be in the zero bucket
		}
		c.sum += r.NormFloat64()
		switch {
		case c.bounds != nil:
			c.positive[int32(r.IntN(len(c.bounds)+1))]++
		case c.zero > 0 && r.IntN(5) == 0:
			c.zero++
		case c.negative != nil && r.IntN(2) == 0:
			c.negative[i]++
		case c.positive != nil:
			c.positive[i]++
		}
	}
}

func newClient(r *rand.Rand) *client {
	c := &client{schema: int32(r.IntN(13) - 4)}
	switch r.IntN(5) {
	case 0:
		c.schema = histogram.CustomBucketsSchema
		c.positive = map[int32]float64{}
		b := r.NormFloat64()
		for range 1 + r.IntN(8) {
			c.bounds = append(c.bounds, b)
			b += 0.1 + r.Float64()
		}
		return c
	case 1:
		c.negative = map[int32]float64{}
	case 2:
		c.negative, c.positive = map[int32]float64{}, map[int32]float64{}
	default:
		c.positive = map[int32]float64{}
	}
	switch r.IntN(3) {
	case 0:
		c.zero, c.threshold = 1, math.Exp2(-40)
	case 1:
		c.zero = 1
	}
	return c
}

func TestNativeIsPromQLs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	var n Native
	for range 3000 {
		c := newClient(r)
		c.observe(r)
		h := c.float(r)
		if !n.Load(h) {
			t.Fatalf("%s cannot be read", h)
		}
		for _, q := range quantiles {
			if g, w := n.Quantile(q), promqlNative(q, h); !near(g, w) {
				t.Fatalf("%v of %s (schema %d): %v, PromQL's %v", q, h, h.Schema, g, w)
			}
		}
	}
}

// What was observed between two scrapes is what PromQL subtracts, whatever the client
// does to its layout meanwhile, and a new start is one by its rules.
func TestSinceIsPromQLs(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 3))
	var before, now, diff Native
	resets := 0
	for range 5000 {
		c := newClient(r)
		c.observe(r)
		h0 := c.float(r)
		c.observe(r)
		h1 := c.float(r)
		what := r.IntN(5)
		switch what {
		case 0: // resolution falls, as at a limit of buckets
			if !h1.UsesCustomBuckets() && h1.Schema > -4 {
				h1 = h1.CopyToSchema(h1.Schema - 1 - int32(r.IntN(int(h1.Schema)+4)))
			}
		case 1: // the zero bucket grows
			if !h1.UsesCustomBuckets() {
				wider := *c
				wider.threshold = math.Exp2(-1)
				wider.positive, wider.negative = map[int32]float64{}, map[int32]float64{}
				move := func(from, to map[int32]float64) {
					for i, v := range from {
						if math.Ldexp(float64(i), -int(c.schema)) <= -1 {
							wider.zero += v
						} else {
							to[i] = v
						}
					}
				}
				move(c.positive, wider.positive)
				move(c.negative, wider.negative)
				h1 = wider.float(r)
			}
		case 2: // a new start
			fresh := *c
			fresh.positive, fresh.negative = map[int32]float64{}, map[int32]float64{}
			fresh.zero = 0
			fresh.observe(r)
			h1 = fresh.float(r)
		}
		if !before.Load(h0) || !now.Load(h1) {
			t.Fatalf("%s or %s cannot be read", h0, h1)
		}
		since := diff.Since(&before, &now)
		if reset := h1.DetectReset(h0); reset == since {
			t.Fatalf("%s after %s (%d): a continuation %t, PromQL sees a new start %t", h1, h0, what, since, reset)
		}
		if !since {
			resets++
			continue
		}
		want, _, _, err := h1.Copy().Sub(h0)
		if err != nil {
			t.Fatal(err)
		}
		want.Compact(0)
		for _, q := range quantiles {
			if g, w := diff.Quantile(q), promqlNative(q, want); !near(g, w) {
				t.Fatalf("%v of %s − %s (%d, schema %d): %v, PromQL's %v", q, h1, h0, what, h1.Schema, g, w)
			}
		}
		if g, w := diff.Mean(), want.Sum/want.Count; !near(g, w) {
			t.Fatalf("mean of %s − %s: %v, want %v", h1, h0, g, w)
		}
	}
	if resets < 100 {
		t.Errorf("%d new starts in 5000: they prove nothing", resets)
	}
}

// What observed NaN is counted above all buckets. PromQL means the same, but its loop
// over the rest of the buckets leaves it in the wrong one, unless that is the last.
func TestNativeWithNaN(t *testing.T) {
	h := &histogram.FloatHistogram{
		Count: 100, Sum: math.NaN(),
		PositiveSpans: []histogram.Span{{Offset: 1, Length: 2}}, PositiveBuckets: []float64{60, 38}, // (1, 2] and (2, 4]
	}
	var n Native
	n.Load(h)
	for q, want := range map[float64]float64{0.3: math.Sqrt2, 0.5: math.Exp2(5. / 6), 0.79: 2 * math.Sqrt2, 0.99: math.NaN()} {
		if got := n.Quantile(q); !near(got, want) {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
		if g, w := n.Quantile(q), promqlNative(q, h); q > 0.6 && !near(g, w) {
			t.Errorf("quantile %v is %v, PromQL's %v", q, g, w)
		}
	}
	if !math.IsNaN(n.Mean()) {
		t.Errorf("the mean is %v, want none", n.Mean())
	}
}

// Resolutions that are legal on the wire alone are read as Prometheus stores them.
func TestFineSchemas(t *testing.T) {
	for schema := int32(9); schema <= 52; schema += 7 {
		h := &histogram.FloatHistogram{
			Schema: schema, Count: 60, Sum: 1,
			PositiveSpans:   []histogram.Span{{Offset: -30, Length: 3}, {Offset: 1 << 20, Length: 3}},
			PositiveBuckets: []float64{10, 10, 10, 10, 10, 10},
		}
		var n Native
		if !n.Load(h) {
			t.Fatalf("schema %d cannot be read", schema)
		}
		want := h.Copy()
		if err := want.ReduceResolution(histogram.ExponentialSchemaMax); err != nil {
			t.Fatal(err)
		}
		for _, q := range quantiles {
			if g, w := n.Quantile(q), promqlNative(q, want); !near(g, w) {
				t.Errorf("schema %d: quantile %v is %v, PromQL's %v", schema, q, g, w)
			}
		}
	}
}

// A histogram of a hundred thousand buckets takes the memory of MaxBuckets, at a lower
// resolution; a custom one has count and sum alone.
func TestManyBuckets(t *testing.T) {
	const many = 100_000
	h := &histogram.FloatHistogram{Schema: 8, Count: many, Sum: many, PositiveSpans: []histogram.Span{{Offset: -many / 2, Length: many}}, PositiveBuckets: make([]float64, many)}
	for i := range h.PositiveBuckets {
		h.PositiveBuckets[i] = 1
	}
	var n Native
	if !n.Load(h) || len(n.positive) > MaxBuckets || cap(n.positive) > 2*MaxBuckets {
		t.Errorf("%d buckets are kept with room for %d, want %d at most", len(n.positive), cap(n.positive), MaxBuckets)
	}
	if g, w := n.Quantile(0.5), promqlNative(0.5, h); !(math.Abs(math.Log2(g/w)) < 1) {
		t.Errorf("the median is %v, want about %v", g, w)
	}

	h.Schema, h.PositiveSpans[0].Offset = histogram.CustomBucketsSchema, 0
	for i := range many - 1 {
		h.CustomValues = append(h.CustomValues, float64(i))
	}
	if n.Load(h) || !math.IsNaN(n.Quantile(0.5)) || n.Mean() != 1 || cap(n.bounds) > MaxBuckets {
		t.Errorf("custom: median %v, mean %v, %d bounds kept; want none, 1 and none", n.Quantile(0.5), n.Mean(), cap(n.bounds))
	}
}

// What a hostile sender may write into a valid histogram is not read, and does no harm.
func TestHostileNative(t *testing.T) {
	spans := []histogram.Span{{Offset: math.MaxInt32, Length: 1}, {Offset: math.MaxInt32, Length: 1}}
	for name, h := range map[string]*histogram.FloatHistogram{
		"indices beyond what there are": {Count: 2, PositiveSpans: spans, PositiveBuckets: []float64{1, 1}},
		"a bucket of NaN":               {Count: 2, PositiveSpans: spans[:1], PositiveBuckets: []float64{math.NaN()}},
		"a bucket of infinitely many":   {Count: 2, NegativeSpans: spans[:1], NegativeBuckets: []float64{math.Inf(1)}},
		"a zero bucket of NaN":          {Count: 2, ZeroCount: math.NaN()},
	} {
		t.Run(name, func(t *testing.T) {
			if err := h.Validate(); err != nil {
				t.Fatalf("Prometheus refuses it, and so does the receiver: %v", err)
			}
			var n, diff Native
			if n.Load(h) {
				t.Error("it was read")
			}
			diff.Since(&n, &n)
			if got := fmt.Sprint(n.Quantile(0.5), diff.Quantile(0.5)); got != "NaN NaN" {
				t.Errorf("medians %s, want none", got)
			}
		})
	}
}

// Nothing is allocated for a histogram of a size seen before.
func TestNativeAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 3))
	c := newClient(r)
	c.observe(r)
	h := c.float(r)
	var before, now, diff Native
	if allocs := testing.AllocsPerRun(100, func() {
		now.Load(h)
		diff.Since(&before, &now)
		diff.Quantile(0.99)
		before.Copy(&now)
	}); allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}
