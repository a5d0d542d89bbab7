package emitter

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Why samples for a remote write were dropped.
const (
	droppedFull      = "queue_full"  // the oldest, for newer ones
	droppedRelabeled = "relabeled"   // by write_relabel_configs
	droppedOld       = "too_old"     // beyond sample_age_limit
	droppedShutdown  = "shutdown"    // not delivered in the time there was, and not on disk
	droppedOutbox    = "outbox_full" // on disk, the oldest, for newer ones; or damaged there
)

// droppedReasons are all of them.
var droppedReasons = []string{droppedFull, droppedRelabeled, droppedOld, droppedShutdown, droppedOutbox}

type metrics struct {
	findings, findingsDropped prometheus.Counter

	sources prometheus.Gauge
	refused prometheus.Counter
	late    prometheus.Counter

	unrecalled prometheus.Counter

	// Of each remote write: samples = sent + failed + dropped + pending.
	samples         *prometheus.CounterVec
	samplesSent     *prometheus.CounterVec
	samplesFailed   *prometheus.CounterVec
	samplesRetried  *prometheus.CounterVec
	samplesDropped  *prometheus.CounterVec
	samplesPending  *prometheus.GaugeVec
	batchSend       *prometheus.HistogramVec
	sentBytes       *prometheus.CounterVec
	highestSentTime *prometheus.GaugeVec
	outboxSamples   *prometheus.GaugeVec
	outboxBytes     *prometheus.GaugeVec
	outboxAge       *prometheus.GaugeVec
	outboxFailures  *prometheus.CounterVec

	alerts          *prometheus.CounterVec
	alertsHeld      prometheus.Counter
	alertsUntold    prometheus.Counter
	alertsDropped   prometheus.Counter
	templateFailure prometheus.Counter

	lines, linesFailed, linesDropped prometheus.Counter
}

// destination creates at zero what is counted of the remote write called name.
func (m *metrics) destination(name string) {
	for _, c := range []*prometheus.CounterVec{m.samples, m.samplesSent, m.samplesFailed, m.samplesRetried, m.sentBytes, m.outboxFailures} {
		c.WithLabelValues(name)
	}
	for _, g := range []*prometheus.GaugeVec{m.samplesPending, m.outboxSamples, m.outboxBytes, m.outboxAge} {
		g.WithLabelValues(name)
	}
	for _, reason := range droppedReasons {
		m.samplesDropped.WithLabelValues(name, reason)
	}
}

func newMetrics(reg prometheus.Registerer) *metrics {
	auto := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return auto.NewCounter(prometheus.CounterOpts{Name: "foreshock_emitter_" + name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return auto.NewCounterVec(prometheus.CounterOpts{Name: "foreshock_emitter_" + name, Help: help}, labels)
	}
	gauges := func(name, help string) *prometheus.GaugeVec {
		return auto.NewGaugeVec(prometheus.GaugeOpts{Name: "foreshock_emitter_" + name, Help: help}, []string{destinationLabel})
	}
	m := &metrics{
		findings:        counter("findings_total", "Scores, anomalies, forecasts, ends and incidents offered to the emitter."),
		findingsDropped: counter("findings_dropped_total", "Findings that had to go, the oldest first, because the emitter did not keep up."),

		sources: auto.NewGauge(prometheus.GaugeOpts{
			Name: "foreshock_emitter_source_series",
			Help: "Source series about which series are emitted.",
		}),
		refused:    counter("findings_refused_total", "Scores, forecasts and incidents not emitted because emitter.max_series was reached."),
		unrecalled: counter("samples_unrecalled_total", "Emitted samples that cannot be queried, because too many series were emitted of late."),
		late:       counter("samples_late_total", "Samples not emitted because their series had already emitted that time or a later one."),

		samples:         counters("samples_total", "Samples emitted to a remote write.", destinationLabel),
		samplesSent:     counters("samples_sent_total", "Samples a remote write accepted.", destinationLabel),
		samplesFailed:   counters("samples_failed_total", "Samples a remote write refused for good.", destinationLabel),
		samplesRetried:  counters("samples_retried_total", "Samples sent again after a failure that may pass.", destinationLabel),
		samplesDropped:  counters("samples_dropped_total", "Samples dropped before a remote write accepted or refused them.", destinationLabel, "reason"),
		samplesPending:  gauges("samples_pending", "Samples waiting for or on their way to a remote write."),
		sentBytes:       counters("sent_bytes_total", "Compressed bytes that a remote write accepted.", destinationLabel),
		highestSentTime: gauges("highest_sent_timestamp_seconds", "Highest time of a sample that a remote write accepted, seconds since the epoch."),
		outboxSamples:   gauges("outbox_samples", "Samples that wait on disk for a remote write, where they outlast the process."),
		outboxBytes:     gauges("outbox_size_bytes", "Bytes on disk of what waits for a remote write, or did a moment ago."),
		outboxAge:       gauges("outbox_age_seconds", "For how long the oldest sample on disk has waited for a remote write; 0 where none waits."),
		outboxFailures:  counters("outbox_write_failures_total", "Times samples could not be written to the disk to wait there; they go past it, or wait in memory.", destinationLabel),
		batchSend: auto.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "foreshock_emitter_batch_send_duration_seconds",
			Help:    "Duration of a request to a remote write, failed ones included.",
			Buckets: prometheus.DefBuckets,
		}, []string{destinationLabel}),

		alerts:          counters("alerts_total", "Alerts handed to the notifier, resends included.", stateLabel),
		alertsHeld:      counter("alerts_held_total", "Incidents not told at once because the samples lag behind the clock by more than emitter.freshness."),
		alertsUntold:    counter("alerts_untold_total", "Incidents that were over before they could be told: while held, or with no Alertmanager discovered."),
		alertsDropped:   counter("alerts_dropped_total", "Changes of incidents dropped because too many incidents are under way."),
		templateFailure: counter("template_failures_total", "Annotations sent as written in the rule because their template failed."),

		lines:        counter("json_lines_total", "Lines for the JSON file."),
		linesFailed:  counter("json_lines_failed_total", "Lines that could not be written to the JSON file."),
		linesDropped: counter("json_lines_dropped_total", "Lines dropped, the oldest first, because the JSON file was too slow."),
	}
	m.alerts.WithLabelValues("firing")
	m.alerts.WithLabelValues("resolved")
	return m
}
