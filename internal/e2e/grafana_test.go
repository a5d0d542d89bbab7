package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/foreshock/foreshock/internal/stack"
)

// asks is one query of a dashboard of examples/grafana.
type asks struct {
	dashboard, panel, source, expr string
}

// asksOf are the queries of all dashboards, those of annotations too, with their variables
// filled as chosen says. fills are the selectors that fill them, with the label.
func asksOf(t *testing.T, chosen map[string]string) (all []asks, fills map[[2]string]string) {
	t.Helper()
	type target struct{ Expr string }
	fills = map[[2]string]string{}
	fill := func(text string) string {
		for name, value := range chosen {
			text = strings.ReplaceAll(text, "$"+name, value)
		}
		return text
	}
	files := must[[]string](t)(filepath.Glob(filepath.Join(root, "examples/grafana/*.json")))
	if len(files) != 5 {
		t.Fatalf("dashboards: %v", files)
	}
	values := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)
	for _, file := range files {
		var d struct {
			Title  string
			Panels []struct {
				Title, Type string
				Datasource  struct{ UID string }
				Targets     []target
			}
			Annotations struct{ List []struct{ Target target } }
			Templating  struct {
				List []struct{ Name, Type, Query string }
			}
		}
		if err := json.Unmarshal(must[[]byte](t)(os.ReadFile(file)), &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, v := range d.Templating.List {
			if m := values.FindStringSubmatch(v.Query); m != nil {
				fills[[2]string{fill(m[1]), m[2]}] = chosen[v.Name]
			} else if v.Type == "query" {
				t.Errorf("%s: the variable %s asks %q", d.Title, v.Name, v.Query)
			}
		}
		for _, a := range d.Annotations.List {
			all = append(all, asks{d.Title, "annotation", "${datasource}", a.Target.Expr})
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				all = append(all, asks{d.Title, p.Title, p.Datasource.UID, fill(q.Expr)})
			}
		}
	}
	return all, fills
}

const panelsRules = `
groups:
  - name: app
    interval: 1s
    rules:
      - {watch: latency, select: app_latency_seconds, direction: above, emit: all, labels: {remediation: allowed}}
      - {watch: load, select: app_load, emit: all}
      - {watch: free, select: app_free_bytes, emit: all}
      - {watch: busy, expr: sum(app_load)}
      - {forecast: full, select: app_free_bytes, limit: "< 1e6", horizon: 2h, scale_horizon: 15m}
      - {remedy: calm_it, match: '{rule="latency"}', action: calm}
`

// second is what the application under watch is at a time, ill or well.
func second(t *testing.T, at, since time.Time, ill bool) []byte {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(at.Unix()), 9))
	factor := 1.
	if ill {
		factor = 20
	}
	var all []prompb.TimeSeries
	say := func(v float64, ls ...prompb.Label) {
		ls = append(ls, prompb.Label{Name: "instance", Value: "app-1"}, prompb.Label{Name: "job", Value: "app"})
		slices.SortFunc(ls, func(a, b prompb.Label) int { return strings.Compare(a.Name, b.Name) })
		all = append(all, prompb.TimeSeries{Labels: ls, Samples: []prompb.Sample{{Timestamp: at.UnixMilli(), Value: v}}})
	}
	say(factor*(0.02+0.002*r.Float64()), prompb.Label{Name: "__name__", Value: "app_latency_seconds"})
	for _, core := range []string{"0", "1"} {
		say(factor*(1+r.Float64()/10), prompb.Label{Name: "__name__", Value: "app_load"}, prompb.Label{Name: "core", Value: core})
	}
	say(free(at, since), prompb.Label{Name: "__name__", Value: "app_free_bytes"})
	return marshal(t, all)
}

// free falls by 1 MB a second and has 6 GB, less than two hours, left at since.
func free(at, since time.Time) float64 {
	r := rand.New(rand.NewPCG(uint64(at.Unix()), 8))
	return 6e9 - 1e6*at.Sub(since).Seconds() + 1e6*r.Float64()
}

// days is what of app_free_bytes was before since: a day, which a forecast learns from.
func days(t *testing.T, since time.Time) []byte {
	t.Helper()
	one := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: "app_free_bytes"}, {Name: "instance", Value: "app-1"}, {Name: "job", Value: "app"}}}
	for at := since.Add(-24 * time.Hour); at.Before(since); at = at.Add(30 * time.Second) {
		one.Samples = append(one.Samples, prompb.Sample{Timestamp: at.UnixMilli(), Value: free(at, since)})
	}
	return marshal(t, []prompb.TimeSeries{one})
}

