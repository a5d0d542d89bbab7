package detector

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/foreshock/foreshock"
)

// Whatever becomes of a family's pieces, in whatever order, with room or without, its
// books are right: who is waited for, who is here, and whose state is whose.
func FuzzFamilies(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		data := make([]byte, 900)
		for i := range data {
			data[i] = byte(r.IntN(256))
		}
		f.Add(uint8(r.IntN(40)), data)
	}
	f.Fuzz(func(t *testing.T, limit uint8, data []byte) {
		cfg := DefaultConfig()
		cfg.MaxSeries = 3 + int(limit)%40
		s := newShard(0, 1, cfg, everything(), false)
		var xs []*foreshock.Series
		for _, job := range []string{"a", "b"} {
			h := newClassic("rpc", latencyBounds[:3], "job", job)
			xs = append(append(xs, h.buckets...), h.countOf, h.sumSeries)
			for _, name := range []string{"rpc", "rpc_p99"} {
				xs = append(xs, series(name, "job", job))
			}
		}
		at, n := start, 0
		for ; len(data) >= 3; data = data[3:] {
			x, when, v := xs[int(data[0])%len(xs)], int64(data[1]), float64(data[2])
			switch { // mostly the same scrape or the next
			case when < 40:
				at += apart
			case when == 40:
				at += 100 * apart
			case when == 41:
				at -= 3 * apart
			case when == 42:
				at -= 10 * leap
			case when == 43:
				at = Latest - 1000
			case when == 44:
				at = start
			case when == 45:
				v = staleMarker
			case when == 46:
				v = math.NaN()
			}
			if !plausible(at) {
				at = start
			}
			batch := &foreshock.Batch{}
			if x.Name() == "rpc" {
				h := foreshock.Histogram{Series: x, T: at, Count: v, Sum: v, PositiveSpans: []histogram.Span{{Offset: 1, Length: 1}}, PositiveBuckets: []float64{v}, Hint: histogram.CounterResetHint(when % 4)}
				batch.Histograms = []foreshock.Histogram{h}
			} else {
				batch.Samples = []foreshock.Sample{{Series: x, T: at, V: v}}
			}
			j := newJob(1)
			j.split(batch)
			j.awake = int64(n) * int64(data[0]) * 1000
			j.awake = max(j.awake, s.awake)
			j.working.Add(1)
			s.work(task{job: j, part: &j.parts[0]})
			n++
			checkFamilies(t, s)
			checkLedger(t, s)
			c := j.parts[0].counts
			sum := c.scored + c.late + c.refused
			for _, k := range c.skipped {
				sum += k
			}
			if sum != 1 {
				t.Fatalf("one sample, %d accounted for", sum)
			}
		}
	})
}

// checkFamilies holds the books of s against what is there.
func checkFamilies(t *testing.T, s *shard) {
	t.Helper()
	pieces := 0
	for hash, f := range s.families {
		for ; f != nil; f = f.next {
			if f.hash != hash {
				t.Fatalf("%s is filed under another hash", f.labels)
			}
			known, here, n := 0, 0, 0
			all := f.pieces
			for p := range all {
				n++
				if !p.away {
					known++
				}
				if f.has(p) {
					here++
				}
				if s.series.at(p.slot).piece != p || p.family != f {
					t.Fatalf("%s has a piece that is another's", f.labels)
				}
			}
			if f.native != nil {
				n++
				if s.series.at(f.native.slot).piece != f.native {
					t.Fatalf("%s has another's native histogram", f.labels)
				}
			}
			if n == 0 {
				t.Fatalf("%s has no pieces, and is known", f.labels)
			}
			if f.known != known || f.open && f.here != here {
				t.Fatalf("%s waits for %d with %d here, want %d and %d", f.labels, f.known, f.here, known, here)
			}
			pieces += n
		}
	}
	for slot := uint32(1); slot <= s.series.used; slot++ {
		if st := s.series.at(slot); st.series != nil && st.piece != nil {
			pieces--
		}
	}
	if pieces != 0 {
		t.Fatalf("%d pieces are not of a series that is known, or the reverse", pieces)
	}
}
