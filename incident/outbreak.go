package incident

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/workload"
)

// An outbreak is one matter that begins in many places at once: what they have in common
// is a scope, and more incidents start in it than starts that have nothing to do with each
// other explain. Such starts are a Poisson process. Where usually r start in an hour, the
// number within Config.JoinWithin of one of them, before or after, has the mean
// 2·JoinWithin·r, and it is an outbreak when as many as were seen, or more, come so near
// each other by chance at most once a year: with a probability of 2·JoinWithin/1 year.
//
// With the defaults that probability is 4 min/1 year = 7.6·10⁻⁶. In a job in which one
// starts every two hours the mean is 1/30, and P(N ≥ 3) = 6.0·10⁻⁶: three places are an
// outbreak, two never are. Where two start an hour it takes five, for P(N ≥ 4) =
// 1.2·10⁻⁵; where ten do, as in a whole cluster, seven, for P(N ≥ 6) = 6.9·10⁻⁵ and
// P(N ≥ 7) = 6.5·10⁻⁶.
const (
	// fewest places that may be an outbreak: two that fall ill together are two until
	// they have done so before.
	fewest = 3

	// The least that is taken for the usual rate, in starts an hour, for a sidecar that
	// heard nothing so far knows none.
	rateOfScope   = 0.5 // of a job, or of a metric
	rateOfCluster = 10.0

	// rateMemory is over how long the usual rate is the mean.
	rateMemory = 24 * time.Hour

	// maxStarts is how many starts of late are kept of a scope. One with so many in four
	// minutes has no outbreaks: its usual rate explains anything.
	maxStarts = 64

	// maxScopes × (~150 B + 3 starts × 24 B) ≈ 2 MB; at most ×64 starts ≈ 16 MB.
	maxScopes = 10_000

	year = 365 * 24 * time.Hour
)

// scope is what the places of an outbreak may have in common.
type scope struct {
	starts []start // the latest
	weight float64 // of all starts, each halved every rateMemory·ln 2, as of at
	at     int64   // ms
}

// start is that of an incident.
type start struct {
	in    *incident
	thing uint64
	onset int64 // ms
}

// The scopes of an anomaly, by number.
const (
	ofJob = iota
	ofMetric
	ofCluster
	scopes
)

// scopeKey is the scope of that number; false where the anomaly has none. What a rule
// selects breaks out apart from what none does, so that oddities nobody asked about do
// not take the name of a host from an alert. It is valid until the next key is made.
func (c *Correlator) scopeKey(number int, t *traits) ([]byte, bool) {
	ls := t.labels()
	shared := ""
	switch number {
	case ofJob:
		shared = ls.Get(model.JobLabel)
	case ofMetric:
		shared = ls.Get(model.MetricNameLabel)
	}
	if shared == "" && number != ofCluster {
		return nil, false
	}
	c.key(byScope, number, t)
	c.value(shared)
	c.value(ls.Get("cluster"))
	if t.rule != "" || t.group != nil {
		c.buf = append(c.buf, 1)
	}
	return c.buf, true
}

// begin returns the incident that a, which joins none, begins or breaks out with, or nil
// where there is no room for it, and the rule that selects a now. That is the one given or, of
// an outbreak, that of the group that speaks for the series: one odd series of a place says
// too little, one in each of many places does not.
func (c *Correlator) begin(a *foreshock.Anomaly, rule string) (in *incident, by string) {
	t := traitsOf(a)
	for i := range scopes {
		if key, ok := c.scopeKey(i, &t); ok {
			if in := c.find(a, key, c.config.JoinWithin); in != nil {
				c.enter(in, key, a.Onset)
				return in, c.speakUp(a, rule)
			}
		}
	}
	first := start{thing: thingOf(&t), onset: a.Onset}
	for i := range scopes {
		key, ok := c.scopeKey(i, &t)
		if !ok {
			continue
		}
		s := c.scopes.recall(key)
		if s == nil || !s.breaksOut(first, i, c.config.JoinWithin) {
			continue
		}
		rule = c.speakUp(a, rule)
		if in = c.gather(s, first, a, rule); in != nil {
			key, _ = c.scopeKey(i, &t)
			c.enter(in, key, a.Onset)
		}
		break // or there is no room, below neither
	}
	if in == nil {
		if in = c.found(a, rule); in == nil {
			return nil, rule
		}
		c.remember(start{in, first.thing, a.Onset})
	}
	for i := range scopes {
		if key, ok := c.scopeKey(i, &t); ok {
			c.scopes.at(key).add(start{in, first.thing, a.Onset}, c.config.JoinWithin)
		}
	}
	return in, rule
}

