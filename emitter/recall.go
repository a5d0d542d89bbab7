package emitter

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/window"
)

// maxRecalled bounds the emitted series whose past is kept: × ~1.5 KiB of an hour at 15 s
// ≈ 75 MB if all are emitted all the time, which emitter.max_series × 4 would allow.
const maxRecalled = 50_000

// seriesWeight is what a series counts beside its samples where those are limited: 96 B
// of excerpt and result at 16 B a sample.
const seriesWeight = 6

var errTooMuch = errors.New("too many samples at once, a series counting as six; ask for fewer series or a shorter time")

// recall is a destination that keeps what was emitted of late, so that whoever asks for a
// series can be told what was thought of it. It is safe for concurrent use.
type recall struct {
	metrics *metrics
	closed  chan struct{}

	mu     sync.RWMutex
	keep   int64 // ms
	now    int64 // ms: the newest sample's time
	swept  int64
	series map[string]map[uint64][]*recalled // by name and hash, which two label sets may share
	count  int
}

// recalled is one emitted series and its past.
type recalled struct {
	series *foreshock.Series
	last   int64 // ms
	window window.Window
}

func newRecall(m *metrics) *recall {
	return &recall{metrics: m, closed: make(chan struct{}), series: map[string]map[uint64][]*recalled{}}
}

// setKeep sets for how many ms samples are kept.
func (r *recall) setKeep(keep int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep = keep
}

func (r *recall) close() { close(r.closed) }

func (r *recall) run(ctx context.Context) {
	select {
	case <-r.closed:
	case <-ctx.Done():
	}
}

func (r *recall) place() string { return "memory" }

// deliver keeps the samples. Beyond the bound those of series that are not known are
// counted.
func (r *recall) deliver(report foreshock.Report, samples []sample) {
	if len(samples) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keep == 0 {
		return
	}
	if report.Now != 0 { // markers come without a report
		r.now = report.Now
	}
	for i := range samples {
		s := &samples[i]
		known := r.find(s.labels)
		if known == nil {
			r.metrics.unrecalled.Inc()
			continue
		}
		if s.t > known.last || known.window.Len() == 0 {
			known.window.Append(s.t, s.v, r.keep)
			known.last = s.t
		}
	}
	if apart(r.now, r.swept) > r.keep/4 {
		r.sweep()
	}
}

// find is the series with the labels, which it makes where it is new; nil where there is
// no room for it.
func (r *recall) find(ls labels.Labels) *recalled {
	if k := r.known(ls); k != nil || r.count == maxRecalled {
		return k
	}
	name, hash := ls.Get(model.MetricNameLabel), ls.Hash()
	k := &recalled{series: foreshock.NewSeries(ls)}
	if r.series[name] == nil {
		r.series[name] = map[uint64][]*recalled{}
	}
	r.series[name][hash] = append(r.series[name][hash], k)
	r.count++
	return k
}

// known is the series with the labels, or nil.
func (r *recall) known(ls labels.Labels) *recalled {
	for _, k := range r.series[ls.Get(model.MetricNameLabel)][ls.Hash()] {
		if labels.Equal(k.series.Labels, ls) {
			return k
		}
	}
	return nil
}

// apart is how far two times lie apart. The stream's may go back, where it was wrong.
func apart(a, b int64) int64 { return max(a-b, b-a) }

// sweep forgets the series of which nothing was emitted for as long as samples are kept, or
// only at a time that is not the stream's.
func (r *recall) sweep() {
	r.swept = r.now
	for name, chains := range r.series {
		for hash, chain := range chains {
			kept := slices.DeleteFunc(chain, func(k *recalled) bool { return apart(r.now, k.last) > r.keep })
			r.count -= len(chain) - len(kept)
			if len(kept) == 0 {
				delete(chains, hash)
			} else {
				chains[hash] = kept
			}
		}
		if len(chains) == 0 {
			delete(r.series, name)
		}
	}
}

// Read returns what was emitted, from one time to another, ms, both included, in the
// series that all matchers match, by labels, back as far as Options.Recall. At most so
// many samples are returned, a series counting as six, or an error.
func (e *Emitter) Read(ctx context.Context, matchers []*labels.Matcher, from, to int64, most int) ([]foreshock.Excerpt, error) {
	return e.recall.read(ctx, matchers, from, to, most, func(x *foreshock.Excerpt, t int64, v float64) bool {
		x.T, x.V = append(x.T, t), append(x.V, v)
		return true
	})
}

// Names is Read without the samples.
func (e *Emitter) Names(ctx context.Context, matchers []*labels.Matcher, from, to int64, most int) ([]foreshock.Excerpt, error) {
	return e.recall.read(ctx, matchers, from, to, most, func(*foreshock.Excerpt, int64, float64) bool { return false })
}

// Metrics are the names of the metrics of which Names would name a series, in no order.
func (e *Emitter) Metrics(_ context.Context, from, to int64) (all []string, _ error) {
	r := e.recall
	r.mu.RLock()
	defer r.mu.RUnlock()
	for name, chains := range r.series {
		if anyOf(chains, func(k *recalled) bool { return k.spoke(from, to) }) {
			all = append(all, name)
		}
	}
	return all, nil
}

// anyOf reports whether it holds of one of them.
func anyOf(chains map[uint64][]*recalled, holds func(*recalled) bool) bool {
	for _, chain := range chains {
		if slices.ContainsFunc(chain, holds) {
			return true
		}
	}
	return false
}

// spoke reports whether k has samples from one time to another, ms.
func (k *recalled) spoke(from, to int64) bool {
	for t := range k.window.Since(from) {
		if t >= from {
			return t <= to
		}
	}
	return false
}

// read returns an excerpt of every series that has samples, made by take, which says
// whether it wants more of them.
func (r *recall) read(
	ctx context.Context, matchers []*labels.Matcher, from, to int64, most int, take func(*foreshock.Excerpt, int64, float64) bool,
) ([]foreshock.Excerpt, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var found []foreshock.Excerpt
	for _, k := range r.matching(matchers) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		x, some := foreshock.Excerpt{Series: k.series}, false
		for t, v := range k.window.Since(from) {
			if t > to {
				break
			}
			if t >= from {
				if some = true; !take(&x, t, v) {
					break
				}
			}
		}
		if !some {
			continue
		}
		if most -= len(x.T) + seriesWeight; most < 0 {
			return nil, errTooMuch
		}
		found = append(found, x)
	}
	slices.SortFunc(found, func(a, b foreshock.Excerpt) int { return labels.Compare(a.Series.Labels, b.Series.Labels) })
	return found, nil
}

// matching are the series that all matchers match, in no order.
func (r *recall) matching(matchers []*labels.Matcher) []*recalled {
	names := r.series
	for _, m := range matchers {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			names = map[string]map[uint64][]*recalled{m.Value: r.series[m.Value]}
		}
	}
	var all []*recalled
	for _, chains := range names {
		for _, chain := range chains {
			for _, k := range chain {
				if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(k.series.Labels.Get(m.Name)) }) {
					all = append(all, k)
				}
			}
		}
	}
	return all
}
