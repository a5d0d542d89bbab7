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
	band = clip(w, band)
	seen := m.forest.Len()
	if seen == 0 {
		m.born = t
	}
	newborn := g.newborn && seen < g.warmUp
	var far float64
	if newborn {
		far = m.forest.Isolation(x)
	}
	s, channel := m.score(t, x, season)

	v := verdict{band: band, warming: seen < g.warmUp, channel: channel}
	score := s / g.threshold
	if newborn {
		v.warming, v.channel = seen < forest.LeastIsolating, forest.Value
		score = far / newbornDistance
	}
	score *= sensitivity(w)
	v.raw, v.news = s, !v.warming && !m.resumed && m.alarm.rests()
	if v.warming || m.resumed {
		score = 0
	}
	m.resumed = false
	if v.admitted = admits(w, band, x); !v.admitted {
		score = min(score, ordinary)
	}
	score = m.bound(w, x, score, &v)
	if newborn {
		m.alarm.glance(t, score, &v)
	} else if m.alarm.hear(t, x, score, &v) {
		m.accept(t, x)
		return v
	}
	// What an incident brings is not what is expected. The forest has a quarantine for
	// it; trend and season do not hear of it.
	if !v.active {
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
