package detector

import (
	"math"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/burst"
	"github.com/foreshock/foreshock/detector/forest"
	"github.com/foreshock/foreshock/detector/trend"
	"github.com/foreshock/foreshock/rules"
)

// model is what one series that moves has learned, and where its anomaly stands. Its zero
// value is a series nobody has heard. It is plain data without a pointer, which the garbage
// collector need not look through: 696 B in a block of 704.
type model struct {
	forest    forest.Forest
	burst     burst.Burst
	deviation deviation
	trend     trend.Trend // of what the season leaves
	alarm     alarm
	doubt     doubt
	jerk      float64 // burst's word on the last bar
}

// jerkWeight is what a unit of burst.Score is worth beside forest.Score: the default
// threshold is then 2.1 of them, where a jerk is 0.43 × 2.1 octaves = 1.9 times as large
// as those of most blocks at least.
const jerkWeight = 0.058

// tailJerk is by how many octaves blocks of burst differ at least, for a unit of the
// exponent γ of the series' tail: then the jerk it takes, 2.1 × 1.75/ln 2 × γ octaves, is
// e^(3.7 γ) times that of most blocks. Of a power law six in ten blocks stay below
// e^(0.7 γ), and one in e^4.4 ≈ 80, three weeks of them, exceeds that.
const tailJerk = 1.75 / math.Ln2

// judge grades the sample (t, x) by what the series has taught, then learns it. w is
// the rule that watches the series, or nil; t, in ms, grows from step to step; x is
// finite. The verdict is v's from then on.
func (m *mind) judge(g *grading, w *rules.Watch, t int64, x float64, v *verdict) {
	band, season := m.expect(t)
	band = clip(w, band)
	seen := m.forest.Len()
	if seen == 0 {
		m.born = t
	}
	apart := t - m.bar.at
	if m.bar.add(t, m.born, x); m.bar.grown {
		m.forest.Coarsen()
	}
	newborn := g.newborn && seen < g.warmUp
	var far float64
	if newborn {
		far = m.forest.Isolation(x)
	}
	*v = verdict{band: band, warming: seen < g.warmUp}
	word := m.score(g, t, x, season, apart)
	doubt := m.doubt.need(t, word.Channel)
	if g.lacks(Doubts) {
		doubt = 1
	}
	v.doubt, v.needed = doubt, m.alarm.needed(doubt)
	v.raw, v.channel, v.each, v.threshold = word.Score, word.Channel, word.Each, g.threshold/sensitivity(w)
	v.news = !v.warming && !m.bar.resumed && m.alarm.rests(m.bar.share)
	v.evidence[deviating] = m.deviation.score(x, float64(apart)/1000, seen >= steady && !g.lacks(Deviations))
	v.evidence[jerking] = min(m.jerk, utmost)

	score := v.raw / v.threshold
	if newborn {
		v.warming, v.channel = seen < forest.LeastIsolating, forest.Value
		score = sensitivity(w) * far / newbornDistance
	}
	found := score
	silent := v.warming || m.bar.resumed
	if silent {
		score = 0
	}
	if v.admitted = admits(w, band, x); !v.admitted {
		silent, score = true, min(score, ordinary)
	}
	score = m.bound(w, x, score, v)
	accepted := false
	if newborn {
		m.alarm.glance(t, score, v)
	} else {
		accepted = m.alarm.hear(t, m.bar.share, x, score, doubt, v)
	}
	v.reason = m.reason(w, x, found, doubt, accepted, v)
	m.bar.resumed = false
	if v.changed && v.phase != foreshock.Ended {
		m.doubt.add(t, v.channel)
	}
	switch {
	case accepted:
		m.accept(t, x)
	case !v.active:
		// What an incident brings is not what is expected. The forest has a quarantine for
		// it; trend and season do not hear of it.
		m.learn(g, t, x, season)
	}
	v.close(m, silent)
}

// close begins the next bar where one ended, and keeps the evidence of a series that has
// no say in anything from its group.
func (v *verdict) close(m *mind, silent bool) {
	if m.bar.closed {
		m.bar.next()
	}
	v.evidence[isolated] = min(v.score, utmost)
	if silent {
		v.evidence = evidence{}
	}
}
