package detector

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/foreshock/foreshock/detector/forest"
)

// skip is why a sample that was taken in was not scored.
type skip uint8

const (
	scored        skip = iota // it was
	skipTime                  // no year between 1 and 9999
	skipDuplicate             // the same value at the same time again
	skipConflict              // another value at the same time: the first one stays
	skipStale                 // a staleness marker is not a value
	skipNotFinite             // NaN or infinite, or a rate that is
	skipFirst                 // a counter's first, or first since a reset we know not when: there is no rate yet
	skipBucket                // of a classic histogram
	skipSum                   // of a histogram or summary, whose mean is scored instead
	skipMixed                 // a float where there are native histograms, or the reverse

	skips
)

// String is the reason as the metric's label has it.
func (r skip) String() string {
	return [...]string{"", "time", "duplicate", "conflict", "stale", "not_finite", "first", "bucket", "sum", "mixed"}[r]
}

// eviction is why a series was forgotten.
type eviction uint8

const (
	evictIdle eviction = iota // unheard for the idle time
	evictRoom                 // idle, and another needed its place

	evictions
)

// String is the reason as the metric's label has it.
func (e eviction) String() string { return [...]string{"idle", "room"}[e] }

// counts are what happened to samples and series.
type counts struct {
	samples, scored, late, refused int
	derived, derivedRefused        int // values made of histograms
	piecesLate, incomplete         int // of histograms: series' samples, scrapes
	crowded                        int // buckets
	skipped                        [skips]int
	evicted                        [evictions]int
	started                        [forest.Channels]int // anomalies by channel
	breaches, groups               int                  // anomalies of groups
	crossings                      int                  // of limits
	ungrouped                      int                  // series
	families                       int                  // refused
	owners                         int                  // refused by the first shard, and so by each
	inherited                      int                  // series
	unexplained                    [unexplaineds]int
	withheld                       [holdings]int
	short                          int // of refused: for want of memory
}

func (c *counts) add(o *counts) {
	c.samples += o.samples
	c.scored += o.scored
	c.late += o.late
	c.refused += o.refused
	c.derived += o.derived
	c.derivedRefused += o.derivedRefused
	c.piecesLate += o.piecesLate
	c.incomplete += o.incomplete
	c.crowded += o.crowded
	for i, n := range o.skipped {
		c.skipped[i] += n
	}
	for i, n := range o.evicted {
		c.evicted[i] += n
	}
	for i, n := range o.started {
		c.started[i] += n
	}
	c.breaches += o.breaches
	c.crossings += o.crossings
	c.ungrouped += o.ungrouped
	c.groups += o.groups
	c.families += o.families
	c.owners += o.owners
	c.inherited += o.inherited
	for i, n := range o.unexplained {
		c.unexplained[i] += n
	}
	for h, n := range o.withheld {
		c.withheld[h] += n
	}
	c.short += o.short
}

// levels are where a shard stands.
type levels struct {
	series, warming int
	owners          int // known to each shard
	diaries         int
	held            [holdings]int // bytes
}

func (l *levels) add(o *levels) {
	l.series += o.series
	l.warming += o.warming
	for h, n := range o.held {
		l.held[h] += n
	}
	l.owners = max(l.owners, o.owners)
	l.diaries += o.diaries
}

