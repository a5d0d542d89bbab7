package detector

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// BenchmarkCheckpoint is what a checkpoint of a fleet costs, half of whose series move:
// to write it and to restore it, in memory; how long a shard stops for the cut and for a
// page; and how long the slowest of the batches takes that come meanwhile.
func BenchmarkCheckpoint(b *testing.B) {
	for _, fleet := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("series=%d", fleet), func(b *testing.B) {
			o := Options{Config: DefaultConfig(), Rules: &rules.Set{}, Observe: func(foreshock.Findings) {}}
			o.Config.MaxSeries = 2 * fleet // no shard may be full
			d := run(b, o)
			r := rand.New(rand.NewPCG(1, 1))
			xs := make([]*foreshock.Series, fleet)
			for i := range xs {
				xs[i] = series("load", "instance", fmt.Sprint(i/100), "device", fmt.Sprint(i%100))
			}
			at := start
			round := func(slowest *time.Duration) {
				at += 15_000
				for lo := 0; lo < fleet; lo += 2000 {
					var batch foreshock.Batch
					for i, x := range xs[lo:min(lo+2000, fleet)] {
						v := 1.
						if i%2 == 0 {
							v = r.NormFloat64()
						}
						batch.Samples = append(batch.Samples, foreshock.Sample{Series: x, T: at, V: v})
					}
					began := time.Now()
					d.batch(&batch)
					if slowest != nil {
						d.settle()
						*slowest = max(*slowest, time.Since(began))
					}
				}
			}
			for range 40 {
				round(nil)
			}
			d.settle()
			var k *inMemory
			b.Run("save", func(b *testing.B) {
				for b.Loop() {
					k = saved(b, d.Detector, func() {})
				}
				b.ReportMetric(float64(k.size())/float64(fleet), "B/series")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*fleet), "ns/series")
			})
			b.Run("meanwhile", func(b *testing.B) {
				var calm, busy time.Duration
				round(&calm)
				for b.Loop() {
					done := make(chan struct{})
					go func() {
						defer close(done)
						k = saved(b, d.Detector, func() {})
					}()
					round(&busy)
					<-done
				}
				b.ReportMetric(float64(calm.Microseconds())/1000, "ms/calm")
				b.ReportMetric(float64(busy.Microseconds())/1000, "ms/busy")
			})
			k = saved(b, d.Detector, func() {})
			d.stop()
			d, xs = nil, nil
			runtime.GC()
			b.Run("restore", func(b *testing.B) {
				for b.Loop() {
					again := New(o)
					n, lost := again.Restore(k.part)
					if err := errors.Join(lost...); err != nil || n != fleet {
						b.Fatal(n, err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*fleet), "ns/series")
			})
		})
	}
}
