package incident

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock"
)

const (
	// scepticism is how many times the strongest false alarm the next alarm like it must
	// exceed, for each that was dismissed: after one 1.25 times, after two 2.5. It is
	// never more than deafest, so that what is much stronger is always heard.
	scepticism = 1.25
	deafest    = 3.0

	// forgiven is the time in which that falls to 1/e, in ms: two weeks. After one
	// dismissal the same again is told after three days, as e^(−3.1/14) × 1.25 = 1.
	forgiven = float64(14 * 24 * time.Hour / time.Millisecond)

	// negligible is where a precedent makes no difference any more.
	negligible = 0.1

	// maxPrecedents × ~200 B ≈ 2 MB. When full, the weakest goes.
	maxPrecedents = 10_000

	// maxLikenesses bounds what one dismissal teaches: a few for each member that counts.
	maxLikenesses = 200
)

// Errors of Dismiss.
var (
	ErrUnknown   = errors.New("no such incident")
	ErrDismissed = errors.New("was dismissed already")
	ErrUntold    = errors.New("nobody was told of it, so there is no alarm to dismiss")
)

// Lesson is what one dismissal teaches: how strong the false alarm was, by what others may
// have in common with it. It is plain data, to be kept and learned again after a restart.
type Lesson struct {
	Incident  string              `json:"incident"`
	Dismissal foreshock.Dismissal `json:"dismissal"`
	// Strengths are by likeness; see strength for their unit.
	Strengths map[string]float64 `json:"strengths"`
}

// Tally counts the incidents of one rule that fired, and those of them that were dismissed.
type Tally struct {
	Fired, Dismissed uint64
}

// precedent is what was dismissed under one likeness.
type precedent struct {
	weight   float64 // how many times strength the next one must exceed, at the time at
	strength float64 // of the strongest
	at       int64   // ms
}

// fade brings p to t, which may not be after at.
func (p *precedent) fade(t int64) {
	if age := elapsed(p.at, t); age > 0 {
		p.weight *= math.Exp(-float64(age) / forgiven)
		p.at = t
	}
}

// Dismiss marks an incident somebody was told of as a false alarm, at the sample time last
// reached: it is resolved if it was not, and what is like it must be stronger to fire. The
// next Tick tells of its end.
func (c *Correlator) Dismiss(id, by, reason string) (Lesson, error) {
	d := foreshock.Dismissal{At: c.now, By: by, Reason: reason}
	if k := slices.IndexFunc(c.open, func(in *incident) bool { return in.ID == id && in.into == nil }); k >= 0 {
		in := c.open[k]
		switch {
		case in.Dismissal != nil:
			return Lesson{}, ErrDismissed
		case !in.Alerting:
			return Lesson{}, ErrUntold
		}
		in.Members = in.members()
		lesson := c.lessonOf(&in.Incident, d)
		c.close(in, d)
		c.Learn(lesson)
		return lesson, nil
	}
	// The newest first: an incident that came back has an ID of its own, but an absorbed
	// one may be told twice.
	for k := len(c.resolved) - 1; k >= 0; k-- {
		in := &c.resolved[k]
		switch {
		case in.ID != id:
			continue
		case in.Dismissal != nil:
			return Lesson{}, ErrDismissed
		case !in.Alerting:
			return Lesson{}, ErrUntold
		}
		lesson := c.lessonOf(in, d)
		in.Dismissal = &d
		c.dismissed(in)
		c.Learn(lesson)
		return lesson, nil
	}
	return Lesson{}, ErrUnknown
}

// wasDismissed reports whether the incident with that ID is one of those dismissed that
// are still kept.
func (c *Correlator) wasDismissed(id string) bool {
	if len(c.precedents) == 0 {
		return false
	}
	is := func(in *foreshock.Incident) bool { return in.ID == id && in.Dismissal != nil }
	return slices.ContainsFunc(c.open, func(in *incident) bool { return is(&in.Incident) }) ||
		slices.ContainsFunc(c.resolved, func(in foreshock.Incident) bool { return is(&in) })
}

// dismissed counts in, if it fired, be it before the Correlator was made.
func (c *Correlator) dismissed(in *foreshock.Incident) {
	if in.State != foreshock.Pending {
		t := c.tally(in.Rule)
		t.Dismissed++
		t.Fired = max(t.Fired, t.Dismissed)
	}
}

// Learn takes in what a dismissal taught, now or before a restart.
func (c *Correlator) Learn(l Lesson) {
	for _, key := range slices.Sorted(maps.Keys(l.Strengths)) {
		s := l.Strengths[key]
		if !(s > 0) || math.IsInf(s, 0) {
			continue
		}
		p := c.precedents[key]
		if p == nil {
			c.makeRoom(l.Dismissal.At)
			p = &precedent{at: l.Dismissal.At}
			c.precedents[key] = p
		}
		p.fade(l.Dismissal.At)
		p.weight = min(p.weight+scepticism, deafest)
		p.strength = max(p.strength, s)
	}
}

