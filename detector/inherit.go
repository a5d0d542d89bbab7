package detector

import (
	"math"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/forest"
)

const (
	// A pod starts for startUp ms, in which caches fill and code is compiled, and
	// settles for as long again, in which its level is taken; each takes fewSamples at
	// least. For these ten minutes nothing is said of it where it has siblings.
	startUp    = int64(5 * time.Minute / time.Millisecond)
	fewSamples = 5

	// mostPeers is how many siblings a series is compared with.
	mostPeers = 64

	// apprentice is how long, in ms, who was taught counts no more than those that ended:
	// the first pod of a release does not speak for the workload.
	apprentice = int64(time.Hour / time.Millisecond)

	// wiser is how many times as many samples as its heir a series must have learned.
	wiser = 2

	// A pod is unlike its siblings when its level lies farther from all of theirs than
	// they lie from each other: by odd mean absolute deviations, three to five of the
	// noise of a mean of few samples, and by a share of the level that workers on equal
	// terms differ by.
	odd     = 3
	unequal = 0.25
)

// grow brings st, which is about to learn a sample, closer to its siblings, and says
// how that sample is to be graded.
func (s *shard) grow(st *state) *grading {
	k, m := &st.kin, &st.mind
	if k.version != s.owners.version && k.stage <= starting && !m.anomalous() {
		s.place(st) // somebody said whose it is
	}
	shown := m.len() >= fewSamples && st.modelTime-m.born >= startUp
	switch k.stage {
	case pioneer:
		if m.len() > 0 && !st.warming {
			s.teach(st)
		}
		return &s.grading
	case starting:
		if shown {
			m.forget(&s.ledger)
			k.stage = settling
		}
	case settling:
		if shown {
			s.inherit(st)
			return &s.grading
		}
	}
	return &s.grace
}

// teach has st teach the siblings to come.
func (s *shard) teach(st *state) {
	st.kin.stage = teaching
	s.siblings.join(&s.series, st, false)
}

// peers is what is found of a series' siblings.
type peers struct {
	nearest *state  // whose level is the closest
	level   float64 // of the nearest
	lo, hi  float64 // of all
}

// worth is how much a sibling is worth as a teacher: one that was anomalous at last
// teaches only where all are, and one that ended, or has been taught of late, only where
// no other is left, unless the pod is the same and only its address is new.
func (s *shard) worth(p, heir *state) int {
	switch {
	case p.mind.anomalous() || p.ended && p.kin.sick:
		return 1
	case p.series.Labels.Get(foreshock.PodLabel) == heir.series.Labels.Get(foreshock.PodLabel):
		return 4
	case s.silent(p), p.kin.from != nil && p.modelTime-p.kin.since < apprentice:
		return 2
	}
	return 3
}

// silent reports whether p has nothing to say of how things are now.
func (s *shard) silent(p *state) bool { return p.ended || s.awake-p.seen > gap*p.interval }

// peersOf looks at the siblings of st.
func (s *shard) peersOf(st *state) peers {
	own := st.mind.level()
	var found peers
	best := 0
	p, ok := s.siblings.first[st.kin.key]
	if !ok {
		return found
	}
	for n, head := 0, p; n < mostPeers && (n == 0 || p != head); n++ {
		sibling := s.series.at(p)
		p = sibling.kin.next
		worth := s.worth(sibling, st)
		if worth < best || sibling.kind != st.kind || sibling.native != st.native ||
			sibling.mind.len() < wiser*st.mind.len() {
			continue
		}
		level := s.level(sibling, st.modelTime)
		if worth > best {
			best, found = worth, peers{sibling, level, level, level}
			continue
		}
		found.lo, found.hi = min(found.lo, level), max(found.hi, level)
		if math.Abs(level-own) < math.Abs(found.level-own) {
			found.nearest, found.level = sibling, level
		}
	}
	return found
}

// level is where p should be at t, or is.
func (s *shard) level(p *state, t int64) float64 {
	if s.silent(p) {
		return p.mind.usual(t)
	}
	return p.mind.level()
}

// inherit has st, whose pod has settled, know what its most similar sibling does.
func (s *shard) inherit(st *state) {
	found := s.peersOf(st)
	if found.nearest == nil || !areSiblings(found.nearest.series, st.series) || !st.mind.inherit(st.modelTime, found, &s.ledger) {
		st.kin.stage = pioneer
		return
	}
	st.kin.from, st.kin.since = found.nearest.series, st.modelTime
	s.out.counts.inherited++
	s.teach(st)
}

// inherit makes of m, which has shown its level by the time t, the mind of what its
// siblings were taught, and reports whether they teach it anything.
//
// Where the pod is much like them it knows what they know, about its own level. Where
// it lies above them, it is judged as the nearest of them would be. Below them it
// learns by itself: a pod whose memory, uptime or traffic has yet to grow is no news.
func (m *mind) inherit(t int64, found peers, l *ledger) bool {
	if m.model == nil && found.nearest.mind.model == nil {
		return false // two constants: what is configured is no behaviour
	}
	m.move(l)
	from := found.nearest.mind
	from.move(nil) // by itself: that of the nearest stays still
	own := m.forest.Level()
	by := own - found.level
	like := m.resembles(&from, found)
	if !like && math.Abs(own) < math.Abs(found.level) {
		return false
	}

	heir := *from.model
	heir.alarm, heir.doubt, heir.jerk = alarm{}, doubt{}, 0
	heir.burst.Break()
	heir.deviation.mean += by
	heir.forest = m.forest
	m.born = t - (found.nearest.modelTime - from.born)
	if from.seasonal != nil && m.given(l) {
		*m.seasonal = *from.seasonal
	}
	level := found.level
	if like {
		level = own
		heir.forest.Resemble(&from.forest, by)
		if m.seasonal != nil {
			m.seasonal.profile.Rebase(m.seasonal.profile.Centre() + by)
			m.seasonal.rest = forest.Rest{}
		}
	} else {
		heir.forest.Follow(&from.forest)
	}
	heir.trend = from.trend.Heir(t, level-m.season(t), m.forest.Len())
	*m.model = heir
	return true
}

// resembles reports whether m's level is one its siblings might have.
func (m *mind) resembles(from *mind, found peers) bool {
	own := m.forest.Level()
	noise := from.forest.Deviation()
	switch strong := from.seasonal != nil && from.seasonal.profile.Strong(); {
	case strong:
		noise = from.seasonal.profile.Residual() // the wave is theirs at the same hour
	case from.forest.Stood(own):
		return true
	}
	reach := found.hi - found.lo + odd*noise + unequal*math.Abs(found.level)
	return own >= found.lo-reach && own <= found.hi+reach
}
