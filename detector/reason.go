package detector

import (
	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// reason is why the sample x, of which v is the verdict, did or did not alert: read off
// what the alarm made of it, so that there is no second opinion. found is its score
// before anything spoke against it, doubt what it takes for one that alerts often, accepted says that a new level is normal now.
func (m *mind) reason(w *rules.Watch, x, found, doubt float64, accepted bool, v *verdict) foreshock.Reason {
	switch {
	case v.changed && v.phase != foreshock.Ended:
		switch {
		case w == nil:
			return foreshock.Unselected
		case !w.DataRange.Contains(x):
			return foreshock.Impossible
		}
		return foreshock.Alerting
	case accepted:
		return foreshock.Accepted
	case v.changed:
		return foreshock.Over
	case v.warming:
		return foreshock.WarmingUp
	case m.bar.resumed:
		return foreshock.AfterGap
	case v.active && v.band.Known() && !v.band.Contains(x):
		return foreshock.OutsideBand
	case v.active && m.alarm.left:
		return foreshock.WayBack
	case v.active:
		return foreshock.ActiveAlready
	case found < 1:
		return foreshock.BelowThreshold
	case !admits(w, v.band, x):
		return closed(w, v.band, x)
	case found < doubt && m.alarm.rests(m.bar.share):
		return foreshock.Doubted
	}
	return foreshock.Refractory
}

// closed is which gate of w keeps the deviation of x from b from alerting, given that
// one does.
func closed(w *rules.Watch, b foreshock.Band, x float64) foreshock.Reason {
	switch dev := x - b.Expected; {
	case !b.Known():
		return foreshock.NothingExpected
	case w == nil: // unruled: both sides
	case w.Direction == rules.Above && !(dev > 0), w.Direction == rules.Below && !(dev < 0):
		return foreshock.OtherDirection
	}
	return foreshock.SmallDeviation
}

// needed is the score at which the next sample alerts, where one takes a score of need.
func (a *alarm) needed(need float64) float64 {
	// Of the samples left, the next one is the first to be taken off.
	if left := max(a.refractoryLeft-1, 0); a.active || left > 0 {
		return max(need, a.escalating(left))
	}
	return need
}
