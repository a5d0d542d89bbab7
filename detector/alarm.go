package detector

import (
	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/forest"
)

const (
	// For refractory bars after an alert only an escalation alerts again: escalation times
	// its score at first, and ever less, until as much as it is enough at the end.
	refractory = 100
	escalation = 1.5

	// fade is what a held score loses at each bar. A surprise of twice the threshold
	// stays above it for ln 2 / −ln 0.95 ≈ 14 bars.
	fade = 0.05

	// linger is the least the held score is while the value stays where it was not
	// expected, and the most it is once the value is back: five bars in the band,
	// one after the other, end such an anomaly, since 1.25 × 0.95⁵ < 1.
	linger = 1.25

	// settled is how long after the last alert a level can be accepted as the new
	// normal, in ms of sample time: an hour.
	settled = 60 * 60 * 1000
)

// alarm is where the anomaly of one series stands. Its held score exceeds 1 only
// while one is active.
type alarm struct {
	held           float64        // score, decaying from the highest of late
	last           float64        // score of the last alert
	refractoryLeft float64        // bars
	active         bool           // an anomaly is under way,
	onset          int64          // since then, ms,
	channel        forest.Channel // isolated by this one,
	left           bool           // and the value has been outside of its band since.

	told int64 // time of the last alert, ms
}

// rests reports whether a sample that stands for so much of a bar can begin an anomaly by
// a score of 1.
func (a *alarm) rests(share float64) bool { return !a.active && a.refractoryLeft <= share }

// hear takes the score of the sample (t, x) in, relative to the threshold, and
// completes v. The sample stands for so much of a bar, 1 at most; an alert takes a score
// of need, which is 1 but for a series that is doubted. It reports whether a new level was
// accepted as normal: the anomaly then ends although the value is not back.
//
// An anomaly starts at a score of 1 and ends when the held score is below 1 again,
// for which the value must be back in its band, which is of what was learned before
// the onset. Where the value never left that band, since its level or its roughness
// gave it away, the score alone decides. The way back is no news: it surprises the levels, and would
// otherwise make an anomaly of every recovery. A new level is accepted an hour after
// the last alert, once nothing about it surprises any more.
func (a *alarm) hear(t int64, share, x, score, need float64, v *verdict) (accepted bool) {
	a.refractoryLeft = max(a.refractoryLeft-share, 0)
	a.held *= 1 - fade*share
	outside := v.band.Known() && !v.band.Contains(x)
	switch {
	case a.active && outside:
		a.left = true
		accepted = score < 1 && a.held <= linger && t-a.told >= settled
		a.held = max(a.held, linger)
	case a.left:
		score = 0
		a.held = min(a.held, linger*(1-fade*share))
	}

	more := score >= need && score >= a.escalating(a.refractoryLeft)
	switch {
	case a.active && more:
		a.alert(foreshock.Escalated, t, score, v)
	case !a.active && (more || score >= need && a.refractoryLeft == 0):
		a.active, a.onset, a.left = true, t, outside
		a.alert(foreshock.Started, t, score, v)
	case a.active && (accepted || max(a.held, score) < 1):
		a.stop(v)
	}
	a.held = max(a.held, score)
	if !a.active {
		a.held = min(a.held, ordinary)
	}
	v.score, v.active = a.held, a.active
	return accepted
}

// escalating is the score at which the last alert is outdone, with so many bars left of its
// refractory period.
func (a *alarm) escalating(left float64) float64 {
	return (1 + (escalation-1)*left/refractory) * a.last
}

// glance is hear for a newborn: nothing is held, and an anomaly is over with the
// first sample that is none.
func (a *alarm) glance(t int64, score float64, v *verdict) {
	switch {
	case score >= 1 && !a.active:
		a.onset, a.active = t, true
		a.alert(foreshock.Started, t, score, v)
	case score < 1 && a.active:
		a.stop(v)
	}
	a.held, a.last, a.refractoryLeft = 0, 0, 0
	v.score, v.active = score, a.active
}

// alert tells of the active anomaly and begins its refractory period.
func (a *alarm) alert(p foreshock.Phase, t int64, score float64, v *verdict) {
	a.told, a.last, a.refractoryLeft, a.channel = t, score, refractory, v.channel
	v.changed, v.phase, v.onset = true, p, a.onset
}

// stop ends the active anomaly.
func (a *alarm) stop(v *verdict) {
	a.active, a.left = false, false
	v.changed, v.phase, v.onset, v.channel = true, foreshock.Ended, a.onset, a.channel
}
