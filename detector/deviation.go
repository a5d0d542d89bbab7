package detector

import "math"

const (
	// deviationGain is that of mean and variance, per second: a memory of a day.
	deviationGain = 1.0 / (24 * 60 * 60)

	// steady is how many bars it takes to know a deviation.
	steady = 60

	// far bounds a value, so that its square stays finite.
	far = 1e150
)

// deviation is how far a series lies from its mean of a day, beside its standard
// deviation of that day. It says little of one series, and much of many at once: see
// group.
type deviation struct {
	mean, variance float64
	n              uint32 // samples
}

// score is the deviation of x, in units of 3 σ, from 0 to utmost; x, which comes so
// many seconds after the sample before, is then learned.
func (d *deviation) score(x, seconds float64, known bool) float64 {
	x = min(max(x, -far), far)
	dev := x - d.mean
	s := 0.0
	if known {
		s = min(math.Abs(dev)/(3*max(math.Sqrt(d.variance), 1e-9*math.Abs(d.mean), math.SmallestNonzeroFloat64)), utmost)
	}
	d.n++
	gain := min(max(deviationGain*seconds, 1/float64(d.n)), 1)
	d.mean += gain * dev
	d.variance = (1 - gain) * (d.variance + gain*dev*dev)
	return s
}

// still is what n samples of the value x taught.
func (d *deviation) still(x float64, n uint32) { *d = deviation{mean: min(max(x, -far), far), n: n} }
