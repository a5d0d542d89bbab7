package rca

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/foreshock/foreshock/incident/cause"
)

// method is a way to find a cause.
type method struct {
	name string
	hits func(*incident, cause.Question) [cause.Told]float64
}

const ours = "foreshock"

func methods() []method {
	return []method{
		{name: ours},
		{name: "random", hits: random},
		{name: "largest z-score", hits: first(largest)},
		{name: "earliest onset", hits: first(earliest)},
	}
}

// random is what guessing comes to on average: the true place is among the first k of n
// with probability k/n.
func random(_ *incident, q cause.Question) (hit [cause.Told]float64) {
	for k := range hit {
		hit[k] = min(1, float64(k+1)/float64(len(q.Candidates)))
	}
	return hit
}

// first ranks places by a score, the highest first.
func first(score func(*cause.Candidate, cause.Question) float64) func(*incident, cause.Question) [cause.Told]float64 {
	return func(in *incident, q cause.Question) (hit [cause.Told]float64) {
		type scored struct {
			place string
			score float64
		}
		var all []scored
		for i := range q.Candidates {
			all = append(all, scored{q.Candidates[i].Place, score(&q.Candidates[i], q)})
		}
		slices.SortFunc(all, func(a, b scored) int {
			return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.place, b.place))
		})
		for rank := range min(len(all), cause.Told) {
			if all[rank].place == in.truth {
				hits(&hit, rank)
			}
		}
		return hit
	}
}

// largest is the largest |z| of any sample since the onset, by mean and deviation before.
func largest(c *cause.Candidate, q cause.Question) float64 {
	most := 0.
	deviations(c, q, func(_ int64, z float64) { most = max(most, z) })
	return most
}

// earliest is higher the sooner a sample is beyond three deviations.
func earliest(c *cause.Candidate, q cause.Question) float64 {
	at := int64(math.MaxInt64)
	deviations(c, q, func(t int64, z float64) {
		if z > 3 {
			at = min(at, t)
		}
	})
	return -float64(at)
}

// deviations yields the |z| of the samples since the onset.
func deviations(c *cause.Candidate, q cause.Question, yield func(t int64, z float64)) {
	for i := range c.Series {
		s := &c.Series[i]
		var past []float64
		for k, t := range s.T {
			if t < q.Onset && !math.IsNaN(s.V[k]) {
				past = append(past, s.V[k])
			}
		}
		if len(past) < 10 {
			continue
		}
		mean, deviation := stat.MeanStdDev(past, nil)
		for k, t := range s.T {
			if t >= q.Onset && t <= q.Until && !math.IsNaN(s.V[k]) {
				yield(t, math.Abs(s.V[k]-mean)/max(deviation, 1e-9))
			}
		}
	}
}
