package detector

import (
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/forest"
	"github.com/foreshock/foreshock/detector/season"
	"github.com/foreshock/foreshock/detector/trend"
)

const (
	// prime is how long, in ms, a series is heard before it may earn a season: a day,
	// whose mean is then the level that the season moves about.
	prime = int64(24 * time.Hour / time.Millisecond)

	// A series heard fewer than sparse times on that day, one sample in five minutes,
	// is too sparse for the forest to tell whether it wanders, and as cheap to keep a
	// season of as it is rare. With fewer than glimpses nothing can be told at all.
	sparse   = 288
	glimpses = 20
)

// seasonal is what a series that may have a season is given on top of its model.
type seasonal struct {
	profile season.Profile
	rest    forest.Rest
}

// earn gives the series a season to learn once it is a day old, should it move in ways
// that could be one: most series do not, and a season is as large as their model.
func (m *mind) earn(g *grading, t int64) {
	if m.seasonal != nil || t-m.born < prime || g.lacks(Seasons) {
		return
	}
	if n := m.forest.Len(); n >= glimpses && (n < sparse || m.forest.Wanders()) {
		if m.given(g.ledger) {
			m.seasonal.profile = season.New(m.forest.Centre())
		}
	}
}

// given reports whether the series has room for a season, by now at least.
func (m *mind) given(l *ledger) bool {
	if m.seasonal == nil && l.spares(heldSeasons) {
		l.take(heldSeasons, seasonalBytes)
		m.seasonal = new(seasonal)
	}
	return m.seasonal != nil
}

// season is by how much the series should lie above its level at t: 0 until it has
// shown that it has a season.
func (m *mind) season(t int64) float64 {
	if m.seasonal == nil || !m.seasonal.profile.Strong() {
		return 0
	}
	return m.seasonal.profile.Expect(t)
}

// score is what the sample (t, x) of the bar at hand, of which season is the season's and
// which comes apart ms after the one before, says to forest and burst.
func (m *mind) score(g *grading, t int64, x, season float64, apart int64) forest.Word {
	point := forest.Point{T: t, X: x, Mean: m.bar.mean, Closed: m.bar.closed, Deaf: g.deaf()}
	var w forest.Word
	if m.seasonal == nil || !m.seasonal.profile.Strong() {
		w = m.forest.Score(point)
	} else {
		p := &m.seasonal.profile
		w = m.forest.ScoreSeasonal(point, &m.seasonal.rest, m.bar.mean-p.Centre()-season, p.Residual())
	}
	if m.bar.closed && !g.lacks(Bursts) {
		m.jerk = m.burst.Score(t, m.bar.mean, max(apart, aBar), tailJerk*m.forest.Tail())
	}
	s := jerkWeight * m.jerk
	said := s / (1 + s) // on the scale of the forest's channels
	w.Each[forest.Burst] = float32(said)
	if said > w.Score {
		w.Channel = forest.Burst
	}
	w.Score = max(w.Score, s)
	return w
}

// learn takes an ordinary sample in, of which season is the season's. What the trend
// learned with a season says nothing without it, nor the other way round: it begins
// anew where the season comes or goes.
func (m *mind) learn(g *grading, t int64, x, season float64) {
	if m.seasonal == nil {
		m.trend.Learn(t, x)
		m.earn(g, t)
		return
	}
	p := &m.seasonal.profile
	m.trend.Learn(t, x-season)
	was := p.Strong()
	p.Learn(t, x)
	if p.Strong() != was {
		m.seasonal.rest = forest.Rest{}
		m.settle(t, x)
	}
}

// accept takes the level of late for the new normal. What was learned of the old one
// would only widen the band.
func (m *mind) accept(t int64, x float64) {
	if m.seasonal != nil && m.seasonal.profile.Strong() {
		m.seasonal.profile.Rebase(m.forest.Level() - m.season(t))
		m.seasonal.rest = forest.Rest{}
	}
	m.settle(t, x)
}

// settle has the trend begin at (t, x).
func (m *mind) settle(t int64, x float64) {
	m.trend = trend.Trend{}
	m.trend.Learn(t, x-m.season(t))
}

// expect is the band of the series at t, which is not before the newest sample, with
// the season it should have then.
func (m *mind) expect(t int64) (b foreshock.Band, season float64) {
	if m.model == nil {
		return m.still.expect(), 0
	}
	season = m.season(t)
	b.Expected, b.Lower, b.Upper = m.trend.Expect(t)
	b.Expected, b.Lower, b.Upper = b.Expected+season, b.Lower+season, b.Upper+season
	return b, season
}
