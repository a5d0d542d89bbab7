// Package foreshock holds the nouns every other package speaks: Series, Sample,
// Batch, Anomaly, Incident, Report. They are plain data; behaviour lives on the
// floors above, and this package imports none of them.
//
//	Prometheus ──remote write──▶ receiver ─Batch▶ detector ─Findings▶ incident ─Report▶ emitter ─┬▶ remote write
//	                             decode           window              correlate                  ├▶ Alertmanager
//	                             limits           forest                                         ├▶ /metrics/anomalies
//	                                              trend                                          └▶ JSON lines
//	                                              grade
//	           Alertmanager ──webhook──▶ remediation ─▶ action
//
// Data goes one way. The loop closes outside the process, through Alertmanager,
// so its silences, inhibitions and grouping govern remedies too.
//
// Times are milliseconds since the Unix epoch, as Prometheus sends them, and
// always the sample's own: no package below app asks the wall clock what to think
// of a sample, which is why a replay gives the live run's answers byte for byte.
package foreshock

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
)

// Series is one stream of samples, known by its label set.
type Series struct {
	// Labels are sorted by name; none has an empty value. The metric name is
	// among them as __name__.
	Labels labels.Labels

	// Fingerprint is labels.StableHash(Labels): the same in every process and
	// build. Two different series may share one, so compare Labels as well.
	Fingerprint uint64

	// Kin is the fingerprint of what the series shares with its kin: the buckets, the
	// count and the sum of one histogram and what is made of them, and the same metric
	// of the pods of one namespace.
	Kin uint64

	// Neighbourhood is the fingerprint of where the series is: of its Place, or of the
	// namespace of a pod. A detector keeps neighbours on one shard, where they can be
	// read together; kin are neighbours.
	Neighbourhood uint64

	// Ownership says that the series tells who owns what in Kubernetes: a detector
	// has every shard read it.
	Ownership bool

	// Home is where the detector's shard keeps this series' state. It belongs to
	// that shard's goroutine: nobody else reads or writes it. Zero means unknown.
	Home uint32
}

// NewSeries returns the series with the given labels, which must be sorted, unique
// and free of empty values.
func NewSeries(ls labels.Labels) *Series {
	s := &Series{Labels: ls, Fingerprint: labels.StableHash(ls), Kin: kin(ls), Ownership: tellsOwner(ls.Get(model.MetricNameLabel))}
	s.Neighbourhood = s.neighbourhood()
	return s
}

// Name is the metric name.
func (s *Series) Name() string { return s.Labels.Get(model.MetricNameLabel) }

// String writes the series as PromQL does: name{label="value", …}. What a rule's
// expression results in has the name of the rule.
func (s *Series) String() string {
	name, rest := s.Name(), s.Labels.DropReserved(isMetricName)
	if IsExpr(s.Labels) {
		name, rest = exprName(s.Labels)
	}
	if !model.LegacyValidation.IsValidMetricName(name) {
		return s.Labels.String()
	}
	if rest.IsEmpty() {
		return name
	}
	return name + rest.String()
}

// Equal reports whether both have the same labels.
func (s *Series) Equal(o *Series) bool {
	return s == o || (s.Fingerprint == o.Fingerprint && labels.Equal(s.Labels, o.Labels))
}

// Sample is one value of one series.
type Sample struct {
	Series *Series
	T      int64 // ms since the epoch
	V      float64
}

// Stale reports whether the sample is Prometheus's staleness marker, by its bits:
// the series has ended, and V is not a value.
func (s Sample) Stale() bool { return value.IsStaleNaN(s.V) }

// Rate is by how much a second a counter grew from before, an earlier sample of it, to s. A
// counter that is less than it was has begun anew at 0.
func (s Sample) Rate(before Sample) float64 {
	grown := s.V - before.V
	if grown < 0 {
		grown = s.V
	}
	return grown / (float64(s.T-before.T) / 1000)
}