// makeRoom forgets the precedents that make no difference at t and, where there is still no
// room, the weakest.
func (c *Correlator) makeRoom(t int64) {
	if len(c.precedents) < maxPrecedents {
		return
	}
	weakest := ""
	for key, p := range c.precedents {
		p.fade(t)
		if p.weight < negligible {
			delete(c.precedents, key)
		} else if w := c.precedents[weakest]; w == nil || cmp.Or(cmp.Compare(p.weight, w.weight), strings.Compare(key, weakest)) < 0 {
			weakest = key
		}
	}
	if len(c.precedents) >= maxPrecedents {
		delete(c.precedents, weakest)
	}
}

// doubts reports whether a, which rule selects, is too much like what was dismissed to be
// told: it is no stronger than some multiple of that.
func (c *Correlator) doubts(a *foreshock.Anomaly, rule string) bool {
	if len(c.precedents) == 0 {
		return false
	}
	strong := strength(a.Kind, &foreshock.Member{
		Value: a.Value, Peak: a.Score, Band: a.Band, Company: a.Company, Limit: a.Limit, Arrival: a.Arrival, Silence: a.Silence,
	})
	for _, key := range c.likenesses(a.Kind, a.Series, rule) {
		p := c.precedents[key]
		if p == nil {
			continue
		}
		p.fade(a.T)
		if p.weight < negligible {
			delete(c.precedents, key)
			continue
		}
		if strong <= p.weight*p.strength {
			return true
		}
	}
	return false
}

// lessonOf is what the members of in that a rule selected teach when it is dismissed.
func (c *Correlator) lessonOf(in *foreshock.Incident, d foreshock.Dismissal) Lesson {
	l := Lesson{Incident: in.ID, Dismissal: d, Strengths: map[string]float64{}}
	for i := range in.Members {
		m := &in.Members[i]
		if m.Rule == "" {
			continue
		}
		s := strength(in.Kind, m)
		for _, key := range c.likenesses(in.Kind, m.Series, m.Rule) {
			if _, ok := l.Strengths[key]; ok || len(l.Strengths) < maxLikenesses {
				l.Strengths[key] = max(l.Strengths[key], s)
			}
		}
	}
	return l
}

// strength is how much there is to an anomaly; it is compared with others of its kind and
// likeness only. That of an outlier is its score or, where that is more, how many times
// half the width of its band it is off: a score says how odd a value is, and past a point
// no more how far. A breach is the stronger the sooner it comes (per hour), a crossing the
// farther it went beyond the limit, an absence the more series fell silent.
func strength(k foreshock.Kind, m *foreshock.Member) float64 {
	switch k {
	case foreshock.Breach:
		return 1 / max(m.ETA.Hours(), 1.0/3600)
	case foreshock.Crossing:
		return math.Abs(m.Value - m.Limit)
	case foreshock.Absence:
		return float64(m.Silence.Series)
	}
	value, band := m.Value, m.Band
	if m.Of > 0 {
		value, band = m.Loudest.Value, m.Loudest.Band
	}
	off := math.Abs(value-band.Expected) / ((band.Upper - band.Lower) / 2)
	if math.IsNaN(off) || math.IsInf(off, 0) {
		return m.Peak
	}
	return max(m.Peak, off)
}

// likenesses are what an anomaly of a series under a rule has in common with those it is
// like: the rule, or the metric, at one place, workload or service of Config.Affinity.
// Sets that name the rule are none, as they would doubt a whole fleet. A series without
// any of them is like itself.
func (c *Correlator) likenesses(k foreshock.Kind, s *foreshock.Series, rule string) []string {
	var keys []string
	add := func(where string) {
		keys = append(keys, fmt.Sprintf("%s rule=%q%s", k, rule, where))
		if name := s.Name(); name != "" && !s.IsGroup() && !foreshock.IsExpr(s.Labels) && k != foreshock.Crossing {
			keys = append(keys, fmt.Sprintf("%s metric=%q%s", k, name, where))
		}
	}
	for _, set := range c.config.Affinity {
		if slices.Contains(set, foreshock.RuleLabel) || slices.Contains(set, model.MetricNameLabel) {
			continue
		}
		var where strings.Builder
		for j, name := range set {
			v := valueOf(name, s.Labels, rule)
			if j == 0 && v == "" {
				where.Reset()
				break
			}
			where.WriteString(" " + name + "=" + strconv.Quote(v))
		}
		if where.Len() > 0 {
			add(where.String())
		}
	}
	if len(keys) == 0 {
		add(" series=" + strconv.Quote(s.String()))
	}
	return keys
}

// tally is that of the rule.
func (c *Correlator) tally(rule string) *Tally {
	t := c.tallies[rule]
	if t == nil {
		t = &Tally{}
		c.tallies[rule] = t
	}
	return t
}

// Tallies are how the incidents of each rule fared since the Correlator was made. There are
// as many as rules that ever fired.
func (c *Correlator) Tallies() map[string]Tally {
	all := make(map[string]Tally, len(c.tallies))
	for rule, t := range c.tallies {
		all[rule] = *t
	}
	return all
}

// Withheld is the number of anomalies that were too much like what was dismissed to be told.
func (c *Correlator) Withheld() uint64 { return c.withheld }
