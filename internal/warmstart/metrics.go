package warmstart

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	position, seconds        prometheus.Gauge
	samples, retries, gaveUp prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, w *WarmStart) *metrics {
	f := promauto.With(reg)
	gauge := func(name, help string) prometheus.Gauge {
		return f.NewGauge(prometheus.GaugeOpts{Name: "foreshock_warm_start_" + name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "foreshock_warm_start_" + name, Help: help})
	}
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "foreshock_warm_start_running",
		Help: "1 while history is learned and senders are asked to wait; else 0.",
	}, func() float64 {
		if w.Running() {
			return 1
		}
		return 0
	})
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "foreshock_warm_start_progress_ratio",
		Help: "How much of the history asked for is learned, from 0 to 1.",
	}, w.Progress)
	return &metrics{
		position: gauge("position_timestamp_seconds", "Up to when history is learned; 0 where none is."),
		seconds:  gauge("duration_seconds", "How long the warm start took; 0 until it is over."),
		samples:  counter("samples_total", "Samples and native histograms of history handed to the detector."),
		retries:  counter("retries_total", "Times history could not be read and was tried again from where it was."),
		gaveUp:   counter("gave_up_total", "Times history was not read to its end, and the process went live without the rest."),
	}
}
