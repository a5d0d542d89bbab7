package trend

import (
	"math"
	"slices"
	"time"
)

const (
	// A bucket of the short ring is one step, of the long ring twelve: 48 of them
	// look back over 4 hours, and over 2 days, which is two daily waves.
	bucket = 5 * 60 * 1000 // ms
	hour   = 12            // buckets of the short ring in one of the long

	// foresight is how far ahead the line through a ring is believed, in units of
	// how far the ring has looked back: the short ring's four hours foresee no more
	// than four, since a daily wave looks like a trend for that long; the long ring's
	// two days foresee sixteen.
	shortSight = 1
	longSight  = 8
)

// Crossing foresees when a stream will cross a limit: by a robust line through the
// medians of buckets of time, never through raw samples, which a daily wave, an
// outlier or a clean-up would bend. The zero value is ready.
type Crossing struct {
	at     int64 // time of the last sample, ms
	number int64 // of the bucket being filled
	now    median

	short, long ring
}

// Learn takes the sample in. at must grow from call to call.
func (c *Crossing) Learn(at int64, x float64) {
	c.at = at
	if n := floor(at, bucket); n != c.number {
		c.close(n)
	}
	c.now.add(min(max(x, -huge), huge))
}

// close ends the bucket being filled, and with it the hour it was the last of; n is
// the bucket that follows.
func (c *Crossing) close(n int64) {
	if c.now.n > 0 {
		c.short.put(c.number, c.now.value())
		if h := floor(c.number, hour); floor(n, hour) != h {
			c.long.put(h, c.short.median(h*hour, hour))
		}
	}
	c.number, c.now = n, median{}
}

// Reach says how long after the last sample the stream will cross limit, upwards
// where above, downwards otherwise; 0 where it already has. It is not ok while no
// crossing is foreseen with confidence: Kendall's τ must be significant, the slope's
// 95 % interval exclude zero, and the crossing lie within sight.
func (c *Crossing) Reach(limit float64, above bool) (eta time.Duration, ok bool) {
	way, ok := c.way(limit, above)
	return way.eta, ok
}

// Between is the interval that holds what Reach foresees: at 95 %, or wider by so much.
// latest is negative where the stream may never cross limit.
func (c *Crossing) Between(limit float64, above bool, wider float64) (soonest, latest time.Duration) {
	way, ok := c.way(limit, above)
	if !ok || way.line == nil {
		return 0, 0
	}
	return way.between(wider)
}

// way is how a stream gets to a limit: along line, or nil where it is there.
type way struct {
	*line
	eta   time.Duration
	limit float64
	width int64 // of the line's buckets, ms
}

func (c *Crossing) way(limit float64, above bool) (way, bool) {
	last, known := c.short.latest()
	if !known {
		return way{}, false
	}
	if last == limit || (last > limit) == above {
		return way{}, true
	}
	// What both rings foresee, the short one foresees from nearer.
	near := c.short.fit()
	if eta, ok := near.reach(limit, above, c.at, bucket, shortSight); ok {
		return way{near, eta, limit, bucket}, true
	}
	far := c.long.fit()
	eta, ok := far.reach(limit, above, c.at, hour*bucket, longSight)
	return way{far, eta, limit, hour * bucket}, ok
}

// between turns the line about its middle, the one point it is sure of, by the error of
// its slope.
func (w way) between(wider float64) (soonest, latest time.Duration) {
	middle := w.level - w.slope*w.span/2
	climb := math.Abs(w.limit - middle)
	slope, slip := math.Abs(w.slope), wider*certain*w.slip
	earlier := func(slope float64) time.Duration { // than along the line itself
		return time.Duration(climb*(1/math.Abs(w.slope)-1/slope)*float64(w.width)) * time.Millisecond
	}
	soonest, latest = max(w.eta-earlier(slope+slip), 0), -1
	if slope > slip {
		latest = w.eta - earlier(slope-slip)
	}
	return soonest, latest
}

// median is that of the samples of a bucket, or of an even selection of them once
// they are many. The zero value has seen none.
type median struct {
	kept   [32]float64
	n      int // kept
	stride int // of how many samples one is kept; 0 counts as 1
	skip   int // samples until the next is kept
}

func (m *median) add(x float64) {
	if m.skip > 0 {
		m.skip--
		return
	}
	if m.n == len(m.kept) {
		for i := range m.n / 2 {
			m.kept[i] = m.kept[2*i]
		}
		m.n /= 2
		m.stride = max(m.stride, 1) * 2
	}
	m.kept[m.n] = x
	m.n++
	m.skip = max(m.stride, 1) - 1
}

func (m *median) value() float64 {
	kept := m.kept
	return middle(kept[:m.n])
}

// slots is the number of buckets of a ring.
const slots = 48

// ring is the latest buckets of time, of which some may have seen nothing, and the
// line through them.
type ring struct {
	values [slots]float64
	known  uint64 // the slots that hold a value, a bit each
	last   int64  // number of the newest bucket
	line   line   // through them, once
	fitted bool   // since the newest
}

// put makes v the value of bucket number n, which is newer than any before.
func (r *ring) put(n int64, v float64) {
	if n-r.last >= slots || n < r.last {
		r.known = 0
	} else {
		for i := r.last + 1; i < n; i++ {
			r.known &^= 1 << modulo(i, slots)
		}
	}
	r.last, r.fitted = n, false
	slot := modulo(n, slots)
	r.values[slot] = v
	r.known |= 1 << slot
}

// latest is the value of the newest bucket.
func (r *ring) latest() (v float64, ok bool) {
	return r.values[modulo(r.last, slots)], r.known != 0
}

// median is that of the n buckets from number first on; r knows at least one of them.
func (r *ring) median(first int64, n int) float64 {
	var vs [hour]float64
	known := vs[:0]
	for i := first; i < first+int64(n) && i <= r.last; i++ {
		if slot := modulo(i, slots); i > r.last-slots && r.known>>slot&1 == 1 {
			known = append(known, r.values[slot])
		}
	}
	return middle(known)
}

// fit is the line through the known buckets, drawn once for each newest one.
func (r *ring) fit() *line {
	if r.fitted {
		return &r.line
	}
	var x, y [slots]float64
	n := 0
	for age := int64(slots - 1); age >= 0; age-- {
		if slot := modulo(r.last-age, slots); r.known>>slot&1 == 1 {
			x[n], y[n] = float64(-age), r.values[slot]
			n++
		}
	}
	r.line, r.fitted = line{}, true
	if n >= fewest {
		r.line = regress(x[:n], y[:n])
		r.line.last = r.last
	}
	return &r.line
}

// floor is a/b, rounded down.
func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// modulo is the remainder of floor(a, b).
func modulo(a, b int64) int64 { return a - b*floor(a, b) }

// middle is the median of vs, which it sorts.
func middle(vs []float64) float64 {
	slices.Sort(vs)
	n := len(vs)
	if n%2 == 1 {
		return vs[n/2]
	}
	return vs[n/2-1]/2 + vs[n/2]/2
}
