package evidence

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	lookups, failed, dropped *prometheus.CounterVec
	duration                 *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	counters := func(name, help string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: "foreshock_evidence_" + name, Help: help}, []string{"source"})
	}
	return &metrics{
		lookups: counters("lookups_total", "Look-ups in logs begun, failed ones included."),
		failed:  counters("lookups_failed_total", "Look-ups in logs that brought no evidence."),
		dropped: counters("lookups_dropped_total", "Look-ups in logs not made, because too many were waiting."),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "foreshock_evidence_lookup_duration_seconds",
			Help:    "Duration of a look-up in logs, failed ones included.",
			Buckets: prometheus.DefBuckets,
		}, []string{"source"}),
	}
}

// source creates at zero what is counted of the source called name.
func (m *metrics) source(name string) {
	for _, c := range []*prometheus.CounterVec{m.lookups, m.failed, m.dropped} {
		c.WithLabelValues(name)
	}
}
