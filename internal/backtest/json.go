package backtest

import (
	"encoding/json"
	"io"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock/internal/record"
)

// The report in JSON: names and times as everywhere in Foreshock's.
type (
	jsonReport struct {
		Config    string            `json:"config"`
		From      record.Instant    `json:"from"`
		To        record.Instant    `json:"to"`
		Samples   int               `json:"samples"`
		Series    int               `json:"series"`
		Skipped   int               `json:"skipped"`
		Dropped   int               `json:"dropped"`
		Rules     []jsonRule        `json:"rules"`
		Alerts    []jsonAlert       `json:"alerts"`
		Incidents []record.Incident `json:"incidents"`
		Compared  *jsonComparison   `json:"comparison,omitempty"`
	}
	jsonRule struct {
		Rule          string        `json:"rule"`
		Alerts        int           `json:"alerts"`
		AlertsPerWeek record.Number `json:"alertsPerWeek"`
		Incidents     int           `json:"incidents"`
		Remedies      int           `json:"remedies"`
		Refused       int           `json:"refusedRemedies"`
	}
	jsonAlert struct {
		Rule     string         `json:"rule"`
		StartsAt record.Instant `json:"startsAt"`
		ToldAt   record.Instant `json:"toldAt"`
		EndsAt   record.Instant `json:"endsAt"` // null where it did not end
		Labels   labels.Labels  `json:"labels"`
		Summary  string         `json:"summary,omitempty"`
		Incident string         `json:"incident,omitempty"`
		Remedies []jsonRemedy   `json:"remedies"`
	}
	jsonRemedy struct {
		Remedy  string `json:"remedy"`
		Action  string `json:"action,omitempty"`
		Target  string `json:"target,omitempty"`
		Refused string `json:"refused,omitempty"` // why it would not run
	}
	jsonComparison struct {
		Config    string      `json:"config"`
		Rules     []jsonRule  `json:"rules"`
		Both      []jsonPair  `json:"both"`
		OnlyHere  []jsonAlert `json:"onlyHere"`
		OnlyThere []jsonAlert `json:"onlyThere"`
	}
	jsonPair struct {
		Here  jsonAlert `json:"here"`
		There jsonAlert `json:"there"`
	}
)

// JSON writes the report for a program.
func (r *Report) JSON(w io.Writer) error {
	j := jsonReport{
		Config: r.Config, From: record.Instant(r.From), To: record.Instant(r.To),
		Samples: r.Samples, Series: r.Series, Skipped: r.Skipped, Dropped: r.Dropped,
		Rules: jsonRules(r.Rules), Alerts: jsonAlerts(r.Alerts), Incidents: []record.Incident{},
	}
	for _, in := range r.Incidents {
		j.Incidents = append(j.Incidents, record.NewIncident(in, maxMembers))
	}
	if c := r.Comparison; c != nil {
		j.Compared = &jsonComparison{
			Config: c.Other.Config, Rules: jsonRules(c.Other.Rules), Both: []jsonPair{},
			OnlyHere: jsonAlerts(c.OnlyHere), OnlyThere: jsonAlerts(c.OnlyThere),
		}
		for _, p := range c.Both {
			j.Compared.Both = append(j.Compared.Both, jsonPair{newAlert(p.Here), newAlert(p.There)})
		}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(j)
}

func jsonRules(all []Rule) []jsonRule {
	out := []jsonRule{}
	for _, one := range all {
		out = append(out, jsonRule{one.Name, one.Alerts, record.Number(one.PerWeek), one.Incidents, one.Remedies, one.Refused})
	}
	return out
}

func jsonAlerts(all []Alert) []jsonAlert {
	out := []jsonAlert{}
	for _, a := range all {
		out = append(out, newAlert(a))
	}
	return out
}

func newAlert(a Alert) jsonAlert {
	j := jsonAlert{
		Rule: a.Rule, StartsAt: record.Instant(a.StartsAt), ToldAt: record.Instant(a.ToldAt), EndsAt: record.Instant(a.EndsAt),
		Labels: a.Labels, Summary: a.Summary, Incident: a.Incident, Remedies: []jsonRemedy{},
	}
	for _, r := range a.Remedies {
		j.Remedies = append(j.Remedies, jsonRemedy{r.Rule, r.Action, r.Target, r.Refused})
	}
	return j
}
