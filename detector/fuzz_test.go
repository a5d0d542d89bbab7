package detector

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/foreshock/foreshock"
)

// Whatever times and values a series is sent, its model's time moves forward by no
// more than its own pace or a week, its window is in order, and every sample is
// accounted for.
func FuzzSeries(f *testing.F) {
	seed := func(ts ...int64) {
		var data []byte
		for i, t := range ts {
			data = binary.LittleEndian.AppendUint64(data, uint64(t))
			data = binary.LittleEndian.AppendUint64(data, math.Float64bits(float64(i)))
		}
		f.Add(data)
	}
	seed(start, start+1, start+2, Latest, start+3, start+4, start+5, start+6)
	seed(Earliest, Latest, Earliest, Earliest+1, Earliest+2, Latest)
	seed(math.MinInt64, math.MaxInt64, 0, -1, 1)
	seed(start, start+15_000, start+30_000, start+week*3, start+week*3+15_000, start, start+1, start+2, start+3)
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newShard(0, 1, DefaultConfig(), everything(), false)
		j := newJob(1)
		s.out = &j.parts[0]
		x := series("load")
		n := 0
		for ; len(data) >= 16; data = data[16:] {
			at := int64(binary.LittleEndian.Uint64(data))
			v := math.Float64frombits(binary.LittleEndian.Uint64(data[8:]))
			st := s.series.find(x)
			var before state
			if st != nil {
				before = *st
			}
			scores := len(s.out.scores)
			s.take(&foreshock.Sample{Series: x, T: at, V: v}, false)
			n++
			if st = s.series.find(x); st == nil {
				continue
			}
			if st.shift%week != 0 {
				t.Fatalf("shifted by %d ms: not weeks", st.shift)
			}
			if len(s.out.scores) == scores || !before.learned {
				continue
			}
			switch d := st.modelTime - before.modelTime; {
			case d <= 0:
				t.Fatalf("a sample at %d moves the model's time by %d ms", at, d)
			case d > max(week, gap*before.interval+gap) && before.interval > 0:
				t.Fatalf("a sample at %d moves the model's time by %d ms, at a pace of %d", at, d, before.interval)
			}
			var last int64
			for t := range st.window.All() {
				last = t
			}
			if last != at {
				t.Fatalf("scored %d, and the window ends at %d", at, last)
			}
		}
		checkLedger(t, s)
		c := s.out.counts
		sum := c.scored + c.late + c.refused
		for _, k := range c.skipped {
			sum += k
		}
		if sum != n || c.samples != n {
			t.Errorf("%d samples, %d taken, %d accounted for", n, c.samples, sum)
		}
		if st := s.series.find(x); st != nil {
			prev, first := int64(0), true
			for at := range st.window.All() {
				if !first && at <= prev {
					t.Fatalf("the window has %d after %d", at, prev)
				}
				prev, first = at, false
			}
		}
	})
}