// Histogram is one native histogram of one series. Beside Count and Sum it is as in
// histogram.FloatHistogram, whatever form it was sent in.
type Histogram struct {
	Series     *Series
	T          int64 // ms since the epoch
	Count, Sum float64

	Hint                             histogram.CounterResetHint
	Schema                           int32
	ZeroThreshold, ZeroCount         float64
	PositiveSpans, NegativeSpans     []histogram.Span
	PositiveBuckets, NegativeBuckets []float64 // counts of single buckets
	CustomValues                     []float64
}

// NewHistogram returns h as the histogram of x at t. They share what is in slices.
func NewHistogram(x *Series, t int64, h *histogram.FloatHistogram) Histogram {
	return Histogram{
		Series: x, T: t, Count: h.Count, Sum: h.Sum,
		Hint: h.CounterResetHint, Schema: h.Schema,
		ZeroThreshold: h.ZeroThreshold, ZeroCount: h.ZeroCount,
		PositiveSpans: h.PositiveSpans, NegativeSpans: h.NegativeSpans,
		PositiveBuckets: h.PositiveBuckets, NegativeBuckets: h.NegativeBuckets,
		CustomValues: h.CustomValues,
	}
}

// Float is h as Prometheus has it. They share what is in slices.
func (h *Histogram) Float() histogram.FloatHistogram {
	return histogram.FloatHistogram{
		Count: h.Count, Sum: h.Sum,
		CounterResetHint: h.Hint, Schema: h.Schema,
		ZeroThreshold: h.ZeroThreshold, ZeroCount: h.ZeroCount,
		PositiveSpans: h.PositiveSpans, NegativeSpans: h.NegativeSpans,
		PositiveBuckets: h.PositiveBuckets, NegativeBuckets: h.NegativeBuckets,
		CustomValues: h.CustomValues,
	}
}

// Len is the number of what is in h's slices.
func (h *Histogram) Len() int {
	return len(h.PositiveSpans) + len(h.NegativeSpans) + len(h.PositiveBuckets) + len(h.NegativeBuckets) + len(h.CustomValues)
}

// Stale reports whether the histogram is a staleness marker, which travels in Sum.
func (h Histogram) Stale() bool { return value.IsStaleNaN(h.Sum) }

// Excerpt is what is known of one series over a while: as many times, ms, as values,
// oldest first.
type Excerpt struct {
	Series *Series
	T      []int64
	V      []float64
}

// Metadata says what type a metric family has, where a sender knows it.
type Metadata struct {
	Family string
	Type   model.MetricType
}

// Batch is what one request brought, already validated. Samples of one series are
// in the order they were sent; nothing else is promised about order.
type Batch struct {
	Samples    []Sample
	Histograms []Histogram
	Metadata   []Metadata

	// Request is what the batch was decoded from.
	Request Request
}

// Request is the body of a remote-write request as it was received. Its zero value is
// that of a batch that was made here.
type Request struct {
	Version  uint8  // of the protocol: 1 or 2
	Received int64  // ms
	Body     []byte // compressed
}

// Len is the number of samples and histograms.
func (b *Batch) Len() int { return len(b.Samples) + len(b.Histograms) }

// Band is what a model expected a value to be, with the interval it should have
// fallen into 95 times out of 100. NaN where a model cannot say yet.
type Band struct {
	Expected, Lower, Upper float64
}

// NoBand is the band of a model that cannot say yet.
func NoBand() Band { return Band{math.NaN(), math.NaN(), math.NaN()} }

// Known reports whether the model could say.
func (b Band) Known() bool { return !math.IsNaN(b.Expected) }

// Contains reports whether v lies within the band.
func (b Band) Contains(v float64) bool { return v >= b.Lower && v <= b.Upper }

// Score is the detector's word on one sample.
type Score struct {
	Series *Series
	T      int64
	Value  float64 // as scored: a per-second rate where the series is a counter
	// Score is 0 while warming up, up to 1 normal, above 1 anomalous. It is held:
	// after an anomaly it decays, so that an incident stays visible.
	Score   float64
	Band    Band
	Warming bool
}

// Phase is a step in an anomaly's life.
type Phase uint8

