package detector

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// BenchmarkShard is the cost of one sample on one shard, from its queue to its
// findings: look-up, window, model. Every series moves with every sample.
func BenchmarkShard(b *testing.B) {
	for _, fleet := range []int{1, 100_000, 1_000_000} {
		for _, name := range []string{"gauge", "constant"} {
			b.Run(fmt.Sprintf("series=%d/%s", fleet, name), func(b *testing.B) {
				s := newShard(0, 1, DefaultConfig(), &rules.Set{}, false)
				r := rand.New(rand.NewPCG(1, 1))
				xs := make([]*foreshock.Series, fleet)
				for i := range xs {
					xs[i] = series(name, "instance", fmt.Sprint(i))
				}
				bare := heap()
				// Values are drawn beforehand: the draw costs as much as a model.
				var values [4096]float64
				for i := range values {
					if name == "gauge" {
						values[i] = r.NormFloat64()
					}
				}
				j := newJob(1)
				p := &j.parts[0]
				at, n := start, 0
				round := func(limit int) {
					at += 15_000
					for lo := 0; lo < fleet && n < limit; lo += 2000 {
						batch := xs[lo:min(lo+2000, fleet)]
						for _, x := range batch {
							p.samples = append(p.samples, foreshock.Sample{Series: x, T: at, V: values[n%len(values)]})
							n++
						}
						j.working.Add(1)
						s.work(task{job: j, part: p})
						j.reset()
					}
				}
				for n < max(40*fleet, 4000) {
					round(1 << 60)
				}
				size := heap() - bare
				n = 0
				b.ReportAllocs()
				b.ResetTimer()
				for n < b.N {
					round(b.N)
				}
				b.StopTimer()
				b.ReportMetric(float64(size)/float64(fleet), "B/series")
				runtime.KeepAlive(s)
			})
		}
	}
}

// BenchmarkDetector is the cost of one sample from Append to Observe, in Prometheus's
// batches of 2000, with a shard per processor.
func BenchmarkDetector(b *testing.B) {
	const fleet, batch = 100_000, 2000
	d := run(b, Options{Observe: func(foreshock.Findings) {}})
	r := rand.New(rand.NewPCG(1, 1))
	xs := make([]foreshock.Sample, fleet)
	for i := range xs {
		xs[i] = foreshock.Sample{Series: series("load", "instance", fmt.Sprint(i)), T: start, V: r.NormFloat64()}
	}
	round := func(limit int) int {
		n := 0
		for lo := 0; lo < fleet && n < limit; lo += batch {
			next := xs[lo : lo+batch]
			for i := range next {
				next[i].T += 15_000
				next[i].V = xs[(lo+i+7)%fleet].V // values move from series to series
			}
			for d.Append(b.Context(), &foreshock.Batch{Samples: next}) != nil {
			}
			n += batch
		}
		return n
	}
	for range 40 {
		round(fleet)
	}
	d.settle()
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; {
		n += round(b.N - n)
	}
	d.settle()
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
