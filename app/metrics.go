package app

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics tell about the configuration under the names Prometheus made familiar.
type metrics struct {
	reloads         prometheus.Counter
	reloadsFailed   prometheus.Counter
	lastReloadOK    prometheus.Gauge
	lastReloadStamp prometheus.Gauge
}

// newRegistry returns a registry with what every Go program tells about itself.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		version.NewCollector("foreshock"),
	)
	return r
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		reloads: f.NewCounter(prometheus.CounterOpts{
			Name: "foreshock_app_config_reloads_total",
			Help: "Times a reload of the configuration was asked for.",
		}),
		reloadsFailed: f.NewCounter(prometheus.CounterOpts{
			Name: "foreshock_app_config_reloads_failed_total",
			Help: "Times a reload was refused and the old configuration stayed.",
		}),
		lastReloadOK: f.NewGauge(prometheus.GaugeOpts{
			Name: "foreshock_app_config_last_reload_successful",
			Help: "Whether the last load of the configuration succeeded.",
		}),
		lastReloadStamp: f.NewGauge(prometheus.GaugeOpts{
			Name: "foreshock_app_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration was last loaded with success.",
		}),
	}
}

func (m *metrics) loaded() {
	m.lastReloadOK.Set(1)
	m.lastReloadStamp.SetToCurrentTime()
}

func (m *metrics) refused() {
	m.reloadsFailed.Inc()
	m.lastReloadOK.Set(0)
}
