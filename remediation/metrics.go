package remediation

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock/rules"
)

type metrics struct {
	notifications, unauthorized, rejected  prometheus.Counter
	alerts                                 map[model.AlertStatus]prometheus.Counter
	truncated, invalid, repeats            prometheus.Counter
	transitions                            map[state]prometheus.Counter
	refusals                               map[string]prometheus.Counter
	ledgerFailures, forgotten              prometheus.Counter
	pending, running, openBreakers, paused prometheus.Gauge
	seconds                                prometheus.Histogram
	outcomes                               *prometheus.CounterVec
	success                                *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "foreshock_remediation_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return f.NewGauge(prometheus.GaugeOpts{Name: "foreshock_remediation_" + name, Help: help})
	}
	return &metrics{
		pending:       gauge("pending_plans", "Plans that wait for approval or for their turn."),
		running:       gauge("running_actions", "Actions under way, or about to be."),
		openBreakers:  gauge("open_breakers", "Rules that failed too often and wait for a person to close their circuit breaker."),
		paused:        gauge("paused", "Whether a person or a file has paused all remedies."),
		notifications: counter("notifications_total", "Webhooks received, whoever sent them."),
		unauthorized:  counter("unauthorized_total", "Webhooks and decisions refused for want of the token or certificate."),
		rejected:      counter("notifications_rejected_total", "Webhooks whose body was not a notification."),
		alerts: each(f, "alerts_total", "Alerts received, by their status.", "status",
			model.AlertFiring, model.AlertResolved),
		truncated: counter("alerts_truncated_total", "Alerts that Alertmanager left out of its notifications; see max_alerts there."),
		invalid:   counter("alerts_invalid_total", "Alerts left out because they cannot be any: see the log."),
		repeats:   counter("repeats_total", "Times an alert met a remedy that had been decided about in the same episode."),
		transitions: each(f, "transitions_total", "Plans that entered a state.", "state",
			states...),
		refusals: each(f, "refusals_total", "Refusals by the guard that refused; what is refused for concurrency waits for its turn.", "reason",
			refusals...),
		ledgerFailures: counter("ledger_failures_total", "Events that could not be recorded, and so did not happen."),
		forgotten:      counter("ledger_forgotten_total", "Alerts that a rule met and the ledger forgot after 30 days."),
		seconds: f.NewHistogram(prometheus.HistogramOpts{
			Name: "foreshock_remediation_action_duration_seconds",
			Help: "How long an action took.",
			// 10 ms, a local script, to 10 ms × 4^8 ≈ 11 min, past the longest timeout.
			Buckets: prometheus.ExponentialBuckets(0.01, 4, 9),
		}),
		outcomes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "foreshock_remediation_outcomes_total",
			Help: "Actions by what the series that fired did afterwards.",
		}, []string{"rule", "action", "outcome"}),
		success: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "foreshock_remediation_success_ratio",
			Help: "Share of a remedy's actions after which the series that fired recovered, of those of the latest 256 plans of which that could be told.",
		}, []string{"rule", "action"}),
	}
}

// remedies has the outcomes of all remedies begin at zero, and tells how they did.
func (m *metrics) remedies(all []*rules.Remedy, entries []entry) {
	for _, r := range all {
		for _, o := range outcomes {
			m.outcomes.WithLabelValues(r.Name, r.Action, o)
		}
		m.rate(plan{Rule: r.Name, Action: r.Action}, entries)
	}
}

// outcome counts that of e.
func (m *metrics) outcome(e entry) {
	m.outcomes.WithLabelValues(e.Plan.Rule, e.Plan.Action, e.Outcome).Inc()
}

// rate tells how often the remedy of p helped, as far as it could be told.
func (m *metrics) rate(p plan, entries []entry) {
	helped, told := 0, 0
	for _, e := range entries {
		if e.Plan.Rule != p.Rule || e.Plan.Action != p.Action || e.RollbackOf != "" {
			continue
		}
		if e.Outcome == outcomeRecovered {
			helped++
		}
		if e.Outcome == outcomeRecovered || e.Outcome == outcomeNotRecovered {
			told++
		}
	}
	if told > 0 {
		m.success.WithLabelValues(p.Rule, p.Action).Set(float64(helped) / float64(told))
	}
}

// each makes a counter for every value of a label, so that all start at zero.
func each[T ~string](f promauto.Factory, name, help, label string, values ...T) map[T]prometheus.Counter {
	vec := f.NewCounterVec(prometheus.CounterOpts{Name: "foreshock_remediation_" + name, Help: help}, []string{label})
	counters := make(map[T]prometheus.Counter, len(values))
	for _, v := range values {
		counters[v] = vec.WithLabelValues(string(v))
	}
	return counters
}

// refuse marks the entry refused and counts why.
func (m *metrics) refuse(e *entry, r *refusal, now time.Time) {
	e.State, e.Reason, e.FinishedAt = stateRefused, r.text, now
	m.refusals[r.class].Inc()
}
