package detector

import (
	"math"
	"slices"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/constellation"
	"github.com/foreshock/foreshock/rules"
)

// A group is the series of one place, a host, a pod or a service, that one rule watches.
// Of a few hundred series some are always a little odd; nobody wants to be woken by each.
// So where a rule watches two series of a place or more, it is the place that raises the
// alert, on what all of them say together:
//
//	score = max over kinds of evidence of Σ evidence ÷ (need · nᵖ)
//
// or on how new it is that they stand to each other as they do: see novelty.
//
// With p between ½, where what is random adds up, and 1, where all must agree, one series
// of a place can raise an alert by itself as long as they are few, and a hundredth of a
// thousand cannot. Sums are of integers, so that no order of samples changes them.
type group struct {
	key    groupKey
	rule   *rules.Watch
	by     []string          // the labels it was made by
	series *foreshock.Series // what the group is known by

	slots   []uint32       // of the members' states, in no order
	sums    [kinds]int64   // of the members' parts,
	squares [kinds]int64   // and of their squares
	scale   [kinds]float64 // what they are multiplied by, for so many members
	odd     int            // members that are anomalous by themselves,
	worst   int            // and the most that were since the anomaly under way began

	now    int64 // ms: the time at hand,
	heard  int   // members that have spoken of it,
	judged bool  // and whether it was judged
	bar    int64 // ms: a bar of theirs, and the usual time between their samples at least
	at     int64 // ms: the time judged last

	elsewhen int64 // ms: another time, far from the one at hand,
	votes    int   // and how many in a row spoke of it

	constellation *constellation.Place // nil until it has spoken for its series

	alarm    alarm
	said     [kinds]saying // the most that the members said of late,
	need     float64       // how many times what it usually takes an alert took then,
	since    int64         // and since when, ms, they would alert if they were sure; 0: they would not
	score    float64
	reported bool
	alerts   [recalled]stretch // the latest, newest first
}

// membership is what one series holds of its group.
type membership struct {
	group *group
	parts [kinds]int32 // its part of the sums
	index uint32       // where the group's slots have it
	asked bool         // whether there is a group for it
	odd   bool
}

// fraction is what a unit of evidence counts in the sums.
const fraction = 1 << 10

// need is how much evidence of each kind a single series' worth of alert takes, and power
// the p of the number of members. They were chosen on labelled machines of 19 and 38
// series, where a jerk of all is worth more than that of one, and the deviation of many
// says what no single one does.
var (
	need  = [kinds]float64{isolated: 1.7, jerking: 1.6, deviating: 0.82}
	power = [kinds]float64{isolated: 0.8, jerking: 0.9, deviating: 1}
)

// fewDeviating is the least sum of deviations that counts, three quarters of the utmost of
// two series: a few that lie a little far off do so together by chance.
const fewDeviating = 15

// groupKey tells groups of a shard apart.
type groupKey struct{ rule, place string }

// join makes st, which has a score, a member of the group that its rule has at its
// place, or by the labels that it names, if any.
func (s *shard) join(st *state) {
	st.member.asked = true
	place, scattered := grouped(st.watch, st.series)
	if scattered {
		s.out.counts.ungrouped++
	}
	if place.IsEmpty() {
		return
	}
	key := groupKey{st.watch.Name, place.String()}
	g := s.groups[key]
	if g == nil {
		g = &group{key: key, by: st.watch.GroupBy, series: foreshock.NewGroup(place, st.watch.Name), bar: aBar}
		s.groups[key] = g
		s.ledger.take(heldGroups, groupBytes)
	}
	g.rule = st.watch
	st.member.group, st.member.index = g, uint32(len(g.slots))
	g.slots = append(g.slots, st.slot)
	s.ledger.take(heldGroups, memberBytes)
	g.resize()
	if g.speaks() && g.constellation == nil {
		g.constellation = &constellation.Place{}
		s.ledger.take(heldGroups, placeBytes)
	}
}

// leave ends st's membership, and with the last but one what the group has to say.
func (s *shard) leave(st *state, t int64) {
	g := st.member.group
	st.member.asked = false
	if g == nil {
		return
	}
	g.take(&st.member, evidence{}, false)
	end := len(g.slots) - 1
	last := s.series.at(g.slots[end])
	last.member.index, g.slots[st.member.index] = st.member.index, last.slot
	g.slots = g.slots[:end]
	s.ledger.take(heldGroups, -memberBytes)
	st.member = membership{}
	g.resize()
	if !g.speaks() {
		s.disband(g, t)
	}
	if len(g.slots) == 0 {
		delete(s.groups, g.key)
		s.ledger.take(heldGroups, -g.bytes())
	}
}

