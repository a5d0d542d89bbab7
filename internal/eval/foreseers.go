package eval

import "math"

// holtWinters is additive, with a season of a day, as it is used without fitting it to
// each series: Hyndman and Athanasopoulos, Forecasting: Principles and Practice. It has
// no slope: with one, every figure is worse.
type holtWinters struct {
	i      int
	level  float64
	season [gridDay]float64
	first  []float64
}

const (
	holtLevel  = 0.3
	holtSeason = 0.1
)

func (w *holtWinters) learn(_ int64, x float64) {
	slot := w.i % gridDay
	w.i++
	if w.i <= gridDay { // the first day is the season
		w.first = append(w.first, x)
		if w.i == gridDay {
			w.level = average(known(append([]float64(nil), w.first...)))
			for k, v := range w.first {
				if !math.IsNaN(v) {
					w.season[k] = v - w.level
				}
			}
		}
		return
	}
	if math.IsNaN(x) {
		return
	}
	s := w.season[slot]
	w.level += holtLevel * (x - s - w.level)
	w.season[slot] += holtSeason * (x - w.level - s)
}

func (w *holtWinters) foresee(steps []expectation) {
	for k := range steps {
		steps[k] = expectation{w.level + w.season[(w.i+k)%gridDay], math.NaN(), math.NaN()}
	}
}

// sevenDays is the mean of the last seven days at the same time of day.
type sevenDays struct {
	past [7 * gridDay]float64
	i    int
}

func (d *sevenDays) learn(_ int64, x float64) {
	d.past[d.i%len(d.past)] = x
	d.i++
}

func (d *sevenDays) foresee(steps []expectation) {
	for k := range steps {
		sum, n := 0.0, 0.0
		for back := 1; back <= 7; back++ {
			// One day on the past is a day shorter: k is less than a day.
			if v := d.past[(d.i+k+(7-back)*gridDay)%len(d.past)]; !math.IsNaN(v) {
				sum += v
				n++
			}
		}
		steps[k] = expectation{sum / n, math.NaN(), math.NaN()}
	}
}

// line is the least-squares line through the latest values: predict_linear.
type line struct{ past *ring }

func newLine(values int) *line { return &line{newRing(values)} }

func (l *line) learn(_ int64, x float64) { l.past.add(x) }

func (l *line) foresee(steps []expectation) {
	level, slope := leastSquares(l.past)
	for k := range steps {
		steps[k] = expectation{level + slope*float64(k+1), math.NaN(), math.NaN()}
	}
}

// leastSquares is the line through the values of a full ring: its value at the latest,
// and its slope from value to value.
func leastSquares(past *ring) (level, slope float64) {
	var n, sx, sy, sxx, sxy float64
	for ago := range past.values {
		if y := past.ago(ago); !math.IsNaN(y) {
			x := -float64(ago)
			n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
		}
	}
	slope = (n*sxy - sx*sy) / (n*sxx - sx*sx)
	return (sy - slope*sx) / n, slope
}
