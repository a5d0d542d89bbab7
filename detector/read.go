package detector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// ErrTooMuch: more was asked for than one reader may have.
var ErrTooMuch = errors.New("too much at once")

// seriesWeight is what a series counts beside its samples: 96 B of excerpt and result at
// 16 B a sample.
const seriesWeight = 6

// Read returns what windows hold, from one time to another, ms, both included, of the
// series that all matchers match, by fingerprint; series without a sample then are left out.
// Samples are as they were sent, staleness markers among them. What the detector makes of
// histograms and native histograms are not among the series.
//
// A matcher that a metric's name equals makes it fast: else all series are looked at. At
// most so many samples are returned, a series counting as six more, or ErrTooMuch. Reads
// wait for each other, and batches go before them: see Select, whose other errors these
// are too.
func (d *Detector) Read(ctx context.Context, matchers []*labels.Matcher, from, to int64, most int) ([]foreshock.Excerpt, error) {
	return d.read(ctx, matchers, from, to, most, (*state).excerpt)
}

// Names is Read for who wants to know no more than which series there are: the excerpts
// are empty.
func (d *Detector) Names(ctx context.Context, matchers []*labels.Matcher, from, to int64, most int) ([]foreshock.Excerpt, error) {
	return d.read(ctx, matchers, from, to, most, (*state).title)
}

// ReadEach is Read of each of these very series, in their order; the excerpt of one that has
// no samples then is empty. None of their namesakes is looked at.
func (d *Detector) ReadEach(ctx context.Context, series []*foreshock.Series, from, to int64) ([]foreshock.Excerpt, error) {
	type part struct {
		number  int // among series
		excerpt foreshock.Excerpt
	}
	parts, err := askAll(ctx, d, func(s *shard, answers chan<- []part) query {
		return query{ctx: ctx, look: func() {
			var held []part
			for i, x := range series {
				if shardOf(x, uint64(len(d.shards))) != uint64(s.number) {
					continue // another's to look for
				}
				if st := s.series.find(x); st != nil && !st.native && st.kind != derived {
					if e, some := st.excerpt(max(from, 0), to); some {
						held = append(held, part{i, e})
					}
				}
			}
			answers <- held
		}}
	})
	if err != nil {
		return nil, err
	}
	each := make([]foreshock.Excerpt, len(series))
	for _, p := range parts {
		each[p.number] = p.excerpt
	}
	return each, nil
}

// Metrics are the names of the metrics of which Names would name a series, in no order. Of each
// metric series are looked at until one has samples then: mostly one, and all of them only
// where none has.
func (d *Detector) Metrics(ctx context.Context, from, to int64) ([]string, error) {
	return askAll(ctx, d, func(s *shard, answers chan<- []string) query {
		return query{ctx: ctx, look: func() { answers <- s.series.metrics(max(from, 0), to) }}
	})
}

// metrics are the names of the metrics that have a series with samples from one time to
// another.
func (r *registry) metrics(from, to int64) (all []string) {
	for name, n := range r.names {
		if slices.ContainsFunc(n.slots, func(slot uint32) bool {
			st := r.at(slot)
			if st.native || st.kind == derived {
				return false
			}
			_, some := st.title(from, to)
			return some
		}) {
			all = append(all, name)
		}
	}
	return all
}

func (d *Detector) read(
	ctx context.Context, matchers []*labels.Matcher, from, to int64, most int, copy func(*state, int64, int64) (foreshock.Excerpt, bool),
) ([]foreshock.Excerpt, error) {
	var left atomic.Int64
	left.Store(int64(most))
	pieces, err := askAll(ctx, d, func(_ *shard, answers chan<- [][]foreshock.Excerpt) query {
		return query{ctx: ctx, read: &reading{
			ctx: ctx, name: nameOf(matchers), matchers: matchers, from: max(from, 0), to: to, copy: copy, left: &left,
			answer: func(found [][]foreshock.Excerpt) { answers <- found },
		}}
	})
	if err != nil {
		return nil, err
	}
	if left.Load() < 0 {
		return nil, fmt.Errorf("%w: over %d samples, a series counting as %d; ask for fewer series or a shorter time", ErrTooMuch, most, seriesWeight)
	}
	all := slices.Concat(pieces...)
	slices.SortFunc(all, func(a, b foreshock.Excerpt) int {
		if a.Series.Fingerprint != b.Series.Fingerprint {
			return cmp.Compare(a.Series.Fingerprint, b.Series.Fingerprint)
		}
		return labels.Compare(a.Series.Labels, b.Series.Labels)
	})
	// A series whose place another took during the search may have been met twice.
	return slices.CompactFunc(all, func(a, b foreshock.Excerpt) bool { return a.Series.Equal(b.Series) }), nil
}

