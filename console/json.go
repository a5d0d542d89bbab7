package console

import (
	"net/http"

	"github.com/foreshock/foreshock/internal/api"
	"github.com/foreshock/foreshock/internal/record"
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

type seriesJSON struct {
	record.Series
	Kind    string `json:"kind,omitempty"`
	Rule    string `json:"rule,omitempty"`
	Ended   bool   `json:"ended"`
	Warming bool   `json:"warming"`
	// Inherited is the sibling whose knowledge a new pod's series started with.
	Inherited string   `json:"inherited,omitempty"`
	Last      lastJSON `json:"last"`
	// Samples are pairs of Unix milliseconds and a value, oldest first.
	Samples [][2]record.Number `json:"samples"`
}

// lastJSON is the detector's word on the newest sample.
type lastJSON struct {
	At    record.Instant `json:"at"`
	Value record.Number  `json:"value"` // as scored: a rate where the series is a counter
	Score record.Number  `json:"score"`
	record.Band
}

func newSeriesJSON(s Series, samples int) seriesJSON {
	newest := s.Samples[max(0, len(s.Samples)-samples):]
	shown := seriesJSON{
		Series: record.NewSeries(s.Series),
		Kind:   s.Kind, Rule: s.Rule, Ended: s.Ended, Warming: s.Last.Warming,
		Last:    lastJSON{record.Instant(s.Last.T), record.Number(s.Last.Value), record.Number(s.Last.Score), record.NewBand(s.Last.Band)},
		Samples: make([][2]record.Number, len(newest)),
	}
	if s.Inherited != nil {
		shown.Inherited = s.Inherited.String()
	}
	for i, sample := range newest {
		shown.Samples[i] = [2]record.Number{record.Number(sample.T), record.Number(sample.V)}
	}
	return shown
}
