package eval

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/foreshock/foreshock/detector/forecast"
)

// Forecasts are made every five hours, so that in time each hour of the day is asked,
// once a series has been heard for eight days: the seven that a seasonal average needs
// and one that says what the day before would have missed by.
const (
	forecastGrid  = 5 * time.Minute
	forecastEvery = 5 * time.Hour
	forecastAfter = 8 * day

	gridDay = int(day / forecastGrid) // steps

	// leastValues a series must have taken in its first eight days to be worth a
	// forecast: a constant and a switch are not.
	leastValues = 20
)

// Horizons are how far ahead forecasts are measured.
var Horizons = [3]time.Duration{time.Hour, 6 * time.Hour, day}

// ForecastRow is how well one method foresees the machines' series, each figure by
// Horizons.
type ForecastRow struct {
	Method string `json:"method"`
	Series int    `json:"series"`

	// MASE is the mean absolute error of all steps up to the horizon, relative to that
	// of the seven days before had each been foreseen to be like the day before it:
	// the median of a series' forecasts, and of those the mean over the series.
	MASE [3]figure `json:"mase"`
	// Whole is the same of all forecasts of a series together, errors by errors: the
	// days on which anything breaks weigh as much as they cost. Median of the series.
	Whole [3]figure `json:"mase_whole"`
	// Coverage is the share of values, at the horizon, within the 95 % interval.
	Coverage [3]figure `json:"coverage"`

	Nanoseconds figure `json:"ns_per_sample"` // of processor time, to learn a sample
}

// foreseer is a method that forecasts one series on a grid of five minutes.
type foreseer interface {
	// learn takes the value at t, ms; NaN where it is missing.
	learn(t int64, x float64)
	// foresee writes what it expects of the steps to come. Intervals may be NaN.
	foresee(steps []expectation)
}

type expectation struct{ point, lower, upper float64 }

type foreseeing struct {
	name  string
	start func() foreseer
}

// foreseers are the detector's own forecast, and what people use instead.
func foreseers(all bool) []foreseeing {
	methods := []foreseeing{{"foreshock", func() foreseer { return &ahead{} }}}
	if all {
		methods = append(methods,
			foreseeing{"Holt-Winters, daily", func() foreseer { return &holtWinters{} }},
			foreseeing{"same time, mean of seven days", func() foreseer { return &sevenDays{} }},
			foreseeing{"line through 6 hours", func() foreseer { return newLine(72) }},
			foreseeing{"line through a day", func() foreseer { return newLine(288) }},
		)
	}
	return methods
}

// ahead is the forecaster of the live path, as a forecast rule has it.
type ahead struct {
	forecast.Forecaster
	at int64
}

func (a *ahead) learn(t int64, x float64) {
	a.at = t
	if !math.IsNaN(x) {
		a.Learn(t, x)
	}
}

func (a *ahead) foresee(steps []expectation) {
	for i := range steps {
		s := &steps[i]
		s.point, s.lower, s.upper = a.Expect(a.at + int64(i+1)*forecastGrid.Milliseconds())
	}
}

// forecasts measures the methods on all series of the streams that are worth it; none
// where there is no such series.
func forecasts(ctx context.Context, streams []*stream, all bool) ([]ForecastRow, error) {
	rows := []ForecastRow{}
	for _, m := range foreseers(all) {
		var mase, whole [3][]float64 // by series
		var within, asked [3]int
		used, samples := time.Duration(0), 0
		row := ForecastRow{Method: m.name}
		for _, s := range streams {
			for _, values := range s.values {
				from, grid := onGrid(s.times, values)
				if !worthForecasting(grid) {
					continue
				}
				row.Series++
				r := newRunning(m.start(), from, grid)
				r.run()
				used += r.used
				samples += len(grid)
				for h := range Horizons {
					mase[h] = append(mase[h], middle(r.ratios[h]))
					whole[h] = append(whole[h], r.errors[h]/r.scales[h])
					within[h] += r.within[h]
					asked[h] += r.asked[h]
				}
				if err := ctx.Err(); err != nil {
					return nil, err
				}
			}
		}
		if row.Series == 0 {
			return []ForecastRow{}, nil
		}
		for h := range Horizons {
			row.MASE[h] = figure(average(known(mase[h])))
			row.Whole[h] = figure(middle(known(whole[h])))
			row.Coverage[h] = figure(float64(within[h]) / float64(asked[h]))
		}
		row.Nanoseconds = figure(float64(used.Nanoseconds()) / float64(samples))
		rows = append(rows, row)
	}
	return rows, nil
}

