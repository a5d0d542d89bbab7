package trend

import (
	"math"
	"time"
)

const (
	// fewest points make a line: below a dozen, Kendall's τ says little.
	fewest = 12

	// certain is the two-sided 95 % quantile of the normal distribution.
	certain = 1.96

	// huber is the residual, in standard deviations, beyond which a point pulls with
	// constant force: 95 % efficient on normal noise (Huber, 1964).
	huber = 1.345

	// rounds of reweighting end early once the slope has settled to this share of it.
	rounds  = 20
	settled = 1e-3

	// rounding is the residual, as a share of the largest value, that arithmetic alone
	// makes: 2⁻⁵² in each of some fifty sums of 48 terms. A stream that is a line to that
	// is one.
	rounding = 1e-12
)

// line is what a ring's values say of where the stream is going. The zero value is
// not sure of anything.
type line struct {
	level, slope float64 // at the newest bucket; per bucket
	slip         float64 // the slope's standard error
	span         float64 // looked back, in buckets
	last         int64   // number of the newest bucket
	sure         bool    // that it rises or falls at all
}

// reach is Crossing.Reach by one line through buckets of width ms, seen from at. It
// is believed up to sight times as far ahead as it looks back.
func (l *line) reach(limit float64, above bool, at, width int64, sight float64) (time.Duration, bool) {
	if !l.sure || (l.slope > 0) != above {
		return 0, false
	}
	// A bucket's median stands for its middle.
	since := (float64(at)-float64(l.last)*float64(width))/float64(width) - 0.5
	ahead := (limit-l.level)/l.slope - since
	if ahead > sight*l.span {
		return 0, false
	}
	ms := math.Max(ahead, 0) * float64(width)
	return time.Duration(ms) * time.Millisecond, true
}

// regress draws the line through the points (x, y), both by ascending x, the last x
// being 0: a Huber regression by iteratively reweighted least squares.
func regress(x, y []float64) line {
	n := len(x)
	var weight, residual, size [slots]float64
	for i := range x {
		weight[i] = 1
	}
	var l line
	var sxx, sigma, largest float64
	for _, v := range y {
		largest = max(largest, math.Abs(v))
	}
	for range rounds {
		var sw, sx, sy, sxy float64
		for i, w := range weight[:n] {
			sw += w
			sx += w * x[i]
			sy += w * y[i]
		}
		sxx = 0
		for i, w := range weight[:n] {
			dx := x[i] - sx/sw
			sxx += w * dx * dx
			sxy += w * dx * (y[i] - sy/sw)
		}
		before := l.slope
		l.slope = sxy / sxx
		l.level = sy/sw - l.slope*sx/sw
		for i := range x {
			residual[i] = y[i] - l.level - l.slope*x[i]
			if math.Abs(residual[i]) < rounding*largest {
				residual[i] = 0
			}
			size[i] = math.Abs(residual[i])
		}
		if math.Abs(l.slope-before) <= settled*math.Abs(l.slope) {
			break
		}
		// The median of |residual| is 0.6745 σ of normal noise.
		sigma = middle(size[:n]) / 0.6745
		for i, r := range residual[:n] {
			weight[i] = 1
			if r := math.Abs(r); r > huber*sigma {
				weight[i] = huber * sigma / r
			}
		}
	}
	l.span = x[n-1] - x[0]

	// Neighbours that err alike say less than their number: a daily wave makes any
	// line look certain. Both tests are told by how much (Hamed and Rao, 1998).
	alike := inflation(residual[:n])
	var pull, free float64
	for _, r := range residual[:n] {
		p := min(math.Abs(r), huber*sigma)
		pull += p * p
		if math.Abs(r) <= huber*sigma {
			free++
		}
	}
	free /= float64(n)
	se := math.Sqrt(alike*pull/float64(n-2)/sxx) / free
	l.slip = se
	l.sure = math.Abs(l.slope) > certain*se && math.Abs(kendall(y)) > certain*math.Sqrt(alike)
	return l
}

// inflation is by how much the variance of a mean of such residuals exceeds that of
// independent ones: (1+ρ)/(1−ρ), where ρ is the correlation of neighbours.
func inflation(residual []float64) float64 {
	var same, next float64
	for i, r := range residual {
		same += r * r
		if i > 0 {
			next += r * residual[i-1]
		}
	}
	if same == 0 {
		return 1
	}
	rho := min(max(next/same, 0), 0.95)
	return (1 + rho) / (1 - rho)
}

// kendall is Kendall's τ of y against its order, as a standard normal deviate.
func kendall(y []float64) float64 {
	s := 0
	for i := range y {
		for _, later := range y[i+1:] {
			switch {
			case later > y[i]:
				s++
			case later < y[i]:
				s--
			}
		}
	}
	n := float64(len(y))
	return float64(s) / math.Sqrt(n*(n-1)*(2*n+5)/18)
}
