package flow

import (
	"iter"
	"math"

	"github.com/foreshock/foreshock"
)

// ByTime yields what was sampled at one time as one batch. Both slices are in the
// order of time; the batches are parts of them.
func ByTime(samples []foreshock.Sample, histograms []foreshock.Histogram) iter.Seq2[*foreshock.Batch, error] {
	return func(yield func(*foreshock.Batch, error) bool) {
		samples, histograms := samples, histograms
		for len(samples)+len(histograms) > 0 {
			t := int64(math.MaxInt64)
			if len(samples) > 0 {
				t = samples[0].T
			}
			if len(histograms) > 0 {
				t = min(t, histograms[0].T)
			}
			n, m := 0, 0
			for n < len(samples) && samples[n].T == t {
				n++
			}
			for m < len(histograms) && histograms[m].T == t {
				m++
			}
			if !yield(&foreshock.Batch{Samples: samples[:n], Histograms: histograms[:m]}, nil) {
				return
			}
			samples, histograms = samples[n:], histograms[m:]
		}
	}
}
