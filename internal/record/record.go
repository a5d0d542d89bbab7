// Package record is how Foreshock's nouns look in JSON, wherever they leave the
// process: in the API, and in the file of JSON lines. Names are in camel case as in
// Prometheus's API, times are RFC 3339 in milliseconds, and what is not known is null:
// no number that JSON has no form for is an error.
package record

import (
	"encoding/json"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// Number is a float64; null where it is not finite.
type Number float64

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// Instant is a sample time in ms; null where it is 0, which stands for not yet.
// Unlike time.Time it has a form for every value a sender may think of.
type Instant int64

// MarshalJSON implements json.Marshaler.
func (i Instant) MarshalJSON() ([]byte, error) {
	if i == 0 {
		return []byte("null"), nil
	}
	return []byte(foreshock.Time(int64(i)).Format(`"2006-01-02T15:04:05.000Z07:00"`)), nil
}

// seconds is a time to come; null where it is negative, which stands for never.
func seconds(d time.Duration) Number {
	if d < 0 {
		return Number(math.NaN())
	}
	return Number(d.Seconds())
}

// Series names a series: as PromQL writes it, and by its labels.
type Series struct {
	Series string        `json:"series"`
	Metric labels.Labels `json:"metric"`
}

// NewSeries returns the record of s.
func NewSeries(s *foreshock.Series) Series { return Series{s.String(), s.Labels} }

// Band is what was expected.
type Band struct {
	Expected Number `json:"expected"`
	Lower    Number `json:"lower"`
	Upper    Number `json:"upper"`
}

// NewBand returns the record of b.
func NewBand(b foreshock.Band) Band {
	return Band{Number(b.Expected), Number(b.Lower), Number(b.Upper)}
}

// Breach is there for a breach only.
type Breach struct {
	Limit      Number `json:"limit"`
	ETASeconds Number `json:"etaSeconds"`
	// From the soonest to the latest, which is null where it may be never.
	SoonestSeconds Number `json:"soonestSeconds"`
	LatestSeconds  Number `json:"latestSeconds"`
}

func newBreach(k foreshock.Kind, limit float64, a foreshock.Arrival) *Breach {
	if k != foreshock.Breach {
		return nil
	}
	return &Breach{Number(limit), seconds(a.ETA), seconds(a.Soonest), seconds(a.Latest)}
}

// Crossing is there for a crossing only.
type Crossing struct {
	Bound Number `json:"bound"`
	Above bool   `json:"above"` // it was crossed upwards
}

func newCrossing(k foreshock.Kind, limit float64, above bool) *Crossing {
	if k != foreshock.Crossing {
		return nil
	}
	return &Crossing{Number(limit), above}
}

// Silence is there for an absence only.
type Silence struct {
	SilentTargets  int `json:"silentTargets"`  // 0 where it is the one series
	SilentSeries   int `json:"silentSeries"`   // it among them
	LivingSiblings int `json:"livingSiblings"` // series of its target that go on
}

func newSilence(k foreshock.Kind, s foreshock.Silence) *Silence {
	if k != foreshock.Absence {
		return nil
	}
	return &Silence{s.Targets, s.Series, s.Siblings}
}

// Company is there for a group only: Odd of its Of series are anomalous by themselves, and
// Loudest says most.
type Company struct {
	Odd     int     `json:"odd"`
	Of      int     `json:"of"`
	Loudest Witness `json:"loudest"`
}

// Witness is one series of a group, and what it says.
type Witness struct {
	Series
	Value Number `json:"value"`
	Band
}

func newCompany(c foreshock.Company) *Company {
	if c.Of == 0 {
		return nil
	}
	r := &Company{Odd: c.Odd, Of: c.Of}
	if l := c.Loudest; l.Series != nil {
		r.Loudest = Witness{NewSeries(l.Series), Number(l.Value), NewBand(l.Band)}
	}
	return r
}

// Anomaly is one change in how a series behaves.
type Anomaly struct {
	Series
	Kind    string  `json:"kind"`  // outlier, breach, absence or crossing
	Phase   string  `json:"phase"` // started, escalated or ended
	Rule    string  `json:"rule,omitempty"`
	Group   string  `json:"group,omitempty"` // the series of the place that speaks for it
	Onset   Instant `json:"onset"`
	Value   Number  `json:"value"`
	Score   Number  `json:"score"`
	Channel string  `json:"channel,omitempty"`
	Band
	*Breach
	*Crossing
	*Silence
	Company *Company `json:"company,omitempty"`
}

// NewAnomaly returns the record of a.
func NewAnomaly(a foreshock.Anomaly) Anomaly {
	group := ""
	if a.Group != nil {
		group = a.Group.String()
	}
	return Anomaly{
		Group: group, Company: newCompany(a.Company),
		Series: NewSeries(a.Series), Kind: a.Kind.String(), Phase: a.Phase.String(), Rule: a.Rule,
		Onset: Instant(a.Onset), Value: Number(a.Value), Score: Number(a.Score), Channel: a.Channel,
		Band: NewBand(a.Band), Breach: newBreach(a.Kind, a.Limit, a.Arrival), Crossing: newCrossing(a.Kind, a.Limit, a.Above),
		Silence: newSilence(a.Kind, a.Silence),
	}
}

// Forecast is what is foreseen for a series.
type Forecast struct {
	Series
	Rule           string `json:"rule,omitempty"`
	HorizonSeconds Number `json:"horizonSeconds"`
	Band
	Breach // its time is null where no crossing is foreseen
}

// NewForecast returns the record of f.
func NewForecast(f foreshock.Forecast) Forecast {
	return Forecast{
		Series: NewSeries(f.Series), Rule: f.Rule, HorizonSeconds: seconds(f.Horizon), Band: NewBand(f.Band),
		Breach: *newBreach(foreshock.Breach, f.Limit, f.Arrival),
	}
}

// Incident is what happened together.
type Incident struct {
	ID        string        `json:"id"`
	Kind      string        `json:"kind"`  // outlier, breach, absence or crossing
	State     string        `json:"state"` // pending, firing or resolved
	StartsAt  Instant       `json:"startsAt"`
	EndsAt    Instant       `json:"endsAt"`
	UpdatedAt Instant       `json:"updatedAt"`
	Labels    labels.Labels `json:"labels"`
	Alerting  bool          `json:"alerting"`
	Rule      string        `json:"rule,omitempty"`
	Severity  string        `json:"severity,omitempty"` // once it was told as firing
	// Lead is the member to speak of.
	Lead *Member `json:"lead"`
	// Members are the first of MemberCount.
	Members     []Member `json:"members"`
	MemberCount int      `json:"memberCount"`
	// Evidence is what logs say, of every source that was asked by now.
	Evidence []Evidence `json:"evidence,omitempty"`
	*Inquest
	// Dismissed is there where somebody said that it was a false alarm.
	Dismissed *Dismissal `json:"dismissed,omitempty"`
	// Remedies are what was done about it, oldest first.
	Remedies []Remedy `json:"remedies,omitempty"`
	// Links are there where one incident was asked for.
	Links *Links `json:"links,omitempty"`
}

// Links are where else an incident is to be seen: URLs.
type Links struct {
	// Alertmanagers are those whose addresses are known, each filtered to the alert.
	Alertmanagers []string `json:"alertmanagers"`
	// Grafana is the overview at the time of the incident, Series the explorer of its lead.
	Grafana string `json:"grafana,omitempty"`
	Series  string `json:"series,omitempty"`
}

// Remedy is what was done about an incident, and what became of it.
type Remedy struct {
	Rule    string  `json:"rule"`
	Action  string  `json:"action"`
	Target  string  `json:"target,omitempty"`
	At      Instant `json:"at"`
	Outcome string  `json:"outcome,omitempty"` // recovered, not recovered or cannot tell
	Text    string  `json:"text"`
}

// Evidence is what one source of logs says about the time around the onset.
type Evidence struct {
	Source       string  `json:"source"`
	NotAvailable string  `json:"notAvailable,omitempty"` // why; else the rest is there
	Query        string  `json:"query,omitempty"`        // in the source's language
	From         Instant `json:"from"`
	To           Instant `json:"to"`
	Lines        int64   `json:"lines"` // that match
	By           []Lines `json:"by,omitempty"`
	Patterns     []Lines `json:"patterns,omitempty"`
}

// Lines are lines of a log that have their name in common.
type Lines struct {
	Name  string `json:"name"`
	Lines int64  `json:"lines"`
}

func newEvidence(e foreshock.Evidence) Evidence {
	return Evidence{
		Source: e.Source, NotAvailable: e.Missing, Query: e.Query, From: Instant(e.From), To: Instant(e.To),
		Lines: e.Total, By: newLines(e.By), Patterns: newLines(e.Patterns),
	}
}

func newLines(counts []foreshock.Count) []Lines {
	var all []Lines
	for _, c := range counts {
		all = append(all, Lines(c))
	}
	return all
}

// Dismissal is who called an incident a false alarm, when and why.
type Dismissal struct {
	At     Instant `json:"at"`
	By     string  `json:"by"`
	Reason string  `json:"reason,omitempty"`
}

// Member is one series' part in an incident.
type Member struct {
	Series
	Rule    string  `json:"rule,omitempty"`
	Onset   Instant `json:"onset"`
	EndedAt Instant `json:"endedAt"`
	Peak    Number  `json:"peak"`  // highest score
	Value   Number  `json:"value"` // at the peak
	Channel string  `json:"channel,omitempty"`
	Band            // at the peak
	*Breach
	*Crossing
	*Silence
	Company *Company `json:"company,omitempty"`
}

// NewIncident returns the record of i with at most maxMembers of its members.
func NewIncident(i foreshock.Incident, maxMembers int) Incident {
	r := Incident{
		ID: i.ID, Kind: i.Kind.String(), State: i.State.String(),
		StartsAt: Instant(i.StartsAt), EndsAt: Instant(i.EndsAt), UpdatedAt: Instant(i.Updated),
		Labels: i.Labels, Alerting: i.Alerting, Rule: i.Rule, Severity: i.Severity, Inquest: newInquest(&i.Inquest),
		Members: make([]Member, min(len(i.Members), maxMembers)), MemberCount: len(i.Members) + i.Dropped,
	}
	for k := range r.Members {
		r.Members[k] = newMember(i.Kind, &i.Members[k])
	}
	for _, e := range i.Evidence {
		r.Evidence = append(r.Evidence, newEvidence(e))
	}
	for _, m := range i.Remedies {
		r.Remedies = append(r.Remedies, Remedy{m.Rule, m.Action, m.Target, Instant(m.At), m.Outcome, m.Text})
	}
	if d := i.Dismissal; d != nil {
		r.Dismissed = &Dismissal{Instant(d.At), d.By, d.Reason}
	}
	if lead := i.Lead(); lead != nil {
		r.Lead = new(newMember(i.Kind, lead))
	}
	return r
}

func newMember(k foreshock.Kind, m *foreshock.Member) Member {
	return Member{
		Series: NewSeries(m.Series), Rule: m.Rule, Onset: Instant(m.Onset), EndedAt: Instant(m.EndedAt),
		Peak: Number(m.Peak), Value: Number(m.Value), Channel: m.Channel,
		Band: NewBand(m.Band), Breach: newBreach(k, m.Limit, m.Arrival), Crossing: newCrossing(k, m.Limit, m.Above),
		Silence: newSilence(k, m.Silence), Company: newCompany(m.Company),
	}
}
