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
	still still
	model *model // nil while the series is still
}

// still is a series that has had one value only.
type still struct {
	bar     bar
	x       float64
	born    int64  // time of the first sample, ms
	jerked  int64  // ms: since when burst would know how hard it jerks; 0 before
	samples uint32 // learned
	points  uint32 // of them, those that closed a bar
	coarse  uint32 // of the points, those before a bar was a minute: see forest.Coarsen
	heard   uint8  // points since an interruption, up to what burst needs
	resumed bool   // the next sample follows an interruption
}

// step grades the sample (t, x) and learns it: see model.step.
func (k *mind) step(g *grading, w *rules.Watch, t int64, x float64, v *verdict) {
	if k.model == nil && k.still.holds(g, w, x) {
		k.still.step(g, w, t, x, v)
		return
	}
	k.learned().step(g, w, t, x, v)
}

// learned is the model, which a still series has from now on.
func (k *mind) learned() *model {
	if k.model == nil {
		k.model = k.still.model()
	}
	return k.model
}

// copied is the model that a still series would have, or the one there is.
func (k *mind) copied() *model {
	if k.model == nil {
		return k.still.model()
	}
	return k.model
}

// resume says that the stream was interrupted: see model.resume.
func (k *mind) resume() {
	if k.model != nil {
		k.model.resume()
		return
	}
	k.still.resumed, k.still.heard = true, 0
	k.still.bar.restart()
}

// forget has the series begin anew, but for an interruption the next sample follows.
func (k *mind) forget() {
	resumed := k.still.resumed
	if k.model != nil {
		resumed = k.model.resumed
	}
	*k = mind{still: still{resumed: resumed}}
}

// end ends the anomaly that is under way, if any, with the verdict returned.
func (k *mind) end() (v verdict, ended bool) {
	if k.model == nil {
		return v, false
	}
	return k.model.end()
}

// anomalous reports whether an anomaly is under way.
func (k *mind) anomalous() bool { return k.model != nil && k.model.alarm.active }

// onset is when the latest anomaly began, by the model's time, ms; 0 where none ever did.
func (k *mind) onset() int64 {
	if k.model == nil {
		return 0
	}
	return k.model.alarm.onset
}

// len is the number of points learned.
func (k *mind) len() int {
	if k.model == nil {
		return int(k.still.points)
	}
	return k.model.forest.Len()
}

// born is the time of the first sample, ms.
func (k *mind) born() int64 {
	if k.model == nil {
		return k.still.born
	}
	return k.model.born
}

// level is where the series has been for half an hour, usual where it should be at t.
func (k *mind) level() float64 {
	if k.model == nil {
		return k.still.x
	}
	return k.model.forest.Level()
}

func (k *mind) usual(t int64) float64 {
	if k.model == nil {
		return k.still.x
	}
	return k.model.forest.Centre() + k.model.season(t)
}

// expect is the band of the series at t.
func (k *mind) expect(t int64) foreshock.Band {
	if k.model == nil {
		return k.still.expect()
	}
	b, _ := k.model.expect(t)
	return b
}

// holds reports whether the series is still with x: it is the first sample or like all
// before, and nothing but its difference could make it anomalous.
func (s *still) holds(g *grading, w *rules.Watch, x float64) bool {
	return (s.samples == 0 || x == s.x) && !g.newborn && (w == nil || w.DataRange.Contains(x))
}

// step is what model.step says of one more sample of the same value: nothing.
func (s *still) step(g *grading, w *rules.Watch, t int64, x float64, v *verdict) {
	band := clip(w, s.expect())
	if s.samples == 0 {
		s.born, s.x = t, x
	}
	if s.bar.add(t, s.born, x); s.bar.grown {
		s.coarse = s.points
	}
	*v = verdict{
		band: band, warming: int(s.points) < g.warmUp, threshold: g.threshold / sensitivity(w),
		admitted: admits(w, band, x), doubt: 1, needed: 1, reason: foreshock.BelowThreshold,
	}
	v.news = !v.warming && !s.resumed
	switch {
	case v.warming:
		v.reason = foreshock.WarmingUp
	case s.resumed:
		v.reason = foreshock.AfterGap
	}
	s.learn(t)
}

// learn counts the sample at t, which the bar has.
func (s *still) learn(t int64) {
	s.samples++
	s.resumed = false
	if !s.bar.closed {
		return
	}
	s.points++
	switch {
	case s.heard < burst.Needs:
		s.heard++
	case s.jerked == 0:
		s.jerked = t
	}
	s.bar.next()
}

// expect is the band of a constant: it, once the trend would know.
func (s *still) expect() foreshock.Band {
	if s.samples < trend.Ready {
		return foreshock.NoBand()
	}
	return foreshock.Band{Expected: s.x, Lower: s.x, Upper: s.x}
}

// model is what a model would have learned from the same samples.
func (s *still) model() *model {
	m := &model{bar: s.bar, born: s.born, resumed: s.resumed}
	if s.samples == 0 {
		return m
	}
	every := (s.bar.at - s.born) / int64(max(s.samples-1, 1))
	bars := (s.bar.at - s.born) / int64(max(s.points-1, 1))
	m.forest = forest.Still(s.bar.at, s.x, s.points, s.coarse)
	m.burst = burst.Still(s.x, s.jerked, s.bar.at, max(bars, aBar), s.heard)
	m.deviation.still(s.x, s.samples)
	m.trend = trend.Still(s.bar.at, s.x, every, s.samples)
	return m
}
