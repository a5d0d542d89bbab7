package query

import (
	"context"
	"maps"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/foreshock/foreshock"
)

// Querier implements storage.Queryable.
func (q *Query) Querier(from, to int64) (storage.Querier, error) {
	return &querier{sources: q.o.Sources, from: from, to: to, left: q.served.Load().config.MaxSamples}, nil
}

// seriesWeight is what a series counts beside its samples, as in the Sources: what a
// query reads is held until it ends, however many selectors it has.
const seriesWeight = 6

// querier reads the sources between two times, ms, for one query.
type querier struct {
	sources  []Source
	from, to int64
	left     int   // samples that may be read yet
	pace     *pace // nil to read without rest
}

// Close implements storage.Querier.
func (q *querier) Close() error { return nil }

// Select implements storage.Querier.
func (q *querier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	read, from, to := Source.Read, q.from, q.to
	if hints != nil {
		from, to = max(from, hints.Start), min(to, hints.End)
		if hints.Func == "series" { // asked by the API for their labels
			read = Source.Names
		}
	}
	found, err := q.all(ctx, read, from, to, matchers)
	if err != nil {
		return storage.ErrSeriesSet(err)
	}
	if sorted {
		slices.SortFunc(found, func(a, b foreshock.Excerpt) int { return labels.Compare(a.Series.Labels, b.Series.Labels) })
	}
	return &seriesSet{ctx: ctx, found: found, at: -1, pace: q.pace}
}

func (q *querier) all(
	ctx context.Context, read func(Source, context.Context, []*labels.Matcher, int64, int64, int) ([]foreshock.Excerpt, error),
	from, to int64, matchers []*labels.Matcher,
) ([]foreshock.Excerpt, error) {
	var all []foreshock.Excerpt
	for _, s := range q.sources {
		found, err := read(s, ctx, matchers, from, to, q.left)
		if err != nil {
			return nil, err
		}
		for i := range found {
			q.left -= len(found[i].T) + seriesWeight
		}
		all = append(all, found...)
	}
	return all, nil
}

// LabelValues implements storage.LabelQuerier.
func (q *querier) LabelValues(
	ctx context.Context, name string, hints *storage.LabelHints, matchers ...*labels.Matcher,
) ([]string, annotations.Annotations, error) {
	if name == model.MetricNameLabel && len(matchers) == 0 {
		return q.metrics(ctx, hints)
	}
	return q.collect(ctx, hints, matchers, func(ls labels.Labels, add func(string)) {
		if v := ls.Get(name); v != "" {
			add(v)
		}
	})
}

// LabelNames implements storage.LabelQuerier.
func (q *querier) LabelNames(ctx context.Context, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.collect(ctx, hints, matchers, func(ls labels.Labels, add func(string)) {
		ls.Range(func(l labels.Label) { add(l.Name) })
	})
}

// collect returns what tell adds of the labels of each series, sorted and once.
func (q *querier) collect(
	ctx context.Context, hints *storage.LabelHints, matchers []*labels.Matcher, tell func(labels.Labels, func(string)),
) ([]string, annotations.Annotations, error) {
	found, err := q.all(ctx, Source.Names, q.from, q.to, matchers)
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]struct{}{}
	for _, e := range found {
		tell(e.Series.Labels, func(s string) { seen[s] = struct{}{} })
	}
	return first(slices.Sorted(maps.Keys(seen)), hints), nil, nil
}

// metrics are the names of all metrics, sorted and once: most series are not looked at for them.
func (q *querier) metrics(ctx context.Context, hints *storage.LabelHints) ([]string, annotations.Annotations, error) {
	var all []string
	for _, s := range q.sources {
		found, err := s.Metrics(ctx, q.from, q.to)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, found...)
	}
	slices.Sort(all)
	return first(slices.Compact(all), hints), nil, nil
}

// first are as many as hints allow.
func first(all []string, hints *storage.LabelHints) []string {
	if hints != nil && hints.Limit > 0 && len(all) > hints.Limit {
		return all[:hints.Limit]
	}
	return all
}

// seriesSet implements storage.SeriesSet.
type seriesSet struct {
	ctx   context.Context // of the Select
	found []foreshock.Excerpt
	at    int
	pace  *pace // nil for none
}

func (s *seriesSet) At() storage.Series                { return series{&s.found[s.at]} }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

func (s *seriesSet) Next() bool {
	if s.pace != nil {
		s.pace.step(s.ctx)
	}
	s.at++
	return s.at < len(s.found)
}

// series implements storage.Series.
type series struct{ *foreshock.Excerpt }

func (s series) Labels() labels.Labels { return s.Series.Labels }

func (s series) Iterator(chunkenc.Iterator) chunkenc.Iterator {
	return storage.NewListSeriesIterator(&points{excerpt: s.Excerpt})
}

// points implements storage.Samples for one reader, and the sample it is at.
type points struct {
	excerpt *foreshock.Excerpt
	at      int
}

func (p *points) Len() int { return len(p.excerpt.T) }

func (p *points) Get(i int) chunks.Sample {
	p.at = i // no sample is made: the reader has done with the one before
	return p
}

func (p *points) T() int64                      { return p.excerpt.T[p.at] }
func (p *points) F() float64                    { return p.excerpt.V[p.at] }
func (p *points) ST() int64                     { return 0 }
func (p *points) H() *histogram.Histogram       { return nil }
func (p *points) FH() *histogram.FloatHistogram { return nil }
func (p *points) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (p *points) Copy() chunks.Sample           { c := *p; return &c }
