package detector

import (
	"cmp"
	"slices"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// What is asked of the members of a group one by one: when it alerts, and when somebody
// wants to know why. No sample waits for it.

// recalled is how many of its latest alerts a group can tell when.
const recalled = 4

// stretch is from when to when a group was anomalous, ms; the end is 0 while it lasts, and
// both are where there was none.
type stretch struct{ from, to int64 }

// remember takes note of the change v at t.
func (g *group) remember(t int64, v verdict) {
	switch v.phase {
	case foreshock.Started:
		copy(g.alerts[1:], g.alerts[:])
		g.alerts[0] = stretch{from: v.onset}
	case foreshock.Ended:
		g.alerts[0].to = t
	}
}

// alertAt is the alert of g that was under way at t, ms, or else began within the minutes
// after; false where none was.
func (g *group) alertAt(t int64) (stretch, bool) {
	for i := len(g.alerts) - 1; i >= 0; i-- {
		a := g.alerts[i]
		if a != (stretch{}) && a.from <= t+around && (a.to == 0 || a.to >= t) {
			return a, true
		}
	}
	return stretch{}, false
}

// company is what the members of g say together, most of all by the evidence of the kind.
func (s *shard) company(g *group, kind int) foreshock.Company {
	c := foreshock.Company{Odd: g.odd, Of: len(g.slots)}
	if st := s.loudest(g, kind, 1); len(st) > 0 {
		c.Loudest = foreshock.Witness{Series: st[0].series, Value: st[0].x, Band: st[0].band}
	}
	return c
}

// loudest are the n members of g with most evidence of the kind, then of any, then by
// labels: an order of their slots would depend on who came first.
func (s *shard) loudest(g *group, kind, n int) []*state {
	all := make([]*state, len(g.slots))
	for i, slot := range g.slots {
		all[i] = s.series.at(slot)
	}
	slices.SortFunc(all, func(a, b *state) int {
		return cmp.Or(
			cmp.Compare(b.says(kind), a.says(kind)),
			cmp.Compare(b.member.weight(), a.member.weight()),
			labels.Compare(a.series.Labels, b.series.Labels),
		)
	})
	return all[:min(n, len(all))]
}

// says is how much evidence of the kind st has.
func (st *state) says(kind int) float64 {
	if kind == novel {
		return st.member.group.constellation.Moved(st.star)
	}
	return float64(st.member.parts[kind]) / fraction
}

// weight is all of a member's evidence, each kind by what it takes of it.
func (m *membership) weight() float64 {
	sum := 0.0
	for k, part := range m.parts {
		sum += float64(part) / need[k]
	}
	return sum
}

// shared are the labels that all members of g have in common, without the metric's name.
func (s *shard) shared(g *group) labels.Labels {
	first := s.series.at(g.slots[0]).series.Labels
	var kept []string
	first.Range(func(l labels.Label) {
		if l.Name != prommodel.MetricNameLabel {
			kept = append(kept, l.Name)
		}
	})
	for _, slot := range g.slots[1:] {
		ls := s.series.at(slot).series.Labels
		kept = slices.DeleteFunc(kept, func(name string) bool { return ls.Get(name) != first.Get(name) })
	}
	return labels.NewBuilder(first).Keep(kept...).Labels()
}

// speakUp tells at t of the anomaly that st is in, whose group does not speak for it any
// more.
func (s *shard) speakUp(st *state, t int64) {
	if st.mind.anomalous() {
		a := &st.mind.model.alarm
		s.tell(st, t, &verdict{phase: foreshock.Escalated, onset: a.onset, channel: a.channel, score: st.score, band: st.band})
	}
}
