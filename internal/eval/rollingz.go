package eval

import (
	"math"
	"time"
)

// rollingZ is the z-score against the last day.
type rollingZ struct {
	past *ring
	// mean, and the sum of squared deviations from it, follow the window value by
	// value, and are taken anew once a window: rounding would add up.
	mean, squares float64
}

func newRollingZ(interval time.Duration) scorer {
	return &rollingZ{past: newRing(lasting(day, interval, 24))}
}

func (z *rollingZ) score(_ int64, x float64) float64 {
	if !z.past.full() {
		z.past.add(x)
		z.renew()
		return 0
	}
	n := float64(len(z.past.values))
	s := deviation(x, z.mean, math.Sqrt(max(z.squares, 0)/n))
	oldest := z.past.ago(len(z.past.values) - 1)
	before := z.mean
	z.mean += (x - oldest) / n
	z.squares += (x - oldest) * (x - z.mean + oldest - before)
	z.past.add(x)
	z.renew()
	return s
}

func (z *rollingZ) renew() {
	if z.past.n%len(z.past.values) != 0 {
		return
	}
	var sd float64
	z.mean, sd = moments(z.past.values)
	z.squares = sd * sd * float64(len(z.past.values))
}
