package trend

import "time"

// Crossing foresees when a stream will cross a limit.
type Crossing struct {
	at int64
}

// Learn takes the sample in.
func (c *Crossing) Learn(at int64, x float64) { c.at = at }

// Reach is the time until the limit is crossed.
func (c *Crossing) Reach(limit float64, above bool) (eta time.Duration, ok bool) {
	return 0, false
}
