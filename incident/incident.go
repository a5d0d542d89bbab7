// Package incident joins anomalies that happen together into one incident, so that
// a person is told once.
//
// Two anomalies belong together when they are of one kind, start within
// Config.JoinWithin of each other and share the values of one of the label sets of
// Config.Affinity: what happens to one host, one workload or one service. So do the
// anomaly of a group and those of the series it speaks for, whichever comes first, and
// what was ill together before (history.go). What follows on the same host, workload or
// service joins while the incident is open, up to Config.JoinLate after, and
// what depends on it where that is weaker (topology.go). Where more
// begins at once in a job, of a metric or in a cluster than chance explains, it is an
// outbreak, one incident (outbreak.go).
//
// A series is anomalous in at most one open incident per kind. Incidents that turn out to
// touch become one, the one that was told or else the earlier, unless both were told and
// their rules differ in severity. Only one series parts from an incident:
// one that was normal for longer than Config.JoinLate is another matter when it is
// anomalous anew.
//
// An incident is pending until it has lasted Config.FireAfter and a rule selected
// one of its members; from then on its labels and its start are fixed, as the
// identity of its alert. One that no rule selected is shown, and nobody is told. It is
// resolved once the members that a rule selected, or all where no rule selected any,
// have ended and stayed so for Config.ResolveAfter: what else was odd is part of the
// story, but does not keep the alert from ending.
// Silence is not recovery: a member ends by an anomaly that says so and by nothing
// else, so an incident whose input stops stays open until the series come back or
// the detector gives them up.
//
// An incident that somebody dismisses as a false alarm is over, and what is like it must
// be stronger to be told: a lesson that fades.
//
// A Correlator is plain data: no clock, no goroutine, no I/O, not safe for
// concurrent use. It knows sample time only, and the same anomalies give the same
// incidents.
package incident

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/incident/extent"
)

// incident is one that is open, or has been until the next Tick tells of its end.
// The embedded Members are those last told; kept has the current ones.
type incident struct {
	foreshock.Incident
	parts      []*part
	kept       []*part   // those with a member, by onset, then labels
	keys       []string  // the affinity keys it was joined under
	strength   float64   // the highest score of what a rule selected
	lasting    int       // parts that have not ended
	selected   int       // of them, those that a rule selected
	quietSince int64     // when the last part that keeps it open ended, ms
	keepUntil  int64     // until when the rules of parts that ended keep its alert, ms
	changed    bool      // the next Tick tells of it
	into       *incident // the one it became part of, and left its parts to
}

// part is one series' part in an incident.
type part struct {
	in        *incident
	key       string            // in Correlator.parts
	rule      string            // that selects it, now or once it has lasted
	group     *foreshock.Series // what it is, or what speaks for it; nil of a series by itself
	shared    labels.Labels     // of a group, what its series had in common at first
	member    *foreshock.Member // nil beyond Config.MaxMembers
	lasting   bool
	selected  bool  // by a rule
	endedAt   int64 // ms, once it did
	keepUntil int64 // when it ended: until when its rule keeps the alert, ms
}

// newIncident returns an incident that a begins, without its first part.
func newIncident(a *foreshock.Anomaly) *incident {
	return &incident{
		Incident: foreshock.Incident{
			ID:       id(a),
			Kind:     a.Kind,
			StartsAt: a.Onset,
			Labels:   shared(a),
		},
		quietSince: a.Onset,
	}
}

// id is the name of the incident that a begins: 48 bits, so that ten thousand
// incidents share a name with probability 10⁸/2/2⁴⁸ ≈ 2·10⁻⁷.
func id(a *foreshock.Anomaly) string {
	b := binary.BigEndian.AppendUint64(nil, a.Series.Fingerprint)
	b = binary.BigEndian.AppendUint64(b, uint64(a.Onset))
	b = append(append(b, byte(a.Kind)), apart(a.Kind, a.Rule)...)
	return fmt.Sprintf("%012x", xxhash.Sum64(b)>>16)
}

