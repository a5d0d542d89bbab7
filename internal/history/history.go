// Package history reads samples that were: out of a running Prometheus, a directory of
// its blocks, or a CSV file. A Source hands them on as a sender would have sent them: in
// the order of their time, in batches, with stale markers and what is known of types.
//
// Memory does not grow with what is read: a Source reads a slice of time, hands it on and
// forgets it. What it does keep is the labels of every series, which those who learn the
// samples keep too.
package history

import (
	"context"
	"errors"
	"iter"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// Span is a stretch of sample time, in ms, with both of its ends.
type Span struct{ From, To int64 }

// share is how much of the span lies before t, from 0 to 1.
func (s Span) share(t int64) float64 {
	if s.To <= s.From {
		return 1
	}
	return min(max(float64(t-s.From)/float64(s.To-s.From), 0), 1)
}

// Append takes a batch, which is the Source's again when it returns: a
// detector.Detector's Append is one. The series a batch refers to are shared and stay.
type Append func(ctx context.Context, b *foreshock.Batch) error

// Source is somewhere samples can be read from. It may be read more than once, but not
// twice at the same time.
type Source interface {
	// Read calls do with the samples of the span, in the order of their time or, where
	// requests were recorded, of their coming. It returns the first error, its own or
	// do's. What do was given before an error is whole up to the time of the last
	// sample, of which more may follow: a reader that goes on begins there.
	Read(ctx context.Context, span Span, do Append) error
	// Progress is how much has been read, from 0 to 1. Append may ask.
	Progress() float64
	// Skipped counts what could not be handed on: series without a name or with labels
	// that are no UTF-8, and what Foreshock itself once emitted.
	Skipped() int
}

// Batches is what s reads of the span, or why it cannot. A batch may change once the next
// is asked for.
func Batches(ctx context.Context, s Source, span Span) iter.Seq2[*foreshock.Batch, error] {
	return func(yield func(*foreshock.Batch, error) bool) {
		enough := errors.New("enough")
		err := s.Read(ctx, span, func(_ context.Context, b *foreshock.Batch) error {
			if !yield(b, nil) {
				return enough
			}
			return nil
		})
		if err != nil && !errors.Is(err, enough) {
			yield(nil, err)
		}
	}
}

// errFull says that a slice of time holds more samples than may wait in memory.
var errFull = errors.New("more samples than fit")

// all selects every series.
var all = []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".+")}

// Selectors are alternatives: a series counts that one of them selects. None selects all.
type Selectors [][]*labels.Matcher

func (s Selectors) orAll() Selectors {
	if len(s) == 0 {
		return Selectors{all}
	}
	return s
}
