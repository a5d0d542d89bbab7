package plot

import (
	"iter"
	"math"
	"slices"

	"gonum.org/v1/plot/plotter"
)

// columns is how many vertical strips a picture tells apart: about one for each
// dot of its width. Series longer than that are thinned to what would be visible,
// the extremes of each strip, so a spike of one sample survives in 100 000.
const columns = 1200

// stretches yields runs of points that fall into one strip of the picture, and
// whether the line is interrupted before them: by a gap of more than 5 usual
// intervals, the same that makes the detector start anew.
func stretches(ps []Point) iter.Seq2[[]Point, bool] {
	return func(yield func([]Point, bool) bool) {
		if len(ps) == 0 {
			return
		}
		gap := 5 * usualInterval(ps)
		first, span := float64(ps[0].T), float64(ps[len(ps)-1].T)-float64(ps[0].T)
		strip := func(i int) int {
			if len(ps) <= columns {
				return i
			}
			return int(columns * (float64(ps[i].T) - first) / span)
		}
		broken := false
		for start := 0; start < len(ps); {
			end, after := start+1, false
			for ; end < len(ps); end++ {
				if after = float64(ps[end].T)-float64(ps[end-1].T) > gap; after || strip(end) != strip(start) {
					break
				}
			}
			if !yield(ps[start:end], broken) {
				return
			}
			start, broken = end, after
		}
	}
}

// usualInterval is the median distance in time between neighbours, ms; infinite
// where there are none.
func usualInterval(ps []Point) float64 {
	if len(ps) < 2 {
		return math.Inf(1)
	}
	steps := make([]float64, len(ps)-1)
	for i := range steps {
		steps[i] = float64(ps[i+1].T) - float64(ps[i].T)
	}
	slices.Sort(steps)
	return steps[len(steps)/2]
}

// line is the course of one of a point's values: pieces without interruption.
func line(ps []Point, value func(*Point) float64) []plotter.XYs {
	var (
		pieces []plotter.XYs
		piece  plotter.XYs
	)
	end := func() {
		if len(piece) > 0 {
			pieces = append(pieces, piece)
			piece = nil
		}
	}
	for run, broken := range stretches(ps) {
		if broken {
			end()
		}
		first, low, high, last := -1, 0, 0, 0
		for i := range run {
			v := value(&run[i])
			switch {
			case !finite(v):
				continue
			case first < 0:
				first, low, high = i, i, i
			case v < value(&run[low]):
				low = i
			case v > value(&run[high]):
				high = i
			}
			last = i
		}
		if first < 0 {
			end()
			continue
		}
		keep := []int{first, low, high, last}
		slices.Sort(keep)
		for _, i := range slices.Compact(keep) {
			piece = append(piece, plotter.XY{X: float64(run[i].T), Y: value(&run[i])})
		}
	}
	end()
	return pieces
}

// outline is the expected band as closed shapes: along the upper edge and back
// along the lower one.
func outline(ps []Point) []plotter.XYs {
	var (
		shapes       []plotter.XYs
		upper, lower plotter.XYs
	)
	end := func() {
		if len(upper) > 0 {
			slices.Reverse(lower)
			shapes = append(shapes, append(upper, lower...))
			upper, lower = nil, nil
		}
	}
	for run, broken := range stretches(ps) {
		if broken {
			end()
		}
		lo, hi := math.Inf(1), math.Inf(-1)
		for i := range run {
			if p := &run[i]; finite(p.Lower) && finite(p.Upper) {
				lo, hi = min(lo, p.Lower), max(hi, p.Upper)
			}
		}
		if lo > hi {
			end()
			continue
		}
		t := float64(run[0].T)
		upper = append(upper, plotter.XY{X: t, Y: hi})
		lower = append(lower, plotter.XY{X: t, Y: lo})
	}
	end()
	return shapes
}

// marks are the anomalous points, the worst one of each strip.
func marks(ps []Point) plotter.XYs {
	var out plotter.XYs
	for run := range stretches(ps) {
		worst := -1
		for i := range run {
			if run[i].Marked && finite(run[i].Value) && (worst < 0 || run[i].Score > run[worst].Score) {
				worst = i
			}
		}
		if worst >= 0 {
			out = append(out, plotter.XY{X: float64(run[worst].T), Y: run[worst].Value})
		}
	}
	return out
}
