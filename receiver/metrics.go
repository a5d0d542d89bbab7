package receiver

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	requests      *prometheus.CounterVec
	duration      prometheus.Histogram
	inFlight      prometheus.Gauge
	receivedBytes prometheus.Counter
	decodedBytes  prometheus.Counter

	samples, histograms, exemplars, metadata prometheus.Counter

	ownOutput     prometheus.Counter
	seriesKnown   prometheus.Counter
	seriesLearned prometheus.Counter

	refused [kinds][refusals]prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, c *cache) *metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "foreshock_receiver_" + name, Help: help})
	}
	m := &metrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "foreshock_receiver_requests_total",
			Help: "Remote-write requests answered, by protocol version and HTTP status code.",
		}, []string{"version", "code"}),
		duration: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "foreshock_receiver_request_duration_seconds",
			Help:    "Time from the first byte of a request to its answer, waiting for the detector included.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		inFlight: f.NewGauge(prometheus.GaugeOpts{
			Name: "foreshock_receiver_requests_in_flight",
			Help: "Requests being read, decoded or handed on.",
		}),
		receivedBytes: counter("received_bytes_total", "Bytes of request bodies as received."),
		decodedBytes:  counter("decoded_bytes_total", "Bytes of request bodies after decompression."),
		samples:       counter("samples_total", "Samples handed on to the detector."),
		histograms:    counter("histograms_total", "Native histograms handed on to the detector."),
		exemplars:     counter("exemplars_total", "Exemplars accepted and ignored."),
		metadata:      counter("metadata_total", "Metadata of metric families handed on to the detector."),
		ownOutput:     counter("own_output_dropped_total", "Samples and native histograms dropped because Foreshock itself had emitted them."),
	}
	looked := f.NewCounterVec(prometheus.CounterOpts{
		Name: "foreshock_receiver_series_total",
		Help: "Series met in requests: known from before, or new to the receiver's cache.",
	}, []string{"state"})
	m.seriesKnown, m.seriesLearned = looked.WithLabelValues("known"), looked.WithLabelValues("new")

	refused := f.NewCounterVec(prometheus.CounterOpts{
		Name: "foreshock_receiver_refused_total",
		Help: "What was refused, whole requests or parts of them, and why.",
	}, []string{"what", "reason"})
	refusable(func(k kind, r refusal) {
		m.refused[k][r] = refused.WithLabelValues(kindNames[k], r.label())
	})

	for v := range versions {
		for _, code := range []int{http.StatusNoContent, http.StatusBadRequest, http.StatusServiceUnavailable, http.StatusTooManyRequests} {
			m.requests.WithLabelValues(v.String(), strconv.Itoa(code))
		}
	}
	for _, code := range []int{http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType} {
		m.requests.WithLabelValues(unknownVersion.String(), strconv.Itoa(code))
	}

	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "foreshock_receiver_cache_keys",
		Help: "Names of series that senders use and the receiver remembers.",
	}, func() float64 { keys, _ := c.size(); return float64(keys) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "foreshock_receiver_cache_bytes",
		Help: "What remembering them costs, approximately.",
	}, func() float64 { _, bytes := c.size(); return float64(bytes) })
	return m
}

// count adds what a decoded request was found to hold. taken says that the batch
// was handed on.
func (m *metrics) count(d *decoder, taken bool) {
	t := &d.tally
	m.seriesKnown.Add(float64(t.known))
	m.seriesLearned.Add(float64(t.learned))
	for k := range t.refused {
		for r, n := range t.refused[k] {
			if n > 0 {
				m.refused[k][r].Add(float64(n))
			}
		}
	}
	if !taken {
		return
	}
	m.samples.Add(float64(len(d.batch.Samples)))
	m.histograms.Add(float64(len(d.batch.Histograms)))
	m.metadata.Add(float64(len(d.batch.Metadata)))
	m.exemplars.Add(float64(t.exemplars))
	m.ownOutput.Add(float64(t.own))
}
