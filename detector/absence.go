package detector

import (
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

const (
	// leastWait is the least a series may be unheard, in ms of the detector's flow, before
	// it is missed: five scrapes a minute apart, as many as make a gap.
	leastWait = int64(5 * time.Minute / time.Millisecond)

	// longPresence is how long a series must have been heard without falling silent
	// before it is missed: what comes for a job or a shift and goes again is not.
	longPresence = int64(6 * time.Hour / time.Millisecond)
)

// step of a watched series between being there and not.
type step uint8

const (
	enlisted   step = iota // a rule watches it from now on
	left                   // it is unheard for longer than its wait
	returned               // it is heard again after that
	discharged             // it is forgotten, or no rule watches it any more
)

// presence is one such step, as a shard tells it. A series on its own cannot know
// whether it is missed: that takes its target's other series, which other shards may
// have. The roll decides.
type presence struct {
	address
	step   step
	id     uint64 // of the series' state: shard and slot
	series *foreshock.Series
	rule   string
	t      int64 // sample time of its newest sample, ms
	value  float64

	// Of a step left: flow and a share of it, in ms.
	seen, wait int64
	since      int64 // it was heard from then on
	regular    bool  // heard for long enough, without a break, to be missed
	asked      bool  // its rule names the wait
	warm       bool  // and its model knows it
	ended      bool  // by a staleness marker
	quiet      bool  // of a step discharged: it had left
}

// wait is how long st may be unheard before it has left.
func (st *state) wait() int64 {
	if w := st.watch; w != nil && w.Absence > 0 {
		return time.Duration(w.Absence).Milliseconds()
	}
	return max(gap*st.interval, leastWait)
}

// enlist has the roll keep st, if a rule wants it missed.
func (s *shard) enlist(st *state) {
	w := st.watch
	want := w != nil && w.Absence != rules.AbsenceOff && st.kind != bucket && st.kind != derived && !isAlert(st.series.Name())
	if want == st.enlisted {
		return
	}
	st.enlisted = want
	if !want {
		s.tellPresence(st, discharged, st.last)
		return
	}
	s.tellPresence(st, enlisted, st.last)
	s.expect(st) // sooner than if nobody missed it
}

// hear notes that st was heard at t: a value came, whatever it is worth.
func (s *shard) hear(st *state, t int64) {
	at := &s.targets.list[st.target]
	switch st.role {
	case vital:
		at.heard = s.flow
	case scrape:
		at.upHeard = s.flow
	}
	if !st.live {
		s.live(st, t)
	}
}

// live has st be there, for the first time or again.
func (s *shard) live(st *state, t int64) {
	st.live = true
	if st.role == vital {
		s.targets.list[st.target].live++
	}
	if !st.quiet {
		return
	}
	st.quiet, st.since = false, s.flow
	if st.enlisted {
		s.tellPresence(st, returned, t)
	}
	s.expect(st)
}

// fall has st be there no more: it ended, fell silent or is forgotten.
func (s *shard) fall(st *state) {
	if !st.live {
		return
	}
	st.live = false
	if st.role == vital {
		at := &s.targets.list[st.target]
		at.live--
		at.fell++
	}
}

// miss says that st has been unheard for longer than its wait.
func (s *shard) miss(st *state) {
	s.fall(st)
	st.quiet = true
	s.tellPresence(st, left, st.last)
}

// settleIn gives the new series st a place with its target.
func (s *shard) settleIn(st *state) {
	ls := st.series.Labels
	st.role, st.since = roleOf(ls), s.flow
	st.target = s.targets.join(ls, locate(ls))
	at := &s.targets.list[st.target]
	if st.role == scrape && (at.up == nil || order(0, 0, st.series, at.up) < 0) {
		at.up, at.upSlot = st.series, st.slot
	}
}

// moveOut takes st, which is about to be forgotten, from its target.
func (s *shard) moveOut(st *state) {
	s.fall(st)
	if st.enlisted {
		s.tellPresence(st, discharged, st.last)
	}
	at := &s.targets.list[st.target]
	at.members--
	at.all--
	if at.upSlot == st.slot {
		at.up, at.upSlot = nil, 0
	}
}

func (s *shard) tellPresence(st *state, p step, t int64) {
	told := presence{
		address: locate(st.series.Labels),
		step:    p,
		id:      uint64(s.number)<<32 | uint64(st.slot),
		series:  st.series,
		t:       t,
		value:   st.x,
		seen:    st.met,
		wait:    st.wait(),
		since:   st.since,
		regular: st.met-st.since >= longPresence,
		warm:    st.learned && !st.warming,
		ended:   st.ended,
		quiet:   st.quiet,
	}
	if w := st.watch; w != nil {
		told.rule, told.asked = w.Name, w.Absence > 0
	}
	s.out.presences = append(s.out.presences, told)
}
