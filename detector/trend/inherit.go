package trend

// Heir is the line of a stream that is like t's and stands at level at the time at,
// ms, as the mean of n of its samples: as noisy as t's, with the interval that t's
// stream calibrated, but not taken to rise or fall yet.
func (t *Trend) Heir(at int64, level float64, n int) Trend {
	if t.n < Ready {
		return Trend{}
	}
	h := *t
	h.at, h.level, h.slope = at, min(max(level, -huge), huge), 0
	h.p00, h.p01 = 1/float64(max(n, 1)), 0
	h.astray = 0
	return h
}
