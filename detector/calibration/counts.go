// Package calibration says how rare a score is, and which threshold keeps to a budget
// of alerts.
//
// A score is any number from 0 up, without bound; nothing here knows what made it, nor
// what a series is. Counts gathers scores as integers, so that the sum of several is
// the same in whatever order they are added. A Pool keeps them with a memory that fades,
// and its Table says of a score how many are as high. A Controller chooses the threshold
// of whatever shares a budget.
//
// Everything is plain data: no clock, no goroutine of its own, no I/O, not safe for
// concurrent use; a Table does not change.
package calibration

import "math"

const (
	// A bin is an eighth of an octave wide, which float64 tells by the first three
	// bits of its mantissa: within an octave the bins are equally wide.
	perOctave = 8
	shift     = 52 - 3

	// Scores are told apart from 2⁻²⁰ to 2⁴⁰; lower ones are in the first bin and
	// higher ones in the last.
	lowest, highest = -20, 40

	bins = (highest - lowest) * perOctave // 480 × 8 B = 3.75 KiB
)

// least is the lowest bin by the bits of a float64.
var least = math.Float64bits(math.Ldexp(1, lowest)) >> shift

// bin is where score belongs: a shift, since every sample asks.
func bin(score float64) int {
	if !(score >= 0) { // NaN too
		return 0
	}
	b := math.Float64bits(score) >> shift
	if b <= least {
		return 0
	}
	return int(min(b-least, bins-1))
}

// edge is the lower edge of bin i, and of the bin after the last one the end of all.
func edge(i int) float64 {
	if i <= 0 {
		return 0
	}
	return math.Float64frombits((least + uint64(i)) << shift)
}

// Counts is how many scores lie in each bin, and the highest of them.
type Counts struct {
	n    [bins]uint64
	high float64
}

// Add counts one score.
func (c *Counts) Add(score float64) {
	c.n[bin(score)]++
	if score > c.high { // not NaN
		c.high = score
	}
}

// Merge adds what o counted.
func (c *Counts) Merge(o *Counts) {
	for i, n := range o.n {
		c.n[i] += n
	}
	c.high = max(c.high, o.high)
}

// Pool is counts whose weight fades. Its zero value is empty.
type Pool struct {
	weight [bins]float64
	high   float64 // of the scores that still weigh something
	tail   tail    // beyond the table; see fit
}

// Fade leaves every count so far a share of its weight.
func (p *Pool) Fade(share float64) {
	for i := range p.weight {
		p.weight[i] *= share
	}
}

// Add takes c in at full weight.
func (p *Pool) Add(c *Counts) {
	for i, n := range c.n {
		p.weight[i] += float64(n)
	}
	p.high = max(p.high, c.high)
	for i := bins - 1; i >= 0; i-- {
		if p.weight[i] >= 0.5 { // what is left of one score after a half-life
			p.high = min(p.high, edge(i+1))
			break
		}
	}
}

// reach is the lowest score that no more than so much of the weight is at or above.
func reach(weight *[bins]float64, most float64) float64 {
	above := 0.0
	for i := bins - 1; i >= 0; i-- {
		if w := weight[i]; above+w > most {
			lower, upper := edge(i), edge(i+1)
			return upper - (most-above)/w*(upper-lower)
		}
		above += weight[i]
	}
	return 0
}
