package mixin

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"

	"github.com/foreshock/foreshock"
)

var update = flag.Bool("update", false, "rewrite the tables in docs/mixin.md")

const scoresFile = "scores.yml"

// play has Prometheus's rule manager evaluate the rules of scores.yml every minute for as
// many minutes over the series, which have a value a minute. It returns what fires then,
// by alert and labels, and what its recording rules recorded last.
func play(t *testing.T, series string, minutes int) (firing []string, recorded map[string]float64) {
	t.Helper()
	store := promqltest.LoadedStorage(t, "load 1m\n  "+strings.ReplaceAll(series, "\n", "\n  "))
	t.Cleanup(func() { store.Close() })
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	query := rules.EngineQueryFunc(engine, store)
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc: query, Appendable: store, Queryable: store, Context: t.Context(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Logger:     promslog.NewNopLogger(), Parser: parser.NewParser(parser.Options{}),
	})
	groups, errs := manager.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, scoresFile)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	recorded = map[string]float64{}
	end := time.Unix(0, 0).Add(time.Duration(minutes) * time.Minute)
	for _, g := range groups {
		for at := time.Unix(0, 0); !at.After(end); at = at.Add(time.Minute) {
			g.Eval(t.Context(), at)
		}
		for _, r := range g.Rules() {
			if r.LastError() != nil {
				t.Fatalf("%s: %v", r.Name(), r.LastError())
			}
		}
		for _, r := range g.AlertingRules() {
			for _, a := range r.ActiveAlerts() {
				if said := a.Annotations.String(); strings.Contains(said, "error expanding") {
					t.Errorf("%s: %s", r.Name(), said)
				}
				if a.State == rules.StateFiring {
					firing = append(firing, labels.NewBuilder(a.Labels).Del("severity").Labels().String())
				}
			}
		}
	}
	all, err := query(t.Context(), `{__name__=~".+:.+:.+"}`, end)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		recorded[foreshock.NewSeries(s.Metric).String()] = s.F
	}
	slices.Sort(firing)
	return firing, recorded
}

// Three series of web-1 begin to be unlike themselves after ten minutes, and one of db-1 is
// for a moment.
const ailing = `foreshock_anomaly_score{for="load",job="node",instance="web-1"} 0.2x10 1.5x60
foreshock_anomaly_score{for="cpu",job="node",instance="web-1"} 0.3x10 2x60
foreshock_anomaly_score{for="net",job="node",instance="web-1"} 0.1x10 4x60
foreshock_anomaly_score{for="load",job="node",instance="db-1"} 0.2x10 3x2 0.2x60
foreshock_group_anomaly_score{rule="hosts",job="node",instance="web-1"} 0.4x10 2.5x60
foreshock_time_to_threshold_seconds{for="disk",job="node",instance="db-1"} 90000-1800x60`

