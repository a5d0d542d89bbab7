package window

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// shapes are the kinds of series a fleet is made of.
var shapes = []struct {
	name string
	next func(r *rand.Rand, before float64) float64
}{
	{"constant", func(*rand.Rand, float64) float64 { return 42 }},
	{"counter", func(r *rand.Rand, v float64) float64 { return v + math.Round(1500+400*r.NormFloat64()) }},
	{"count", func(r *rand.Rand, _ float64) float64 { return math.Round(300 + 20*r.NormFloat64()) }},
	{"hundredths", func(r *rand.Rand, _ float64) float64 { return math.Round(75+20*r.NormFloat64()) / 100 }},
	{"any", func(r *rand.Rand, _ float64) float64 { return r.NormFloat64() }},
	{"seldom", func(r *rand.Rand, v float64) float64 {
		if r.IntN(20) == 0 {
			return float64(r.IntN(10))
		}
		return v
	}},
}

const usual = 15_000 // ms between samples

// draw makes n samples of a shape; jittered ones come up to a millisecond early or late.
func draw(shape, n int, jittered bool) []sample {
	r := rand.New(rand.NewPCG(uint64(shape), 1))
	v, got := 0.0, make([]sample, n)
	for i := range got {
		v = shapes[shape].next(r, v)
		got[i] = sample{int64(i+1) * usual, v}
		if jittered {
			got[i].t += r.Int64N(3) - 1
		}
	}
	return got
}

// A window must take no more than Prometheus's encoding, which fits every value to the
// bit, in sum over what a fleet is made of.
func TestSmallerThanXOR(t *testing.T) {
	const n = 12_000 // 100 blocks of half an hour
	var ours, xors float64
	for shape, s := range shapes {
		for _, jittered := range []bool{false, true} {
			var size, xor int
			var w Window
			var app chunkenc.Appender
			c := chunkenc.NewXORChunk()
			for i, x := range draw(shape, n, jittered) {
				if i%120 == 0 {
					xor += len(c.Bytes())
					c = chunkenc.NewXORChunk()
					app, _ = c.Appender()
					for _, b := range w.older {
						size += len(b.data)
					}
					size += len(w.data) + int(w.fill)
					w.Reset()
				}
				app.Append(0, x.t, x.v)
				w.Append(x.t, x.v, math.MaxInt64)
			}
			t.Logf("%-10s jittered %-5v %5.2f B a sample, XOR %5.2f", s.name, jittered, float64(size)/n, float64(xor)/n)
			ours += float64(size)
			xors += float64(xor)
		}
	}
	t.Logf("in all %.2f of XOR", ours/xors)
	if ours > xors {
		t.Errorf("%.2f times what XOR takes, want less than 1", ours/xors)
	}
}

// peer is how Prometheus's head would keep the same.
type peer struct {
	app    chunkenc.Appender
	xor    *chunkenc.XORChunk
	before []*chunkenc.XORChunk
}

func (p *peer) Append(t int64, v float64, _ int64) {
	if p.xor == nil || p.xor.NumSamples() >= 120 {
		p.cut()
	}
	p.app.Append(0, t, v)
}

func (p *peer) cut() {
	next := chunkenc.NewXORChunk()
	if p.xor != nil {
		p.before = append(p.before, p.xor)
	}
	if len(p.before) > 2 {
		next = p.before[0]
		p.before = append(p.before[:0], p.before[1:]...)
		b := next.Bytes()[:2]
		clear(b)
		next.Reset(b)
	}
	p.xor = next
	p.app, _ = next.Appender() // of an empty chunk: cannot fail
}

// BenchmarkAppend is the cost of a sample to one window, and to many in turn, beside
// Prometheus's encoding.
func BenchmarkAppend(b *testing.B) {
	for shape, s := range shapes {
		drawn := draw(shape, 4096, false)
		for _, fleet := range []int{1, 100_000} {
			b.Run(fmt.Sprintf("%s/windows=%d", s.name, fleet), func(b *testing.B) {
				windows := make([]Window, fleet)
				appendTo(b, windows, drawn, (*Window).Append)
				bytes, n := 0, 0
				for i := range windows {
					bytes += windows[i].Bytes()
					n += windows[i].Len()
				}
				b.ReportMetric(float64(bytes)/float64(n), "B/sample")
			})
			b.Run(fmt.Sprintf("%s/xor=%d", s.name, fleet), func(b *testing.B) {
				appendTo(b, make([]peer, fleet), drawn, (*peer).Append)
			})
		}
	}
}

// appendTo appends to each of a fleet in turn, after two hours of it: the measured
// samples find memory to reuse.
func appendTo[W any](b *testing.B, fleet []W, drawn []sample, add func(w *W, t int64, v float64, keep int64)) {
	const keep = 3_600_000
	i, round := 0, 0
	next := func() {
		add(&fleet[i], int64(round)*usual, drawn[(round+i)%len(drawn)].v, keep)
		if i++; i == len(fleet) {
			i = 0
			round++
		}
	}
	for round*usual <= 2*keep {
		next()
	}
	b.ReportAllocs()
	for b.Loop() {
		next()
	}
}

// BenchmarkAll is the cost of one sample read.
func BenchmarkAll(b *testing.B) {
	for shape, s := range shapes {
		b.Run(s.name, func(b *testing.B) {
			var w Window
			for _, x := range draw(shape, 1000, false) {
				w.Append(x.t, x.v, 3_600_000)
			}
			var sum float64
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += w.Len() {
				for _, v := range w.All() {
					sum += v
				}
			}
			_ = sum
		})
	}
}
