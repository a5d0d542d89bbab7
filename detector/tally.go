package detector

import (
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/calibration"
	"github.com/foreshock/foreshock/rules"
)

// maxMinutes bounds what a shard remembers of one period by the minute: a week, of which
// a batch that spans more puts the rest into the last one. 10 080 × 16 B ≈ 160 kB a scope.
const maxMinutes = int64(7 * 24 * time.Hour / time.Minute)

// tally is what a shard saw of scores and alerts in the period under way. It holds sums,
// highest values and sets, so that the tallies of all shards can be merged in any order.
type tally struct {
	from   int64 // the detector's age where the period begins, ms
	scores [classes]calibration.Counts
	scopes []scopeTally // by number
}

// scopeTally is the part of one scope.
type scopeTally struct {
	samples [classes]uint64
	minutes []minuteTally // of the period
}

// minuteTally is one minute of a scope.
type minuteTally struct {
	peak  float64 // the highest raw score that could have alerted, times the sensitivity
	heard bool    // some score could have
	onset bool    // there was an alert
}

// begin empties the tally for the period that begins at the age from.
func (y *tally) begin(from int64, scopes int) {
	y.from = from
	clear(y.scores[:])
	if len(y.scopes) != scopes {
		y.scopes = make([]scopeTally, scopes)
	}
	for i := range y.scopes {
		y.scopes[i] = scopeTally{minutes: y.scopes[i].minutes[:0]}
	}
}

// at is the minute of the period in which the detector was as old as age. What is from
// before the period counts for the first.
func (p *scopeTally) at(age, from int64) *minuteTally {
	i := min(max((age-from)/minute, 0), maxMinutes-1)
	for int64(len(p.minutes)) <= i {
		p.minutes = append(p.minutes, minuteTally{})
	}
	return &p.minutes[i]
}

// merge adds o, which is of the same period and scopes.
func (y *tally) merge(o *tally) {
	for c := range y.scores {
		y.scores[c].Merge(&o.scores[c])
	}
	for i := range o.scopes {
		into, of := &y.scopes[i], &o.scopes[i]
		for c, n := range of.samples {
			into.samples[c] += n
		}
		for len(into.minutes) < len(of.minutes) {
			into.minutes = append(into.minutes, minuteTally{})
		}
		for m := range of.minutes {
			a, b := &into.minutes[m], &of.minutes[m]
			a.peak, a.heard, a.onset = max(a.peak, b.peak), a.heard || b.heard, a.onset || b.onset
		}
	}
}

// weighSeries takes the verdict on a sample of st at t into the tally. Where its group
// speaks for it, it pages nobody, and how high it scored is all that is of interest.
func (s *shard) weighSeries(st *state, t int64, v *verdict) {
	w := st.watch
	if !st.pages() {
		w = nil
	}
	s.weigh(st.class(), st.scope, w, t, v)
}

// pages reports whether an anomaly of st raises an alert by itself. A group speaks for its
// members, but for one that says what cannot be.
func (st *state) pages() bool {
	return st.watch != nil && (!st.member.group.speaks() || !st.watch.DataRange.Contains(st.x))
}

// weigh takes the verdict at t on what is of class c, and pages by w unless that is nil,
// into the tally. Only news counts: what is said in an anomaly, or soon after one, could
// not have alerted.
func (s *shard) weigh(c class, scope uint32, w *rules.Watch, t int64, v *verdict) {
	if v.news {
		s.tally.scores[c].Add(v.raw)
	}
	onset := v.changed && v.phase != foreshock.Ended
	if w == nil || !v.news && !onset {
		return
	}
	p := &s.tally.scopes[scope]
	// A sample ahead of the clock is of now: else one bad clock would make room for a week.
	m := p.at(s.awake-max(s.now-t, 0), s.tally.from)
	m.onset = m.onset || onset
	if !v.news {
		return
	}
	m.heard = true
	p.samples[c]++
	if v.admitted {
		m.peak = max(m.peak, v.raw*sensitivity(w)/v.doubt)
	}
}
