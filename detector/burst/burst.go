// Package burst scores sudden local change: how hard a stream has just jerked, beside
// the hardest it jerked in every quarter of the last seven days.
//
// A value may be ordinary and its way there not: a spike at night that reaches what
// every noon has, two thousand errors in a minute where there are two thousand an hour.
// Whether a stream moves hard is a matter of its own habit, so nothing is compared with
// a fixed number of deviations: the largest jerk of each block of six hours is kept, and
// a new one counts by how far it exceeds, on a logarithmic scale, what most blocks had,
// relative to how much blocks differ. That is the method of block maxima (Gumbel,
// Statistics of Extremes, 1958) with quantiles for moments, since blocks that held an
// incident must not teach what an incident is.
//
// The jerk is the energy of the last six differences of the stream smoothed over three
// points, which is what Netdata's models look at too.
//
// A Burst is plain data of fixed size: no clock, no pointer, no allocation; not safe for
// concurrent use.
package burst

import (
	"math"
	"slices"
	"time"

	"github.com/foreshock/foreshock/detector/octave"
)

const (
	smooth = 3 // points a difference is taken over
	steps  = 6 // differences in a jerk

	// Needs is how many points it takes to know a jerk.
	Needs = smooth + steps

	// A block lasts six hours, or six points where those are farther apart than an hour;
	// blocks of them are kept, a week of the former.
	block  = int64(6 * time.Hour / time.Millisecond)
	points = 6
	blocks = 28

	// fewest is how many blocks must be complete before anything is said: two days.
	fewest = 8

	// What most blocks had is their 0.6-quantile; how much they differ is how far the
	// 0.8-quantile lies above it, but no less than a third. One block in five may hold
	// an incident.
	most, many = 0.6, 0.8
	least      = 0.43 // octaves: a factor of 1.35

	// Highest is the most that is scored: 43 octaves above most blocks.
	Highest = 100

	// grain is the jerk that counts as none, and quantum the same relative to the value:
	// what float64 rounds.
	grain   = 1e-30
	quantum = 1e-9

	// fine is how many steps an octave has in what is kept of a block: ±256 octaves fit.
	fine = 128
)

// Burst is what one stream has taught. The zero value is ready.
type Burst struct {
	last    [smooth]float64 // points, the newest first
	squares [steps]float64  // of the differences, the newest first
	heard   uint8           // points, up to Needs

	kept   uint8         // complete blocks, up to blocks
	next   uint8         // where the next one goes
	maxima [blocks]int16 // the largest jerk of each, log2 · fine
	until  int64         // ms: when the block at hand ends; 0 before the first point
	max    float64       // the largest squared jerk of the block at hand

	centre, spread float32 // of the maxima, in octaves; spread is 0 until there are enough
	usual          float64 // the centre as a squared jerk: up to it there is nothing to say
}

// Score is how far the jerk that ends with the point (t, x) exceeds those of the days
// before, in units of how much these differ among themselves: 0 to Highest, and 0 while
// fewer than two days of movement are known. t is in ms and grows from call to call, apart is the
// usual time between points, in ms. Blocks are taken to differ by as many octaves as
// differ, at least, since few of them cannot show how far they may. Then the point is
// learned.
func (b *Burst) Score(t int64, x float64, apart int64, differ float64) float64 {
	d := (x - b.last[smooth-1]) / smooth
	copy(b.last[1:], b.last[:])
	b.last[0] = x
	if b.heard < smooth {
		b.heard++
		return 0
	}
	copy(b.squares[1:], b.squares[:])
	b.squares[0] = min(d*d, math.MaxFloat64/steps)
	if b.heard < Needs {
		b.heard++
		return 0
	}
	sum := 0.0
	for _, s := range b.squares {
		sum += s
	}
	if b.until == 0 || t >= b.until {
		b.turn(t, apart, x)
	}
	b.max = max(b.max, sum)
	if sum <= b.usual || b.spread == 0 {
		return 0
	}
	return min(max((octaves(sum, x)-float64(b.centre))/max(float64(b.spread), differ), 0), Highest)
}

// Break says that the next point does not continue what came before.
func (b *Burst) Break() { b.heard = 0 }

// Still is what a stream taught that had the value x all along: since the time jerked, at
// which there was a jerk to know of first, or 0 where there was none yet, up to the time
// at, ms. It had points apart ms, and heard of them since an interruption, up to Needs.
func Still(x float64, jerked, at, apart int64, heard uint8) (b Burst) {
	b.heard = heard
	for i := range min(heard, smooth) {
		b.last[i] = x
	}
	if jerked == 0 {
		return b
	}
	// A block ends with the first point at or after its end.
	whole := (lasts(apart) + apart - 1) / apart * apart
	b.until = jerked + (at-jerked)/whole*whole + lasts(apart)
	return b
}

// lasts is how long a block does, whose points come apart ms.
func lasts(apart int64) int64 { return max(block, points*apart) }

// turn ends the block at hand, if any, and begins the next at t. A block without any
// movement is none: it does not tell how hard the stream moves when it does, and after days
// of silence every movement would be unheard of.
func (b *Burst) turn(t, apart int64, x float64) {
	if b.until != 0 && octaves(b.max, x) > octaves(0, x) {
		b.maxima[b.next] = int16(min(max(octaves(b.max, x)*fine, math.MinInt16), math.MaxInt16))
		b.next = (b.next + 1) % blocks
		b.kept = min(b.kept+1, blocks)
		b.judge()
	}
	b.max, b.until = 0, t+lasts(apart)
}

// judge takes the quantiles of the blocks.
func (b *Burst) judge() {
	if b.kept < fewest {
		return
	}
	sorted := b.maxima
	of := sorted[:b.kept]
	slices.Sort(of)
	at := func(q float64) float32 { return float32(of[int(q*float64(len(of)))]) / fine }
	b.centre = at(most)
	b.spread = max(at(many)-b.centre, least)
	b.usual = math.Exp2(2 * float64(b.centre))
}

// octaves is the logarithm of a jerk, from its square, at a value about x; what rounding
// makes is as good as none.
func octaves(square, x float64) float64 {
	return octave.Log2(max(math.Sqrt(square), math.Abs(x)*quantum, grain))
}
