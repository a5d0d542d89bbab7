package incident

import (
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/workload"
	"github.com/foreshock/foreshock/rules"
)

// traits are what an anomaly is joined by.
type traits struct {
	kind   foreshock.Kind
	series *foreshock.Series
	rule   string
	group  *foreshock.Series // what it is, or what speaks for it; nil where there is none
	shared labels.Labels     // of a group, what its series have in common
}

func traitsOf(a *foreshock.Anomaly) traits {
	return traits{a.Kind, a.Series, a.Rule, groupOf(a), a.Shared}
}

// labels are those of the series or, of a group, of all of its series.
func (t *traits) labels() labels.Labels {
	if t.series.IsGroup() {
		return t.shared
	}
	return t.series.Labels
}

// partKey is what a series' part in an open incident of one kind is found by. It is
// valid until the next key is made.
func (c *Correlator) partKey(a *foreshock.Anomaly) []byte {
	c.buf = append(a.Series.Labels.Bytes(c.buf), byte(a.Kind))
	c.buf = append(c.buf, apart(a.Kind, a.Rule)...)
	return c.buf
}

// apart is what keeps anomalies of one kind apart: the rules of limits. Each limit is a
// promise of its own, and a page about the higher one must not get lost in a warning
// about the lower.
func apart(k foreshock.Kind, rule string) string {
	if k == foreshock.Crossing {
		return rule
	}
	return ""
}

// The kinds of keys, by what begins them.
const (
	bySet   = iota // of labels
	byGroup        // that speaks
	byPair         // of things, one side of it
	byThing        // that was ill together with others before
	byScope        // of an outbreak
	byName         // that links have for a place
)

// key begins a key of the kind and number.
func (c *Correlator) key(by byte, number int, t *traits) {
	c.buf = append(binary.BigEndian.AppendUint32(append(c.buf[:0], by), uint32(number)), byte(t.kind))
	c.value(apart(t.kind, t.rule))
}

// value goes on with v, so that no two lists of values read the same.
func (c *Correlator) value(v string) {
	c.buf = append(binary.AppendUvarint(c.buf, uint64(len(v))), v...)
}

// groupKey is what the anomaly of a group shares with those of the series it speaks for;
// false where there is no group. It is valid until the next key is made.
func (c *Correlator) groupKey(t *traits) ([]byte, bool) {
	if t.group == nil {
		return nil, false
	}
	c.key(byGroup, 0, t)
	c.value(t.group.String())
	return c.buf, true
}

// groupOf is the group that a is the anomaly of, or that speaks for its series; nil where
// there is none.
func groupOf(a *foreshock.Anomaly) *foreshock.Series {
	if a.Series.IsGroup() {
		return a.Series
	}
	return a.Group
}

// affinityKey is what two anomalies share when they belong together by the set
// numbered i; false where the set says nothing of the series. It is valid until the
// next key is made. The sets of rules come after those of the configuration.
func (c *Correlator) affinityKey(i int, t *traits) ([]byte, bool) {
	ls := t.series.Labels
	if i >= len(c.config.Affinity) {
		ls = t.labels()
	}
	c.key(bySet, i, t)
	for j, name := range c.sets[i] {
		v := valueOf(name, ls, t.rule)
		if j == 0 && v == "" {
			return nil, false
		}
		c.value(v)
	}
	return c.buf, true
}

// side is one of the two of a pair.
type side bool

const (
	from side = false
	to   side = true
)

// pairKey is what the anomalies on one side of the pair numbered i share with those on
// the other that belong together with them; false where t is not on that side. It is
// valid until the next key is made.
func (c *Correlator) pairKey(i int, on side, t *traits) ([]byte, bool) {
	p, ls := &c.pairs[i], t.labels()
	selector := p.From
	if on == to {
		selector = p.To
	}
	if !selector.Matches(ls) {
		return nil, false
	}
	c.key(byPair, i, t)
	for _, name := range slices.Sorted(maps.Keys(p.On)) {
		if on == to {
			name = p.On[name]
		}
		v := valueOf(name, ls, t.rule)
		if v == "" {
			return nil, false
		}
		c.value(v)
	}
	return c.buf, true
}

