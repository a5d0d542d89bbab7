package detector

import (
	"cmp"
	"slices"
	"sync"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// job is one Append on its way through the shards: a part of the samples for each,
// and a part of the findings from each.
type job struct {
	parts    []part
	metadata []foreshock.Metadata // for every shard to read: families cross shards
	owners   []foreshock.Sample   // for every shard to read as well
	cost     int64                // of the queue
	working  sync.WaitGroup       // shards that are not done yet
	now      int64                // the detector's clock after this batch, ms
	awake    int64                // the detector's age after this batch, ms: see clock
	flow     int64                // and how much of it samples came in
	leaps    int                  // of the clock, so far
	absences []foreshock.Anomaly  // what the roll made of the parts
	change   func(*shard)         // instead of samples: new rules, new configuration
	save     *save                // instead of samples: what is known is to be written down
	note     func()               // of change: what the detector notes of it, in its turn

	recalibrate func(*calibrator) // what change means for the thresholds; or nil
	meeting     *meeting          // of all shards ahead of the batch; nil at most batches
}

// part is what one shard gets of a job and what it makes of it. The two never have
// a concurrent user: the shard has it from task to working.Done, the collector after.
type part struct {
	samples []foreshock.Sample
	natives []foreshock.Histogram
	spans   []histogram.Span // of natives, one behind the other; so are values
	values  []float64

	scores    []foreshock.Score
	anomalies []foreshock.Anomaly
	forecasts []foreshock.Forecast
	scalings  []foreshock.Scaling
	links     []foreshock.Link
	ended     []*foreshock.Series // their scores
	gone      []*foreshock.Series
	came      []came     // of the forecasts
	presences []presence // steps of watched series, for the roll
	remarks   []remark   // of targets, for the roll
	counts    counts
	levels    levels
}

// task is a job as one shard sees it.
type task struct {
	job  *job
	part *part
}

func newJob(shards int) *job { return &job{parts: make([]part, shards)} }

// split copies b into the shards' parts.
func (j *job) split(b *foreshock.Batch) {
	n := uint64(len(j.parts))
	for i := range b.Samples {
		p := &j.parts[shardOf(b.Samples[i].Series, n)]
		p.samples = append(p.samples, b.Samples[i])
		if b.Samples[i].Series.Ownership {
			j.owners = append(j.owners, b.Samples[i])
		}
	}
	for _, h := range b.Histograms {
		p := &j.parts[shardOf(h.Series, n)]
		h.PositiveSpans, h.NegativeSpans = kept(&p.spans, h.PositiveSpans), kept(&p.spans, h.NegativeSpans)
		h.PositiveBuckets, h.NegativeBuckets = kept(&p.values, h.PositiveBuckets), kept(&p.values, h.NegativeBuckets)
		h.CustomValues = kept(&p.values, h.CustomValues)
		p.natives = append(p.natives, h)
	}
	j.metadata = append(j.metadata, b.Metadata...)
}

// kept copies s behind what memory holds. Where that grows, what was handed out stays
// where it is.
func kept[T any](memory *[]T, s []T) []T {
	from := len(*memory)
	*memory = append(*memory, s...)
	return slices.Clip((*memory)[from:])
}

// weight is what b takes of the queue beside the cost of a batch: one for each sample,
// histogram and type, and one for three numbers in a histogram, which take as much.
func weight(b *foreshock.Batch) int64 {
	numbers := 0
	for i := range b.Histograms {
		numbers += b.Histograms[i].Len()
	}
	return int64(b.Len() + len(b.Metadata) + numbers/3)
}

// shardOf is the shard of n that owns s: its neighbourhood's upper half, scaled to n.
func shardOf(s *foreshock.Series, n uint64) uint64 { return (s.Neighbourhood >> 32) * n >> 32 }

// reset empties j, keeping its memory but nothing it pointed to.
func (j *job) reset() {
	for i := range j.parts {
		p := &j.parts[i]
		*p = part{
			samples:   emptied(p.samples),
			natives:   emptied(p.natives),
			spans:     p.spans[:0],
			values:    p.values[:0],
			scores:    emptied(p.scores),
			anomalies: emptied(p.anomalies),
			forecasts: emptied(p.forecasts),
			scalings:  emptied(p.scalings),
			links:     emptied(p.links),
			ended:     emptied(p.ended),
			gone:      emptied(p.gone),
			came:      emptied(p.came),
			presences: emptied(p.presences),
			remarks:   spared(p.remarks),
		}
	}
	j.metadata, j.owners, j.change, j.absences = emptied(j.metadata), emptied(j.owners), nil, nil
	j.recalibrate, j.meeting, j.save, j.note = nil, nil, nil, nil
}

// maxKeptRemarks is how many remarks a part makes room for beforehand: × ~110 B ≈ 110 KB.
// Only the batch that turns a minute brings any, and few fleets have more targets.
const maxKeptRemarks = 1 << 10

func spared(remarks []remark) []remark {
	if cap(remarks) > maxKeptRemarks {
		return nil
	}
	return emptied(remarks)
}

func emptied[T any](s []T) []T {
	clear(s)
	return s[:0]
}

// findings merges what the shards found, by sample time and then labels. What one
// series has to say at one time stays in the order it said it.
func (j *job) findings() foreshock.Findings {
	byLabels := func(a, b *foreshock.Series) int { return order(0, 0, a, b) }
	f := foreshock.Findings{
		Now: j.now,
		Scores: merged(j.parts, func(p *part) []foreshock.Score { return p.scores },
			func(a, b foreshock.Score) int { return order(a.T, b.T, a.Series, b.Series) }),
		Anomalies: merged(j.parts, func(p *part) []foreshock.Anomaly { return p.anomalies },
			func(a, b foreshock.Anomaly) int { return order(a.T, b.T, a.Series, b.Series) }),
		Forecasts: merged(j.parts, func(p *part) []foreshock.Forecast { return p.forecasts },
			func(a, b foreshock.Forecast) int { return order(a.T, b.T, a.Series, b.Series) }),
		Scalings: merged(j.parts, func(p *part) []foreshock.Scaling { return p.scalings },
			func(a, b foreshock.Scaling) int { return order(a.T, b.T, a.Series, b.Series) }),
		Links: merged(j.parts, func(p *part) []foreshock.Link { return p.links }, byName),
		Ended: merged(j.parts, func(p *part) []*foreshock.Series { return p.ended }, byLabels),
		Gone:  merged(j.parts, func(p *part) []*foreshock.Series { return p.gone }, byLabels),
	}
	if len(j.absences) > 0 {
		f.Anomalies = append(f.Anomalies, j.absences...)
		slices.SortStableFunc(f.Anomalies, func(a, b foreshock.Anomaly) int { return order(a.T, b.T, a.Series, b.Series) })
	}
	// In a batch that spans minutes one series may end more than once.
	f.Gone = slices.CompactFunc(f.Gone, (*foreshock.Series).Equal)
	f.Ended = slices.DeleteFunc(slices.CompactFunc(f.Ended, (*foreshock.Series).Equal), func(s *foreshock.Series) bool {
		_, gone := slices.BinarySearchFunc(f.Gone, s, byLabels)
		return gone
	})
	return f
}

func byName(a, b foreshock.Link) int {
	return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
}

func order(at, bt int64, a, b *foreshock.Series) int {
	if c := cmp.Compare(at, bt); c != 0 || a == b {
		return c
	}
	return labels.Compare(a.Labels, b.Labels)
}

// merged copies one kind of finding of all parts, as the parts are used again; nil
// when there is none, which is most often.
func merged[T any](parts []part, of func(*part) []T, less func(a, b T) int) []T {
	n := 0
	for i := range parts {
		n += len(of(&parts[i]))
	}
	if n == 0 {
		return nil
	}
	all := make([]T, 0, n)
	for i := range parts {
		all = append(all, of(&parts[i])...)
	}
	slices.SortStableFunc(all, less)
	return all
}
