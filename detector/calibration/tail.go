package calibration

import (
	"math"

	"gonum.org/v1/gonum/optimize"
)

const (
	// topShare is the part of the scores that a tail is fitted to, one in a thousand,
	// and topLeast how many that must be.
	topShare = 1e-3
	topLeast = 50

	// A shape beyond these bounds is a fit gone wrong: 1 has no mean, and at -1 the
	// likelihood grows without bound.
	shapeLeast, shapeMost = -0.9, 1.0
)

// tail is the generalised Pareto distribution of what the depths of scores exceed that of
// from by (Pickands, Annals of Statistics 1975): 1 − F(y) = (1 + shape·y/scale)^(−1/shape).
// The zero value is no tail.
type tail struct {
	from, scale, shape float64
}

// depth is the score with what crowds below 1 drawn out as the bins draw it out: half an
// octave of 1 − score is as much as from 0 to ½. What is beyond 1 lies beyond that.
func depth(score float64) float64 {
	switch {
	case score < 0.5:
		return score
	case score < 1:
		return min(-0.5*math.Log2(1-score), -0.5*closest)
	}
	return -0.5 * closest * score
}

func (t *tail) fitted() bool { return t.scale > 0 }

// survival is the share of the tail's scores that are at least as high.
func (t *tail) survival(score float64) float64 {
	y := (depth(score) - depth(t.from)) / t.scale
	switch {
	case !(y > 0):
		return 1
	case math.Abs(t.shape) < 1e-9:
		return math.Exp(-y)
	}
	base := 1 + t.shape*y
	if base <= 0 {
		return 0 // beyond the end of a tail that has one
	}
	return math.Pow(base, -1/t.shape)
}

// Fit fits the tail to the highest thousandth of the pool, by maximum likelihood of what
// its bins hold. A tail that cannot be fitted leaves the one before: with too few scores
// there is none.
func (p *Pool) Fit() {
	first, top := bins, 0.0
	var all float64
	for _, w := range p.weight {
		all += w
	}
	for i := bins - 1; i > 0 && top+p.weight[i] <= topShare*all; i-- {
		first, top = i, top+p.weight[i]
	}
	if top < topLeast {
		return
	}
	last, mean := first, 0.0
	from := edge(first)
	for i := first; i < bins; i++ {
		if w := p.weight[i]; w > 0 {
			last, mean = i, mean+w*((depth(edge(i))+depth(edge(i+1)))/2-depth(from))
		}
	}
	mean /= top
	if last-first < 3 {
		return // all in a bin or three: no shape shows
	}
	lack := func(x []float64) float64 {
		t := tail{from, math.Exp(x[0]), x[1]}
		if t.shape < shapeLeast || t.shape > shapeMost {
			return math.Inf(1)
		}
		sum, reach := 0.0, t.survival(from)
		for i := first; i <= last; i++ {
			next := t.survival(edge(i + 1))
			if p.weight[i] > 0 {
				sum -= p.weight[i] * math.Log(max(reach-next, math.SmallestNonzeroFloat64))
			}
			reach = next
		}
		return sum / top
	}
	settings := &optimize.Settings{FuncEvaluations: 400} // some 100 are enough
	fit, err := optimize.Minimize(optimize.Problem{Func: lack}, []float64{math.Log(mean), 0.1}, settings, &optimize.NelderMead{})
	if err != nil || fit == nil || math.IsInf(fit.F, 0) || math.IsNaN(fit.F) {
		return
	}
	p.tail = tail{from, math.Exp(fit.X[0]), fit.X[1]}
}