// nameOf is the metric name that matchers ask for, "" where it may be any of several.
func nameOf(matchers []*labels.Matcher) string {
	for _, m := range matchers {
		if m.Name == prommodel.MetricNameLabel && m.Type == labels.MatchEqual {
			return m.Value
		}
	}
	return ""
}

// Types are the types of metric families, by name, as far as senders told them.
func (d *Detector) Types(ctx context.Context) (map[string]prommodel.MetricType, error) {
	all, err := askAll(ctx, d, func(s *shard, answers chan<- []types) query {
		return query{ctx: ctx, look: func() {
			var told []types
			if s.number == 0 { // all know the same
				copied := make(types, len(s.types))
				for family, kind := range s.types {
					copied[family] = kind
				}
				told = []types{copied}
			}
			answers <- told
		}}
	})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// A reading looks at so many slots between two batches, half as many as a search, since it
// copies what it finds, and stops once it has copied so many samples: 16 384 × ~15 ns ≈ 0.25 ms.
const (
	readSlots      = stretchSlots / 2
	stretchSamples = 1 << 14
)

// reading is a Read on its way through one shard's series. From the end to the start, so
// that a series which takes the place of one that is forgotten meanwhile is not missed.
type reading struct {
	ctx      context.Context
	name     string // of the metric; "" for any
	matchers rules.Matchers
	from, to int64
	copy     func(st *state, from, to int64) (foreshock.Excerpt, bool)
	left     *atomic.Int64 // samples, for all shards
	answer   func([][]foreshock.Excerpt)

	begun bool
	next  int                   // index of what was looked at last, among the namesakes or all slots
	found [][]foreshock.Excerpt // by stretch: one slice that grows would be copied while batches wait
}

// stretch implements searching.
func (q *reading) stretch(r *registry) (over bool) {
	if q.ctx.Err() != nil {
		return true
	}
	var slots []uint32
	if n := r.names[q.name]; n != nil {
		slots = n.slots
	}
	end := len(slots)
	if q.name == "" {
		end = int(r.used)
	}
	if !q.begun {
		q.begun, q.next = true, end
	}
	q.next = min(q.next, end)
	var found []foreshock.Excerpt
	for looked, copied := 0, 0; q.next > 0 && looked < readSlots && copied < stretchSamples; looked++ {
		q.next--
		slot := uint32(q.next + 1)
		if q.name != "" {
			slot = slots[q.next]
		}
		st := r.at(slot)
		if st.series == nil || st.native || st.kind == derived || !q.matchers.Matches(st.series.Labels) {
			continue
		}
		if e, ok := q.copy(st, q.from, q.to); ok {
			found = append(found, e)
			copied += len(e.T)
			if q.left.Add(-int64(len(e.T)+seriesWeight)) < 0 {
				q.next, q.found, found = 0, nil, nil
			}
		}
	}
	q.found = append(q.found, found)
	if q.next > 0 {
		return false
	}
	q.answer(q.found)
	return true
}

// excerpt is what st's window holds from one time to another; false where that is nothing.
func (st *state) excerpt(from, to int64) (foreshock.Excerpt, bool) {
	e := foreshock.Excerpt{Series: st.series}
	for t, v := range st.within(from, to) {
		if e.T == nil {
			room := min(int64(st.window.Len()), (st.last-t)/max(st.interval, 1)+2)
			e.T, e.V = make([]int64, 0, room), make([]float64, 0, room)
		}
		e.T, e.V = append(e.T, t), append(e.V, v)
	}
	return e, e.T != nil
}

// title is an excerpt without its samples.
func (st *state) title(from, to int64) (foreshock.Excerpt, bool) {
	for range st.within(from, to) {
		return foreshock.Excerpt{Series: st.series}, true
	}
	return foreshock.Excerpt{}, false
}

// within yields the samples of st's window from one time to another.
func (st *state) within(from, to int64) iter.Seq2[int64, float64] {
	return func(yield func(int64, float64) bool) {
		if st.last < from {
			return
		}
		for t, v := range st.window.Since(from) {
			if t > to || t >= from && !yield(t, v) {
				return
			}
		}
	}
}
