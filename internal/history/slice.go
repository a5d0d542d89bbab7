package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/foreshock/foreshock"
)

const (
	// maxSamples is how many samples wait in memory at once: 2^21 × 24 B = 48 MiB. A
	// histogram counts as what its slices hold, in samples.
	maxSamples = 1 << 21

	// A slice is as long that a quarter of that is in it, but no longer than what
	// Prometheus keeps in one block, or a series that falls silent would have a server
	// read far more than is wanted.
	fewSamples  = maxSamples / 4
	firstLength = int64(5 * time.Minute / time.Millisecond)
	maxLength   = int64(2 * time.Hour / time.Millisecond)

	// batchSamples and batchSpan are how much Prometheus sends in one request, and how
	// long it waits for it: max_samples_per_send and batch_send_deadline.
	batchSamples = 2000
	batchSpan    = int64(5 * time.Second / time.Millisecond)
)

// fetch puts the samples of span into s, each series' own in the order of their time.
// errFull, from s, goes back to the caller.
type fetch func(ctx context.Context, span Span, s *slice) error

// slicer reads a span slice by slice.
type slicer struct {
	slice
	grain    int64 // ms: slices are multiples of it
	progress float64
}

func newSlicer(grain int64) slicer {
	return slicer{slice: slice{known: map[uint64][]*foreshock.Series{}}, grain: grain}
}

// Progress implements Source.
func (s *slicer) Progress() float64 { return s.progress }

// Skipped implements Source.
func (s *slicer) Skipped() int { return len(s.skipped) }

// read has every slice of span fetched and hands it on.
func (s *slicer) read(ctx context.Context, span Span, fetch fetch, do Append) error {
	length := s.whole(firstLength)
	for from := span.From; from <= span.To; {
		at := Span{from, min(from+length-1, span.To)}
		s.reset()
		err := fetch(ctx, at, &s.slice)
		switch {
		case errors.Is(err, errFull) && length > s.grain:
			length = s.whole(length / 2)
			continue
		case err != nil:
			return fmt.Errorf("read from %s to %s: %w", stamp(at.From), stamp(at.To), err)
		}
		err = s.batches(func(b *foreshock.Batch) error {
			s.progress = span.share(Latest(b))
			return do(ctx, b)
		})
		if err != nil {
			return err
		}
		if s.held < fewSamples {
			length = s.whole(min(2*length, maxLength))
		}
		from = at.To + 1
		s.progress = span.share(from)
	}
	return nil
}

// whole is length in whole grains, at least one.
func (s *slicer) whole(length int64) int64 { return max(length/s.grain, 1) * s.grain }

func stamp(ms int64) string { return foreshock.Time(ms).Format(time.RFC3339) }

// slice is the samples of a stretch of time, and all series that were ever in one.
type slice struct {
	samples    []foreshock.Sample
	histograms []foreshock.Histogram
	held       int                            // of maxSamples
	known      map[uint64][]*foreshock.Series // by fingerprint
	skipped    map[uint64]struct{}
	batch      foreshock.Batch
}

func (s *slice) reset() {
	clear(s.histograms) // their buckets need not be kept
	s.samples, s.histograms, s.held = s.samples[:0], s.histograms[:0], 0
}

// series is the one with these labels: the same one each time, as senders' are. It is nil
// where it is to be skipped.
func (s *slice) series(ls labels.Labels) *foreshock.Series {
	fingerprint := labels.StableHash(ls)
	for _, known := range s.known[fingerprint] {
		if labels.Equal(known.Labels, ls) {
			return known
		}
	}
	if ls.Get(model.MetricNameLabel) == "" || !ls.IsValid(model.UTF8Validation) || foreshock.OwnOutput(ls) {
		if s.skipped == nil {
			s.skipped = map[uint64]struct{}{}
		}
		s.skipped[fingerprint] = struct{}{}
		return nil
	}
	x := foreshock.NewSeries(ls)
	s.known[fingerprint] = append(s.known[fingerprint], x)
	return x
}

func (s *slice) add(x *foreshock.Series, t int64, v float64) error {
	if s.held++; s.held > maxSamples {
		return errFull
	}
	s.samples = append(s.samples, foreshock.Sample{Series: x, T: t, V: v})
	return nil
}

func (s *slice) addHistogram(x *foreshock.Series, t int64, h *histogram.FloatHistogram) error {
	n := foreshock.NewHistogram(x, t, h)
	const itself = 8 // 184 B ÷ 24 B
	if s.held += itself + n.Len()/2; s.held > maxSamples {
		return errFull
	}
	s.histograms = append(s.histograms, n)
	return nil
}

// addAll takes in what storage has, as Prometheus's own parts hand it out.
func (s *slice) addAll(set storage.SeriesSet) error {
	var it chunkenc.Iterator
	for set.Next() {
		x := s.series(set.At().Labels())
		if x == nil {
			continue
		}
		it = set.At().Iterator(it)
		var err error
		for kind := it.Next(); kind != chunkenc.ValNone && err == nil; kind = it.Next() {
			switch kind {
			case chunkenc.ValFloat:
				t, v := it.At()
				err = s.add(x, t, v)
			case chunkenc.ValHistogram, chunkenc.ValFloatHistogram:
				t, h := it.AtFloatHistogram(nil)
				err = s.addHistogram(x, t, h)
			}
		}
		if err = errors.Join(err, it.Err()); err != nil {
			return err
		}
	}
	return set.Err()
}

// batches calls do with what is in the slice, in the order of time.
func (s *slice) batches(do func(*foreshock.Batch) error) error {
	slices.SortStableFunc(s.samples, func(a, b foreshock.Sample) int { return cmp.Compare(a.T, b.T) })
	slices.SortStableFunc(s.histograms, func(a, b foreshock.Histogram) int { return cmp.Compare(a.T, b.T) })
	samples, histograms := s.samples, s.histograms
	for len(samples)+len(histograms) > 0 {
		first := earliest(samples, histograms)
		n, m := 0, 0
		for n < len(samples) && n < batchSamples && samples[n].T < first+batchSpan {
			n++
		}
		upTo := first + batchSpan
		if n < len(samples) {
			upTo = min(upTo, samples[n].T)
		}
		for m < len(histograms) && n+m < batchSamples && histograms[m].T < upTo {
			m++
		}
		if n+m == 0 { // both have more at one time than fits: a few too many then
			m = 1
		}
		s.batch.Samples, s.batch.Histograms = samples[:n], histograms[:m]
		if err := do(&s.batch); err != nil {
			return err
		}
		samples, histograms = samples[n:], histograms[m:]
	}
	return nil
}

func earliest(samples []foreshock.Sample, histograms []foreshock.Histogram) int64 {
	switch {
	case len(samples) == 0:
		return histograms[0].T
	case len(histograms) == 0:
		return samples[0].T
	}
	return min(samples[0].T, histograms[0].T)
}

// Latest is the time of the last sample of a batch in the order of time, 0 where there is
// none.
func Latest(b *foreshock.Batch) int64 {
	t := int64(0)
	if n := len(b.Samples); n > 0 {
		t = b.Samples[n-1].T
	}
	if n := len(b.Histograms); n > 0 && (len(b.Samples) == 0 || b.Histograms[n-1].T > t) {
		t = b.Histograms[n-1].T
	}
	return t
}
