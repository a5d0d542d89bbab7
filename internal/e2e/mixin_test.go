package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/foreshock/foreshock/internal/stack"
)

// TestMixinNamesWhatThereIs: every metric that the alerting rules for Foreshock's own health
// ask for is one that a process exports from its start on, with the labels they match.
func TestMixinNamesWhatThereIs(t *testing.T) {
	s := start(t, "testdata/stack")
	write(t, s, "rules.yml", `groups: [{name: all, rules: [{watch: up, expr: sum(up)}, {watch: load, select: load}]}]`)
	write(t, s, "foreshock.yml", strings.Replace(read(t, s, "foreshock.yml"), "detector:", "detector:\n  alert_budget: 2 per week", 1))
	sidecar(t, s)
	var exported stack.Metrics
	eventually(t, 30*time.Second, "Alertmanager is discovered", func() bool {
		exported = must[stack.Metrics](t)(stack.FetchMetrics(t.Context(), s.URL(9797, "/metrics")))
		return exported["prometheus_notifications_sent_total"] != nil
	})
	has := func(name string, m *labels.Matcher) bool {
		for _, one := range exported[name].GetMetric() {
			for _, l := range one.GetLabel() {
				if l.GetName() == m.Name && m.Matches(l.GetValue()) {
					return true
				}
			}
		}
		return false
	}
	p := parser.NewParser(parser.Options{})
	groups, errs := rulefmt.ParseFile(root+"/rules/mixin/foreshock.yml", false, model.UTF8Validation, p, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, r := range groups.Groups[0].Rules {
		expr := must[parser.Expr](t)(p.ParseExpr(r.Expr))
		parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
			v, ok := n.(*parser.VectorSelector)
			if !ok || v.Name == "up" {
				return nil
			}
			if exported[v.Name] == nil {
				t.Errorf("%s asks for %s, which there is not", r.Alert, v.Name)
			}
			for _, m := range v.LabelMatchers {
				if m.Name != "__name__" && m.Name != "job" && !has(v.Name, m) {
					t.Errorf("%s asks for %s{%s}, which there is not", r.Alert, v.Name, m)
				}
			}
			return nil
		})
	}
}
