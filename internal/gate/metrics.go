package gate

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Why a connection was cut.
const (
	cutHalfOpen = "half_open" // no request of it had reached a handler
	cutIdle     = "idle"      // between two requests
	cutFull     = "full"      // new, while all others were being served
)

type metrics struct {
	cut    *prometheus.CounterVec
	panics prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, g *Gate) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		cut: f.NewCounterVec(prometheus.CounterOpts{
			Name: "foreshock_gate_connections_cut_total",
			Help: "Connections cut because there were too many, by what they were about.",
		}, []string{"state"}),
		panics: f.NewCounter(prometheus.CounterOpts{
			Name: "foreshock_gate_panics_total",
			Help: "Requests whose handler panicked; each was answered 500.",
		}),
	}
	for _, why := range []string{cutHalfOpen, cutIdle, cutFull} {
		m.cut.WithLabelValues(why)
	}
	for i, state := range []string{"half_open", "idle", "serving"} {
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "foreshock_gate_connections",
			Help:        "Connections at the web address by what they are about.",
			ConstLabels: prometheus.Labels{"state": state},
		}, func() float64 {
			half, idle, serving := g.states()
			return float64([]int{half, idle, serving}[i])
		})
	}
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "foreshock_gate_connections_limit",
		Help: "How many connections there may be; half of them half-open, half of one address.",
	}, func() float64 { return float64(g.most) })
	return m
}
