package emitter

import (
	"encoding/json"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// number is a float64 that JSON can hold: null where it is not finite.
type number float64

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// instant is a sample time in ms. Unlike time.Time it has a form for every value a
// sender may think of.
type instant int64

// MarshalJSON implements json.Marshaler.
func (t instant) MarshalJSON() ([]byte, error) {
	return []byte(foreshock.Time(int64(t)).Format(`"2006-01-02T15:04:05.000Z07:00"`)), nil
}

type jsonBand struct {
	Expected number `json:"expected"`
	Lower    number `json:"lower"`
	Upper    number `json:"upper"`
}

type jsonAnomaly struct {
	Type    string        `json:"type"`
	Time    instant       `json:"time"`
	Series  labels.Labels `json:"series"`
	Kind    string        `json:"kind"`
	Phase   string        `json:"phase"`
	Rule    string        `json:"rule,omitempty"`
	Onset   instant       `json:"onset"`
	Value   number        `json:"value"`
	Score   number        `json:"score"`
	Channel string        `json:"channel,omitempty"`
	jsonBand
	*jsonBreach
}

// jsonBreach is there for a breach only.
type jsonBreach struct {
	Limit number `json:"limit"`
	ETA   number `json:"eta_seconds"`
}

type jsonForecast struct {
	Type    string        `json:"type"`
	Time    instant       `json:"time"`
	Series  labels.Labels `json:"series"`
	Rule    string        `json:"rule,omitempty"`
	Horizon float64       `json:"horizon_seconds"`
	jsonBand
	Limit number `json:"limit"`
	ETA   number `json:"eta_seconds"` // null when no crossing is foreseen
}

type jsonIncident struct {
	Type     string        `json:"type"`
	Time     instant       `json:"time"`
	ID       string        `json:"id"`
	Kind     string        `json:"kind"`
	State    string        `json:"state"`
	StartsAt instant       `json:"starts_at"`
	EndsAt   *instant      `json:"ends_at,omitempty"`
	Labels   labels.Labels `json:"labels"`
	Alerting bool          `json:"alerting"`
	Rule     string        `json:"rule,omitempty"`
	Members  []jsonMember  `json:"members"`
	Dropped  int           `json:"dropped_members,omitempty"`
}

type jsonMember struct {
	Series  labels.Labels `json:"series"`
	Rule    string        `json:"rule,omitempty"`
	Onset   instant       `json:"onset"`
	EndedAt *instant      `json:"ended_at,omitempty"`
	Peak    number        `json:"peak"`
	Value   number        `json:"value"`
	Channel string        `json:"channel,omitempty"`
	jsonBand
	*jsonBreach
}

// appendLines appends what is written of a report: its anomalies, forecasts and
// incidents, in this order.
func appendLines(lines []any, r foreshock.Report) []any {
	for _, a := range r.Anomalies {
		lines = append(lines, anomalyJSON(a))
	}
	for _, f := range r.Forecasts {
		lines = append(lines, forecastJSON(f))
	}
	for _, i := range r.Incidents {
		lines = append(lines, incidentJSON(i))
	}
	return lines
}

func anomalyJSON(a foreshock.Anomaly) jsonAnomaly {
	return jsonAnomaly{
		Type:       "anomaly",
		Time:       instant(a.T),
		Series:     a.Series.Labels,
		Kind:       a.Kind.String(),
		Phase:      a.Phase.String(),
		Rule:       a.Rule,
		Onset:      instant(a.Onset),
		Value:      number(a.Value),
		Score:      number(a.Score),
		Channel:    a.Channel,
		jsonBand:   bandJSON(a.Band),
		jsonBreach: breachJSON(a.Kind, a.Limit, a.ETA),
	}
}

func forecastJSON(f foreshock.Forecast) jsonForecast {
	return jsonForecast{
		Type:     "forecast",
		Time:     instant(f.T),
		Series:   f.Series.Labels,
		Rule:     f.Rule,
		Horizon:  f.Horizon.Seconds(),
		jsonBand: bandJSON(f.Band),
		Limit:    number(f.Limit),
		ETA:      etaJSON(f.ETA),
	}
}

func incidentJSON(i foreshock.Incident) jsonIncident {
	members := make([]jsonMember, len(i.Members))
	for k, m := range i.Members {
		members[k] = jsonMember{
			Series:     m.Series.Labels,
			Rule:       m.Rule,
			Onset:      instant(m.Onset),
			EndedAt:    endJSON(m.EndedAt),
			Peak:       number(m.Peak),
			Value:      number(m.Value),
			Channel:    m.Channel,
			jsonBand:   bandJSON(m.Band),
			jsonBreach: breachJSON(i.Kind, m.Limit, m.ETA),
		}
	}
	return jsonIncident{
		Type:     "incident",
		Time:     instant(i.Updated),
		ID:       i.ID,
		Kind:     i.Kind.String(),
		State:    i.State.String(),
		StartsAt: instant(i.StartsAt),
		EndsAt:   endJSON(i.EndsAt),
		Labels:   i.Labels,
		Alerting: i.Alerting,
		Rule:     i.Rule,
		Members:  members,
		Dropped:  i.Dropped,
	}
}

func bandJSON(b foreshock.Band) jsonBand {
	return jsonBand{number(b.Expected), number(b.Lower), number(b.Upper)}
}

func breachJSON(k foreshock.Kind, limit float64, eta time.Duration) *jsonBreach {
	if k != foreshock.Breach {
		return nil
	}
	return &jsonBreach{number(limit), etaJSON(eta)}
}

func etaJSON(eta time.Duration) number {
	if eta < 0 {
		return number(math.NaN())
	}
	return number(eta.Seconds())
}

func endJSON(ms int64) *instant {
	if ms == 0 {
		return nil
	}
	t := instant(ms)
	return &t
}
