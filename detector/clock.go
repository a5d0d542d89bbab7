package detector

import (
	"iter"
	"math"
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

// clock is what time it is by the samples: what more than half of those that usually move
// it say. Who runs ahead of them is not followed, be it by a second, a day in one request,
// or an hour a sample: series are voices, one each however many samples of it come in a
// row. Those that say it is another time are votes until a batch says that it is not; where
// they outnumber what is believed, as those do that are left when most have fallen silent,
// or all after an outage, theirs is the time.
//
// More than an hour from what is believed, in either direction, is a leap and no progress:
// nothing ages by it.
//
// Its zero value has not heard a sample.
type clock struct {
	now   int64 // ms: the highest sample time believed
	awake int64 // ms of progress without the leaps: it never goes back, and does not grow while nothing is heard
	flow  int64 // ms of awake in which samples came: of a pause, after which they come again one by one, only the beginning
	step  int64 // the last that awake made
	leaps int

	set   bool
	trust int // voices that usually move it
	votes int // voices for another time since they did, less those against
}

// advance moves the clock by the samples of b.
func (c *clock) advance(b *foreshock.Batch) {
	if !c.set {
		c.jump(b)
	}
	p := c.poll(b)
	c.votes = max(c.votes-p.behind, 0) + p.ahead + p.far
	switch {
	case p.far > p.ahead+p.behind:
		if c.votes > c.trust {
			c.leaps++
			c.jump(b)
		}
	case p.ahead > 0 && 2*c.votes > c.trust:
		c.follow(b, p)
	}
}

// follow moves the clock to the time that more than half of those who usually move it have
// reached in b, or where not as many are left, of those who are.
func (c *clock) follow(b *foreshock.Batch, p poll) {
	if 2*p.ahead <= c.trust || c.trust == 0 {
		c.trust = p.ahead
	}
	to, agree := p.high, p.ahead
	if p.high-p.low > minute { // nearer, it is no matter who of them is right
		to, agree = p.latest(b, min(c.trust, p.ahead)/2+1)
	}
	c.trust, c.votes = min(max(agree, c.trust-c.trust/4), c.trust+c.trust/2+1), 0
	step := to - c.now
	c.flow += min(step, max(pause, c.step))
	c.awake += step
	c.now, c.step = to, step
}

// poll is what the voices of a batch say.
type poll struct {
	ahead, behind, far int   // of the time believed; far is out of reach
	low, high          int64 // of those ahead
}

// poll asks the voices of b. Each sample within reach extends it for those after, so that a
// batch that spans a day, as a replay's may, moves the clock along.
func (c *clock) poll(b *foreshock.Batch) poll {
	now, ahead, behind, outside := c.now, 0, 0, 0
	low, high := int64(math.MaxInt64), now
	for t, last := range voices(b) {
		far := t > high+leap || t < now-leap
		if !far {
			high = max(high, t)
		}
		switch {
		case !last:
		case far:
			outside++
		case t > now:
			ahead++
			low = min(low, t)
		default:
			behind++
		}
	}
	return poll{ahead, behind, outside, low, high}
}

// latest is the time that as many as the quorum of those ahead have reached, to the latest
// within its minute, and how many are in that minute.
func (p *poll) latest(b *foreshock.Batch, quorum int) (to int64, agree int) {
	minutes := said(b, p.low, p.high)
	for i, t := range minutes {
		minutes[i] = (t - p.low) / minute
	}
	slices.Sort(minutes)
	of := minutes[len(minutes)-quorum]
	to = p.low
	for _, t := range said(b, p.low+of*minute, min(p.low+(of+1)*minute-1, p.high)) {
		to = max(to, t)
		agree++
	}
	return to, agree
}

// voices yields the plausible times of b's samples, and whether it is the last of its series
// before another's: that is what the series says.
func voices(b *foreshock.Batch) iter.Seq2[int64, bool] {
	return func(yield func(int64, bool) bool) {
		for i := range b.Samples {
			x := &b.Samples[i]
			if plausible(x.T) && !yield(x.T, i+1 == len(b.Samples) || b.Samples[i+1].Series != x.Series) {
				return
			}
		}
		for i := range b.Histograms {
			x := &b.Histograms[i]
			if plausible(x.T) && !yield(x.T, i+1 == len(b.Histograms) || b.Histograms[i+1].Series != x.Series) {
				return
			}
		}
	}
}

// said are the times from low to high that series of b say.
func said(b *foreshock.Batch, low, high int64) []int64 {
	times := make([]int64, 0, b.Len())
	for t, last := range voices(b) {
		if last && t >= low && t <= high {
			times = append(times, t)
		}
	}
	return times
}

// jump sets the clock to the median of what the series of b say, if there are any.
func (c *clock) jump(b *foreshock.Batch) {
	times := said(b, Earliest, Latest)
	if len(times) == 0 {
		return
	}
	slices.Sort(times)
	c.now, c.set = times[len(times)/2], true
	c.trust, c.votes = len(said(b, c.now-minute+1, c.now)), 0
}