// again is the name of what goes on at t after the incident with that name was dismissed.
func again(name string, t int64) string {
	return fmt.Sprintf("%012x", xxhash.Sum64(binary.BigEndian.AppendUint64([]byte(name), uint64(t)))>>16)
}

// add makes the series of a, which rule selects now, a part of the incident.
func (in *incident) add(a *foreshock.Anomaly, rule, key string, maxMembers int) *part {
	p := &part{
		in: in, key: key, rule: a.Rule, group: groupOf(a), shared: a.Shared,
		member: &foreshock.Member{Series: a.Series, Rule: rule, Onset: a.Onset},
	}
	p.peak(a)
	p.begin()
	in.gain(a)
	in.parts = append(in.parts, p)
	// Once it fires both are the alert's identity: another start would be another
	// episode to whoever treats it.
	if in.State == foreshock.Pending {
		in.StartsAt = min(in.StartsAt, a.Onset)
		in.Labels = common(in.Labels, shared(a))
	}
	p.selectBy(rule)
	in.keep(p, maxMembers)
	return p
}

// keep puts the member of p among those that are told. Where there is no room, one
// that a rule selected takes the place of the latest one that none did: it is what
// the alert is about.
func (in *incident) keep(p *part, maxMembers int) {
	if len(in.kept) >= maxMembers {
		in.Dropped++
		last := len(in.kept) - 1
		for last >= 0 && in.kept[last].member.Rule != "" {
			last--
		}
		if p.member.Rule == "" || last < 0 {
			p.member = nil
			return
		}
		in.kept[last].member = nil
		in.kept = slices.Delete(in.kept, last, last+1)
	}
	at, _ := slices.BinarySearchFunc(in.kept, p, func(a, b *part) int {
		return cmp.Or(
			cmp.Compare(a.member.Onset, b.member.Onset),
			labels.Compare(a.member.Series.Labels, b.member.Series.Labels),
		)
	})
	in.kept = slices.Insert(in.kept, at, p)
}

// take makes every part of other a part of in.
func (in *incident) take(other *incident, maxMembers int) {
	for _, p := range other.parts {
		p.in = in
		in.parts = append(in.parts, p)
		if p.member != nil {
			in.keep(p, maxMembers)
		}
	}
	in.Dropped += other.Dropped
	in.strength = max(in.strength, other.strength)
	in.lasting += other.lasting
	in.selected += other.selected
	in.quietSince = max(in.quietSince, other.quietSince)
	in.keepUntil = max(in.keepUntil, other.keepUntil)
	if in.State == foreshock.Pending {
		in.StartsAt = min(in.StartsAt, other.StartsAt)
		in.Labels = common(in.Labels, other.Labels)
		if !in.Alerting {
			in.Alerting, in.Rule = other.Alerting, other.Rule
		}
	}
}

// alert is what identifies the alert of an incident.
func (in *incident) alert() string {
	return string(append(in.Labels.Bytes(nil), byte(in.Kind))) + in.Rule
}

// tell completes what the incident says of itself. An absorbed one has no more to
// say of its members than it had when it was last told.
func (in *incident) tell(now int64) foreshock.Incident {
	in.Updated = now
	if in.into != nil {
		return in.Incident
	}
	in.Members = in.members()
	if in.State == foreshock.Firing && in.Severity == "" {
		in.Severity = extent.Severity(&in.Incident)
	}
	return in.Incident
}

// close lets go of what an incident that is over, and told so, has no use for: the starts
// of late may hold it for a while.
func (in *incident) close() {
	if in.State == foreshock.Resolved {
		in.parts, in.kept, in.keys, in.Members = nil, nil, nil, nil
	}
}

// members are those there are now.
func (in *incident) members() []foreshock.Member {
	all := make([]foreshock.Member, len(in.kept))
	for i, p := range in.kept {
		all[i] = *p.member
	}
	return all
}

// lostFor is how long the alert of a series that ended by a staleness marker is kept: a scrape
// that failed once says nothing of the fault that goes on. Five minutes are five scrapes a
// minute apart, and as long as Prometheus takes a last sample for current (its
// --query.lookback-delta).
const lostFor = 5 * time.Minute

