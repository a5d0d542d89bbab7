package detector

import (
	"math"
	"testing"

	"github.com/foreshock/foreshock"
)

func times(ts ...int64) *foreshock.Batch {
	b := &foreshock.Batch{}
	s := series("x")
	for i, t := range ts {
		if i%3 == 2 {
			b.Histograms = append(b.Histograms, foreshock.Histogram{Series: s, T: t})
			continue
		}
		b.Samples = append(b.Samples, foreshock.Sample{Series: s, T: t})
	}
	return b
}

func same(t int64, n int) *foreshock.Batch {
	ts := make([]int64, n)
	for i := range ts {
		ts[i] = t
	}
	return times(ts...)
}

func TestClock(t *testing.T) {
	const far = Latest
	for _, c := range []struct {
		name       string
		batches    []*foreshock.Batch
		now, awake int64
		leaps      int
	}{
		{"follows", []*foreshock.Batch{times(start), times(start+15_000, start+10_000), times(start + 30_000)}, start + 30_000, 30_000, 0},
		{"does not follow back within the hour", []*foreshock.Batch{times(start), times(start - 60_000)}, start, 0, 0},
		{"a day in a batch", []*foreshock.Batch{times(start), times(start+leap, start+2*leap, start+3*leap, start+leap)}, start + 3*leap, 3 * leap, 0},
		{"metadata alone", []*foreshock.Batch{times(start), {}}, start, 0, 0},
		{"one far sample among many, first", []*foreshock.Batch{times(far, start, start+1)}, start + 1, 0, 0},
		{"one far sample among many", []*foreshock.Batch{times(start, start, start), times(start+1000, far, start+1000)}, start + 1000, 1000, 0},
		{"one far sample alone", []*foreshock.Batch{same(start, 100), times(far), same(start+1000, 100)}, start + 1000, 1000, 0},
		{"far samples now and then", []*foreshock.Batch{
			same(start, 10), same(far, 9), same(start+1, 10), same(far, 9), same(start+2, 10), same(far, 9), same(start+3, 10),
		}, start + 3, 3, 0},
		{"an outage", []*foreshock.Batch{
			same(start, 10), same(start+1000, 10),
			same(start+10*leap, 10), same(start+10*leap+1000, 10), same(start+10*leap+2000, 10),
		}, start + 10*leap + 2000, 2000, 1},
		{"a lone series after an outage", []*foreshock.Batch{
			same(start, 1), same(start+1000, 1), same(start+2*leap, 1), same(start+2*leap+1000, 1),
		}, start + 2*leap + 1000, 1000, 1},
		{"a fleet from the future returns", []*foreshock.Batch{
			same(far, 10), same(far, 10), same(start, 10), same(start+1000, 10), same(start+2000, 10),
		}, start + 2000, 1000, 1},
		{"times that cannot be written say nothing", []*foreshock.Batch{
			same(start, 1), same(math.MaxInt64, 100), same(math.MinInt64, 100),
		}, start, 0, 0},
		{"the whole of time", []*foreshock.Batch{same(Earliest, 1), same(Latest, 1), same(Latest, 1)}, Latest, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var k clock
			for _, b := range c.batches {
				before := k.awake
				k.advance(b)
				if k.awake < before {
					t.Fatalf("awake went back from %d to %d", before, k.awake)
				}
			}
			if k.now != c.now || k.awake != c.awake || k.leaps != c.leaps {
				t.Errorf("now %+d ms, awake %d, %d leaps; want %+d, %d, %d", k.now-start, k.awake, k.leaps, c.now-start, c.awake, c.leaps)
			}
		})
	}
}
