package detector

import (
	"math"
	"time"

	"github.com/foreshock/foreshock/detector/forest"
)

const (
	// scepticism is by how much an alert raises what the next one of the same series
	// and kind must exceed, and forgiven the time, in ms, in which that falls to 1/e: two days.
	scepticism = 0.5
	forgiven   = float64(2 * 24 * time.Hour / time.Millisecond)
)

// doubt is how often a series has cried of late. Of a fleet, one series in a hundred
// raises most alerts, because it has heavy tails or a habit nobody else has; whoever is
// called thrice in a day believes it less, and so does this. A series that alerts once
// in a while never notices.
//
// Forest and burst are doubted apart: a stream that jerks as a habit may be somewhere new
// for once. What the one cried is half a reason to doubt the other.
type doubt struct {
	forest, burst float32 // alerts of late, each fading
	at            int64   // ms: when they were right
}

// need is how many times its usual threshold the series must exceed at t, which does not
// fall from call to call, by what c says.
func (d *doubt) need(t int64, c forest.Channel) float64 {
	d.fade(t)
	mine, both := *d.of(c), d.forest+d.burst
	return 1 + float64(mine+both)/2
}

// add takes note of an alert at t that c raised.
func (d *doubt) add(t int64, c forest.Channel) {
	d.fade(t)
	if d.none() {
		d.at = t
	}
	*d.of(c) += scepticism
}

// of is the doubt of what speaks through c.
func (d *doubt) of(c forest.Channel) *float32 {
	if c == forest.Burst {
		return &d.burst
	}
	return &d.forest
}

// fade brings d to t, minute by minute: a float32 does not notice much less.
func (d *doubt) fade(t int64) {
	if d.none() || t-d.at < minute {
		return
	}
	left := float32(math.Exp(-float64(t-d.at) / forgiven))
	d.forest, d.burst, d.at = rest(d.forest*left), rest(d.burst*left), t
}

// none reports whether there is nothing to doubt.
func (d *doubt) none() bool { return d.forest == 0 && d.burst == 0 }

// rest is what is left of a doubt, which ends where it makes no difference any more.
func rest(left float32) float32 {
	if left < 0.01 {
		return 0
	}
	return left
}
