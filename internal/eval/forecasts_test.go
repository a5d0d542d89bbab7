package eval

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// aWave is a machine of one daily wave under noise and one constant, by five minutes,
// for days days.
func aWave(days int) *stream {
	r := rand.New(rand.NewPCG(11, 12))
	s := &stream{name: "m", interval: forecastGrid, values: make([][]float64, 2)}
	for i := range days * gridDay {
		x := 100 + 10*math.Sin(2*math.Pi*float64(i)/float64(gridDay)) + r.NormFloat64()
		if r.IntN(50) == 0 {
			x = math.NaN()
		}
		s.times = append(s.times, (start+int64(i)*300)*1000)
		s.values[0] = append(s.values[0], x)
		s.values[1] = append(s.values[1], 1)
	}
	return s
}

// Of white noise on a wave the day before misses by √2 · 0.8 σ, the truth by 0.8 σ: the
// least MASE is 0.71, and the mean of seven days has √(8/7) times that.
func TestForecastsAreMeasuredAgainstTheDayBefore(t *testing.T) {
	rows, err := forecasts(t.Context(), []*stream{aWave(20)}, true)
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]ForecastRow{}
	for _, row := range rows {
		by[row.Method] = row
		if row.Series != 1 {
			t.Errorf("%s: %d series, want the wave alone", row.Method, row.Series)
		}
	}
	near := func(name string, h int, want, give float64) {
		t.Helper()
		if got := float64(by[name].MASE[h]); math.Abs(got-want) > give {
			t.Errorf("%s: MASE %.3f at %s, want %.2f ± %.2f", name, got, Horizons[h], want, give)
		}
	}
	for h := range Horizons {
		near("foreshock", h, 0.73, 0.05)
		near("same time, mean of seven days", h, 0.76, 0.05)
		near("Holt-Winters, daily", h, 0.9, 0.08)
		if got := by["foreshock"].Coverage[h]; got < 0.9 || got > 1 {
			t.Errorf("coverage %.3f at %s", got, Horizons[h])
		}
		if got := by["Holt-Winters, daily"].Coverage[h]; !math.IsNaN(float64(got)) {
			t.Errorf("Holt-Winters here has no interval, but coverage %v", got)
		}
	}
	if got := by["line through 6 hours"].MASE[2]; got < 3 {
		t.Errorf("a line through six hours of a wave does well a day ahead: %.2f", got)
	}
}

// Fewer than nine days foresee nothing, and the report says so by leaving it out.
func TestTooShortForForecasts(t *testing.T) {
	rows, err := forecasts(t.Context(), []*stream{aWave(8)}, false)
	if err != nil || len(rows) != 0 {
		t.Errorf("%v, %v; want none", rows, err)
	}
}

// Rows by the minute become means of five, wherever the minutes are missing.
func TestOnGrid(t *testing.T) {
	s := int64(time.Minute / time.Millisecond)
	from, grid := onGrid([]int64{600*s + 1, 601 * s, 604 * s, 611 * s}, []float64{1, 3, math.NaN(), 5})
	if from != 600*s || len(grid) != 3 || grid[0] != 2 || !math.IsNaN(grid[1]) || grid[2] != 5 {
		t.Errorf("from %d: %v", from, grid)
	}
}
