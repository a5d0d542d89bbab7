package console

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/record"
)

// course is how one series went, and all that is known of it.
type course struct {
	seriesJSON
	Season *Season           `json:"season,omitempty"`
	Points []record.Point    `json:"points"`
	Ahead  []foreseen        `json:"forecasts,omitempty"`
	Window [2]record.Instant `json:"window"` // from its first to its last point
}

// Season is what is learned of a series by the time of day, UTC, and of the week.
type Season struct {
	Strong bool            `json:"strong"` // it has proved itself, and counts
	Centre record.Number   `json:"centre"` // the level it moves about
	Day    []record.Number `json:"day"`    // above it, each quarter of an hour
	Week   []record.Number `json:"week"`   // on top of that, each hour from Monday
}

// curve answers ?series=SELECTOR&at=TIME: how the one series that the selector selects
// went as far back as its window, most of all about that time.
func (c *console) curve(r *http.Request) (any, error) {
	text, matchers, at, err := asked(r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	found, err := c.Series(ctx, matchers, maxNamed+1)
	if err != nil {
		return nil, err
	}
	if exact := slices.IndexFunc(found, func(s Series) bool { return s.Series.String() == text }); exact >= 0 {
		found = found[exact : exact+1]
	}
	switch {
	case len(found) == 0:
		return nil, notFound{fmt.Errorf("no series matches %s: check its labels, and whether its samples arrive (/api/v1/status)", text)}
	case len(found) > 1:
		names := make([]string, len(found))
		for i, s := range found {
			names[i] = s.Series.String()
		}
		return nil, badRequest{fmt.Errorf("series: several match, add matchers until one is left: %s", strings.Join(names, ", "))}
	}
	s := found[0]
	answer := course{seriesJSON: newSeriesJSON(s, 0), Points: []record.Point{}, Season: s.Season}
	if len(s.Samples) == 0 {
		return answer, nil
	}
	from, to := s.Samples[0].T, s.Samples[len(s.Samples)-1].T
	about := []int64{min(at, to)}
	points, err := c.Curve(ctx, s.Series, about, from, to)
	if err != nil {
		return nil, err
	}
	answer.Points = newPoints(points, about[0])
	answer.Window = [2]record.Instant{record.Instant(from), record.Instant(to)}
	if c.Forecasts != nil {
		for _, f := range c.Forecasts() {
			if f.Series.Equal(s.Series) {
				answer.Ahead = append(answer.Ahead, newForeseen(f))
			}
		}
	}
	return answer, nil
}

const (
	defaultForecasts = 20
	maxForecasts     = 500
)

// foreseen is a forecast and when it was made.
type foreseen struct {
	At record.Instant `json:"at"`
	record.Forecast
}

func newForeseen(f foreshock.Forecast) foreseen {
	return foreseen{record.Instant(f.T), record.NewForecast(f)}
}

// forecasts answers ?limit=N: the series that are foreseen to cross their limit, the
// soonest first.
func (c *console) forecasts(r *http.Request) (any, error) {
	limit, err := limitOf(r, defaultForecasts, maxForecasts)
	if err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(c.Forecasts(), func(f foreshock.Forecast) bool { return f.ETA < 0 })
	slices.SortFunc(all, func(a, b foreshock.Forecast) int {
		return cmp.Or(cmp.Compare(a.ETA, b.ETA), strings.Compare(a.Rule, b.Rule), strings.Compare(a.Series.String(), b.Series.String()))
	})
	shown := make([]foreseen, min(limit, len(all)))
	for i := range shown {
		shown[i] = newForeseen(all[i])
	}
	return shown, nil
}
