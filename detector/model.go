package detector

import (
	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/forest"
	"github.com/foreshock/foreshock/detector/trend"
	"github.com/foreshock/foreshock/rules"
)

// model is what one series has learned, and where its anomaly stands. It is plain
// data but for its season; its zero value is a series nobody has heard.
type model struct {
	forest   forest.Forest
	trend    trend.Trend // of what the season leaves
	alarm    alarm
	seasonal *seasonal // nil until it is earned

	born    int64 // time of the first sample, ms
	resumed bool  // the next sample follows an interruption
}

// step grades the sample (t, x) by what the series has taught, then learns it. w is
// the rule that watches the series, or nil; t, in ms, grows from step to step; x is
// finite.
func (m *model) step(g *grading, w *rules.Watch, t int64, x float64) verdict {
	band, season := m.expect(t)
	seen := m.forest.Len()
	if seen == 0 {
		m.born = t
	}
	newborn := g.newborn && seen < g.warmUp
	var far float64
	if newborn {
		far = m.forest.Isolation(x)
	}
	v := verdict{band: band, warming: seen < g.warmUp, needed: m.alarm.needed()}
	s, channel := m.score(t, x, season, &v.each)
	v.raw, v.channel, v.threshold = s, channel, g.threshold/sensitivity(w)

	score := s / v.threshold
	if newborn {
		v.warming, v.channel = seen < forest.LeastIsolating, forest.Value
		score = sensitivity(w) * far / newbornDistance
	}
	found := score
	if v.warming || m.resumed {
		score = 0
	}
	if !admits(w, band, x) {
		score = min(score, ordinary)
	}
	accepted := false
	if newborn {
		m.alarm.glance(t, score, &v)
	} else {
		accepted = m.alarm.hear(t, x, score, &v)
	}
	v.reason = m.reason(w, x, found, accepted, &v)
	m.resumed = false
	switch {
	case accepted:
		m.accept(t, x)
	case !v.active:
		// What an incident brings is not what is expected. The forest has a quarantine for
		// it; trend and season do not hear of it.
		m.learn(t, x, season)
	}
	return v
}

// resume says that the stream was interrupted, by a gap or a staleness marker: the
// next sample is learned but not scored, since whatever happened meanwhile is in it.
func (m *model) resume() { m.resumed = true }

// end ends the anomaly that is under way, if any, with the verdict returned.
func (m *model) end() (v verdict, ended bool) {
	v.band = foreshock.NoBand()
	if ended = m.alarm.active; ended {
		m.alarm.stop(&v)
	}
	return v, ended
}
