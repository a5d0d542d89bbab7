package detector

import (
	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/forest"
)

const (
	// refractory is how many samples after an alert only an escalation alerts again,
	// and escalation how many times the last alert's score makes one.
	refractory = 100
	escalation = 1.5

	// hold is what a held score keeps at each sample. A single surprise of twice the
	// threshold stays above it for ln 2 / −ln 0.95 ≈ 14 samples.
	hold = 0.95

	// linger is what the held score does not sink below while the value stays where
	// it was not expected: it takes five samples back in the band to end such an
	// anomaly, since 1.25 × 0.95⁵ < 1.
	linger = 1.25

	// settled is how long after its last surprise a level is accepted as the new
	// normal, in ms of sample time: an hour.
	settled = 60 * 60 * 1000
)

// alarm is where the anomaly of one series stands. Its held score exceeds 1 only
// while one is active.
type alarm struct {
	held    float64        // score, decaying from the highest of late
	last    float64        // score of the last alert
	quiet   int            // samples of the refractory period left
	active  bool           // an anomaly is under way,
	onset   int64          // since then, ms,
	channel forest.Channel // isolated by this one,
	band    foreshock.Band // where this was expected just before,
	left    bool           // and the value has been outside of that since.

	surprised int64 // time of the last score of 1 or more, ms
}

// hear takes the score of the sample (t, x) in, relative to the threshold, and
// completes v. It reports whether a new level was accepted as normal: the anomaly
// then ends although the value is not back.
//
// An anomaly starts at a score of 1 and ends when the held score is back at 1, which
// waits for the value to be back in the band frozen at the onset. Where the value
// never left that band, since its level or its roughness gave it away, the score
// alone decides. The way back is no news: it surprises the levels, and would
// otherwise make every recovery an anomaly.
func (a *alarm) hear(t int64, x, score float64, v *verdict) (accepted bool) {
	a.quiet = max(a.quiet-1, 0)
	outside := a.active && a.band.Known() && !a.band.Contains(x)
	a.left = a.left || outside
	if a.left && !outside {
		score = 0
	}

	a.held *= hold
	if outside {
		a.held = max(a.held, linger)
	}
	switch alert := score >= 1 && score >= escalation*a.last; {
	case a.active && alert:
		a.alert(foreshock.Escalated, score, v)
	case !a.active && (alert || score >= 1 && a.quiet == 0):
		a.onset, a.band, a.active = t, v.band, true
		a.left = v.band.Known() && !v.band.Contains(x)
		a.alert(foreshock.Started, score, v)
	case a.active && score < 1:
		accepted = outside && a.held <= linger && t-a.surprised >= settled
		if accepted || a.held <= 1 {
			a.stop(v)
		}
	}
	if a.active {
		if score >= 1 {
			a.surprised = t
		}
	} else {
		score, a.held = min(score, ordinary), min(a.held, ordinary)
	}
	a.held = max(a.held, score)
	v.score, v.active = a.held, a.active
	return accepted
}

// glance is hear for a newborn: nothing is held, and an anomaly is over with the
// first sample that is none.
func (a *alarm) glance(t int64, score float64, v *verdict) {
	switch {
	case score >= 1 && !a.active:
		a.onset, a.active = t, true
		a.alert(foreshock.Started, score, v)
		a.quiet = 0
	case score < 1 && a.active:
		a.stop(v)
	}
	a.held, a.last = 0, 0
	v.score, v.active = score, a.active
}

// alert tells of the active anomaly and begins its refractory period.
func (a *alarm) alert(p foreshock.Phase, score float64, v *verdict) {
	a.last, a.quiet, a.channel = score, refractory, v.channel
	v.changed, v.phase, v.onset = true, p, a.onset
}

// stop ends the active anomaly.
func (a *alarm) stop(v *verdict) {
	a.active, a.left = false, false
	v.changed, v.phase, v.onset, v.channel = true, foreshock.Ended, a.onset, a.channel
}