func TestScores(t *testing.T) {
	for _, c := range []struct {
		name    string
		minutes int
		firing  []string
	}{
		{"all is well", 9, nil},
		{"not for long enough", 12, nil},
		{"several of a host, and its place, are first", 14, []string{
			`{alertname="ForeshockInstanceAnomalous", instance="web-1", job="node"}`,
			`{alertname="ForeshockPlaceAnomalous", instance="web-1", job="node", rule="hosts"}`,
		}},
		{"then each series, but what was over soon", 20, []string{
			`{alertname="ForeshockInstanceAnomalous", instance="web-1", job="node"}`,
			`{alertname="ForeshockPlaceAnomalous", instance="web-1", job="node", rule="hosts"}`,
			`{alertname="ForeshockSeriesAnomalous", for="cpu", instance="web-1", job="node"}`,
			`{alertname="ForeshockSeriesAnomalous", for="load", instance="web-1", job="node"}`,
			`{alertname="ForeshockSeriesAnomalous", for="net", instance="web-1", job="node"}`,
		}},
		{"a limit is near", 60, []string{ // 25 h − 0.5 h a minute: below 4 h from minute 43
			`{alertname="ForeshockInstanceAnomalous", instance="web-1", job="node"}`,
			`{alertname="ForeshockLimitNear", for="disk", instance="db-1", job="node"}`,
			`{alertname="ForeshockPlaceAnomalous", instance="web-1", job="node", rule="hosts"}`,
			`{alertname="ForeshockSeriesAnomalous", for="cpu", instance="web-1", job="node"}`,
			`{alertname="ForeshockSeriesAnomalous", for="load", instance="web-1", job="node"}`,
			`{alertname="ForeshockSeriesAnomalous", for="net", instance="web-1", job="node"}`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, _ := play(t, ailing, c.minutes); !slices.Equal(got, c.firing) {
				t.Errorf("fires\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.firing, "\n"))
			}
		})
	}
}

// TestRecorded: where nothing is emitted the fleet's series are there all the same.
func TestRecorded(t *testing.T) {
	_, got := play(t, ailing, 30)
	want := map[string]float64{
		`fleet:foreshock_anomaly_score:max`:                                       4,
		`fleet:foreshock_anomalous_series:count`:                                  3,
		`for:foreshock_anomaly_score:max{for="load"}`:                             1.5,
		`for:foreshock_anomaly_score:max{for="cpu"}`:                              2,
		`for:foreshock_anomaly_score:max{for="net"}`:                              4,
		`instance:foreshock_anomaly_score:max{instance="web-1", job="node"}`:      4,
		`instance:foreshock_anomaly_score:max{instance="db-1", job="node"}`:       0.2,
		`instance:foreshock_anomalous_series:count{instance="web-1", job="node"}`: 3,
	}
	if !maps.Equal(got, want) {
		t.Errorf("recorded\n%v\nwant\n%v", got, want)
	}
	_, got = play(t, "up 1x60", 30)
	want = map[string]float64{`fleet:foreshock_anomaly_score:max`: 0, `fleet:foreshock_anomalous_series:count`: 0}
	if !maps.Equal(got, want) {
		t.Errorf("of nothing recorded\n%v\nwant\n%v", got, want)
	}
}

// TestScoresNameWhatIsEmitted: the rules ask for nothing but metrics that Foreshock writes
// back, or their own.
func TestScoresNameWhatIsEmitted(t *testing.T) {
	emitted := []string{foreshock.ScoreMetric, foreshock.GroupScoreMetric, foreshock.TimeToThresholdMetric}
	p := parser.NewParser(parser.Options{})
	for _, r := range load(t, scoresFile) {
		expr, err := p.ParseExpr(r.Expr)
		if err != nil {
			t.Fatal(err)
		}
		parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
			if v, ok := n.(*parser.VectorSelector); ok && !slices.Contains(emitted, v.Name) && !strings.Contains(v.Name, ":") {
				t.Errorf("%s asks for %s, which is not emitted", cmp.Or(r.Alert, r.Record), v.Name)
			}
			return nil
		})
	}
}

// TestDocs holds the tables of docs/mixin.md against the rules; make docs rewrites them.
func TestDocs(t *testing.T) {
	const page, begin, end = "../../docs/mixin.md", "<!-- rules: make docs -->\n", "<!-- end of rules -->"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s: want %q and %q", page, begin, end)
	}
	want := before + begin + tables(t) + end + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(text) != want {
		t.Errorf("%s is not what the rules say; run make docs", page)
	}
}

// tables are the rules of scores.yml for a person.
func tables(t *testing.T) string {
	var alerts, records strings.Builder
	all := load(t, scoresFile)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		r := all[name]
		if r.Record != "" {
			fmt.Fprintf(&records, "| `%s` | `%s` |\n", r.Record, r.Expr)
			continue
		}
		fmt.Fprintf(&alerts, "| %s | `%s` | %s | %s |\n", r.Alert, r.Expr, r.For, r.Labels["severity"])
	}
	return "\n| alert | while | for | severity |\n|---|---|---|---|\n" + alerts.String() +
		"\n| recorded | as |\n|---|---|\n" + records.String() + "\n"
}
