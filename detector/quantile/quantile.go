// Package quantile finds the quantiles of what a histogram counted between two
// scrapes, as PromQL's histogram_quantile does: a threshold that a person read off a
// dashboard must mean the same here.
//
// It is plain data: no clock, no goroutine, no I/O, not safe for concurrent use.
// Memory is used again, so that the same histogram costs nothing the second time.
package quantile

import (
	"math"

	"github.com/prometheus/prometheus/util/almost"
)

// Cumulative are the buckets of a classic histogram: how many of the observations were
// at most each bound. Its zero value is empty.
type Cumulative struct {
	bounds, counts []float64
	settled        bool
}

// Reset empties c.
func (c *Cumulative) Reset() {
	c.bounds, c.counts, c.settled = c.bounds[:0], c.counts[:0], false
}

// Add adds a bucket. Bounds must not fall from one to the next; those of one bound, as
// le="1" and le="1.0" are, become one bucket.
func (c *Cumulative) Add(bound, count float64) {
	c.settled = false
	if n := len(c.bounds); n > 0 && c.bounds[n-1] == bound {
		c.counts[n-1] += count
		return
	}
	c.bounds, c.counts = append(c.bounds, bound), append(c.counts, count)
}

// tolerance is by how much, relatively, the counts of two buckets may differ and still
// be the same: PromQL's, for what floating point does to sums.
const tolerance = 1e-12

// settle takes back what makes a bucket count less than a lower one, which it cannot.
// A target that is scraped while it counts, or a sender that lost a bucket, does that.
func (c *Cumulative) settle() {
	if c.settled {
		return
	}
	c.settled = true
	for i := 1; i < len(c.counts); i++ {
		if prev := c.counts[i-1]; c.counts[i] < prev || almost.Equal(prev, c.counts[i], tolerance) {
			c.counts[i] = prev
		}
	}
}

// Quantile is the q-quantile, 0 < q ≤ 1, as histogram_quantile interpolates it:
// linearly within a bucket, the lowest of which begins at 0 where its bound is positive.
// In the bucket without an upper bound it is the highest bound there is. It is NaN where
// that bucket is missing, is the only one, or nothing was observed.
func (c *Cumulative) Quantile(q float64) float64 {
	last := len(c.bounds) - 1
	if last < 1 || !math.IsInf(c.bounds[last], 1) {
		return math.NaN()
	}
	c.settle()
	if !(c.counts[last] > 0) {
		return math.NaN()
	}
	rank := q * c.counts[last]
	i := 0
	for i < last && !(c.counts[i] >= rank) {
		i++
	}
	switch {
	case i == last:
		return c.bounds[last-1]
	case i == 0 && c.bounds[0] <= 0:
		return c.bounds[0]
	}
	from, below := 0.0, 0.0
	if i > 0 {
		from, below = c.bounds[i-1], c.counts[i-1]
	}
	return from + (c.bounds[i]-from)*((rank-below)/(c.counts[i]-below))
}
