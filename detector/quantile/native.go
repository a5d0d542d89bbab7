package quantile

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
)

// MaxBuckets is how many buckets of a native histogram are kept. One that has more is
// read at a lower resolution, as its client would do at its own limit, mostly 160; a
// factor of two costs half of the precision. 256 × 16 B = 4 KiB.
const MaxBuckets = 256

// Native is a native histogram, as one scrape brought it or as what was observed
// between two. Its zero value is empty.
type Native struct {
	count, sum float64
	schema     int32
	opaque     bool // count and sum are all there is to know
	threshold  float64
	zero       float64
	negative   []tally // by index: away from zero
	positive   []tally
	bounds     []float64 // of custom buckets
}

// tally is one populated bucket.
type tally struct {
	index int32
	count float64
}

// Load makes n of h, which must be valid. It reports whether quantiles can be told from
// it: its buckets are in order, their counts are numbers, and custom ones are no more
// than MaxBuckets. Count and sum are taken in either way.
func (n *Native) Load(h *histogram.FloatHistogram) bool {
	n.count, n.sum = h.Count, h.Sum
	n.schema, n.threshold, n.zero = h.Schema, h.ZeroThreshold, h.ZeroCount
	n.negative, n.positive, n.bounds = n.negative[:0], n.positive[:0], n.bounds[:0]
	n.opaque = true
	if math.IsNaN(h.ZeroCount) || math.IsInf(h.ZeroCount, 0) || !ordered(h.PositiveSpans, h.PositiveBuckets) || !ordered(h.NegativeSpans, h.NegativeBuckets) {
		return false
	}
	by := 0
	if h.UsesCustomBuckets() {
		if len(h.CustomValues) >= MaxBuckets {
			return false
		}
		n.bounds = append(n.bounds, h.CustomValues...)
	} else {
		by = max(0, int(h.Schema-histogram.ExponentialSchemaMax)) // as Prometheus stores what is finer
		for populated(h.PositiveSpans, h.PositiveBuckets, by)+populated(h.NegativeSpans, h.NegativeBuckets, by) > MaxBuckets {
			by++
		}
		n.schema -= int32(by)
	}
	n.positive = load(n.positive, h.PositiveSpans, h.PositiveBuckets, by)
	n.negative = load(n.negative, h.NegativeSpans, h.NegativeBuckets, by)
	n.opaque = false
	return true
}

// each yields the populated buckets, with indices of a resolution 2^by times lower:
// those that become one come one after the other.
func each(spans []histogram.Span, counts []float64, by int) func(yield func(int64, float64) bool) {
	return func(yield func(int64, float64) bool) {
		next, i := int64(0), 0
		for _, s := range spans {
			next += int64(s.Offset)
			for range s.Length {
				if counts[i] != 0 && !yield((next-1)>>by+1, counts[i]) {
					return
				}
				next++
				i++
			}
		}
	}
}

// ordered reports whether the buckets have indices that fit, and counts that are
// numbers. Their order is the wire's: only the first offset may be negative.
func ordered(spans []histogram.Span, counts []float64) bool {
	for i, c := range each(spans, counts, 0) {
		if i < math.MinInt32 || i > math.MaxInt32 || math.IsNaN(c) || math.IsInf(c, 0) {
			return false
		}
	}
	return true
}

// populated is how many buckets load makes.
func populated(spans []histogram.Span, counts []float64, by int) int {
	n, last := 0, int64(math.MinInt64)
	for i := range each(spans, counts, by) {
		if i != last {
			n, last = n+1, i
		}
	}
	return n
}

func load(to []tally, spans []histogram.Span, counts []float64, by int) []tally {
	for i, c := range each(spans, counts, by) {
		if n := len(to); n > 0 && int64(to[n-1].index) == i {
			to[n-1].count += c
		} else {
			to = append(to, tally{int32(i), c})
		}
	}
	return to
}

// Copy makes n the same as o.
func (n *Native) Copy(o *Native) {
	negative, positive, bounds := n.negative, n.positive, n.bounds
	*n = *o
	n.negative = append(negative[:0], o.negative...)
	n.positive = append(positive[:0], o.positive...)
	n.bounds = append(bounds[:0], o.bounds...)
}

// Since makes n what o observed since before, or reports that it was started anew
// meanwhile: something fell, or has a finer layout than it could have without. before
// may be brought to o's layout.
//
// Unlike PromQL it takes any other set of custom bounds for a new start: one step is
// less than quantiles of half of the bounds.
func (n *Native) Since(before, o *Native) bool {
	n.negative, n.positive, n.bounds = n.negative[:0], n.positive[:0], n.bounds[:0]
	n.count, n.sum = o.count-before.count, o.sum-before.sum
	n.opaque = o.opaque || before.opaque
	if n.count < 0 {
		return false
	}
	if n.opaque {
		return true
	}
	if o.custom() != before.custom() || !slices.Equal(o.bounds, before.bounds) {
		return false
	}
	n.schema, n.threshold = o.schema, o.threshold
	n.bounds = append(n.bounds, o.bounds...)
	if !o.custom() && (o.schema > before.schema || !before.coarsen(o.schema) || !before.widen(o.threshold)) {
		return false
	}
	n.zero = o.zero - before.zero
	var negative, positive bool
	n.negative, negative = less(n.negative, o.negative, before.negative)
	n.positive, positive = less(n.positive, o.positive, before.positive)
	return n.zero >= 0 && negative && positive
}

