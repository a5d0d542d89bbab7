package detector

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// BudgetStatus is where the alerts of one scope stand against their budget.
type BudgetStatus struct {
	Scope    string  `json:"scope"`             // fleet, or the name of a group or a rule that has a budget
	PerWeek  float64 `json:"budget_per_week"`   // 0: none
	Realised float64 `json:"realised_per_week"` // of late
	// Threshold is the raw score at which a series of the scope is anomalous. Exported
	// scores are divided by it.
	Threshold float64 `json:"threshold"`
}

func (sc *scope) status() BudgetStatus {
	return BudgetStatus{Scope: sc.name, PerWeek: sc.budget, Realised: sc.controller.Realised(), Threshold: sc.threshold}
}

// budgetMetrics are the budgets as metrics: as many as the rule files have, and one.
type budgetMetrics struct {
	budget, realised, threshold *prometheus.GaugeVec
	shown                       []BudgetStatus
}

func newBudgetMetrics(reg prometheus.Registerer) *budgetMetrics {
	f := promauto.With(reg)
	byScope := func(name, help string) *prometheus.GaugeVec {
		return f.NewGaugeVec(prometheus.GaugeOpts{Name: "foreshock_detector_" + name, Help: help}, []string{"scope"})
	}
	return &budgetMetrics{
		budget:    byScope("alert_budget_per_week", "Alerts a week that the scope's budget allows; 0 where it has none."),
		realised:  byScope("alerts_realised_per_week", "Alerts a week that the scope's series raised in the last weeks; those within five minutes count as one."),
		threshold: byScope("threshold", "Raw score at which a series of the scope is anomalous."),
	}
}

// set brings the metrics to date. Scopes that are no more are not shown any longer.
func (m *budgetMetrics) set(now []BudgetStatus) {
	named := map[string]bool{}
	for _, b := range now {
		named[b.Scope] = true
		m.budget.WithLabelValues(b.Scope).Set(b.PerWeek)
		m.realised.WithLabelValues(b.Scope).Set(b.Realised)
		m.threshold.WithLabelValues(b.Scope).Set(b.Threshold)
	}
	for _, b := range m.shown {
		if !named[b.Scope] {
			for _, v := range []*prometheus.GaugeVec{m.budget, m.realised, m.threshold} {
				v.DeleteLabelValues(b.Scope)
			}
		}
	}
	m.shown = now
}
