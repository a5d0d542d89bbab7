package forest

import (
	"fmt"
	"math"
	"math/bits"
)

// Channel is one projection of the stream, isolated by a tree of its own.
type Channel uint8

// The channels. The levels are exponentially weighted means over about 1/α samples.
const (
	Value     Channel = iota // x
	Log                      // sign(x)·log2(1+|x|): changes in proportion, where x spans decades
	Fast                     // level, α = 0.03: about half an hour of minutes
	Slow                     // level, α = 0.003: about half a day of minutes
	Shift                    // level at α = 0.3 less the slow level: a step, before it is old
	Roughness                // log2 of the mean |Δx|, α = 0.1: noise that grows or dies
	Season                   // level, α = 0.05, of what the season leaves: a wave that is not there
	Burst                    // sudden local change, which package burst scores

	Channels          // how many there are
	own      = Season // of a Forest: the season's is a Rest's
)

// String is the channel as people read it.
func (c Channel) String() string {
	names := [Channels]string{"value", "magnitude", "level (fast)", "level (slow)", "shift", "roughness", "season", "burst"}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("unknown(%d)", uint8(c))
}

// quarantine is how many points a new value of a channel may wait before it counts
// as normal. The slower a channel moves, the longer: it would otherwise walk out of
// its range in steps too small to notice.
var quarantine = [Channels]uint32{Value: 8, Log: 8, Fast: 16, Slow: 64, Shift: 16, Roughness: 16, Season: 128}

// first is the point a channel begins with. A level younger than 1/α points is the
// mean of a few: it strays more than it ever will again, and a tree that had seen it
// stray would be blind to a shift for as long as it remembers. One value has no Δ.
var first = [Channels]uint32{Fast: 33, Slow: 333, Roughness: 2}

// youths are how much harder a young channel is to surprise than the forest is: a score s
// of it becomes s^(1+youth/n). A level of memory 1/α has to go round many of them before
// it has been where it usually goes; until then, each new place is new to it alone.
var youths = [own]float64{Fast: 3 / fastGain, Slow: 3 / slowGain}

const (
	bins = 64 // of a tree: the bits of a mask

	// finest is the width of a bin relative to the magnitude of the values: 64 of
	// them resolve a range of 0.64 %. grain is the width where all values are zero.
	finest = 1e-4
	grain  = 1e-9
)

// tree is a dyadic half-space tree over one dimension, held as the occupancy of 64
// equal bins. Cutting a span S in halves isolates a point at distance d from the
// nearest mass at a depth of log2(S/d), so the tree's isolation score, 2^-depth, is
// d/S and needs no nodes, only the nearest set bit.
type tree struct {
	base, width float32 // the first bin's lower edge; every bin's width, 0 before the first value
	cur, prev   uint64  // occupied in this epoch and in the one before
	pend        uint64  // seen, but still in quarantine
}

// score is how isolated f is, in [0, 1): r/(1+r), where r is its distance from the
// nearest occupied bin relative to the occupied span. The span is never taken for
// less than spread, and for wider by beyond where far values are no news. f is then
// learned, in quarantine where it is new.
func (t *tree) score(f, spread float64, beyond room) float64 {
	if t.width == 0 {
		w := math.Abs(f)*finest + grain
		t.width, t.base = float32(w), float32(f-bins/2*w)
		t.cur = 1 << t.bin(f)
		return 0
	}
	p := (f - float64(t.base)) / float64(t.width)
	occ := t.cur | t.prev
	if p >= 0 && p < bins {
		if bit := uint64(1) << uint(p); occ&bit != 0 {
			t.cur |= bit
			return 0
		}
	}
	r := isolation(occ, p, float64(t.width), spread, beyond)
	for !(p >= 0 && p < bins) {
		t.widen(p < 0)
		p = (f - float64(t.base)) / float64(t.width)
	}
	t.pend |= 1 << uint(p)
	return r / (1 + r)
}

