package eval

import (
	"math"
	"time"
)

const (
	predictionOrder = 10
	predictionLeast = 120 // rows of a window
)

// prediction is the residual of linear prediction: x is foretold from the ten values
// before it by the autoregression that fitted the last day best. The fit, renewed four
// times a day, solves the Yule-Walker equations by Levinson's recursion.
type prediction struct {
	past         *ring
	window       []float64
	mean         float64
	coefficients [predictionOrder]float64 // of the latest value first
	sd           float64                  // of the residuals
	fitted       bool
}

func newPrediction(interval time.Duration) scorer {
	size := lasting(day, interval, predictionLeast)
	return &prediction{past: newRing(size), window: make([]float64, size)}
}

func (p *prediction) score(_ int64, x float64) float64 {
	s := 0.0
	if p.fitted {
		expected := p.mean
		for i, c := range p.coefficients {
			expected += c * (p.past.ago(i) - p.mean)
		}
		s = deviation(x, expected, p.sd)
	}
	p.past.add(x)
	if p.past.full() && p.past.n%(len(p.window)/4) == 0 {
		p.fit()
	}
	return s
}

func (p *prediction) fit() {
	p.past.inOrder(p.window)
	p.mean, _ = moments(p.window)
	var correlation [predictionOrder + 1]float64 // auto-, by lag
	for lag := range correlation {
		for i := lag; i < len(p.window); i++ {
			correlation[lag] += (p.window[i] - p.mean) * (p.window[i-lag] - p.mean)
		}
		correlation[lag] /= float64(len(p.window))
	}
	var power float64
	p.coefficients, power = levinson(correlation)
	p.sd = math.Sqrt(power)
	p.fitted = true
}

// levinson returns the coefficients of the best linear prediction for the
// autocorrelation and what it leaves unexplained: its residuals' variance.
func levinson(correlation [predictionOrder + 1]float64) (c [predictionOrder]float64, power float64) {
	power = correlation[0]
	for m := range predictionOrder {
		if power <= 1e-12*correlation[0] {
			break // all is explained, or there is nothing to explain
		}
		reflection := correlation[m+1]
		for i := range m {
			reflection -= c[i] * correlation[m-i]
		}
		reflection /= power
		before := c
		c[m] = reflection
		for i := range m {
			c[i] = before[i] - reflection*before[m-1-i]
		}
		power *= 1 - reflection*reflection
	}
	return c, max(power, 0)
}
