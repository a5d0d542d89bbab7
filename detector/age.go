package detector

import "time"

// minute is the grain of ageing, in ms.
const minute = int64(time.Minute / time.Millisecond)

// expect has age ask after st when it could have become idle: first when it would be
// missed, if a rule wants that, then when all of its window would have passed, then when
// it would be forgotten. So a series that is heard is asked after once in a window or in
// its wait, and no batch looks at all of them.
func (s *shard) expect(st *state) {
	after := min(s.keeps(st), s.idle)
	if s.awake-st.seen > after {
		after = s.idle
	}
	if st.enlisted && !st.quiet {
		after = min(after, st.wait())
	}
	st.due = max((st.seen+after)/minute, s.minute+1)
	s.wheel[st.due] = append(s.wheel[st.due], st.slot)
}

// age asks after the series that are due. Those unheard for a window lose their
// samples, those unheard for the idle time are forgotten.
func (s *shard) age() {
	turned := s.minute < s.awake/minute
	for ; s.minute < s.awake/minute; s.minute++ {
		slots := s.wheel[s.minute]
		delete(s.wheel, s.minute)
		for _, slot := range slots {
			st := s.series.at(slot)
			if st.series == nil || st.due != s.minute {
				continue // the slot changed hands since
			}
			unheard := s.awake - st.seen
			if unheard > s.idle {
				s.evict(st, evictIdle)
				continue
			}
			if st.enlisted && !st.quiet && s.flow-st.met > st.wait() {
				s.miss(st)
			}
			if unheard > s.keeps(st) {
				s.empty(st)
				st.hush()
			}
			if st.deprived {
				st.version = 0 // it may ask again
			}
			s.expect(st)
		}
	}
	if turned {
		s.tellTargets()
	}
}

// evict forgets st, and says so where somebody was told of it.
func (s *shard) evict(st *state, why eviction) {
	s.endAnomalies(st, st.last)
	s.leave(st, st.last)
	s.endReporting(st)
	s.moveOut(st)
	s.setWarming(st, false)
	s.siblings.leave(&s.series, st)
	s.leaveFamily(st)
	s.discard(st)
	s.empty(st)
	st.mind.drop(&s.ledger)
	s.dropStar(st)
	s.setForecast(st, nil)
	delete(s.longer, st.slot)
	s.out.counts.evicted[why]++
	s.series.remove(st)
	s.hold()
}