// at says of the key of a pair, which both sides make alike, whose it is.
func (c *Correlator) at(on side, key []byte, ok bool) ([]byte, bool) {
	if !ok {
		return nil, false
	}
	mark := byte(0)
	if on == to {
		mark = 1
	}
	c.buf = append(key, mark)
	return c.buf, true
}

// index has later anomalies find in by what a part of it, of those traits, has in common
// with them, and by its onset.
func (c *Correlator) index(in *incident, t traits, onset int64) {
	enter := func(key []byte, ok bool) {
		if ok {
			c.enter(in, key, onset)
		}
	}
	enter(c.thingKey(thingOf(&t), &t), true)
	enter(c.groupKey(&t))
	for i := range c.sets {
		enter(c.affinityKey(i, &t))
	}
	for i := range c.pairs {
		for _, on := range []side{from, to} {
			key, ok := c.pairKey(i, on, &t)
			enter(c.at(on, key, ok))
		}
	}
	if t.rule != "" {
		c.eachName(&t, func(name string, _ []neighbour) { enter(c.named(name, &t), true) })
	}
}

// sight is by what an incident is found under a key: the onsets of the parts that have
// that in common.
type sight struct {
	in            *incident
	first, latest int64 // ms
}

// enter has later anomalies find in under key, by what began at onset.
func (c *Correlator) enter(in *incident, key []byte, onset int64) {
	s, ok := c.nearby[string(key)]
	if ok && s.in == in {
		s.first, s.latest = min(s.first, onset), max(s.latest, onset)
		c.nearby[string(key)] = s
		return
	}
	k := string(key)
	c.nearby[k] = sight{in, onset, onset}
	in.keys = append(in.keys, k)
}

// near reports whether an onset is close enough: so long before the first, or after the
// latest.
func (s sight) near(onset int64, before, after model.Duration) bool {
	return elapsed(onset, s.first) <= uint64(time.Duration(before).Milliseconds()) &&
		elapsed(s.latest, onset) <= uint64(time.Duration(after).Milliseconds())
}

// join returns the open incident a belongs to, or nil: first by the group, then by the
// sets of the configuration and of the rules, then by the pairs, then, where people are told
// of it, by who depends on whom, then by history. Others
// that it touches become part of that one where nobody was told of them.
func (c *Correlator) join(a *foreshock.Anomaly) *incident {
	var in *incident
	t := traitsOf(a)
	within, late := c.config.JoinWithin, max(c.config.JoinWithin, c.config.JoinLate)
	meet := func(within model.Duration, key []byte, ok bool) {
		if !ok {
			return
		}
		if other := c.find(a, key, within); other != nil {
			in = c.merge(in, other, a.T)
		}
	}
	key, ok := c.groupKey(&t)
	meet(late, key, ok)
	for i, set := range c.sets {
		reach := late
		if slices.Contains(set, foreshock.RuleLabel) {
			reach = within // alike, but in different places
		}
		key, ok := c.affinityKey(i, &t)
		meet(reach, key, ok)
	}
	for i := range c.pairs {
		for _, on := range []side{from, to} {
			key, ok := c.pairKey(i, on, &t)
			key, ok = c.at(!on, key, ok)
			meet(late, key, ok)
		}
	}
	if a.Rule != "" {
		in = c.joinLinked(in, a, &t)
	}
	if in == nil {
		in = c.joinCompanion(a, &t)
	}
	return in
}

// valueOf is the value of a label of a series with the labels ls under rule, derived
// ones among them.
func valueOf(name string, ls labels.Labels, rule string) string {
	if name == foreshock.RuleLabel {
		return rule
	}
	v := ls.Get(name)
	if v == "" && name == WorkloadLabel {
		return workload.Of(ls.Get("pod"), ls.Get("node"))
	}
	return v
}

// setsOf are the label sets of c and of the correlate rules, in this order, and the pairs
// of the latter.
func setsOf(c Config, correlates []*rules.Correlate) (sets [][]string, pairs []rules.Pair) {
	sets = slices.Clone(c.Affinity)
	for _, r := range correlates {
		if len(r.Labels) > 0 {
			sets = append(sets, r.Labels)
		}
		pairs = append(pairs, r.Pairs...)
	}
	return sets, pairs
}
