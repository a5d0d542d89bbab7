// Package mixin holds rules for a Prometheus: foreshock.yml alerts on Foreshock's own health
// where it is scraped, scores.yml on the scores it writes back. There is no code, only what
// holds the rules against Prometheus's own loader, engine and rule manager.
package mixin

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
)

const healthFile = "foreshock.yml"

// load reads the rules of a file as Prometheus does, by the names of their alerts or of what
// they record.
func load(t *testing.T, file string) map[string]rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.ParseFile(file, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	all := map[string]rulefmt.Rule{}
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			name := cmp.Or(r.Alert, r.Record)
			if _, twice := all[name]; twice {
				t.Errorf("%s is there twice", name)
			}
			all[name] = r
		}
	}
	return all
}

// TestEveryAlertHasARunbook: it has a severity, a summary, and a section in the operations
// page that its URL leads to; and no section is of an alert that is gone.
func TestEveryAlertHasARunbook(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	rules := load(t, healthFile)
	for name, r := range rules {
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: severity %q", name, s)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" || !strings.HasSuffix(r.Annotations["runbook_url"], "/docs/operations.md#"+strings.ToLower(name)) {
			t.Errorf("%s: annotations %v", name, r.Annotations)
		}
		if !strings.Contains(string(page), "\n### "+name+"\n") {
			t.Errorf("%s: no section in docs/operations.md", name)
		}
	}
	for _, line := range strings.Split(string(page), "\n") {
		if name, ok := strings.CutPrefix(line, "### Foreshock"); ok {
			if _, ok := rules["Foreshock"+name]; !ok {
				t.Errorf("docs/operations.md: %q is no alert", line)
			}
		}
	}
}

// ill is, for each alert, what is scraped every minute for an hour when it must fire, and
// what is when it must not.
var ill = map[string]struct{ fires, rests string }{
	"ForeshockDown":                   {`up{job="foreshock"} 0x60`, `up{job="foreshock"} 1x60`},
	"ForeshockBlind":                  {`foreshock_blind 1x60`, `foreshock_blind 0x60`},
	"ForeshockRefusesRequests":        {`foreshock_receiver_refused_total{what="request",reason="malformed"} 0+1x60`, `foreshock_receiver_refused_total{what="request",reason="overloaded"} 0+1x60`},
	"ForeshockRefusesSamples":         {`foreshock_receiver_refused_total{what="sample",reason="too_new"} 0+1x60`, `foreshock_receiver_refused_total{what="request",reason="malformed"} 0+1x60`},
	"ForeshockOverloaded":             {`foreshock_receiver_refused_total{what="request",reason="overloaded"} 0+1x60`, `foreshock_receiver_refused_total{what="request",reason="malformed"} 0+1x60`},
	"ForeshockBehind":                 {"foreshock_detector_clock_timestamp_seconds 1+30x60\nforeshock_blind 0x60", "foreshock_detector_clock_timestamp_seconds 1+60x60\nforeshock_blind 0x60"},
	"ForeshockSeriesFull":             {`foreshock_detector_samples_refused_total 0+5x60`, `foreshock_detector_samples_refused_total 7x60`},
	"ForeshockMemoryWithheld":         {`foreshock_detector_memory_withheld_total{part="season"} 0+5x60`, `foreshock_detector_memory_withheld_total{part="season"} 7x60`},
	"ForeshockDownstreamLosesSamples": {"foreshock_emitter_samples_failed_total{destination=\"a\"} 0+5x60\nforeshock_emitter_samples_dropped_total{destination=\"a\",reason=\"queue_full\"} 0x60", "foreshock_emitter_samples_failed_total{destination=\"a\"} 0x60\nforeshock_emitter_samples_dropped_total{destination=\"a\",reason=\"relabeled\"} 0+9x60"},
	"ForeshockDownstreamBehind":       {"foreshock_emitter_samples_pending{destination=\"a\"} 5x60\nforeshock_emitter_samples_sent_total{destination=\"a\"} 5x60", "foreshock_emitter_samples_pending{destination=\"a\"} 5x60\nforeshock_emitter_samples_sent_total{destination=\"a\"} 5+5x60"},
	"ForeshockAlertsNotDelivered":     {"prometheus_notifications_errors_total{job=\"foreshock\",alertmanager=\"a\"} 0+9x60\nprometheus_notifications_sent_total{job=\"foreshock\",alertmanager=\"a\"} 0+10x60", "prometheus_notifications_errors_total{job=\"prometheus\",alertmanager=\"a\"} 0+9x60\nprometheus_notifications_sent_total{job=\"prometheus\",alertmanager=\"a\"} 0+10x60"},
	"ForeshockAlertsDropped":          {`foreshock_emitter_alerts_dropped_total 0+1x60`, `foreshock_emitter_alerts_dropped_total 1x60`},
	"ForeshockLogFailing":             {`foreshock_journal_append_failures_total{journal="ingest"} 0+1x60`, `foreshock_journal_append_failures_total{journal="ingest"} 4x60`},
	"ForeshockCheckpointFailing":      {`foreshock_app_checkpoint_failures_total 0+1x60`, `foreshock_app_checkpoint_failures_total 1x60`},
	"ForeshockStateLost":              {`foreshock_app_checkpoint_files_lost_total 1x60`, `foreshock_app_checkpoint_files_lost_total 0x60`},
	"ForeshockReloadFailed":           {`foreshock_app_config_last_reload_successful 0x60`, `foreshock_app_config_last_reload_successful 1x60`},
	"ForeshockRuleFailing":            {`foreshock_query_rule_evaluation_failures_total{rule="a"} 0+1x60`, `foreshock_query_rule_evaluation_failures_total{rule="a"} 1x60`},
	"ForeshockOverBudget":             {"foreshock_detector_alerts_realised_per_week{scope=\"fleet\"} 9x600\nforeshock_detector_alert_budget_per_week{scope=\"fleet\"} 2x600", "foreshock_detector_alerts_realised_per_week{scope=\"fleet\"} 9x600\nforeshock_detector_alert_budget_per_week{scope=\"fleet\"} 0x600"},
	"ForeshockConnectionsCut":         {`foreshock_gate_connections_cut_total{state="full"} 0+1x60`, `foreshock_gate_connections_cut_total{state="full"} 3x60`},
	"ForeshockPanics":                 {`foreshock_gate_panics_total 0+1x60`, `foreshock_gate_panics_total 1x60`},
	"ForeshockUnauthorized":           {`foreshock_remediation_unauthorized_total 0+1x60`, `foreshock_remediation_unauthorized_total 1x60`},
	"ForeshockRemediesFailing":        {`foreshock_remediation_transitions_total{state="failed"} 0+1x60`, `foreshock_remediation_transitions_total{state="succeeded"} 0+1x60`},
}