// speakUp is the rule that selects a in an outbreak: rule, or that of its group, unless that
// asks how long something lasts, or what is like it was dismissed.
func (c *Correlator) speakUp(a *foreshock.Anomaly, rule string) string {
	if rule != "" || a.Group == nil || a.Phase == foreshock.Ended {
		return rule
	}
	of := a.Group.Labels.Get(foreshock.RuleLabel)
	if c.holds[of].For > 0 {
		return rule
	}
	if c.doubts(a, of) {
		c.withheld++
		return rule
	}
	return of
}

// add takes in a start, and lets go of those that no other will be near.
func (s *scope) add(b start, within model.Duration) {
	fresh := max(s.at, b.onset)
	s.weight = s.weight*math.Exp(-float64(elapsed(s.at, fresh))/float64(rateMemory.Milliseconds())) + 1
	s.at = fresh
	s.starts = slices.DeleteFunc(s.starts, func(old start) bool { return old.onset < b.onset && !old.near(b, 2*within) })
	if len(s.starts) >= maxStarts {
		s.starts = append(s.starts[:0], s.starts[1:]...)
	}
	s.starts = append(s.starts, b)
}

// breaksOut reports whether b is one start too many for chance in the scope of that
// number.
func (s *scope) breaksOut(b start, number int, within model.Duration) bool {
	things := []uint64{b.thing}
	for _, other := range s.starts {
		if other.near(b, within) && !slices.Contains(things, other.thing) {
			things = append(things, other.thing)
		}
	}
	if len(things) < fewest {
		return false
	}
	floor := rateOfScope
	if number == ofCluster {
		floor = rateOfCluster
	}
	window := 2 * time.Duration(within)
	usual := max(floor, s.weight/rateMemory.Hours()) * window.Hours()
	chance := distuv.Poisson{Lambda: usual}.Survival(float64(len(things)) - 1)
	return chance <= window.Hours()/year.Hours()
}

// near reports whether two starts are close enough to be one.
func (b start) near(other start, within model.Duration) bool {
	return max(elapsed(b.onset, other.onset), elapsed(other.onset, b.onset)) <= uint64(time.Duration(within).Milliseconds())
}

// gather makes one incident of those that started near b in the scope, as far as nobody
// was told that they fire; or of a alone, where all were, or are over. Its labels are what
// it has in common with those as well. nil where there is no room for it.
func (c *Correlator) gather(s *scope, b start, a *foreshock.Anomaly, rule string) *incident {
	var in *incident
	everywhere := shared(a)
	for _, other := range s.starts {
		if !other.near(b, c.config.JoinWithin) {
			continue
		}
		one := other.in.now()
		everywhere = common(everywhere, one.Labels)
		c.settle(one, a.T)
		if one = one.now(); one.State == foreshock.Pending {
			in = c.merge(in, one, a.T)
		}
	}
	if in != nil && rule != "" {
		in = c.joinOutbreak(in, a, rule)
	}
	if in == nil {
		in = c.found(a, rule)
	}
	if in != nil && in.State == foreshock.Pending {
		in.Labels = common(in.Labels, everywhere)
	}
	return in
}

// now is the incident that in is, or has become part of.
func (in *incident) now() *incident {
	for in.into != nil {
		in = in.into
	}
	return in
}

// thingOf names what is ill: the workload of a pod, or else the place or the job, or where
// there is none the series by itself.
func thingOf(t *traits) uint64 {
	ls := t.labels()
	name := thingLabel(t.series, ls)
	if name == "" {
		return t.series.Fingerprint
	}
	thing := ls.Get(name)
	if name == foreshock.PodLabel {
		if w := workload.Of(thing, ls.Get("node")); w != "" {
			name, thing = WorkloadLabel, w
		}
	}
	b := make([]byte, 0, 256) // without an allocation as long as names are no longer
	for _, part := range [...]string{name, thing, ls.Get(foreshock.NamespaceLabel), ls.Get("cluster")} {
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	}
	return xxhash.Sum64(b)
}

// thingLabel is the label that names what is ill, "" where none does.
func thingLabel(s *foreshock.Series, ls labels.Labels) string {
	if place := s.PlaceLabel(); place != "" && ls.Has(place) {
		return place
	}
	for _, name := range [...]string{"nodename", "host", model.JobLabel} {
		if ls.Has(name) {
			return name
		}
	}
	return ""
}
