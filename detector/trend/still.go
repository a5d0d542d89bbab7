package trend

import "math"

// Still is the line of a stream that had the value x for n samples, every so many ms and
// the last of them at the time at. It is what Learn would have made of them, at once.
func Still(at int64, x float64, every int64, n uint32) (t Trend) {
	x = min(max(x, -huge), huge)
	t.start(at, x)
	if n < 2 {
		return t
	}
	t.n = n
	t.scale = quantum*math.Abs(x) + grain
	if n > Ready {
		edge := max(doubt-float64(n-Ready)*pace*miss/2, 0)
		t.up, t.down = edge, edge
	}
	// The covariance is the inverse of what the samples tell of level and slope, each by
	// the weight that is left of it; and before the second, the slope was taken to be 0 to
	// within a sample's noise from one to the next.
	s := float64(every) / 1000
	keep := 1 - forget*min(s*(1./aMinute), 1)
	w := weigh(keep, n)
	level, both, slope := w.sum, -s*w.first, s*s*(w.second+w.left/keep)
	determinant := level*slope - both*both
	t.p00, t.p01, t.p11 = slope/determinant, -both/determinant, level/determinant
	return t
}

// weights are of n samples, the newest of which weighs 1 and each before it keep times as
// much as the one after: Σ keepᵏ, Σ k·keepᵏ and Σ k²·keepᵏ for k < n; and keepⁿ.
type weights struct{ sum, first, second, left float64 }

// weigh adds up by halves, as what is summed is positive and differences would lose it.
func weigh(keep float64, n uint32) (w weights) {
	w.left = 1
	one := weights{sum: 1, left: keep} // of as many samples as the bit stands for
	for before, bit := 0., uint32(1); bit <= n && bit != 0; bit <<= 1 {
		if n&bit != 0 {
			w = w.then(before, one)
			before += float64(bit)
		}
		one = one.then(float64(bit), one)
	}
	return w
}

// then is w, which is of n samples, with those of o before them.
func (w weights) then(n float64, o weights) weights {
	return weights{
		sum:    w.sum + w.left*o.sum,
		first:  w.first + w.left*(o.first+n*o.sum),
		second: w.second + w.left*(o.second+2*n*o.first+n*n*o.sum),
		left:   w.left * o.left,
	}
}
