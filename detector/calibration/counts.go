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
	// higher ones in the last. Scores that are one minus a product of many chances
	// crowd below 1, so from ½ to 1 it is octaves of 1 − score, down to 2⁻⁴⁰, that are
	// divided: where series are loud a threshold is 0.9994, which must differ from 0.95.
	lowest, closest, highest = -20, -40, 40

	toHalf = (-1 - lowest) * perOctave       // bins of scores below ½
	toOne  = toHalf + (-1-closest)*perOctave // and below 1
	bins   = toOne + highest*perOctave       // 784 × 8 B ≈ 6 KiB
)

// eighth is the eighth of an octave that x > 0 lies in, counted from anywhere.
func eighth(x float64) int { return int(math.Float64bits(x) >> shift) }

// Where octaves begin, as eighth counts.
var (
	least   = eighth(math.Ldexp(1, lowest))
	nearest = eighth(math.Ldexp(1, closest))
	one     = eighth(1)
)

// bin is where score belongs: a shift, since every sample asks.
func bin(score float64) int {
	switch {
	case !(score >= 0): // NaN too
		return 0
	case score < 0.5:
		return max(eighth(score)-least, 0)
	case score < 1:
		// An edge belongs to the bin above it, which is the one below it in 1 − score.
		return toOne - 1 - max(eighth(math.Nextafter(1-score, 0))-nearest, 0)
	}
	return min(toOne+eighth(score)-one, bins-1)
}

// edge is the lower edge of bin i, and of the bin after the last one the end of all.
func edge(i int) float64 {
	at := func(eighth int) float64 { return math.Float64frombits(uint64(eighth) << shift) }
	switch {
	case i <= 0:
		return 0
	case i < toHalf:
		return at(least + i)
	case i < toOne:
		return 1 - at(nearest+toOne-i)
	}
	return at(one + i - toOne)
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
