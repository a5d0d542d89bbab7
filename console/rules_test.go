package console

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

const minute = int64(60_000)

// notes are of a day on which load was anomalous twice and near it twice.
func notes(context.Context, string) ([]Noted, bool, error) {
	return []Noted{
		{Series: load, T: noon, Ratio: 3},
		{Series: load, T: noon + minute, Ratio: 4}, // of the same alert
		{Series: disk, T: noon + 2*minute, Ratio: 1.5},
		{Series: load, T: noon + 60*minute, Ratio: 1.25},
		{Series: load, T: noon + 120*minute, Ratio: 0.8},
		{Series: disk, T: noon + 180*minute, Ratio: 0.6},
		{Series: disk, T: noon + 240*minute, Ratio: 9, Vetoed: true},
	}, true, nil
}

func TestWhatIf(t *testing.T) {
	s := serve(t, Options{Near: func(ctx context.Context, rule string) ([]Noted, bool, error) {
		if rule != "load" {
			return nil, false, nil
		}
		return notes(ctx, rule)
	}})
	for query, want := range map[string]string{
		"load/whatif?factor=1":     `"factor":1,"now":2,"then":2,`,
		"load/whatif?factor=0.5":   `"factor":0.5,"now":2,"then":1,"alerts":[{"at":"2026-03-01T12:00:00.000Z","series":"node_load1{instance=\"web-1\"}","score":1.5}]`,
		"load/whatif?factor=2":     `"then":4,`,
		"load/whatif?factor=0.1":   `"then":0,"alerts":[]`,
		"load/whatif?budget=10000": `"factor":2,"now":2,"then":4,`,
		"load/whatif?budget=60":    `"factor":0.8,"now":2,"then":1,`, // three hours: one alert
		"load/whatif?budget=0":     `"factor":0.25,"now":2,"then":0,`,
		"load/whatif?factor=3":     `"factor":3,"now":2,"then":null,"alerts":[],"series":2,"budget":null`,
		"load/whatif?factor=101":   `factor: must be from 0.01 to 100`,
		"load/whatif?factor=NaN":   `factor: must be from 0.01 to 100`,
		"load/whatif":              `factor or budget: must be one of them`,
		"gone/whatif?factor=1":     `no watch rule \"gone\"`,
	} {
		if _, body := get(t, s.URL+"/api/v1/rules/"+query); !strings.Contains(body, want) {
			t.Errorf("%s: %s\nwant %s", query, body, want)
		}
	}
	if _, body := get(t, s.URL+"/api/v1/rules/load/whatif?factor=1"); !strings.Contains(body, `"since":"2026-03-01T12:00:00.000Z"`) || !strings.Contains(body, `"series":2,`) {
		t.Error(body)
	}
}

// What keeps the budget tells of every factor; where rules share one it says so, and does not
// decide what one of them may be.
func TestWhatIfByTheBudget(t *testing.T) {
	for shared, answers := range map[int]map[string]string{
		1: {
			"factor=10":   `"then":null,"alerts":[],"series":2,"budget":{"name":"web","rules":1,"weeks":2,"nowPerWeek":3,"thenPerWeek":30}`,
			"factor=0.5":  `"then":1,`,
			"budget=30":   `"thenPerWeek":29.`,
			"budget=0":    `"factor":0.01,`,
			"budget=9999": `"factor":100,`,
		},
		2: {"factor=10": `"rules":2,`, "budget=60": `"factor":0.8,"now":2,"then":1,`},
	} {
		s := serve(t, Options{Near: notes, Often: func(string) Often {
			return Often{Budget: "web", Rules: shared, Weeks: 2, PerWeek: func(factor float64) float64 { return 3 * factor }}
		}})
		for query, want := range answers {
			if _, body := get(t, s.URL+"/api/v1/rules/load/whatif?"+query); !strings.Contains(body, want) {
				t.Errorf("%s, %d rules: %s\nwant %s", query, shared, body, want)
			}
		}
	}
}

