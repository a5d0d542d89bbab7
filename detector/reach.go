package detector

import "time"

// reachMargin is how much more is kept than an expression reads, as it is evaluated a
// little later than the time it is evaluated at.
const reachMargin = 2 * time.Minute

// reach notes which expressions read farther back than a window keeps. All series look
// themselves up again.
func (s *shard) reach() {
	s.reaches = nil
	for _, r := range s.rules.Reaches() {
		if r.Back += reachMargin; r.Back.Milliseconds() > s.keep {
			s.reaches = append(s.reaches, r)
		}
	}
	s.version++
}

// lengthen gives st the longest window that an expression wants it to have.
func (s *shard) lengthen(st *state) {
	keep := s.keep
	for _, r := range s.reaches {
		if back := r.Back.Milliseconds(); back > keep && r.Matchers.Matches(st.series.Labels) {
			keep = back
		}
	}
	switch {
	case keep == s.keep:
		delete(s.longer, st.slot)
	case s.longer == nil:
		s.longer = map[uint32]int64{st.slot: keep}
	default:
		s.longer[st.slot] = keep
	}
}

// A cause is looked for by what was usual (internal/inquest), and a dozen samples do not say
// what that is. Of a series that comes more slowly than slowly, a day is kept: at most
// 720 × ~3 B ≈ 2 KiB.
const (
	slowly   = int64(2 * time.Minute / time.Millisecond)
	slowKept = int64(24 * time.Hour / time.Millisecond)
)

// keeps is for how long, ms, samples of st stay in its window.
func (s *shard) keeps(st *state) int64 {
	keep := s.keep
	if len(s.longer) > 0 {
		if long, ok := s.longer[st.slot]; ok {
			keep = long
		}
	}
	if st.interval > slowly {
		return max(keep, slowKept)
	}
	return keep
}
