package calibration

import "math"

const (
	// gain is by how much, in e-folds of the rate asked for, an alert too many or too few
	// moves it: what chance does to twenty alerts, √20 ≈ 0.22 of them, moves it by that.
	// A threshold is right again after some twenty alerts' worth of time.
	gain = 0.05

	// A single period moves the rate asked for by no more than half an e-fold, and all
	// together by a factor of 32: more than any cause but a budget that cannot be met.
	stride     = 0.5
	correction = 3.4657359027997265 // ln 32

	// enough is how many peaks of its own tell a scope's threshold to a third; with fewer
	// the shape of all series' scores tells how much farther to go.
	enough = 10
)

// halfLife is when the past weighs half, in weeks: two, so that three weeks of it decide,
// six alerts of a budget of two a week. While a scope is young less does, as series warm up
// and score high while they do: what happened at half its age weighs a quarter.
const halfLife = 2.0

// Period is what happened to a scope, a set of series that share a budget, in a while.
type Period struct {
	Weeks  float64 // of it the scope was heard
	Alerts int
	// Peaks counts the blocks of the period by the highest score in each that could have
	// alerted. Scores come in bursts and a burst is one incident, so blocks and not
	// samples tell how many incidents a threshold would have made.
	Peaks Counts
}

// Controller chooses the threshold of a scope. The peaks of its past say which threshold
// would have kept to the rate asked for; that rate is the budget, times a correction that
// integrates how far the alerts were from it. Steering the rate instead of the threshold
// makes an alert weigh the same whatever the shape of the scores, those with an end too.
//
// Its zero value has heard nothing.
type Controller struct {
	peaks  [bins]float64 // faded, as are the next two
	weeks  float64
	alerts float64

	age float64 // weeks heard in all

	offset float64 // ln of the correction
	falls  bool    // the threshold may be lower than it is,
	rises  bool    // and higher
}

// Observe takes in what happened in a period, during which the threshold was as last
// chosen, and returns what share of its weight the past keeps. A budget of 0 is none.
func (c *Controller) Observe(p *Period, budget float64) (share float64) {
	share = 1
	if c.age += p.Weeks; p.Weeks > 0 {
		grown := 1 - p.Weeks/c.age
		share = min(math.Exp2(-p.Weeks/halfLife), grown*grown)
	}
	for i, n := range p.Peaks.n {
		c.peaks[i] = c.peaks[i]*share + float64(n)
	}
	c.weeks = c.weeks*share + p.Weeks
	c.alerts = c.alerts*share + float64(p.Alerts)
	if budget == 0 {
		return share
	}
	// What the threshold could not follow teaches nothing: else a quiet month would be
	// paid back by a storm.
	d := max(-stride, min(stride, gain*(budget*p.Weeks-float64(p.Alerts))))
	if d > 0 && !c.falls || d < 0 && !c.rises {
		return share
	}
	c.offset = max(-correction, min(correction, c.offset+d))
	return share
}

// Realised is how many alerts a week there were, of late.
func (c *Controller) Realised() float64 {
	if c.weeks == 0 {
		return 0
	}
	return c.alerts / c.weeks
}

// Weeks is the time behind Realised.
func (c *Controller) Weeks() float64 { return c.weeks }

// Threshold is the one to use for the next period. It is never below floor, as a budget is
// a ceiling and no quota. While the scope has something of its budget left it is not above
// high, how high scores went, so that something as high as anything before is not kept
// back. Once that is spent only what is clearly higher is sure to be heard: scores that
// have an end reach it again and again. often says how many scores a week of the scope's
// series are at least as high: it tells what peaks are too few to.
func (c *Controller) Threshold(budget, floor, high float64, often func(score float64) float64) float64 {
	rate := budget * math.Exp(c.offset)
	if c.Realised() > budget {
		high = edge(bin(high) + 1)
	}
	most := max(high, floor)
	threshold := c.solve(rate, most, often)
	c.falls, c.rises = threshold > floor, threshold < most
	return min(max(threshold, floor), most)
}

// solve is the score that rate peaks a week exceed, sought up to most.
func (c *Controller) solve(rate, most float64, often func(float64) float64) float64 {
	blocks := rate * c.weeks
	if blocks >= enough {
		return reach(&c.peaks, blocks)
	}
	from, wanted := reach(&c.peaks, enough), rate
	if from > 0 { // where as many as that are known, their number is believed
		wanted = often(from) * blocks / enough
	}
	if often(from) <= wanted {
		return from
	}
	lo, hi := max(from, edge(1)), most
	if lo >= hi || often(hi) > wanted {
		return max(lo, hi)
	}
	for range 40 { // 60 octaves / 2⁴⁰
		mid := math.Sqrt(lo * hi)
		if often(mid) > wanted {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}
