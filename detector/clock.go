package detector

import (
	"slices"
	"time"

	"github.com/foreshock/foreshock"
)

// Earliest and Latest, in ms, are the times a sample may have: those RFC 3339 can write,
// years 1 to 9999. Beyond, time cannot be shown to anyone, and the differences of two
// times would not fit.
const (
	Earliest = -62135596800000 // 0001-01-01T00:00:00.000Z
	Latest   = 253402300799999 // 9999-12-31T23:59:59.999Z
)

// plausible reports whether t is a time a sample may have.
func plausible(t int64) bool { return t >= Earliest && t <= Latest }

// leap is how far, in ms, a sample may move the clock by itself.
const leap = int64(time.Hour / time.Millisecond)

// pause is how much of a step of the clock counts as flow, in ms, unless the step before
// was as long: half of what a series may be unheard at least. So those that come back
// last after a pause are not missed by those that come back first.
const pause = leastWait / 2

// clock is what time it is by the samples. It follows them as long as none moves it by
// more than an hour. Samples further away, in either direction, are
// votes for another time: they move it once they outnumber what the last two or so
// batches brought in time, and no batch that is mostly in time came in between. So
// one series with a broken clock tells nobody what time it is, and after an outage
// the clock is right again within about three batches.
//
// Its zero value has not heard a sample.
type clock struct {
	now   int64 // ms: the highest sample time believed
	awake int64 // ms of progress without the leaps: it never goes back, and does not grow while nothing is heard
	flow  int64 // ms of awake in which samples came: of a pause, after which they come again one by one, only the beginning
	step  int64 // the last that awake made
	leaps int

	set          bool
	trust, votes int // samples
}

// advance moves the clock by the samples of b.
func (c *clock) advance(b *foreshock.Batch) {
	if !c.set {
		c.jump(b)
	}
	near, far, high := c.poll(b)
	switch {
	case near == 0 && far == 0:
	case near >= far:
		if step := high - c.now; step > 0 {
			c.flow += min(step, max(pause, c.step))
			c.awake += step
			c.now, c.step = high, step
		}
		c.trust, c.votes = c.trust/2+near, 0
	default:
		if c.votes += far; c.votes > c.trust {
			c.trust, c.votes = c.votes, 0
			c.leaps++
			c.jump(b)
		}
	}
}

// poll counts the samples within reach and beyond, and returns the highest time
// within. Each sample within reach extends it for those after, so that a batch that
// spans a day, as a replay's may, moves the clock along.
func (c *clock) poll(b *foreshock.Batch) (near, far int, high int64) {
	high = c.now
	count := func(t int64) {
		switch {
		case !plausible(t):
		case t > high+leap || t < c.now-leap:
			far++
		default:
			near++
			high = max(high, t)
		}
	}
	for i := range b.Samples {
		count(b.Samples[i].T)
	}
	for i := range b.Histograms {
		count(b.Histograms[i].T)
	}
	return near, far, high
}

// jump sets the clock to the median time of b's samples, if it has any.
func (c *clock) jump(b *foreshock.Batch) {
	times := make([]int64, 0, b.Len())
	for _, s := range b.Samples {
		if plausible(s.T) {
			times = append(times, s.T)
		}
	}
	for _, h := range b.Histograms {
		if plausible(h.T) {
			times = append(times, h.T)
		}
	}
	if len(times) == 0 {
		return
	}
	slices.Sort(times)
	c.now, c.set = times[len(times)/2], true
}