// TestAlertsFire: each alert's expression holds for as long as it must where things are
// ill, and does not once where they are well.
func TestAlertsFire(t *testing.T) {
	rules := load(t, healthFile)
	for name := range ill {
		if _, ok := rules[name]; !ok {
			t.Errorf("%s is tested but is no alert", name)
		}
	}
	for name, r := range rules {
		t.Run(name, func(t *testing.T) {
			c, ok := ill[name]
			if !ok {
				t.Fatal("nothing says when it must fire")
			}
			if at := firstHeld(t, r, c.fires); at < 0 {
				t.Errorf("does not fire within an hour of %s", c.fires)
			}
			if at := firstHeld(t, r, c.rests); at >= 0 {
				t.Errorf("fires after %s of %s", at, c.rests)
			}
		})
	}
}

// firstHeld is when the rule has held for as long as it must, from the beginning, or -1.
func firstHeld(t *testing.T, r rulefmt.Rule, series string) time.Duration {
	t.Helper()
	storage := promqltest.LoadedStorage(t, "load 1m\n  "+strings.ReplaceAll(series, "\n", "\n  "))
	t.Cleanup(func() { storage.Close() })
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	end := time.Hour
	if time.Duration(r.For) >= end {
		end = 10 * time.Hour
	}
	q, err := engine.NewRangeQuery(context.Background(), storage, nil, r.Expr, time.Unix(0, 0), time.Unix(0, 0).Add(end), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	result := q.Exec(context.Background())
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	matrix, ok := result.Value.(promql.Matrix)
	if !ok {
		t.Fatalf("results in a %s", result.Value.Type())
	}
	for _, s := range matrix {
		since := int64(-1)
		for i, p := range s.Floats {
			if i == 0 || p.T-s.Floats[i-1].T > time.Minute.Milliseconds() {
				since = p.T
			}
			if p.T-since >= time.Duration(r.For).Milliseconds() {
				return time.Duration(p.T) * time.Millisecond
			}
		}
	}
	return -1
}
