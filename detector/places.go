package detector

import (
	"fmt"
	"slices"
	"strings"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/quantity"
	"github.com/foreshock/foreshock/rules"
)

// maxLoudest members of a group are named in its explanation.
const maxLoudest = 5

// asksForGroups reports whether the matchers name the series of groups.
func asksForGroups(matchers []*labels.Matcher) bool {
	return slices.ContainsFunc(matchers, func(m *labels.Matcher) bool {
		return m.Name == prommodel.MetricNameLabel && m.Type == labels.MatchEqual && m.Value == foreshock.GroupName
	})
}

// explainGroups says of the groups that match, the first limit of them by labels, what
// they say now; of the time at, ms, whether they alerted then.
func (s *shard) explainGroups(matchers rules.Matchers, at int64, limit int) []foreshock.Explanation {
	var found []*group
	for _, g := range s.groups {
		if g.speaks() && matchers.Matches(g.series.Labels) {
			found = append(found, g)
		}
	}
	slices.SortFunc(found, func(a, b *group) int { return labels.Compare(a.series.Labels, b.series.Labels) })
	all := make([]foreshock.Explanation, 0, limit)
	for _, g := range found[:min(limit, len(found))] {
		all = append(all, s.explainGroup(g, at))
	}
	return all
}

func (s *shard) explainGroup(g *group, at int64) foreshock.Explanation {
	e := foreshock.Explanation{Series: g.series, Kind: "place", Rule: g.rule.Name, Asked: min(at, g.at)}
	if at < g.at-lookback {
		e.Moment = unknown(foreshock.Forgotten)
		e.T = at
		alerted := "it did not alert then, as far as its last alerts tell"
		if a, ok := g.alertAt(at); ok {
			alerted, e.Onset = "it "+a.told(at), a.from
		}
		e.Because = fmt.Sprintf("%s; what it was made of is known of its newest sample only: ask about a series of it, such as %s",
			alerted, s.loudest(g, isolated, 1)[0].series)
		return e
	}
	score, kind := g.weigh()
	e.Moment = unknown(foreshock.BelowThreshold)
	e.T, e.Score = g.at, g.score
	again := ""
	if g.alarm.active {
		again = " again"
		e.Reason, e.Onset = foreshock.ActiveAlready, g.alarm.onset
		if e.Onset == e.T {
			e.Reason = foreshock.Alerting
		}
	}
	scored := score * s.settings.floor / s.settings.thresholds[s.settings.scopes[g.rule]] * sensitivity(g.rule)
	e.Because = fmt.Sprintf("anomalous by themselves: %d of %d series; all of them together score %s (%s), and %s is enough to alert%s; most of it is said by %s",
		g.odd, len(g.slots), quantity.Number(scored), kindNames[kind], quantity.Number(g.alarm.needed(g.need)), again, strings.Join(s.sayings(g, kind), "; "))
	return e
}

// sayings are the loudest members of g and what each says.
func (s *shard) sayings(g *group, kind int) []string {
	var all []string
	for _, st := range s.loudest(g, kind, maxLoudest) {
		p := st.member.parts
		if p == [kinds]int32{} && st.says(kind) == 0 {
			break // nor do those behind it say anything
		}
		in := func(v float64) string { return quantity.Of(st.series.Name(), v) }
		text := fmt.Sprintf("%s at %s", st.series, in(st.x))
		if st.band.Known() {
			text += fmt.Sprintf(", expected %s to %s", in(st.band.Lower), in(st.band.Upper))
		}
		all = append(all, fmt.Sprintf("%s (score %s, burst %s, deviation %s, moved %s)", text,
			quantity.Number(st.says(isolated)), quantity.Number(st.says(jerking)), quantity.Number(st.says(deviating)), quantity.Number(st.says(novel))))
	}
	if all == nil {
		return []string{"none"}
	}
	return all
}

// told says when an alert was, to somebody who asks about t.
func (a stretch) told(t int64) string {
	text := "alerted at " + clockOf(a.from, t)
	if a.to != 0 {
		text += ", until " + clockOf(a.to, t)
	}
	return text
}

// spoken goes on from what is said of an anomalous sample of st at t with what its place
// made of it; "" where st speaks for itself.
func (st *state) spoken(t int64) string {
	g := st.member.group
	if !g.speaks() {
		return ""
	}
	text := fmt.Sprintf("; its place speaks for it, %s, whose %d series alert together", g.series, len(g.slots))
	if a, ok := g.alertAt(t); ok {
		return text + ", and which " + a.told(t)
	}
	if g.now-t > lookback {
		return text + ", and which was calm then, as far as its last alerts tell"
	}
	return text + fmt.Sprintf(", and which is calm: it scores %s, and %s would alert", quantity.Number(g.score), quantity.Number(g.alarm.needed(g.need)))
}
