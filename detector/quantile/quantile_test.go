package quantile

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/promql"
)

var quantiles = []float64{0.01, 0.5, 0.9, 0.99, 1}

// same reports whether both are the same number, to the last bits or both none.
func same(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-12*math.Abs(b)
}

func promqlClassic(q float64, bounds, counts []float64) float64 {
	var bs promql.Buckets
	for i := range bounds {
		bs = append(bs, promql.Bucket{UpperBound: bounds[i], Count: counts[i]})
	}
	if len(bs) == 0 {
		return math.NaN()
	}
	want, _, _, _, _, _ := promql.BucketQuantile(q, bs)
	return want
}

func TestCumulativeIsPromQLs(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		name           string
		bounds, counts []float64
	}{
		{"none", nil, nil},
		{"only +Inf", []float64{inf}, []float64{5}},
		{"no +Inf", []float64{1, 2}, []float64{1, 2}},
		{"nothing observed", []float64{1, inf}, []float64{0, 0}},
		{"in the first bucket", []float64{1, 2, inf}, []float64{10, 10, 10}},
		{"in the first bucket, which is below 0", []float64{-1, 2, inf}, []float64{10, 10, 10}},
		{"beyond the highest bound", []float64{1, 2, inf}, []float64{0, 0, 10}},
		{"spread", []float64{0.1, 0.5, 1, 5, inf}, []float64{3, 20, 90, 97, 100}},
		{"one bound twice", []float64{1, 1, 2, inf, inf}, []float64{1, 2, 7, 4, 5}},
		{"a bucket that counts less than a lower one", []float64{1, 2, 3, inf}, []float64{5, 3, 8, 7}},
		{"the highest that counts less", []float64{1, 2, inf}, []float64{5, 9, 4}},
		{"floating point dust", []float64{1, 2, 3, inf}, []float64{5, 5 + 1e-14, 8, 8 - 1e-14}},
	} {
		for _, q := range quantiles {
			var got Cumulative
			for i := range c.bounds {
				got.Add(c.bounds[i], c.counts[i])
			}
			if g, w := got.Quantile(q), promqlClassic(q, c.bounds, c.counts); !same(g, w) {
				t.Errorf("%s: quantile %v is %v, PromQL's %v", c.name, q, g, w)
			}
		}
	}
}

func TestRandomCumulativesArePromQLs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var c Cumulative
	for range 2000 {
		c.Reset()
		var bounds, counts []float64
		bound, count := r.NormFloat64(), 0.0
		for range r.IntN(12) {
			bounds = append(bounds, bound)
			counts = append(counts, count)
			bound += r.Float64() * float64(r.IntN(3))
			count = max(0, count+float64(r.IntN(20)-3))
		}
		bounds, counts = append(bounds, math.Inf(1)), append(counts, count)
		for i := range bounds {
			c.Add(bounds[i], counts[i])
		}
		for _, q := range quantiles {
			if g, w := c.Quantile(q), promqlClassic(q, bounds, counts); !same(g, w) {
				t.Fatalf("%v of %v %v: %v, PromQL's %v", q, bounds, counts, g, w)
			}
		}
	}
}
