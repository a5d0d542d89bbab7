package detector

import (
	"math"
	"slices"
	"unsafe"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// crossingChannel is what isolates a crossing, among the words of forest.Channel.
const crossingChannel = "limit"

// bounds are the limit rules that select one series, and how it stands to them. Nothing is
// learned: they count from the first sample, and no threshold keeps them back.
type bounds struct{ each []crossed }

// crossed is how a series stands to one limit.
type crossed struct {
	rule   *rules.Limit
	active bool  // it is beyond it,
	onset  int64 // since then, ms,
	far    float64
}

// bytes are those of bounds.
func (b *bounds) bytes() int {
	if b == nil {
		return 0
	}
	return entry(4+8) + linked(unsafe.Sizeof(*b)) + linked(uintptr(cap(b.each))*unsafe.Sizeof(crossed{}))
}

// setBounds puts st under the limit rules. One that has the name of another from before
// goes on where that stood: rules that are loaded again end no alert.
func (s *shard) setBounds(st *state, limits []*rules.Limit) {
	before := s.bounds[st.slot]
	if before == nil && limits == nil {
		return
	}
	s.ledger.take(heldForecasts, -before.bytes())
	var next *bounds
	if limits != nil {
		next = &bounds{}
	}
	for _, l := range limits {
		c := crossed{rule: l}
		if was := before.of(l.Name); was != nil {
			c.active, c.onset, c.far, was.active = was.active, was.onset, was.far, false
		}
		next.each = append(next.each, c)
	}
	s.clear(st, st.last) // what is left of those that no rule has any more
	s.ledger.take(heldForecasts, next.bytes())
	switch {
	case next == nil:
		delete(s.bounds, st.slot)
	case s.bounds == nil:
		s.bounds = map[uint32]*bounds{st.slot: next}
	default:
		s.bounds[st.slot] = next
	}
}

// of is how the series stands to the limit of that name, or nil.
func (b *bounds) of(rule string) *crossed {
	if b == nil {
		return nil
	}
	if i := slices.IndexFunc(b.each, func(c crossed) bool { return c.rule.Name == rule }); i >= 0 {
		return &b.each[i]
	}
	return nil
}

// check holds the newest sample of st, at t, against its limits, if any.
func (s *shard) check(st *state, t int64) {
	b := s.bounds[st.slot]
	if b == nil {
		return
	}
	for i := range b.each {
		c := &b.each[i]
		far := math.Abs(st.x - c.rule.Bound)
		switch {
		case !c.rule.Crossed(st.x):
			if c.active {
				s.tellCrossing(st, c, foreshock.Ended, t)
			}
		case !c.active:
			c.onset = t
			s.out.counts.crossings++
			s.tellCrossing(st, c, foreshock.Started, t)
		case far >= escalation*c.far:
			s.tellCrossing(st, c, foreshock.Escalated, t)
		}
	}
}

// clear ends at t whatever limits st is beyond.
func (s *shard) clear(st *state, t int64) {
	b := s.bounds[st.slot]
	if b == nil {
		return
	}
	for i := range b.each {
		if c := &b.each[i]; c.active {
			s.tellCrossing(st, c, foreshock.Ended, t)
		}
	}
}

func (s *shard) tellCrossing(st *state, c *crossed, p foreshock.Phase, t int64) {
	c.active, c.far = p != foreshock.Ended, math.Abs(st.x-c.rule.Bound)
	s.out.anomalies = append(s.out.anomalies, foreshock.Anomaly{
		Series:  st.series,
		Kind:    foreshock.Crossing,
		Phase:   p,
		Rule:    c.rule.Name,
		Onset:   c.onset,
		T:       t,
		Value:   st.x,
		Score:   st.score,
		Band:    st.band,
		Channel: crossingChannel,
		Limit:   c.rule.Bound,
		Above:   c.rule.Above,
	})
}
