// Package trend follows the level and the slope of one stream, says what it expects
// next and how sure it is, and foresees when the stream will cross a limit.
//
// A Trend is a local line, fitted by robust recursive least squares that forget; its
// interval is calibrated on the stream itself by adaptive conformal inference (Gibbs
// and Candès, NeurIPS 2021), so that it holds its share whatever the noise is like.
// A Crossing fits a robust line through medians of hours, which neither a daily wave
// nor a clean-up bends, and stays silent until the line is beyond doubt.
//
// Both are plain data of fixed size: no clock, no randomness, no pointer, no
// allocation; not safe for concurrent use. Times are milliseconds and need not be
// regular. Values are finite; beyond ±1e150 they count as that.
package trend

import "math"

const (
	// forget is 1−λ, the share of its weight a sample loses at each new one: a memory
	// of 500 samples, or of as many minutes where they come faster than one a minute.
	forget  = 0.002
	aMinute = 60 // s

	// miss is the share of values the interval may miss, half of it on either side:
	// the interval holds 95 % of them.
	miss = 0.05

	// pace is how far the interval's edge moves outwards on a miss, in deviations. On
	// normal noise the edge then strays 0.1 deviations from where it belongs.
	pace = 0.05

	// doubt is the interval's first edge, in mean absolute deviations: 2.5 × 0.8 σ =
	// 2 σ, which holds 95 % of normal noise.
	doubt = 2.5

	// clip bounds what one sample may do to level and slope, outlier what it may do
	// to the deviation, both in mean absolute deviations.
	clip    = 3
	outlier = 30

	// A value beyond the interval and farther than far mean absolute deviations from what
	// was expected is no part of the line: it is passed over. Where they come eight in a
	// row, or are more than one in twenty of all, the line is elsewhere and begins anew.
	// A line younger than sober samples does not know its deviation well enough to say.
	far       = 10
	farther   = 20 // what a far value adds to the count of them; others take 1 off it
	elsewhere = 8 * farther
	sober     = 30

	// scaleGain is the gain of the mean absolute deviation.
	scaleGain = 0.02

	// quantum is the least deviation taken for one, relative to the level, so that a
	// stream that was constant for long can still learn to move.
	quantum = 1e-6
	grain   = 1e-9 // where the level is zero

	// Ready is how many samples it takes to expect anything: two make a line, the
	// third says how good it is.
	Ready = 3

	// huge keeps squares and products of values finite.
	huge = 1e150
)

// Trend is the local line of one stream. The zero value is Ready.
type Trend struct {
	at           int64   // time of the last sample, ms
	level, slope float64 // at that time; per second

	// The line's covariance in units of the noise's variance: of the level, of level
	// and slope, of the slope.
	p00, p01, p11 float64

	scale    float64 // mean absolute deviation of the values from what was expected
	up, down float64 // the interval's edges, in scales
	n        uint32  // samples seen
	astray   uint8   // far values of late: see far
}

// Expect is the value expected at the time at, ms, with the interval that holds 95
// of 100 values: the wider the farther ahead, as the line's own uncertainty grows. All are NaN while fewer than three samples were learned.
func (t *Trend) Expect(at int64) (point, lower, upper float64) {
	return t.expect(seconds(t.at, at))
}

// expect is Expect so many seconds after the last sample.
func (t *Trend) expect(s float64) (point, lower, upper float64) {
	if t.n < Ready {
		return math.NaN(), math.NaN(), math.NaN()
	}
	point = t.level + t.slope*t.trust()*s
	reach := t.scale * t.widening(s)
	return point, point - t.down*reach, point + t.up*reach
}

// Learn takes the sample in. The line forgets by samples and moves by time: after a
// gap it is less sure of itself and follows the new sample the more.
func (t *Trend) Learn(at int64, x float64) {
	x = min(max(x, -huge), huge)
	if t.n == 0 {
		t.start(at, x)
		return
	}
	s := seconds(t.at, at)
	if t.n == 1 {
		// Before the second sample nobody knows the interval. From here on: between
		// two samples a stream moves about as much as its noise.
		t.p11 = 1 / (s * s)
	}
	if t.n >= Ready {
		point, lower, upper := t.expect(s)
		if t.n >= sober && t.passes(at, s, x, point, lower, upper) {
			return
		}
		t.calibrate(x, point, lower, upper)
	}

	weigh := 1 / (1 - forget*min(s*(1./aMinute), 1))
	p00 := (t.p00 + s*(2*t.p01+s*t.p11)) * weigh
	p01 := (t.p01 + s*t.p11) * weigh
	p11 := t.p11 * weigh
	gain := 1 / (1 + p00)
	k0, k1 := p00*gain, p01*gain

	level := t.level + t.slope*s
	r := x - level
	step := r
	if t.n >= Ready {
		// Few samples are clipped, and the root is of at least 1.
		if most := clip * t.scale; math.Abs(r) > most {
			most *= math.Sqrt(1 + p00)
			step = min(max(r, -most), most)
		}
	}
	t.at, t.level, t.slope = at, level+k0*step, t.slope+k1*step
	t.p00, t.p01, t.p11 = p00*(1-k0), p01*(1-k0), p11-k1*p01

	dev := math.Abs(r)
	if t.n >= Ready {
		dev = min(dev, outlier*t.scale)
	}
	gain = scaleGain
	if t.n < 1/scaleGain {
		gain = 1 / float64(t.n)
	}
	t.scale += gain * (dev - t.scale)
	t.scale = max(t.scale, quantum*math.Abs(t.level)+grain)
	t.n++

	// A gap of centuries leaves no digits of the covariance.
	if !(t.p11 > 0) {
		t.start(at, x)
	}
}

// start begins the line at its first sample.
func (t *Trend) start(at int64, x float64) {
	*t = Trend{at: at, level: x, p00: 1, up: doubt, down: doubt, n: 1}
}

// passes keeps count of far values and reports whether x is one, and so is not learned.
// It comes s seconds after the sample before.
func (t *Trend) passes(at int64, s, x, point, lower, upper float64) bool {
	if x >= lower && x <= upper || math.Abs(x-point) <= far*t.scale*t.widening(s) {
		t.astray = max(t.astray, 1) - 1
		return false
	}
	if t.astray += farther; t.astray >= elsewhere {
		t.start(at, x)
	}
	return true
}

// calibrate moves the interval's edges: out by a little where x missed it, in by very
// little where it did not, so that in the long run miss/2 of the values lie beyond
// either.
func (t *Trend) calibrate(x, point, lower, upper float64) {
	t.up -= pace * miss / 2
	t.down -= pace * miss / 2
	switch {
	case x > upper && x > point:
		t.up += pace
	case x < lower && x < point:
		t.down += pace
	}
	t.up, t.down = max(t.up, 0), max(t.down, 0)
}

// trust is the share of the slope worth extrapolating, by its own error: that of
// James and Stein, 1 − 1/t², and none of a slope no larger than its error.
func (t *Trend) trust() float64 {
	const sigma = 1.25 // of normal noise, in mean absolute deviations
	noise := sigma * t.scale
	unsure, square := t.p11*noise*noise, t.slope*t.slope
	if unsure >= square {
		return 0
	}
	return 1 - unsure/square
}

// widening is how much wider than the noise the interval is s seconds on, since the
// line is not known exactly.
func (t *Trend) widening(s float64) float64 {
	return math.Sqrt(1 + max(0, t.p00+2*s*t.p01+s*s*t.p11))
}

// seconds is the time between two times in ms, without overflow.
func seconds(from, to int64) float64 { return (float64(to) - float64(from)) / 1000 }