type metrics struct {
	batches, overloaded     prometheus.Counter
	samples, scored         prometheus.Counter
	late, refused           prometheus.Counter
	derived, derivedRefused prometheus.Counter
	piecesLate, incomplete  prometheus.Counter
	crowded                 prometheus.Counter
	skipped                 [skips]prometheus.Counter
	evicted                 [evictions]prometheus.Counter
	anomalies               [forest.Channels]prometheus.Counter
	breaches, groups        prometheus.Counter
	crossings               prometheus.Counter
	ungrouped               prometheus.Counter
	departures              [fates]prometheus.Counter
	unknownNames            prometheus.Counter
	families                prometheus.Counter
	leaps                   prometheus.Counter
	unexplained             [unexplaineds]prometheus.Counter
	diaries                 prometheus.Gauge
	series, warming, window prometheus.Gauge
	limit, now              prometheus.Gauge
	memory                  [holdings]prometheus.Gauge
	withheld                [holdings]prometheus.Counter // of those that are optional
	memoryLimit             prometheus.Gauge
	queue                   prometheus.Gauge
	budgets                 *budgetMetrics
	inherited, ownersFull   prometheus.Counter
	owners                  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, capacity int64) *metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "foreshock_detector_" + name, Help: help})
	}
	vector := func(name, help, label string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: "foreshock_detector_" + name, Help: help}, []string{label})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return f.NewGauge(prometheus.GaugeOpts{Name: "foreshock_detector_" + name, Help: help})
	}
	m := &metrics{
		batches:        counter("batches_total", "Batches scored."),
		overloaded:     counter("batches_overloaded_total", "Batches not taken because the queue stayed full."),
		samples:        counter("samples_total", "Samples taken in."),
		scored:         counter("samples_scored_total", "Samples scored and learned."),
		late:           counter("samples_late_total", "Samples older than the newest of their series, not scored."),
		refused:        counter("samples_refused_total", "Samples of new series not scored because the detector was full."),
		derived:        counter("derived_scored_total", "Means and quantiles of histograms scored and learned."),
		derivedRefused: counter("derived_refused_total", "Means and quantiles of histograms not scored because the detector was full, or is sent a series of their name."),
		piecesLate:     counter("histogram_parts_late_total", "Samples of a histogram that came when its next scrape had begun, left out of its mean and quantiles."),
		incomplete:     counter("histograms_incomplete_total", "Scrapes of a histogram that lacked a part, and so its mean or its quantiles."),
		crowded:        counter("histogram_buckets_refused_total", "Buckets beyond 256 of one histogram, which has no quantiles then."),
		breaches:       counter("breaches_total", "Foreseen crossings of a forecast rule's limit."),
		crossings:      counter("crossings_total", "Crossings of a limit rule's bound."),
		ungrouped:      counter("ungrouped_series_total", "Times a series came to raise alerts by itself, as the group_by of its rule would group it with series kept elsewhere."),
		families:       counter("metadata_refused_total", "Metric types not remembered because too many families have one."),
		leaps:          counter("clock_leaps_total", "Times the samples moved the clock by more than an hour at once."),
		series:         gauge("series", "Series known."),
		warming:        gauge("series_warming", "Series known that are still warming up."),
		limit:          gauge("series_limit", "Series that may be known."),
		memoryLimit:    gauge("memory_limit_bytes", "Memory that may be held before new series and optional parts are refused; 0 is any."),
		window:         gauge("window_bytes", "Memory the windows hold beside their series."),
		now:            gauge("clock_timestamp_seconds", "Sample time the detector has reached."),
		queue:          gauge("queue_samples", "Samples and metadata taken in that wait to be scored, plus 64 for each of their batches."),
		groups:         counter("group_anomalies_total", "Anomalies that started of groups: of the series one rule watches at one place."),
		inherited:      counter("series_inherited_total", "Series of new pods that took over what a sibling had learned."),
		ownersFull:     counter("owners_refused_total", "Owners of pods, replica sets and jobs not remembered because too many are."),
		owners:         gauge("owners", "Owners of pods, replica sets and jobs known from kube-state-metrics."),
		diaries:        gauge("explained_series", "Series whose latest anomaly, or what came near one, is kept in detail to be explained."),
		budgets:        newBudgetMetrics(reg),
	}
	m.unknownNames = counter("absence_names_refused_total", "Watched series that are not missed unless their rule names the wait, because too many metrics are watched.")
	departed := vector("departures_total", "Watched series that were unheard for longer than their wait, by what was made of it.", "fate")
	for f := range fates {
		m.departures[f] = departed.WithLabelValues(f.String())
	}
	gauge("queue_capacity_samples", "What queue_samples may reach.").Set(float64(capacity))

	skipped := vector("samples_skipped_total", "Samples not scored, by reason.", "reason")
	for r := skipTime; r < skips; r++ {
		m.skipped[r] = skipped.WithLabelValues(r.String())
	}
	evicted := vector("series_evicted_total", "Series forgotten, by reason.", "reason")
	for e := range evictions {
		m.evicted[e] = evicted.WithLabelValues(e.String())
	}
	unexplained := vector("explanations_dropped_total", "Samples not kept in detail because every record was in use (full), and series whose records made room for another's (room).", "reason")
	for u := range m.unexplained {
		m.unexplained[u] = unexplained.WithLabelValues(unexplainedReason(u).String())
	}
	memory := f.NewGaugeVec(prometheus.GaugeOpts{Name: "foreshock_detector_memory_bytes", Help: "Memory held for series, by what for. Labels are the receiver's."}, []string{"kind"})
	for h := range m.memory {
		m.memory[h] = memory.WithLabelValues(holding(h).String())
	}
	withheld := vector("memory_withheld_total", "Times a sample would have had its series given a part that memory_limit kept from it, by the part.", "kind")
	for _, h := range optional {
		m.withheld[h] = withheld.WithLabelValues(h.String())
	}
	anomalies := vector("anomalies_total", "Anomalies that started, by the channel that isolated them.", "channel")
	for c := range m.anomalies {
		m.anomalies[c] = anomalies.WithLabelValues(forest.Channel(c).String())
	}
	return m
}

// departed counts what became of the watched series that left with a batch.
func (m *metrics) departed(r *roll) {
	for f, n := range r.counts {
		m.departures[f].Add(float64(n))
	}
	m.unknownNames.Add(float64(r.full))
}

// batch brings the metrics to date with what a batch did and where it led.
func (m *metrics) batch(c *counts, l *levels) {
	m.samples.Add(float64(c.samples))
	m.scored.Add(float64(c.scored))
	m.late.Add(float64(c.late))
	m.refused.Add(float64(c.refused))
	m.derived.Add(float64(c.derived))
	m.derivedRefused.Add(float64(c.derivedRefused))
	m.piecesLate.Add(float64(c.piecesLate))
	m.incomplete.Add(float64(c.incomplete))
	m.crowded.Add(float64(c.crowded))
	m.breaches.Add(float64(c.breaches))
	m.crossings.Add(float64(c.crossings))
	m.ungrouped.Add(float64(c.ungrouped))
	m.groups.Add(float64(c.groups))
	m.families.Add(float64(c.families))
	m.inherited.Add(float64(c.inherited))
	m.ownersFull.Add(float64(c.owners))
	for r := skipTime; r < skips; r++ {
		m.skipped[r].Add(float64(c.skipped[r]))
	}
	for e, n := range c.evicted {
		m.evicted[e].Add(float64(n))
	}
	for u, n := range c.unexplained {
		m.unexplained[u].Add(float64(n))
	}
	for _, h := range optional {
		m.withheld[h].Add(float64(c.withheld[h]))
	}
	for ch, n := range c.started {
		m.anomalies[ch].Add(float64(n))
	}
	m.series.Set(float64(l.series))
	m.warming.Set(float64(l.warming))
	m.owners.Set(float64(l.owners))
	m.window.Set(float64(l.held[heldWindows]))
	for h, n := range l.held {
		m.memory[h].Set(float64(n))
	}
	m.diaries.Set(float64(l.diaries))
}