// The phases, in the order they happen; Escalated may be absent or repeat.
const (
	Started Phase = iota
	Escalated
	Ended
)

// String is the phase as people read it.
func (p Phase) String() string { return name(p, "started", "escalated", "ended") }

// Kind tells what is wrong with a series.
type Kind uint8

// An Outlier behaves unlike itself; a Breach will cross its rule's limit; an Absence is
// not heard any more, though it should be; a Crossing is beyond a limit that is known.
const (
	Outlier Kind = iota
	Breach
	Absence
	Crossing
)

// String is the kind as people read it.
func (k Kind) String() string { return name(k, "outlier", "breach", "absence", "crossing") }

// Anomaly is a change in how a series behaves: it began to be anomalous, became
// more so, or ended.
type Anomaly struct {
	Series  *Series
	Kind    Kind
	Phase   Phase
	Rule    string  // the rule that makes it worth an alert; "" when none does, or when its group speaks for it
	Group   *Series // the group that speaks for it; nil when none does
	Onset   int64   // sample time of the first anomalous sample of this stretch, ms
	T       int64   // sample time of this phase, ms
	Value   float64
	Score   float64
	Band    Band
	Channel string // what isolated it: value, level, shift, …; forest.Channel's words

	// Interval is how far apart the moments are at which an Outlier is judged; 0 unknown. It
	// may have begun so long before Onset.
	Interval time.Duration

	// Lost says of one that ended that nothing was heard any more, by a staleness marker:
	// whether it is over nobody knows.
	Lost bool

	// Company belongs to the anomaly of a group, whose value is its score.
	Company
	// Shared are the labels that all series of the group have in common; known where
	// its anomaly starts or escalates.
	Shared labels.Labels

	// Limit and Arrival belong to a Breach: the value that will be crossed, and when,
	// counted from T. Limit belongs to a Crossing, too: it was crossed at Onset, upwards
	// where Above.
	Limit float64
	Above bool
	Arrival

	// Silence belongs to an Absence, whose Onset is when the series was heard last and
	// whose Value is what it said then.
	Silence Silence
}

// Silence is how much an Absence takes in: one series of a target that goes on, or all
// of one target or more, for which one series then speaks.
type Silence struct {
	Targets  int // that fell silent as a whole; 0 where it is the one series
	Series   int // that fell silent
	Siblings int // series of the same target that go on
}

// Forecast is what a forecast rule foresees for one series.
type Forecast struct {
	Series  *Series
	Rule    string
	T       int64 // made at, ms
	Horizon time.Duration
	Band    Band // at T + Horizon
	Limit   float64
	// Arrival is when Limit is crossed, counted from T; its ETA is negative when no
	// crossing is foreseen with confidence.
	Arrival
}

// Arrival is how long it is until a limit is crossed.
type Arrival struct {
	ETA time.Duration
	// Soonest and Latest are the ends of the interval that holds it with the rule's
	// confidence; Latest is negative where it may be never.
	Soonest, Latest time.Duration
}

// Never is the Arrival of what will not come.
func Never() Arrival { return Arrival{-1, -1, -1} }

// Scaling is what to scale by for one series, under a forecast rule that says how far
// ahead.
type Scaling struct {
	Series *Series
	Rule   string
	T      int64 // ms
	// Value is the present value, or what it will not be above nine times in ten so far
	// ahead, whichever is greater.
	Value float64
	// Error is how far such forecasts were off of late, beside how far off the present
	// value was when each was made: below 1 they are worth more than that. NaN while too
	// few came due.
	Error float64
}

// Findings is what the detector says of one Batch, by sample time and then by
// labels, whatever the number of shards.
type Findings struct {
	Now       int64 // what the stream's samples agree the time is, ms
	Scores    []Score
	Anomalies []Anomaly
	Forecasts []Forecast
	Scalings  []Scaling
	// Links are who depends on whom, as the labels of series that were heard first say.
	Links []Link
	// Ended are series whose scores will not be reported on for now: what is emitted
	// of their scores must end too, with a stale marker.
	Ended []*Series
	// Gone are series that ended or were forgotten: all that is emitted of them must
	// end. They are not repeated in Ended.
	Gone []*Series
}

