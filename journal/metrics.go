package journal

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	appends, failures, bytes, lost prometheus.Counter
	rewrites, rewriteFailures      prometheus.Counter
	seconds                        prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		appends: f.NewCounter(prometheus.CounterOpts{
			Name: "foreshock_journal_appends_total",
			Help: "Records that were to be made durable.",
		}),
		failures: f.NewCounter(prometheus.CounterOpts{
			Name: "foreshock_journal_append_failures_total",
			Help: "Records that could not be made durable.",
		}),
		bytes: f.NewCounter(prometheus.CounterOpts{
			Name: "foreshock_journal_appended_bytes_total",
			Help: "Bytes of the records made durable.",
		}),
		lost: f.NewCounter(prometheus.CounterOpts{
			Name: "foreshock_journal_lost_bytes_total",
			Help: "Bytes found damaged and cut off when the journal was opened.",
		}),
		rewrites: f.NewCounter(prometheus.CounterOpts{
			Name: "foreshock_journal_rewrites_total",
			Help: "Times all records were to be replaced by fewer.",
		}),
		rewriteFailures: f.NewCounter(prometheus.CounterOpts{
			Name: "foreshock_journal_rewrite_failures_total",
			Help: "Times records could not be replaced by fewer.",
		}),
		seconds: f.NewHistogram(prometheus.HistogramOpts{
			Name: "foreshock_journal_append_duration_seconds",
			Help: "How long a record took to become durable.",
			// 100 µs, an SSD with a battery, to 100 µs × 4^8 ≈ 6.5 s, a disk in trouble.
			Buckets: prometheus.ExponentialBuckets(1e-4, 4, 9),
		}),
	}
}

// streamMetrics are those of a stream, which has none to rewrite but some to drop.
type streamMetrics struct {
	*metrics
	dropped prometheus.Counter
}

func newStreamMetrics(reg prometheus.Registerer, s *Stream) *streamMetrics {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "foreshock_journal_size_bytes",
		Help: "Size of all segments on disk.",
	}, func() float64 { return float64(s.Size()) })
	return &streamMetrics{
		metrics: newMetrics(reg),
		dropped: f.NewCounter(prometheus.CounterOpts{
			Name: "foreshock_journal_dropped_bytes_total",
			Help: "Bytes of segments that had to go, oldest first, before they were of no use any more.",
		}),
	}
}
