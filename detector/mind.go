package detector

import (
	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/burst"
	"github.com/foreshock/foreshock/detector/forest"
	"github.com/foreshock/foreshock/detector/trend"
	"github.com/foreshock/foreshock/rules"
)

// mind is what one series has taught: a still for as long as it has had one value, as two
// in three series of a host have for days, and a model from the sample on that differs.
// That a series was still first makes no difference to its model. The zero value is a
// series nobody has heard.
type mind struct {
	bar      bar
	born     int64 // time of the first sample, ms
	still    still
	*model   `image:"own"` // nil while the series is still
	seasonal *seasonal     `image:"own"` // nil until it is earned
}

// still is a series that has had one value only, beside its bar.
type still struct {
	x       float64
	jerked  int64  // ms: since when burst would know how hard it jerks; 0 before
	samples uint32 // learned
	points  uint32 // of them, those that closed a bar
	coarse  uint32 // of the points, those before a bar was a minute: see forest.Coarsen
	heard   uint8  // points since an interruption, up to what burst needs
}

// step grades the sample (t, x) and learns it: see judge.
func (m *mind) step(g *grading, w *rules.Watch, t int64, x float64, v *verdict) {
	if m.model == nil && m.still.holds(g, w, x) {
		m.stay(g, w, t, x, v)
		return
	}
	m.move(g.ledger)
	m.judge(g, w, t, x, v)
}

// move gives a still series the model that it has from now on.
func (m *mind) move(l *ledger) {
	if m.model == nil {
		l.take(heldModels, modelBytes)
		m.model = m.still.model(&m.bar, m.born)
	}
}

// resume says that the stream was interrupted, by a gap or a staleness marker: the
// next sample is learned but not scored, since whatever happened meanwhile is in it.
func (m *mind) resume() {
	m.bar.restart()
	if m.model == nil {
		m.still.heard = 0
		return
	}
	m.jerk = 0
	m.burst.Break()
}

// forget has the series begin anew, but for an interruption the next sample follows.
func (m *mind) forget(l *ledger) {
	resumed := m.bar.resumed
	m.drop(l)
	m.bar.resumed = resumed
}

// end ends the anomaly that is under way, if any, with the verdict returned.
func (m *mind) end() (v verdict, ended bool) {
	v.band = foreshock.NoBand()
	if ended = m.anomalous(); ended {
		m.alarm.stop(&v)
	}
	return v, ended
}

// anomalous reports whether an anomaly is under way.
func (m *mind) anomalous() bool { return m.model != nil && m.alarm.active }

// onset is when the latest anomaly began, by the model's time, ms; 0 where none ever did.
func (m *mind) onset() int64 {
	if m.model == nil {
		return 0
	}
	return m.alarm.onset
}

// len is the number of points learned.
func (m *mind) len() int {
	if m.model == nil {
		return int(m.still.points)
	}
	return m.forest.Len()
}

// level is where the series has been for half an hour, usual where it should be at t.
func (m *mind) level() float64 {
	if m.model == nil {
		return m.still.x
	}
	return m.forest.Level()
}

func (m *mind) usual(t int64) float64 {
	if m.model == nil {
		return m.still.x
	}
	return m.forest.Centre() + m.season(t)
}

// holds reports whether the series is still with x: it is the first sample or like all
// before, and nothing but its difference could make it anomalous.
func (s *still) holds(g *grading, w *rules.Watch, x float64) bool {
	return (s.samples == 0 || x == s.x) && !g.newborn && (w == nil || w.DataRange.Contains(x))
}

// stay is what judge says of one more sample of the same value: nothing.
func (m *mind) stay(g *grading, w *rules.Watch, t int64, x float64, v *verdict) {
	s := &m.still
	band := clip(w, s.expect())
	if s.samples == 0 {
		m.born, s.x = t, x
	}
	if m.bar.add(t, m.born, x); m.bar.grown {
		s.coarse = s.points
	}
	*v = verdict{
		band: band, warming: int(s.points) < g.warmUp, threshold: g.threshold / sensitivity(w),
		admitted: admits(w, band, x), doubt: 1, needed: 1, reason: foreshock.BelowThreshold,
	}
	v.news = !v.warming && !m.bar.resumed
	switch {
	case v.warming:
		v.reason = foreshock.WarmingUp
	case m.bar.resumed:
		v.reason = foreshock.AfterGap
	}
	m.bar.resumed = false
	s.samples++
	if m.bar.closed {
		s.learn(t)
		m.bar.next()
	}
}

// learn counts the point at t.
func (s *still) learn(t int64) {
	s.points++
	switch {
	case s.heard < burst.Needs:
		s.heard++
	case s.jerked == 0:
		s.jerked = t
	}
}

// expect is the band of a constant: it, once the trend would know.
func (s *still) expect() foreshock.Band {
	if s.samples < trend.Ready {
		return foreshock.NoBand()
	}
	return foreshock.Band{Expected: s.x, Lower: s.x, Upper: s.x}
}

// model is what a model would have learned from the same samples, up to the bar b since born.
func (s *still) model(b *bar, born int64) *model {
	m := new(model)
	if s.samples == 0 {
		return m
	}
	every := (b.at - born) / int64(max(s.samples-1, 1))
	bars := (b.at - born) / int64(max(s.points-1, 1))
	m.forest = forest.Still(b.at, s.x, s.points, s.coarse)
	m.burst = burst.Still(s.x, s.jerked, b.at, max(bars, aBar), s.heard)
	m.deviation.still(s.x, s.samples)
	m.trend = trend.Still(b.at, s.x, every, s.samples)
	return m
}