// TestEveryPanelShowsSomething: Prometheus's parser takes every query of the dashboards, the
// real Prometheus finds data for it after a day and one fault that was remedied, and so
// does Foreshock itself for those that may be asked of either.
func TestEveryPanelShowsSomething(t *testing.T) {
	t.Parallel() // it waits most of the time
	all, fills := asksOf(t, map[string]string{"metric": "app_free_bytes", "instance": ".*", "__rate_interval": "20s"})
	p := parser.NewParser(parser.Options{})
	for _, q := range all {
		if _, err := p.ParseExpr(q.expr); err != nil {
			t.Fatalf("%s, %s: %v", q.dashboard, q.panel, err)
		}
	}

	s := start(t, "testdata/stack")
	write(t, s, "rules.yml", panelsRules)
	write(t, s, "foreshock.yml", strings.NewReplacer("detector:", "detector:\n  alert_budget: 2 per week", "within: 5m", "within: 3s").Replace(read(t, s, "foreshock.yml")))
	write(t, s, "prometheus.yml", s.Local("storage: {tsdb: {out_of_order_time_window: 26h}}\nscrape_configs: [{job_name: foreshock, scrape_interval: 1s, scrape_timeout: 1s, static_configs: [{targets: [\"localhost:9797\"]}]}]\n"))
	must[*stack.Process](t)(s.Alertmanager(t.Context()))
	sidecar(t, s)
	resume(t, s)
	must[*stack.Process](t)(s.Prometheus(t.Context()))
	eventually(t, time.Minute, "Foreshock, scraped", func() bool { return query(t, s, "foreshock_build_info") == 1 })

	since := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
	at, calmed := since, false
	send := func(body []byte) {
		t.Helper()
		for _, port := range []int{9090, 9797} {
			if status, err := post(s.URL(port, "/api/v1/write"), body, nil); err != nil || status != http.StatusNoContent {
				t.Fatalf("port %d: %d %v", port, status, err)
			}
		}
	}
	send(days(t, since))
	catchUp := func() {
		for ; at.Before(time.Now()); at = at.Add(time.Second) {
			send(second(t, at, since, !calmed && at.Sub(since) > 10*time.Minute))
		}
		_, err := os.Stat(filepath.Join(s.Dir, "calmed"))
		calmed = calmed || err == nil
	}
	eventually(t, time.Minute, "the fault, and how the remedy went", func() bool {
		catchUp()
		return metric(t, s, 9797, "foreshock_remediation_outcomes_total", nil) == 1
	})

	left := slices.Clone(all)
	ports := map[string][]int{"${datasource}": {9090, 9797}, "${health}": {9090}}
	defer func() {
		if t.Failed() {
			for _, q := range left {
				t.Errorf("%s, %s: nothing found by %s", q.dashboard, q.panel, q.expr)
			}
		}
	}()
	eventually(t, time.Minute, "data for every panel", func() bool {
		catchUp()
		left = slices.DeleteFunc(left, func(q asks) bool {
			return len(ports[q.source]) > 0 && !slices.ContainsFunc(ports[q.source], func(port int) bool { return !shows(t, s, port, q.expr, since) })
		})
		return len(left) == 0
	})
	for of, want := range fills {
		var answer struct{ Data []map[string]string }
		for _, port := range []int{9090, 9797} {
			getJSON(t, s.URL(port, "/api/v1/series?match[]="+url.QueryEscape(of[0])), &answer)
			offered := slices.ContainsFunc(answer.Data, func(ls map[string]string) bool { return ls[of[1]] == want || want == ".*" && ls[of[1]] != "" })
			if !offered {
				t.Errorf("port %d: %s offers no %s %s: %v", port, of[0], of[1], want, answer.Data)
			}
		}
	}
	t.Logf("%d queries of %d variables", len(all), len(fills))
}

// shows reports whether a graph of expr from a time on has any point but NaN.
func shows(t *testing.T, s *stack.Stack, port int, expr string, from time.Time) bool {
	t.Helper()
	form := url.Values{"query": {expr}, "start": {from.Format(time.RFC3339)}, "end": {time.Now().Format(time.RFC3339)}, "step": {"1s"}}
	var answer struct {
		Status string
		Data   struct{ Result []struct{ Values [][2]any } }
	}
	getJSON(t, s.URL(port, "/api/v1/query_range?"+form.Encode()), &answer)
	for _, r := range answer.Data.Result {
		for _, v := range r.Values {
			if f, err := strconv.ParseFloat(fmt.Sprint(v[1]), 64); err == nil && f == f {
				return true
			}
		}
	}
	return false
}
