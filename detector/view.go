package detector

import (
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// maxViewed bounds the series one Select shows: each brings its whole window.
const maxViewed = 1000

// View is one series as the detector sees it.
type View struct {
	Series *foreshock.Series
	Kind   string // how its samples are read: gauge, counter, bucket, histogram, derived
	Rule   string // the watch rule that selects it; "" when none does
	Ended  bool   // a staleness marker was its last word
	// Inherited is the series of a sibling pod whose knowledge it started with, or nil.
	Inherited *foreshock.Series
	// Last is what was said of the newest sample that was scored. Its T is the newest
	// sample's, scored or not.
	Last foreshock.Score
	// Samples are the window, oldest first, as they were sent: counters as they
	// count, staleness markers among them.
	Samples []foreshock.Sample
	// Season is what was learned by the time of day and of the week; nil where the series
	// has not earned one.
	Season *Season
}

// Season is a learned season.
type Season struct {
	Strong    bool // it explains enough to count
	Centre    float64
	Day, Week []float64 // above Centre: quarters of an hour, UTC, and on top hours from Monday
}

// query asks a shard for the series that match, or to look at itself.
type query struct {
	ctx      context.Context // of the one who asks
	matchers rules.Matchers
	limit    int
	answer   func([]*state) // takes what the shard found; must not block
	look     func()         // instead of all that; takes no longer than a stretch of a search
	read     *reading       // instead of all that
}

// searching is a search that goes on a stretch at a time, and says when it is over.
type searching interface {
	stretch(r *registry) (over bool)
}

// Select returns the series whose labels all matchers match, by labels, at most
// limit of them and never more than a thousand; limit 0 asks for that. One Select at a
// time has the shards search, and batches go before it. It returns ctx's error when
// that ends first, and foreshock.ErrClosed after Run has returned.
func (d *Detector) Select(ctx context.Context, matchers []*labels.Matcher, limit int) ([]View, error) {
	all, err := ask(ctx, d, matchers, limit, func(_ *shard, st *state) View { return st.view() })
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b View) int { return labels.Compare(a.Series.Labels, b.Series.Labels) })
	return all[:min(limited(limit), len(all))], nil
}

// limited is how many series may be asked about where limit is asked for.
func limited(limit int) int {
	if limit <= 0 || limit > maxViewed {
		return maxViewed
	}
	return limit
}

// ask has every shard look at the first limit of its series that all matchers match,
// and returns what they saw in no order: see Select.
func ask[T any](ctx context.Context, d *Detector, matchers rules.Matchers, limit int, look func(*shard, *state) T) ([]T, error) {
	return askAll(ctx, d, func(s *shard, answers chan<- []T) query {
		return query{ctx: ctx, matchers: matchers, limit: limited(limit), answer: func(found []*state) {
			seen := make([]T, len(found))
			for i, st := range found {
				seen[i] = look(s, st)
			}
			answers <- seen
		}}
	})
}

// askAll asks every shard what the query that it is given asks, and returns what they
// answered in no order.
func askAll[T any](ctx context.Context, d *Detector, ask func(s *shard, answers chan<- []T) query) ([]T, error) {
	select {
	case d.asking <- struct{}{}:
		defer func() { <-d.asking }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	answers := make(chan []T, len(d.shards)) // room for every shard's
	for _, s := range d.shards {
		select {
		case s.asks <- ask(s, answers):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-d.finished:
			return nil, foreshock.ErrClosed
		}
	}
	var all []T
	for range d.shards {
		select {
		case seen := <-answers:
			all = append(all, seen...)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-d.finished:
			return nil, foreshock.ErrClosed
		}
	}
	return all, nil
}

// stretchSlots is how many slots of the registry a search looks at between two batches:
// 2048 × ~0.2 µs of matching, as by a regular expression of 48 places, ≈ 0.4 ms. The views
// at its end, a thousand windows of an hour, take some 10 ms.
const stretchSlots = 2048

// search is a query on its way through one shard's series. It holds the best so far,
// never more than the query's limit.
type search struct {
	query
	slot uint32 // looked at last
	best []hit  // by labels
}

// hit is a series that matches. While the search goes on its slot may change hands.
type hit struct {
	series *foreshock.Series
	slot   uint32
}

// stretch goes on with the search and reports whether it is over: answered, or nobody
// waits for the answer any more.
func (q *search) stretch(r *registry) (over bool) {
	if q.ctx.Err() != nil {
		return true
	}
	for end := min(q.slot+stretchSlots, r.used); q.slot < end; {
		q.slot++
		if st := r.at(q.slot); st.series != nil && q.matchers.Matches(st.series.Labels) {
			q.keep(hit{st.series, q.slot})
		}
	}
	if q.slot < r.used {
		return false
	}
	var found []*state
	for _, h := range q.best {
		if st := r.at(h.slot); st.series != nil && st.series.Equal(h.series) {
			found = append(found, st)
		}
	}
	q.answer(found)
	return true
}

// keep takes h in where it is among the best.
func (q *search) keep(h hit) {
	byLabels := func(a, b hit) int { return labels.Compare(a.series.Labels, b.series.Labels) }
	if len(q.best) == q.limit {
		if byLabels(h, q.best[q.limit-1]) >= 0 {
			return
		}
		q.best = q.best[:q.limit-1]
	}
	i, _ := slices.BinarySearchFunc(q.best, h, byLabels)
	q.best = slices.Insert(q.best, i, h)
}

func (st *state) view() View {
	warming := st.warming || !st.learned && st.kind != bucket && !st.piece.replaced()
	v := View{
		Series:    st.series,
		Kind:      st.kind.String(),
		Ended:     st.ended,
		Inherited: st.kin.from,
		Last:      foreshock.Score{Series: st.series, T: st.last, Value: st.x, Score: st.score, Band: st.band, Warming: warming},
		Samples:   make([]foreshock.Sample, 0, st.window.Len()),
	}
	if st.native {
		v.Kind = "histogram"
	}
	if st.watch != nil {
		v.Rule = st.watch.Name
	}
	if m := st.mind.seasonal; m != nil {
		p := &m.profile
		v.Season = &Season{Strong: p.Strong(), Centre: p.Centre(), Day: p.Day(), Week: p.Week()}
	}
	for t, x := range st.window.All() {
		v.Samples = append(v.Samples, foreshock.Sample{Series: st.series, T: t, V: x})
	}
	return v
}
