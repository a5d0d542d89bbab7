package detector

import (
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// maxViewed bounds the series one Select shows: each brings its whole window.
const maxViewed = 1000

// View is one series as the detector sees it.
type View struct {
	Series *foreshock.Series
	Kind   string // how its samples are read: gauge, counter, bucket, histogram
	Rule   string // the watch rule that selects it; "" when none does
	Ended  bool   // a staleness marker was its last word
	// Last is what was said of the newest sample that was scored. Its T is the newest
	// sample's, scored or not.
	Last foreshock.Score
	// Samples are the window, oldest first, as they were sent: counters as they
	// count, staleness markers among them.
	Samples []foreshock.Sample
}

// query asks the shards for the series that match.
type query struct {
	matchers []*labels.Matcher
	limit    int
	answer   chan []View // has room for every shard's
}

// Select returns the series whose labels all matchers match, by labels, at most
// limit of them and never more than a thousand; limit 0 asks for that. It returns
// ctx's error when that ends first, and foreshock.ErrClosed after Run has returned.
func (d *Detector) Select(ctx context.Context, matchers []*labels.Matcher, limit int) ([]View, error) {
	if limit <= 0 || limit > maxViewed {
		limit = maxViewed
	}
	q := query{matchers: matchers, limit: limit, answer: make(chan []View, len(d.shards))}
	for _, s := range d.shards {
		select {
		case s.asks <- q:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-d.finished:
			return nil, foreshock.ErrClosed
		}
	}
	var all []View
	for range d.shards {
		all = append(all, <-q.answer...)
	}
	slices.SortFunc(all, func(a, b View) int { return labels.Compare(a.Series.Labels, b.Series.Labels) })
	return all[:min(limit, len(all))], nil
}

// find answers q with this shard's series.
func (s *shard) find(q query) []View {
	var found []*state
	s.series.each(func(st *state) {
		for _, m := range q.matchers {
			if !m.Matches(st.series.Labels.Get(m.Name)) {
				return
			}
		}
		found = append(found, st)
	})
	slices.SortFunc(found, func(a, b *state) int { return labels.Compare(a.series.Labels, b.series.Labels) })
	found = found[:min(q.limit, len(found))]
	views := make([]View, len(found))
	for i, st := range found {
		views[i] = st.view()
	}
	return views
}

func (st *state) view() View {
	warming := st.warming || !st.learned && st.kind != bucket
	v := View{
		Series:  st.series,
		Kind:    st.kind.String(),
		Ended:   st.ended,
		Last:    foreshock.Score{Series: st.series, T: st.last, Value: st.x, Score: st.score, Band: st.band, Warming: warming},
		Samples: make([]foreshock.Sample, 0, st.window.Len()),
	}
	if st.native {
		v.Kind = "histogram"
	}
	if st.watch != nil {
		v.Rule = st.watch.Name
	}
	for t, x := range st.window.All() {
		v.Samples = append(v.Samples, foreshock.Sample{Series: st.series, T: t, V: x})
	}
	return v
}
