// Package trend follows the level and slope of one stream.
package trend

import (
	"math"
	"time"
)

// Trend is the level and slope of one stream.
type Trend struct {
	at int64
}

// Expect is the value expected at the time at, ms, and its interval.
func (t *Trend) Expect(at int64) (point, lower, upper float64) {
	return math.NaN(), math.NaN(), math.NaN()
}

// Learn takes the sample in.
func (t *Trend) Learn(at int64, x float64) { t.at = at }

// Forecast is the value expected h after the last sample, and its interval.
func (t *Trend) Forecast(h time.Duration) (point, lower, upper float64) {
	return t.Expect(t.at + h.Milliseconds())
}