// less appends to to what the buckets of a hold beyond those of b. ok is false where
// one of them holds less.
func less(to, a, b []tally) (diff []tally, ok bool) {
	for _, t := range a {
		if len(b) > 0 && b[0].index < t.index {
			return to, false // it is populated, and not in a
		}
		if len(b) > 0 && b[0].index == t.index {
			t.count -= b[0].count
			b = b[1:]
		}
		if t.count < 0 {
			return to, false
		}
		if t.count > 0 {
			to = append(to, t)
		}
	}
	return to, len(b) == 0
}

func (n *Native) custom() bool { return n.schema == histogram.CustomBucketsSchema }

// coarsen brings n to a schema of lower resolution.
func (n *Native) coarsen(schema int32) bool {
	by := n.schema - schema
	if by == 0 {
		return true
	}
	n.schema = schema
	for _, side := range [...]*[]tally{&n.negative, &n.positive} {
		to := (*side)[:0]
		for _, t := range *side {
			t.index = (t.index-1)>>by + 1
			if k := len(to); k > 0 && to[k-1].index == t.index {
				to[k-1].count += t.count
			} else {
				to = append(to, t)
			}
		}
		*side = to
	}
	return true
}

// widen brings n to a larger zero bucket. It reports whether that is as far as its
// buckets go: a populated one is never half in it.
func (n *Native) widen(threshold float64) bool {
	if threshold <= n.threshold {
		return threshold == n.threshold
	}
	n.threshold = threshold
	// In clients bounds come from a table: they differ from ours by a rounding.
	edge := math.Log2(threshold) + 1e-9
	for _, side := range [...]*[]tally{&n.negative, &n.positive} {
		k := 0
		for k < len(*side) && n.exponent((*side)[k].index) <= edge {
			n.zero += (*side)[k].count
			k++
		}
		if k < len(*side) && n.exponent((*side)[k].index-1) < edge-2e-9 {
			return false
		}
		*side = append((*side)[:0], (*side)[k:]...)
	}
	return true
}

// exponent is the binary logarithm of the upper bound of the bucket i.
func (n *Native) exponent(i int32) float64 { return math.Ldexp(float64(i), -int(n.schema)) }

// Mean is the mean of what was observed. It is NaN or infinite where that is nothing.
func (n *Native) Mean() float64 { return n.sum / n.count }

// Quantile is the q-quantile, 0 < q ≤ 1, as histogram_quantile interpolates it: on a
// logarithmic scale in exponential buckets, linearly in custom ones and in the zero
// bucket. It is NaN where nothing was observed, or NaN was.
func (n *Native) Quantile(q float64) float64 {
	if n.opaque || !(n.count > 0) {
		return math.NaN()
	}
	// From the end that is nearer, but what observed NaN counts more than its buckets,
	// and that is at the upper end.
	upward := q < 0.5 || math.IsNaN(n.sum)
	rank := q * n.count
	if !upward {
		rank = (1 - q) * n.count
	}
	count, at := 0.0, -1 // at is the bucket of the rank
	buckets := len(n.negative) + 1 + len(n.positive)
	for i := range buckets {
		if !upward {
			i = buckets - 1 - i
		}
		c := n.at(i)
		if c == 0 {
			continue
		}
		at = i
		count += c
		if count >= rank {
			break
		}
	}
	if at < 0 {
		return math.NaN()
	}
	count = min(count, n.count)
	switch short := count < rank; { // by what observed NaN, or by a rounding
	case short && math.IsNaN(n.sum):
		return math.NaN()
	case short:
		return n.within(at, 1)
	case upward:
		rank -= count - n.at(at)
	default:
		rank = count - rank
	}
	return n.within(at, rank/n.at(at))
}

// at is the count of the i-th bucket of all, in the order of values.
func (n *Native) at(i int) float64 {
	switch k := i - len(n.negative); {
	case k < 0:
		return n.negative[-k-1].count
	case k == 0:
		return n.zero
	default:
		return n.positive[k-1].count
	}
}

// within is the value that a fraction of the i-th bucket lies below.
func (n *Native) within(i int, fraction float64) float64 {
	k := i - len(n.negative)
	if n.custom() {
		return n.withinCustom(int(n.positive[k-1].index), fraction)
	}
	if k == 0 {
		lower, upper := -n.threshold, n.threshold
		switch {
		case len(n.negative) == 0 && len(n.positive) > 0:
			lower = 0
		case len(n.positive) == 0 && len(n.negative) > 0:
			upper = 0
		}
		return lower + (upper-lower)*fraction
	}
	if k > 0 {
		near, far := n.edges(n.positive[k-1].index)
		return math.Exp2(near + (far-near)*fraction)
	}
	near, far := n.edges(n.negative[-k-1].index)
	return -math.Exp2(near + (far-near)*(1-fraction))
}

// edges are the binary logarithms of the bounds of an exponential bucket, nearer to
// zero first: there the zero bucket may take a part of it.
func (n *Native) edges(i int32) (near, far float64) {
	near, far = n.exponent(i-1), n.exponent(i)
	if n.threshold > 0 {
		near = max(near, math.Log2(n.threshold))
	}
	return near, far
}

func (n *Native) withinCustom(i int, fraction float64) float64 {
	lower := 0.0
	switch {
	case len(n.bounds) == 0:
		return math.NaN() // one bucket for all
	case i == len(n.bounds):
		return n.bounds[i-1]
	case i > 0:
		lower = n.bounds[i-1]
	case n.bounds[0] <= 0:
		return n.bounds[0]
	}
	return lower + (n.bounds[i]-lower)*fraction
}
