package detector

import (
	"math"
	"time"
)

const (
	// scepticism is by how much an alert raises what the next one of the same series
	// must exceed, and forgiven the time, in ms, in which that falls to 1/e: two days.
	scepticism = 0.5
	forgiven   = float64(2 * 24 * time.Hour / time.Millisecond)
)

// doubt is how often a series has cried of late. Of a fleet, one series in a hundred
// raises most alerts, because it has heavy tails or a habit nobody else has; whoever is
// called thrice in a day believes it less, and so does this. A series that alerts once
// in a while never notices.
type doubt struct {
	since float64 // alerts of late, each fading
	at    int64   // ms: when since was right
}

// need is how many times its usual threshold the series must exceed at t, which does not
// fall from call to call.
func (d *doubt) need(t int64) float64 {
	if d.since == 0 {
		return 1
	}
	d.since *= math.Exp(-float64(t-d.at) / forgiven)
	if d.since < 0.01 {
		d.since = 0
	}
	d.at = t
	return 1 + d.since
}

// add takes note of an alert at t.
func (d *doubt) add(t int64) {
	d.since, d.at = d.since+scepticism, t
}