// bytes are those of a group without members.
func (g *group) bytes() int {
	if g.constellation != nil {
		return groupBytes + placeBytes
	}
	return groupBytes
}

// rewatch has w watch st. The group stays where its rule does, as far as the name tells:
// rules that are loaded again end no alert.
func (s *shard) rewatch(st *state, w *rules.Watch) {
	if g := st.member.group; g != nil && w != nil && w.Name == g.key.rule && w.Group != rules.GroupOff && slices.Equal(w.GroupBy, g.by) {
		g.rule = w
	} else {
		s.leave(st, st.last)
	}
	st.watch = w
}

// hush takes back what st, which is silent, said to its group.
func (st *state) hush() {
	if g := st.member.group; g != nil {
		g.take(&st.member, evidence{}, false)
	}
}

// disband ends at t whatever is said of g. Where it was anomalous and the member that is
// left is, that one alerts from now on.
func (s *shard) disband(g *group, t int64) {
	if g.alarm.active {
		v := verdict{band: foreshock.NoBand()}
		g.alarm.stop(&v)
		s.tellGroup(g, t, v)
		if len(g.slots) == 1 {
			s.speakUp(s.series.at(g.slots[0]), t)
		}
	}
	if g.reported {
		g.reported = false
		s.out.gone = append(s.out.gone, g.series)
	}
}

// resize has the sums mean what they do for as many members as there are.
func (g *group) resize() {
	for k := range g.scale {
		g.scale[k] = 1 / (fraction * need[k] * math.Pow(float64(len(g.slots)), power[k]))
	}
}

// take replaces what m said last.
func (g *group) take(m *membership, e evidence, odd bool) {
	for k, v := range e {
		part := int32(v * fraction)
		g.sums[k] += int64(part - m.parts[k])
		g.squares[k] += int64(part)*int64(part) - int64(m.parts[k])*int64(m.parts[k])
		m.parts[k] = part
	}
	if odd != m.odd {
		if m.odd = odd; odd {
			g.odd++
		} else {
			g.odd--
		}
	}
}

// speaks reports whether the group speaks for its members, instead of each for itself.
func (g *group) speaks() bool { return g != nil && len(g.slots) > 1 }

// advance has the group of st turn to the time t of its sample, if that is later than the
// one at hand, which is judged then.
func (s *shard) advance(st *state, t int64) {
	g := st.member.group
	if g.speaks() && (g.heard == 0 || t > g.now && !g.far(t) || g.outvoted(t)) {
		s.judge(g)
		g.bar = max(min(aBar, (st.modelTime-st.mind.born)/infancy), st.interval, 1)
		g.now, g.heard, g.judged, g.votes = t, 0, false, 0
		g.constellation.Begin(t, len(g.slots))
	}
}

// gather takes in what the sample of st at t says to its group. A time is judged when
// all members have spoken of it, or when one speaks of a later time.
func (s *shard) gather(st *state, t int64, v *verdict) {
	g := st.member.group
	if !g.speaks() {
		return
	}
	g.take(&st.member, v.evidence, v.active)
	if !s.grading.lacks(Constellations) {
		g.look(&s.ledger, st, t, v)
	}
	if t == g.now {
		if g.heard++; g.heard == len(g.slots) {
			s.judge(g)
		}
	}
}

// far reports whether t continues nothing of the time at hand: it is that of a clock
// which is wrong, or that after a pause.
func (g *group) far(t int64) bool { return g.apart(t, g.now) }

func (g *group) apart(t, u int64) bool { return max(t-u, u-t) > gap*max(g.bar, aBar) }

// outvoted takes the vote of a sample whose time is far, and reports whether most members
// have so voted, one after the other: then it is the time at hand that is wrong.
func (g *group) outvoted(t int64) bool {
	if !g.far(t) {
		return false
	}
	if g.apart(t, g.elsewhen) {
		g.votes = 0
	}
	g.votes++
	g.elsewhen = t
	return g.votes > len(g.slots)/2
}