// isolation is the distance from position p, in bins, to the nearest bin of occ,
// relative to the span of occ and the spread around it. 0 inside occ. A tail leaves holes
// as wide as what lies beyond it.
func isolation(occ uint64, p, width, spread float64, beyond room) float64 {
	lo, hi := bits.TrailingZeros64(occ), bits.Len64(occ) // occupied: [lo, hi)
	var d float64
	switch {
	case p < float64(lo):
		d = float64(lo) - p
		spread += float64(beyond.below)
	case p >= float64(hi):
		d = p - float64(hi)
		spread += float64(beyond.above)
	default:
		i := uint(p)
		if occ&(1<<i) != 0 {
			return 0
		}
		spread += float64(max(beyond.below, beyond.above))
		below := bits.Len64(occ & (1<<i - 1))
		above := bits.TrailingZeros64(occ >> i << i)
		d = min(p-float64(below), float64(above)-p)
	}
	return d * width / (float64(hi-lo)*width + spread)
}

// span is how wide the occupied part is; 0 where nothing is.
func (t *tree) span() float64 {
	occ := t.cur | t.prev
	return float64(bits.Len64(occ)-bits.TrailingZeros64(occ)%bins) * float64(t.width)
}

// bin is the bin of f, which lies within the tree but for rounding.
func (t *tree) bin(f float64) uint {
	p := (f - float64(t.base)) / float64(t.width)
	return uint(min(max(p, 0), bins-1))
}

// widen doubles the bins. Those seen so far move to the upper half where down, so
// that the room gained lies below them, or else to the lower half.
func (t *tree) widen(down bool) {
	var shift uint
	if down {
		t.base -= bins * t.width
		shift = bins / 2
	}
	t.width *= 2
	t.cur, t.prev, t.pend = halve(t.cur)<<shift, halve(t.prev)<<shift, halve(t.pend)<<shift
}

// release ends the quarantine: what was new is normal from now on.
func (t *tree) release() {
	t.cur |= t.pend
	t.pend = 0
}

// forget ends an epoch. What the one before last had seen and the last had not is
// forgotten; f, the value just seen, keeps the new epoch from starting empty. Where
// little of the tree is left in use, since a spike had widened it, the bins narrow.
func (t *tree) forget(f float64) {
	t.prev, t.cur = t.cur, 0
	t.narrow()
	t.cur = 1 << t.bin(f)
}

// narrow halves the bins as long as everything occupied fits a quarter of the tree.
func (t *tree) narrow() {
	for {
		all := t.prev | t.pend
		lo, hi := bits.TrailingZeros64(all), bits.Len64(all)
		first := t.base + float32(lo)*t.width
		most := math.Abs(float64(first)) + float64(hi-lo)*float64(t.width)
		if hi-lo > bins/4 || float64(t.width) < 2*(finest*most+grain) {
			return
		}
		// The occupied bins double in number and start a quarter into the tree.
		t.width /= 2
		t.base = first - bins/4*t.width
		t.prev, t.pend = double(t.prev>>lo)<<(bins/4), double(t.pend>>lo)<<(bins/4)
	}
}

// halve ORs neighbouring bits together and packs the pairs into the low 32 bits.
func halve(m uint64) uint64 {
	m = (m | m>>1) & 0x5555555555555555
	m = (m | m>>1) & 0x3333333333333333
	m = (m | m>>2) & 0x0f0f0f0f0f0f0f0f
	m = (m | m>>4) & 0x00ff00ff00ff00ff
	m = (m | m>>8) & 0x0000ffff0000ffff
	return (m | m>>16) & 0x00000000ffffffff
}

// double writes each of the low 32 bits twice.
func double(m uint64) uint64 {
	m = (m | m<<16) & 0x0000ffff0000ffff
	m = (m | m<<8) & 0x00ff00ff00ff00ff
	m = (m | m<<4) & 0x0f0f0f0f0f0f0f0f
	m = (m | m<<2) & 0x3333333333333333
	m = (m | m<<1) & 0x5555555555555555
	return m | m<<1
}