// State is where an incident stands.
type State uint8

// The states of an incident, in the order it passes through them.
const (
	Pending State = iota
	Firing
	Resolved
)

// String is the state as people read it.
func (s State) String() string { return name(s, "pending", "firing", "resolved") }

// Member is one series' part in an incident.
type Member struct {
	Series  *Series
	Rule    string
	Onset   int64 // ms
	EndedAt int64 // ms; 0 while it lasts
	Peak    float64
	Value   float64 // at the peak
	Band    Band    // at the peak
	Channel string
	Company         // of a group, at the peak
	Limit   float64 // of a Breach or a Crossing
	Above   bool    // of a Crossing
	Arrival         // of a Breach
	Silence Silence // of an Absence
}

// Incident is what happened together, told once.
type Incident struct {
	// ID is stable: the same input gives the same ID in every run.
	ID       string
	Kind     Kind
	State    State
	StartsAt int64 // onset of the first member, fixed once it fires, ms
	EndsAt   int64 // when it resolved, ms; 0 before
	Updated  int64 // ms
	// Labels are what all members had in common when it fired, and stay so: they
	// are the identity of the alert.
	Labels labels.Labels
	// Severity is what it was when it was first told as firing, and stays so: where the
	// rule names none it is part of that identity.
	Severity string
	// Alerting says that a rule selected a member: only then is anyone told.
	Alerting bool
	// Rule is that of the first member a rule selected; "" when none did.
	Rule    string
	Members []Member // by onset, then labels
	// Dropped counts members beyond the bound an incident keeps.
	Dropped int
	// Evidence is what logs say, as far as it was looked up by now. No correlator sets it.
	Evidence []Evidence
	// Inquest is what it likely comes from.
	Inquest
	// Dismissal is who said that it was a false alarm; nil where nobody did.
	Dismissal *Dismissal
	// Remedies are what was done about it, as far as it is known by now, oldest first. No
	// correlator sets them.
	Remedies []Remedy `image:"-"`
}

// Dismissal is a person's word that an incident was a false alarm.
type Dismissal struct {
	At         int64 // sample time, ms
	By, Reason string
}

// Lead is the member to speak of: the first that the incident's rule selected, or the
// first of all; nil where there is none.
func (i *Incident) Lead() *Member {
	if len(i.Members) == 0 {
		return nil
	}
	k := slices.IndexFunc(i.Members, func(m Member) bool { return m.Rule == i.Rule })
	return &i.Members[max(k, 0)]
}

// A picture of an incident shows what was before and after for as long as it lasted, but
// at least and at most this, in ms.
const (
	leastAround = int64(30 * time.Minute / time.Millisecond)
	mostAround  = int64(6 * time.Hour / time.Millisecond)
)

// Around is the time, ms, that a picture of the incident shows.
func (i *Incident) Around() (from, to int64) {
	ends := i.EndsAt
	if ends == 0 {
		ends = i.Updated
	}
	margin := min(max(ends-i.StartsAt, leastAround), mostAround)
	if i.StartsAt < math.MinInt64+margin || ends > math.MaxInt64-margin {
		margin = 0
	}
	return i.StartsAt - margin, ends + margin
}

// Report is what leaves the process after one Batch.
type Report struct {
	Findings
	// Incidents are those that changed, whole, oldest first.
	Incidents []Incident
}

// Time turns the sample time ms into a time.Time in UTC.
func Time(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func name[T ~uint8](v T, names ...string) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("unknown(%d)", v)
}

// Errors an Appender may answer with; the receiver turns them into HTTP statuses.
var (
	// ErrOverloaded: nothing of the batch was taken, and trying again soon may help.
	ErrOverloaded = errors.New("overloaded")
	// ErrClosed: the process is shutting down and takes nothing more.
	ErrClosed = errors.New("shutting down")
)

func isMetricName(label string) bool { return label == model.MetricNameLabel }