// onGrid is the series as means of five minutes, the first of which begins at from;
// NaN where there are none.
func onGrid(times []int64, values []float64) (from int64, grid []float64) {
	step := forecastGrid.Milliseconds()
	first, last := slices.Min(times)/step, slices.Max(times)/step
	grid = make([]float64, last-first+1)
	n := make([]float64, len(grid))
	for i, v := range values {
		if !math.IsNaN(v) {
			grid[times[i]/step-first] += v
			n[times[i]/step-first]++
		}
	}
	for i := range grid {
		grid[i] /= n[i] // 0/0 is NaN
	}
	return first * step, grid
}

func worthForecasting(grid []float64) bool {
	distinct := map[float64]bool{}
	for _, x := range grid[:min(len(grid), int(forecastAfter/forecastGrid))] {
		if !math.IsNaN(x) {
			distinct[x] = true
		}
	}
	return len(distinct) >= leastValues && len(grid) > int((forecastAfter+day)/forecastGrid)
}

// running is one method on its way through one series.
type running struct {
	f    foreseer
	from int64
	grid []float64
	used time.Duration

	ratios         [3][]float64 // error ÷ scale, by forecast
	errors, scales [3]float64   // sums
	within, asked  [3]int
}

func newRunning(f foreseer, from int64, grid []float64) *running {
	return &running{f: f, from: from, grid: grid}
}

// run shows the method the series, once and in order, and asks it on the way.
func (r *running) run() {
	every, after := int(forecastEvery/forecastGrid), int(forecastAfter/forecastGrid)
	steps := make([]expectation, gridDay)
	began := processorTime()
	for i, x := range r.grid {
		r.f.learn(r.from+int64(i)*forecastGrid.Milliseconds(), x)
		if i < after || (i-after)%every != 0 || i+len(steps) >= len(r.grid) || math.IsNaN(x) {
			continue
		}
		r.used += processorTime() - began
		if scale := r.scale(i); scale > 0 {
			r.f.foresee(steps)
			r.judge(r.grid[i+1:], steps, scale)
		}
		began = processorTime()
	}
	r.used += processorTime() - began
}

// scale is the mean absolute error, over the seven days up to step i, of foreseeing
// each to be like the day before it.
func (r *running) scale(i int) float64 {
	sum, n := 0.0, 0.0
	for k := i - 7*gridDay + 1; k <= i; k++ {
		if d := math.Abs(r.grid[k] - r.grid[k-gridDay]); !math.IsNaN(d) {
			sum += d
			n++
		}
	}
	return sum / n
}

func (r *running) judge(future []float64, steps []expectation, scale float64) {
	sum, n := 0.0, 0.0
	h := 0
	for i, s := range steps {
		if e := math.Abs(future[i] - s.point); !math.IsNaN(e) {
			sum += e
			n++
		}
		if i+1 != int(Horizons[h]/forecastGrid) {
			continue
		}
		if n > 0 {
			r.ratios[h] = append(r.ratios[h], sum/n/scale)
			r.errors[h] += sum / n
			r.scales[h] += scale
		}
		if !math.IsNaN(future[i]) && !math.IsNaN(s.lower) {
			r.asked[h]++
			if s.lower <= future[i] && future[i] <= s.upper {
				r.within[h]++
			}
		}
		h++
	}
}

// known are the values that are numbers.
func known(values []float64) []float64 {
	return slices.DeleteFunc(values, math.IsNaN)
}

// middle is the median of the values, which it sorts; NaN where there are none.
func middle(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
