package calibration

import "math"

// Peaks is how high the peaks of a scope were of late, when it was made.
type Peaks struct {
	above cumulative
	weeks float64
}

// Peaks returns what the controller holds now.
func (c *Controller) Peaks() *Peaks { return &Peaks{accumulate(&c.peaks), c.weeks} }

// Weeks is the time behind them, of which the past counts less.
func (p *Peaks) Weeks() float64 { return p.weeks }

// PerWeek is how many peaks a week were at least as high as score: as many alerts that
// threshold would have made. NaN where nothing was heard.
func (p *Peaks) PerWeek(score float64) float64 {
	if p.weeks == 0 {
		return math.NaN()
	}
	return p.above.atLeast(score) / p.weeks
}
