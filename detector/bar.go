package detector

import "math"

// aBar is the width of a bar, in ms: a minute. A series younger than infancy of them
// has narrower ones, a hundredth of its age, so that it is known soon and yet counts
// its age in time from then on.
const (
	aBar    = minute
	infancy = 100
)

// bar gathers the samples that come faster than one a minute, so that what is learned
// of a series does not depend on how often it is scraped: levels, seasons and jerks are
// those of the bars' means. A sample that comes later is a bar of its own. The zero
// value awaits its first sample.
type bar struct {
	from int64   // ms: where the bar at hand begins
	at   int64   // ms: of the newest sample
	mean float64 // of the bar at hand
	n    uint32  // samples in it
	any  bool    // there was a sample

	resumed bool // the next sample follows an interruption

	// After add: whether the sample closed the bar, whether this one is the first of a
	// minute, after narrower ones, and how much of a bar the sample stands for, at most 1.
	closed, grown bool
	share         float64
}

// add takes in the sample (t, x) of a series born at the time born.
func (b *bar) add(t, born int64, x float64) {
	apart := t - b.at
	width := min(aBar, (t-born)/infancy)
	b.grown = b.any && apart < aBar && width == aBar && b.at-born < infancy*aBar
	x = min(max(x, -math.MaxFloat64/4), math.MaxFloat64/4)
	if b.n++; b.n == 1 {
		b.mean = x
	} else {
		b.mean += (x - b.mean) / float64(b.n)
	}
	if !b.any || apart >= width {
		b.closed, b.share = true, 1
	} else {
		// Half of the way to the next sample: that closes the bar nearest to its width.
		b.closed, b.share = t-b.from+apart/2 >= width, float64(apart)/float64(width)
	}
	b.at, b.any = t, true
}

// next begins the bar after the one that was closed.
func (b *bar) next() { b.from, b.n = b.at, 0 }

// restart forgets the bar at hand: the next sample continues nothing. Who grades that says
// when it is no longer the next.
func (b *bar) restart() { b.n, b.any, b.resumed = 0, false, true }