func TestForecastsAreTheSoonestFirst(t *testing.T) {
	f := func(x *foreshock.Series, eta time.Duration) foreshock.Forecast {
		return foreshock.Forecast{Series: x, Rule: "full", T: noon, Horizon: time.Hour, Band: foreshock.NoBand(), Limit: 0, Arrival: foreshock.Arrival{ETA: eta, Soonest: eta / 2, Latest: -1}}
	}
	s := serve(t, Options{Forecasts: func() []foreshock.Forecast {
		return []foreshock.Forecast{f(load, 2*time.Hour), f(disk, time.Hour), {Series: load, Arrival: foreshock.Never()}}
	}})
	_, body := get(t, s.URL+"/api/v1/forecasts")
	if first, second := strings.Index(body, `"etaSeconds":3600,"soonestSeconds":1800,"latestSeconds":null`), strings.Index(body, `"etaSeconds":7200`); first < 0 || second < first || strings.Count(body, `"rule"`) != 2 {
		t.Error(body)
	}
	if _, body := get(t, s.URL+"/api/v1/forecasts?limit=1"); strings.Count(body, `"rule"`) != 1 {
		t.Error(body)
	}
	if r, _ := get(t, s.URL+"/api/v1/forecasts?limit=501"); r.StatusCode != http.StatusBadRequest {
		t.Error(r.Status)
	}
}

func TestCurveOfOneSeries(t *testing.T) {
	s := serve(t, Options{
		Series: func(_ context.Context, matchers []*labels.Matcher, limit int) ([]Series, error) {
			one := Series{Series: load, Kind: "gauge", Samples: []foreshock.Sample{{T: noon, V: 1}, {T: noon + minute, V: 2}}, Season: &Season{Strong: true, Centre: 7}}
			two := Series{Series: disk}
			if matchers[0].Value == "both" {
				return []Series{one, two}[:min(limit, 2)], nil
			}
			if matchers[0].Value == "none" {
				return nil, nil
			}
			return []Series{one}, nil
		},
		Curve: func(_ context.Context, x *foreshock.Series, about []int64, from, to int64) ([]foreshock.Moment, error) {
			if x != load || from != noon || to != noon+minute || about[0] > to {
				return nil, fmt.Errorf("asked for %s from %d to %d about %d", x, from, to, about)
			}
			return []foreshock.Moment{{T: noon, Value: 1, Score: math.NaN(), Band: foreshock.NoBand()}, {T: noon + minute, Value: 2, Score: 3, Band: foreshock.Band{Lower: 0, Expected: 1, Upper: 1.5}}}, nil
		},
		Forecasts: func() []foreshock.Forecast {
			return []foreshock.Forecast{{Series: load, Rule: "full", T: noon, Arrival: foreshock.Never()}, {Series: disk}}
		},
	})
	_, body := get(t, s.URL+"/api/v1/curve?series=node_load1")
	for _, want := range []string{
		`"samples":[]`, `{"at":"2026-03-01T12:01:00.000Z","value":2,"expected":1,"lower":0,"upper":1.5,"score":3}`,
		`"season":{"strong":true,"centre":7,`, `"window":["2026-03-01T12:00:00.000Z","2026-03-01T12:01:00.000Z"]`, `"rule":"full"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	for query, want := range map[string]int{"both": 400, "none": 404, "{": 400, "": 400} {
		if r, body := get(t, s.URL+"/api/v1/curve?series="+query); r.StatusCode != want {
			t.Errorf("%s: %s %s", query, r.Status, body)
		}
	}
}

func TestIncidentsOfAList(t *testing.T) {
	s := serve(t, Options{Incidents: three, Recent: func(_ context.Context, of []foreshock.Incident) [][]float64 {
		rows := make([][]float64, len(of))
		rows[0] = []float64{1, math.NaN()}
		return rows
	}})
	if _, body := get(t, s.URL+"/api/v1/incidents?members=0&recent=1"); strings.Count(body, `"members":[]`) != 3 || strings.Count(body, `"recent":[1,null]`) != 1 {
		t.Error(body)
	}
	if _, body := get(t, s.URL+"/api/v1/incidents"); strings.Contains(body, "recent") || strings.Contains(body, `"members":[]`) {
		t.Error(body)
	}
}
