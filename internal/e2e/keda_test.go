package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/stack"
	"github.com/foreshock/foreshock/rules"
)

// TestKEDAScalesByWhatIsToBeBelieved: a Prometheus that has the load, and what Foreshock
// writes of it, answers the query of examples/keda with one number: what is foreseen while
// its error is small, else the load.
func TestKEDAScalesByWhatIsToBeBelieved(t *testing.T) {
	query, rule := kedaExample(t)
	s := start(t, "testdata/stack")
	write(t, s, "prometheus.yml", "")
	must[*stack.Process](t)(s.Prometheus(t.Context()))

	const load, foreseen = 60., 240.
	end := time.Now().Truncate(time.Second)
	requests := labels.FromStrings("__name__", "http_requests_total", "namespace", "shop", "service", "checkout", "pod", "a")
	source := foreshock.ExprLabels(labels.FromStrings("namespace", "shop", "service", "checkout"), rule)
	emitted := func(name string) labels.Labels {
		return labels.NewBuilder(source).Set("__name__", name).Set(foreshock.ForLabel, foreshock.ExprName).Labels()
	}
	all := []prompb.TimeSeries{
		{Labels: prompb.FromLabels(requests, nil)},
		{Labels: prompb.FromLabels(emitted(foreshock.ForecastScaleMetric), nil)},
		{Labels: prompb.FromLabels(emitted(foreshock.ForecastErrorMetric), nil)},
	}
	say := func(i int, at time.Time, v float64) {
		all[i].Samples = append(all[i].Samples, prompb.Sample{Timestamp: at.UnixMilli(), Value: v})
	}
	for at := end.Add(-50 * time.Minute); !at.After(end); at = at.Add(15 * time.Second) {
		say(0, at, load*float64(at.Unix()-end.Unix()+3600))
	}
	cases := []struct {
		name          string
		before        time.Duration
		scaled, known bool
		wrong, want   float64
	}{
		{"nothing foreseen", 40 * time.Minute, false, false, 0, load},
		{"foreseen, and not known how well", 30 * time.Minute, true, false, 0, load},
		{"foreseen well", 20 * time.Minute, true, true, 0.4, foreseen},
		{"foreseen badly", 10 * time.Minute, true, true, 3, load},
		{"foreseen well again", 0, true, true, 0.9, foreseen},
	}
	for _, c := range cases {
		at := end.Add(-c.before)
		if c.scaled {
			say(1, at, foreseen)
		}
		if c.known {
			say(2, at, c.wrong)
		}
	}
	if status, err := post(s.URL(9090, "/api/v1/write"), marshal(t, all), nil); err != nil || status != http.StatusNoContent {
		t.Fatalf("%d %v", status, err)
	}
	for _, c := range cases {
		form := url.Values{"query": {query}, "time": {end.Add(-c.before).Format(time.RFC3339)}}
		result := answer(t, s.URL(9090, "/api/v1/query?"+form.Encode())).(map[string]any)["result"].([]any)
		if len(result) != 1 {
			t.Errorf("%s: %d results, and KEDA takes one: %v", c.name, len(result), result)
			continue
		}
		text := fmt.Sprint(result[0].(map[string]any)["value"].([]any)[1])
		if v, err := strconv.ParseFloat(text, 64); err != nil || v < c.want-1 || v > c.want+1 {
			t.Errorf("%s: scales by %s, want %v", c.name, text, c.want)
		}
	}
}

// kedaExample is the query of the ScaledObject and the name of the rule that it asks for,
// which foresees the very load that the query falls back to.
func kedaExample(t *testing.T) (query, rule string) {
	t.Helper()
	dir := filepath.Join(root, "examples/keda")
	var object struct {
		Kind string
		Spec struct {
			Triggers []struct {
				Type     string
				Metadata map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(must[[]byte](t)(os.ReadFile(filepath.Join(dir, "scaledobject.yml"))), &object); err != nil {
		t.Fatal(err)
	}
	if object.Kind != "ScaledObject" || len(object.Spec.Triggers) != 1 || object.Spec.Triggers[0].Type != "prometheus" {
		t.Fatalf("got %+v, want a ScaledObject with one trigger of Prometheus", object)
	}
	query = object.Spec.Triggers[0].Metadata["query"]
	set, err := rules.ParseFile("rules.yml", must[[]byte](t)(os.ReadFile(filepath.Join(dir, "rules.yml"))))
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(set.Forecasts, func(f *rules.Forecast) bool { return f.ScaleHorizon > 0 }); i >= 0 {
		f := set.Forecasts[i]
		if !strings.Contains(query, f.Expr.String()) || !strings.Contains(query, fmt.Sprintf("rule=%q", f.Name)) {
			t.Errorf("the query\n%s\nasks for another load than the rule %s: %s", query, f.Name, f.Expr)
		}
		return query, f.Name
	}
	t.Fatal("no rule of the example says what to scale by")
	return "", ""
}