// update takes in what happened to a series that is part of the incident already,
// which rule selects now and keeps alerting of for so long once it is over.
func (p *part) update(a *foreshock.Anomaly, rule string, keep time.Duration) {
	if a.Lost {
		keep = max(keep, lostFor)
	}
	switch {
	case a.Phase != foreshock.Ended:
		if !p.lasting {
			p.begin()
		}
		p.rule = cmp.Or(a.Rule, p.rule)
		p.selectBy(rule)
		p.peak(a)
		p.in.gain(a)
	case p.lasting:
		p.end(a.T, keep)
	}
}

// selectBy says which rule selects the series, if one does; rules may come later than
// the anomaly.
func (p *part) selectBy(rule string) {
	if rule == "" {
		return
	}
	if p.member != nil {
		p.member.Rule = rule
	}
	if !p.selected && p.lasting {
		p.in.selected++
	}
	p.selected = true
	if in := p.in; !in.Alerting {
		in.Alerting, in.Rule = true, rule
	}
}

// lasts reports whether a part still keeps the incident open.
func (in *incident) lasts() bool {
	if in.Alerting {
		return in.selected > 0
	}
	return in.lasting > 0
}

// begin says that the series is anomalous, again or for the first time.
func (p *part) begin() {
	p.lasting = true
	p.in.lasting++
	if p.selected {
		p.in.selected++
	}
	if p.member != nil {
		p.member.EndedAt = 0
	}
}

// end says that the series is normal since t, and that its alert is kept for so long.
func (p *part) end(t int64, keep time.Duration) {
	p.lasting, p.endedAt = false, t
	p.in.lasting--
	if p.selected {
		p.in.selected--
	}
	p.keepUntil = t + keep.Milliseconds()
	if p.selected {
		p.in.keepUntil = max(p.in.keepUntil, p.keepUntil)
	}
	if p.selected || !p.in.Alerting {
		p.in.quietSince = max(p.in.quietSince, t)
	}
	if p.member != nil {
		p.member.EndedAt = t
	}
}

// narrow reports whether all that is odd is one place, of which no series is by itself.
func (in *incident) narrow() bool {
	return len(in.parts) == 1 && in.parts[0].member != nil && in.parts[0].member.Of > 0 && in.parts[0].member.Odd == 0
}

// gain has the incident be as strong as a, where a rule selects that.
func (in *incident) gain(a *foreshock.Anomaly) {
	if a.Rule != "" {
		in.strength = max(in.strength, a.Score)
	}
}

// peak keeps the worst the series has shown; of a limit, to come or crossed, the latest
// word, which of one crossed is the worst.
func (p *part) peak(a *foreshock.Anomaly) {
	if m := p.member; m != nil && (a.Score >= m.Peak || a.Kind == foreshock.Breach || a.Kind == foreshock.Crossing) {
		m.Peak, m.Value, m.Band, m.Channel = a.Score, a.Value, a.Band, a.Channel
		m.Limit, m.Above, m.Arrival, m.Silence, m.Company = a.Limit, a.Above, a.Arrival, a.Silence, a.Company
	}
}

// shared are the labels of the series of a or, of a group, what all of its series share:
// they do not depend on which of them is anomalous, and the group's own label rule is
// none of them.
func shared(a *foreshock.Anomaly) labels.Labels {
	if a.Series.IsGroup() {
		return a.Shared
	}
	return a.Series.Labels.DropReserved(isMetricName)
}

// common returns those of shared that ls has too.
func common(shared, ls labels.Labels) labels.Labels {
	var differ []string
	shared.Range(func(l labels.Label) {
		if ls.Get(l.Name) != l.Value {
			differ = append(differ, l.Name)
		}
	})
	if differ == nil {
		return shared
	}
	return labels.NewBuilder(shared).Del(differ...).Labels()
}

func isMetricName(label string) bool { return label == model.MetricNameLabel }

// elapsed is the time from one moment to a later one in ms, 0 if it is not later.
// Sample times may be any int64, so that a plain difference could overflow.
func elapsed(from, to int64) uint64 {
	if to <= from {
		return 0
	}
	return uint64(to) - uint64(from)
}