// judge grades what the members said of the time at hand, once.
func (s *shard) judge(g *group) {
	if g.judged || g.heard == 0 {
		return
	}
	g.judged = true
	score, kind := g.listen()
	scope := s.settings.scopes[g.rule]
	v := verdict{band: foreshock.NoBand(), kind: kind, raw: score * s.settings.floor, admitted: true, doubt: g.need}
	share := min(float64(g.now-g.at)/float64(g.bar), 1)
	g.at = g.now
	v.news = g.alarm.rests(max(share, 0))
	score = v.raw / s.settings.thresholds[scope] * sensitivity(g.rule)
	g.hear(max(share, 0), score, &v)
	s.weigh(place, scope, g.rule, g.now, &v)
	g.score = v.score
	if v.changed {
		if v.phase == foreshock.Started && g.since != 0 {
			v.onset, g.alarm.onset = g.since, g.since
		}
		s.tellGroup(g, g.now, v)
	}
	if g.alarm.active || score < 1 || score >= g.need {
		g.since = 0
	} else if g.since == 0 {
		g.since = g.now
	}
	if s.reports(g.rule, &g.reported, g.series, &v) {
		s.out.scores = append(s.out.scores, foreshock.Score{Series: g.series, T: g.now, Value: v.score, Score: v.score, Band: v.band})
	}
}

// hear has the alarm take the score of the time at hand in, which stands for so much of a
// bar. The members' scores fade while what is wrong with them stays: so the anomaly lasts,
// as that of a series does outside its band, while more than half of those are anomalous
// that were at its worst. Where none was it is over with what they say together.
func (g *group) hear(share, score float64, v *verdict) {
	if g.worst = max(g.worst, g.odd); !g.alarm.active {
		g.worst = g.odd
	}
	if g.worst > 0 {
		v.band = foreshock.Band{Upper: float64(g.worst) / 2}
	} else if score < 1 {
		g.alarm.held = min(g.alarm.held, linger)
	}
	g.alarm.hear(g.now, share, float64(g.odd), score, g.need, v)
	v.band = foreshock.NoBand()
}

// weight is the members' evidence of one kind together.
func (g *group) weight(kind int) float64 {
	if kind == deviating && g.sums[kind] < fewDeviating*fraction {
		return 0
	}
	return float64(g.sums[kind]) * g.scale[kind]
}

// weigh is the members' evidence together, and the kind that weighs most.
func (g *group) weigh() (score float64, kind int) {
	for k := range g.sums {
		if s := g.weight(k); s > score {
			score, kind = s, k
		}
	}
	if s := g.novelty(); s > score {
		score, kind = s, novel
	}
	return score, kind
}

// What few members say at a single time may be an accident, a slow request or two of which
// several series tell. It counts as far as they say it once more soon, unless it is doubtless
// times what it usually takes, or said by many. Not so a jerk, which is made of several bars as
// it is, nor a constellation, which is of all.
const (
	doubtless = 2
	many      = 4 // series that say as much as each other, by (Σ evidence)² ÷ Σ evidence²
	repeats   = 5 // bars
)

// saying is what the members said of one kind at a time, ms.
type saying struct {
	weight float64
	at     int64
}

// passing is what of the weight s of a kind counts, before which the members said so much.
func (g *group) passing(kind int, s, before float64) float64 {
	sum := float64(g.sums[kind])
	if kind == jerking || sum*sum >= many*float64(g.squares[kind]) {
		return s
	}
	return max(min(s, before), s/doubtless)
}

// listen is weigh, of a time that was not heard before.
func (g *group) listen() (score float64, kind int) {
	if g.apart(g.now, g.at) {
		g.said, g.since = [kinds]saying{}, 0
	}
	score, kind = g.weigh()
	sure := g.novelty()
	for k := range g.said {
		s, before := g.weight(k), &g.said[k]
		if g.now-before.at > repeats*g.bar {
			*before = saying{}
		}
		sure = max(sure, g.passing(k, s, before.weight))
		if s >= before.weight {
			*before = saying{s, g.now}
		}
	}
	if g.need = 1; sure > 0 {
		g.need = score / sure
	}
	return score, kind
}

// tellGroup hands out the change v in the anomaly of g.
func (s *shard) tellGroup(g *group, t int64, v verdict) {
	a := foreshock.Anomaly{
		Series:  g.series,
		Kind:    foreshock.Outlier,
		Phase:   v.phase,
		Rule:    g.rule.Name,
		Onset:   v.onset,
		T:       t,
		Value:   v.score,
		Score:   v.score,
		Band:    v.band,
		Channel: kindNames[v.kind],

		Interval: time.Duration(g.bar) * time.Millisecond,
	}
	g.remember(t, v)
	if v.phase == foreshock.Started {
		s.out.counts.groups++
	}
	if v.phase != foreshock.Ended {
		a.Company, a.Shared = s.company(g, v.kind), s.shared(g)
	}
	s.out.anomalies = append(s.out.anomalies, a)
}

// kindNames are the kinds of evidence as people read them.
var kindNames = [...]string{
	isolated: "group", jerking: "group (burst)", deviating: "group (deviation)", novel: "group (constellation)",
}
