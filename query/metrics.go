package query

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/foreshock/foreshock"
)

// ruleMetrics are what the evaluations of rules' expressions cost and come to.
type ruleMetrics struct {
	evaluations, failed, missed, seconds, samples *prometheus.CounterVec
	series                                        *prometheus.GaugeVec
	results, dropped                              prometheus.Counter
}

func newRuleMetrics(reg prometheus.Registerer) *ruleMetrics {
	auto := promauto.With(reg)
	counters := func(name, help string) *prometheus.CounterVec {
		return auto.NewCounterVec(prometheus.CounterOpts{Name: "foreshock_query_rule_" + name, Help: help}, []string{foreshock.RuleLabel})
	}
	return &ruleMetrics{
		evaluations: counters("evaluations_total", "Evaluations of the rule's expression."),
		failed:      counters("evaluation_failures_total", "Evaluations that failed."),
		missed:      counters("evaluations_missed_total", "Evaluations left out because a later one was due already."),
		seconds:     counters("evaluation_seconds_total", "Time spent evaluating the rule's expression."),
		samples:     counters("samples_total", "Samples that evaluations looked at."),
		series: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "foreshock_query_rule_series", Help: "Series that the rule's expression results in.",
		}, []string{foreshock.RuleLabel}),
		results: auto.NewCounter(prometheus.CounterOpts{
			Name: "foreshock_query_results_total", Help: "Results of expressions, staleness markers among them, that the detector took.",
		}),
		dropped: auto.NewCounter(prometheus.CounterOpts{
			Name: "foreshock_query_results_dropped_total", Help: "Results of expressions that the detector had no room for.",
		}),
	}
}

func (m *ruleMetrics) counters() []*prometheus.CounterVec {
	return []*prometheus.CounterVec{m.evaluations, m.failed, m.missed, m.seconds, m.samples}
}

// begin creates at zero what is counted of rule.
func (m *ruleMetrics) begin(rule string) {
	for _, c := range m.counters() {
		c.WithLabelValues(rule)
	}
	m.series.WithLabelValues(rule)
}

// end forgets what was counted of rule.
func (m *ruleMetrics) end(rule string) {
	for _, c := range m.counters() {
		c.DeleteLabelValues(rule)
	}
	m.series.DeleteLabelValues(rule)
}
