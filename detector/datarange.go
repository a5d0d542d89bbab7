package detector

import (
	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/forest"
	"github.com/foreshock/foreshock/rules"
)

// impossible is the score of a value that its rule says cannot be: enough to stay visible
// for as long as a surprise of twice the threshold does.
const impossible = 2

// clip is b, as far as the rule says that values can be.
func clip(w *rules.Watch, b foreshock.Band) foreshock.Band {
	if w == nil || w.DataRange == nil {
		return b
	}
	r := w.DataRange
	return foreshock.Band{Expected: r.Clip(b.Expected), Lower: r.Clip(b.Lower), Upper: r.Clip(b.Upper)}
}

// bound is the score of x under w, score within its range. A value outside is news
// whenever it comes: in the warm-up, after a gap, soon after an alert. As no threshold
// decides, it teaches the calibration nothing.
func (m *mind) bound(w *rules.Watch, x, score float64, v *verdict) float64 {
	if w == nil || w.DataRange.Contains(x) {
		return score
	}
	if !m.alarm.active {
		m.alarm.refractoryLeft = 0
	}
	v.channel, v.news = forest.Value, false
	return max(score, impossible)
}
