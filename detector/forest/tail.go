package forest

import "math"

// Some streams throw far values now and then, and are well. How far the next one may
// lie, those before tell: where the values have a heavy tail, one twice as far as any
// seen is no news, and where they have none, a tenth of that is.
//
// An excursion is what lies more than clip mean absolute deviations from the centre,
// until nothing has for calmAfter, an hour at most, so that an incident counts for a few
// and not for its length. The logarithms of their peaks, in units of that threshold, are
// taken for gamma distributed, whose scale, the variance by the mean, is the exponent γ
// by which the tail falls: of a power law x^-1/γ they are exponential, which is a gamma
// distribution, and peaks that are all alike have a γ of 0 however high they are.
//
// Source: Hill, "A Simple General Approach to Inference About the Tail of a
// Distribution" (Annals of Statistics, 1975), for logarithms of what exceeds; the
// scale by moments bears peaks far above the threshold, as of a nightly job.
const (
	calmAfter  = 10 // minutes
	excursions = 60 // minutes: as long as one lasts at most

	// tailMemory is how long, in minutes, until an excursion counts 1/e: a week.
	tailMemory = 7 * 24 * 60

	// What has a tail shows it: by eight excursions, on one side by one in eight of them,
	// among a thousand points, of which those of normal noise never have that many.
	fewest    = 8
	oneSided  = 1. / 8
	tailKnown = 1000

	// A young deviation is no measure: nothing is an excursion in the first infancy points.
	infancy = 100

	// heaviest is the most γ is taken for: noise has a variance.
	heaviest = 0.5

	// seldom is how much longer than a tree remembers, four days on average, the time is
	// in which a side should surprise once: two months. The furthest of that time lies
	// seldom^γ times as far as what the tree has seen. tailSpread makes that the score of
	// about the threshold: r = d/(S + 12 d) is 0.07 where S is 2 d, and the value and its
	// magnitude say it both.
	seldom     = 15
	tailSpread = 12
)

// tail is what one stream's excursions have taught. The zero value is ready.
type tail struct {
	began, last    int32   // of the excursion at hand, in minutes; modulo 2³²
	peak           float32 // of it, in logarithms
	n, up          float32 // excursions before it, fading, and those to above
	mean, variance float32 // of their peaks
	high           bool    // the one at hand is to above
	any            bool    // there is one
}

// exceed takes in that a value at ms deviates by ratio times the threshold, above 1.
func (t *tail) exceed(ms int64, ratio float64, up bool) {
	at, e := int32(ms/60_000), float32(math.Log(ratio))
	same := t.any && at-t.last < calmAfter && at-t.began < excursions
	t.last = at
	if same {
		if e > t.peak {
			t.peak, t.high = e, up
		}
		return
	}
	if t.any {
		t.learn(float64(at - t.began))
	}
	t.began, t.peak, t.high, t.any = at, e, up, true
}

// learn takes the excursion at hand in, which began so many minutes ago.
func (t *tail) learn(ago float64) {
	fade := float32(math.Exp(-max(ago, 0) / tailMemory))
	t.n, t.up = t.n*fade+1, t.up*fade
	if t.high {
		t.up++
	}
	gain, dev := 1/t.n, t.peak-t.mean
	t.mean += gain * dev
	t.variance += gain * (dev*(t.peak-t.mean) - t.variance)
}

// exponent is γ; 0 while it is not known.
func (t *tail) exponent() float64 {
	if t.n < fewest || !(t.mean > 0) {
		return 0
	}
	return min(float64(t.variance/t.mean), heaviest)
}

// room is by how much the spread of what lies beyond the ends is wider.
type room struct{ below, above float32 }

func (r room) times(by float32) room { return room{by * r.below, by * r.above} }

// room is that of x, whose centre lies so far from the ends of what was seen.
func (t *tail) room(below, above float64) (r room) {
	γ := t.exponent()
	if γ == 0 {
		return room{}
	}
	by := tailSpread * (math.Pow(seldom, γ) - 1)
	if t.n-t.up >= oneSided*t.n {
		r.below = float32(by * max(below, 0))
	}
	if t.up >= oneSided*t.n {
		r.above = float32(by * max(above, 0))
	}
	return r
}

// Tail is the exponent by which the tail of the stream's values falls, 1/3 of t(3)
// noise: 0 where it has none, or is too young to show it.
func (f *Forest) Tail() float64 {
	if f.n <= tailKnown {
		return 0
	}
	return f.tail.exponent()
}
