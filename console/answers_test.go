package console

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/grafana"
	"github.com/foreshock/foreshock/internal/openapi"
	"github.com/foreshock/foreshock/internal/record"
)

// What is answered is what docs/openapi.json says.
func TestAnswersAreAsDescribed(t *testing.T) {
	doc, err := openapi.Read("../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, described(t))
	for _, op := range questions {
		_, path, _ := strings.Cut(op.Pattern, " ")
		path = strings.NewReplacer("{id}", "aaaa1", "{name}", "load").Replace(path) + map[string]string{
			"/api/v1/windows": "?match[]=node_load1", "/api/v1/curve": "?series=node_load1", "/api/v1/explain": "?series=node_load1",
			"/api/v1/rules/{name}/whatif": "?factor=2", "/api/v1/incidents": "?recent=1",
		}[path]
		r, body := get(t, s.URL+path)
		if err := doc.Check(op.Pattern, r.StatusCode, []byte(body)); err != nil || r.StatusCode != 200 {
			t.Errorf("%s: %s %v %s", path, r.Status, err, body)
			continue
		}
		var answer struct{ Data any }
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err)
		}
		if list, ok := answer.Data.([]any); ok && len(list) == 0 {
			t.Errorf("%s: an empty list shows nothing", path)
		}
	}
	if r, body := get(t, s.URL+"/api/v1/incidents/gone"); r.StatusCode != 404 || doc.Check("GET /api/v1/incidents/{id}", r.StatusCode, []byte(body)) != nil {
		t.Errorf("%s %s", r.Status, body)
	}
}

// The bounds of what may be asked for are those that are described.
func TestBoundsAreAsDescribed(t *testing.T) {
	s, bounded := serve(t, described(t)), 0
	for _, op := range questions {
		_, path, _ := strings.Cut(op.Pattern, " ")
		path = strings.NewReplacer("{name}", "load").Replace(path) + "?match[]=node_load1&"
		for _, p := range op.Query {
			if p.Number == nil {
				continue
			}
			bounded++
			for value, want := range map[float64]int{p.Number.Least: 200, p.Number.Most: 200, p.Number.Least - 1: 400, p.Number.Most + 1: 400} {
				if r, body := get(t, fmt.Sprintf("%s%s%s=%g", s.URL, path, p.Name, value)); r.StatusCode != want {
					t.Errorf("%s=%g of %s: %s %s", p.Name, value, path, r.Status, body)
				}
			}
		}
	}
	if bounded == 0 {
		t.Error("nothing has bounds")
	}
}

// described are options that have something of everything.
func described(t *testing.T) Options {
	t.Helper()
	now := foreshock.Moment{T: noon, Value: 1, Score: 2, Band: foreshock.NoBand(), Channels: []foreshock.ChannelScore{{Channel: "level", Score: 1}}}
	return Options{
		Incidents: func() []foreshock.Incident {
			all := three()
			all[0].Severity, all[0].Evidence = "page", []foreshock.Evidence{{Source: "loki", By: []foreshock.Count{{Name: "x"}}}}
			all[0].Inquest = foreshock.Inquest{AsOf: noon, Causes: []foreshock.Cause{{Place: "web-1", Evidence: []foreshock.Clue{{Text: "x"}}}}, Changes: []foreshock.Change{{T: noon}}}
			all[0].Remedies = []foreshock.Remedy{{Rule: "r", At: noon}}
			return all
		},
		Series: func(context.Context, []*labels.Matcher, int) ([]Series, error) {
			return []Series{{Series: load, Season: &Season{Day: []record.Number{1}}, Samples: []foreshock.Sample{{T: noon, V: 1}}}}, nil
		},
		Curve: func(context.Context, *foreshock.Series, []int64, int64, int64) ([]foreshock.Moment, error) {
			return []foreshock.Moment{now}, nil
		},
		Explain: func(context.Context, []*labels.Matcher, int64, int) ([]foreshock.Explanation, error) {
			return []foreshock.Explanation{{Series: load, Moment: now, Around: []foreshock.Moment{now}, Incident: "aaaa1", Together: []foreshock.Member{{Series: disk}}}}, nil
		},
		Recent: func(_ context.Context, all []foreshock.Incident) [][]float64 {
			rows := make([][]float64, len(all))
			rows[0] = []float64{1}
			return rows
		},
		Forecasts: func() []foreshock.Forecast { return []foreshock.Forecast{{Series: load, T: noon, Rule: "f"}} },
		Rules: func(context.Context) ([]Rule, error) {
			return []Rule{{Name: "load", Cost: &Expression{Error: "x"}, Sensitivity: 1, BudgetPerWeek: 1}}, nil
		},
		Near: notes,
		Often: func(string) Often {
			return Often{Budget: "fleet", Rules: 2, Weeks: 1, PerWeek: func(f float64) float64 { return f }}
		},
		About: func() (About, error) {
			return About{Version: "1", Revision: "2"}, nil
		},
		Elsewhere: func() Elsewhere {
			return Elsewhere{Alertmanagers: []string{"http://am"}, Grafana: grafana.At("http://grafana")}
		},
	}
}
