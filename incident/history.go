package incident

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/foreshock/foreshock"
)

// Things that fell ill together before, each in an incident of its own, join more readily:
// when they did so at least togetherBefore times, and each of them at least as often
// together with the other as without. Two that start once in two hours, independently,
// are within two minutes of each other every thirtieth time (see outbreak.go): twice of
// two times is a chance of 1 in 900, and three times of three 1 in 27 000.
const (
	togetherBefore = 2

	// maxThings × (~100 B + 4 companions × 16 B) ≈ 2 MB.
	maxThings     = 10_000
	maxCompanions = 4

	// historyDepth is with how many starts of late a start is together.
	historyDepth = 16
)

// company is what is known of one thing: how often an incident began with it, and with
// what it was ill together, the most often first.
type company struct {
	starts     int
	companions []companion
}

type companion struct {
	thing uint64
	times int
}

// thingKey is the lore's key for a thing, and what an incident is found by in which it
// is ill. It is valid until the next key is made.
func (c *Correlator) thingKey(thing uint64, t *traits) []byte {
	c.key(byThing, 0, t)
	c.buf = binary.BigEndian.AppendUint64(c.buf, thing)
	return c.buf
}

// joinCompanion returns the open incident of what was ill together with the thing of a
// before, or nil.
func (c *Correlator) joinCompanion(a *foreshock.Anomaly, t *traits) *incident {
	thing := thingOf(t)
	known := c.history.recall(c.thingKey(thing, t))
	if known == nil {
		return nil
	}
	for _, other := range known.companions {
		key := c.thingKey(other.thing, t)
		its := c.history.recall(key)
		if its == nil || other.times < togetherBefore || 2*other.times < max(known.starts, its.starts) {
			continue
		}
		if in := c.find(a, key, c.config.JoinWithin); in != nil {
			c.remember(start{in, thing, a.Onset})
			return in
		}
	}
	return nil
}

// remember takes in the start of an incident, or of what would have been one without
// history, and with which others it was.
func (c *Correlator) remember(b start) {
	again := func(other start) bool { return other.thing == b.thing && other.near(b, c.config.JoinWithin) }
	if slices.ContainsFunc(c.recent, again) {
		return // the same time
	}
	t := traits{kind: b.in.Kind, rule: b.in.Rule}
	c.history.at(c.thingKey(b.thing, &t)).starts++
	met := []uint64{b.thing}
	for _, other := range c.recent {
		if other.in.Kind != b.in.Kind || !other.near(b, c.config.JoinWithin) || slices.Contains(met, other.thing) {
			continue
		}
		met = append(met, other.thing)
		c.history.at(c.thingKey(b.thing, &t)).meet(other.thing)
		c.history.at(c.thingKey(other.thing, &t)).meet(b.thing)
	}
	if len(c.recent) >= historyDepth {
		c.recent = slices.Delete(c.recent, 0, 1)
	}
	c.recent = append(c.recent, b)
}

// meet counts that the thing was ill together with another. A new one takes the place of
// the one that was met least.
func (k *company) meet(other uint64) {
	i := slices.IndexFunc(k.companions, func(x companion) bool { return x.thing == other })
	if i < 0 {
		if len(k.companions) >= maxCompanions {
			k.companions = k.companions[:maxCompanions-1]
		}
		k.companions = append(k.companions, companion{thing: other})
		i = len(k.companions) - 1
	}
	k.companions[i].times++
	slices.SortStableFunc(k.companions, func(a, b companion) int { return cmp.Compare(b.times, a.times) })
}
