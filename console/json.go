package console

import (
	"encoding/json"
	"math"
	"net/http"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/api"
)

// answer turns what f returns into a response.
func (c *console) answer(f func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := f(r)
		if err != nil {
			status := statusOf(err)
			if status == http.StatusInternalServerError {
				c.Logger.Error("cannot answer", "path", r.URL.Path, "err", err)
			}
			api.Refuse(w, status, err.Error())
			return
		}
		if err := api.Answer(w, data); err != nil {
			c.Logger.Error("cannot answer", "path", r.URL.Path, "err", err)
		}
	})
}

// number is a float64 in JSON; null where it is NaN or infinite.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// instant is a time in ms, in JSON as RFC 3339; null where it is 0, not yet.
type instant int64

func (i instant) MarshalJSON() ([]byte, error) {
	if i == 0 {
		return []byte("null"), nil
	}
	return json.Marshal(foreshock.Time(int64(i)).Format(time.RFC3339Nano))
}

type bandJSON struct {
	Expected number `json:"expected"`
	Lower    number `json:"lower"`
	Upper    number `json:"upper"`
}

func newBandJSON(b foreshock.Band) bandJSON {
	return bandJSON{number(b.Expected), number(b.Lower), number(b.Upper)}
}

type incidentJSON struct {
	ID        string        `json:"id"`
	Kind      string        `json:"kind"`  // outlier or breach
	State     string        `json:"state"` // pending, firing or resolved
	StartsAt  instant       `json:"startsAt"`
	EndsAt    instant       `json:"endsAt"`
	UpdatedAt instant       `json:"updatedAt"`
	Labels    labels.Labels `json:"labels"`
	Alerting  bool          `json:"alerting"`
	Rule      string        `json:"rule,omitempty"`
	Members   []memberJSON  `json:"members"`
	Dropped   int           `json:"dropped,omitempty"`
}

type memberJSON struct {
	Series  string        `json:"series"` // as PromQL writes it
	Metric  labels.Labels `json:"metric"`
	Rule    string        `json:"rule,omitempty"`
	Onset   instant       `json:"onset"`
	EndedAt instant       `json:"endedAt"`
	Peak    number        `json:"peak"`  // highest score
	Value   number        `json:"value"` // at the peak
	bandJSON
	Channel string `json:"channel,omitempty"`
	// Limit and ETASeconds are those of a breach.
	Limit      *number `json:"limit,omitempty"`
	ETASeconds *number `json:"etaSeconds,omitempty"`
}

func newIncidentJSON(i foreshock.Incident) incidentJSON {
	shown := incidentJSON{
		ID: i.ID, Kind: i.Kind.String(), State: i.State.String(),
		StartsAt: instant(i.StartsAt), EndsAt: instant(i.EndsAt), UpdatedAt: instant(i.Updated),
		Labels: i.Labels, Alerting: i.Alerting, Rule: i.Rule,
		Members: make([]memberJSON, len(i.Members)), Dropped: i.Dropped,
	}
	for n, m := range i.Members {
		member := memberJSON{
			Series: m.Series.String(), Metric: m.Series.Labels, Rule: m.Rule,
			Onset: instant(m.Onset), EndedAt: instant(m.EndedAt),
			Peak: number(m.Peak), Value: number(m.Value), bandJSON: newBandJSON(m.Band), Channel: m.Channel,
		}
		if i.Kind == foreshock.Breach {
			limit, eta := number(m.Limit), number(m.ETA.Seconds())
			member.Limit, member.ETASeconds = &limit, &eta
		}
		shown.Members[n] = member
	}
	return shown
}

type seriesJSON struct {
	Series  string        `json:"series"` // as PromQL writes it
	Metric  labels.Labels `json:"metric"`
	Kind    string        `json:"kind,omitempty"`
	Rule    string        `json:"rule,omitempty"`
	Ended   bool          `json:"ended"`
	Warming bool          `json:"warming"`
	Last    lastJSON      `json:"last"`
	// Samples are pairs of Unix milliseconds and a value, oldest first.
	Samples [][2]number `json:"samples"`
}

// lastJSON is the detector's word on the newest sample.
type lastJSON struct {
	At    instant `json:"at"`
	Value number  `json:"value"` // as scored: a rate where the series is a counter
	Score number  `json:"score"`
	bandJSON
}

func newSeriesJSON(s Series) seriesJSON {
	newest := s.Samples[max(0, len(s.Samples)-maxSamples):]
	shown := seriesJSON{
		Series: s.Series.String(), Metric: s.Series.Labels,
		Kind: s.Kind, Rule: s.Rule, Ended: s.Ended, Warming: s.Last.Warming,
		Last:    lastJSON{instant(s.Last.T), number(s.Last.Value), number(s.Last.Score), newBandJSON(s.Last.Band)},
		Samples: make([][2]number, len(newest)),
	}
	for i, sample := range newest {
		shown.Samples[i] = [2]number{number(sample.T), number(sample.V)}
	}
	return shown
}
