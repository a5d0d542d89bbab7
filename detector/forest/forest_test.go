package forest

import (
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"
	"unsafe"
)

const minute = 60_000 // ms

// level is that of the noise; its standard deviation is 1.
const level = 100.0

func noise(seed uint64, n int) []float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	values := make([]float64, n)
	for i := range values {
		values[i] = level + r.NormFloat64()
	}
	return values
}

// learned is a forest that has seen n minutes of noise, and the time of the next.
func learned(n int) (f Forest, t int64) {
	for i, x := range noise(1, n) {
		f.Score(Alone(int64(i)*minute, x))
	}
	return f, int64(n) * minute
}

func TestFartherIsMoreIsolated(t *testing.T) {
	f, at := learned(2000)
	last := 0.0
	for _, sigmas := range []float64{0, 5, 6, 8, 12, 20, 100, 1e6, 1e300} {
		for _, sign := range []float64{-1, 1} {
			g := f
			w := g.Score(Alone(at, level+sign*sigmas))
			s, ch := w.Score, w.Channel
			switch {
			case sigmas == 0 && s != 0:
				t.Errorf("the mean scores %v by %v, want 0: it is not new", s, ch)
			case sigmas > 0 && !(s > last/2 && s <= 1):
				t.Errorf("%v σ scores %v, want more than half of what came before, and at most 1", sign*sigmas, s)
			}
			if sign > 0 {
				if sigmas > 0 && s < last {
					t.Errorf("%v σ scores %v, want no less than %v", sigmas, s, last)
				}
				last = s
			}
		}
	}
}

// Each channel is there for one kind of change, and must be the first to see it now and
// then.
func TestChannels(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct {
		want  Channel
		after func(i int) float64
		n     int
	}{
		{Value, func(int) float64 { return level + 10 }, 1},
		{Fast, func(int) float64 { return level + 1.2 + r.NormFloat64() }, 60},
		{Slow, func(i int) float64 { return level + float64(i)/3000 + r.NormFloat64() }, 2000},
		{Shift, func(int) float64 { return level + 3.2 }, 10},
		{Roughness, func(int) float64 { return level }, 100},
	} {
		t.Run(c.want.String(), func(t *testing.T) {
			f, at := learned(6000)
			named := map[Channel]float64{}
			for i := range c.n {
				w := f.Score(Alone(at+int64(i)*minute, c.after(i)))
				named[w.Channel] = max(named[w.Channel], w.Score)
			}
			if named[c.want] < 0.05 {
				t.Errorf("named %v, want %v among them with at least 0.05", named, c.want)
			}
		})
	}
	t.Run(Log.String(), func(t *testing.T) {
		// Between 0.01 and a million, 1e-2 of the range is a decade in proportion.
		var f Forest
		for i := range 2000 {
			x := math.Pow(10, 5+r.Float64())
			f.Score(Alone(int64(i)*minute, x))
		}
		if w := f.Score(Alone(2000*minute, 0)); w.Channel != Log || w.Score < 0.5 {
			t.Errorf("a zero among values from 1e5 on scores %.3f by %v, want it by %v", w.Score, w.Channel, Log)
		}
	})
	if got := Channel(200).String(); got != "unknown(200)" {
		t.Errorf("Channel(200) is %q", got)
	}
}

func TestQuarantine(t *testing.T) {
	f, at := learned(2000)
	odd := level + 50.0
	for i := range 2 * int(quarantine[Value]) {
		if f.Score(Alone(at+int64(i)*minute, odd)); i < int(quarantine[Value])-int(2000%quarantine[Value])-1 {
			if tr := f.trees[Value]; tr.pend == 0 || tr.cur>>tr.bin(odd)&1 == 1 {
				t.Errorf("after %d samples the new value already counts as normal", i+1)
			}
		}
	}
	if tr := f.trees[Value]; tr.cur>>tr.bin(odd)&1 == 0 {
		t.Error("the new value never left quarantine")
	}
}

// What is coarser is rough in its own way, which how rough finer points were says nothing
// of: a thirtieth of the noise is no news then, and the noise of before is, once that is
// known.
func TestCoarsen(t *testing.T) {
	f, at := learned(500)
	hear := func(seed uint64, n int, loud float64) (most float32) {
		for _, x := range noise(seed, n) {
			w := f.Score(Alone(at, level+loud*(x-level)))
			most = max(most, w.Each[Roughness])
			at += minute
		}
		return most
	}
	g, before := f, at
	g.Coarsen()
	if calmer := hear(2, 100, 1./30); calmer < 0.3 {
		t.Fatalf("a thirtieth of the noise: roughness scores %.2f at most: the test tests nothing", calmer)
	}
	f, at = g, before
	if calmer := hear(2, 500, 1./30); calmer > 0.2 {
		t.Errorf("a thirtieth of the noise, of coarser points: roughness scores %.2f, want no more than a young channel's", calmer)
	}
	if louder := hear(3, 30, 1); louder < 0.3 {
		t.Errorf("thirty times the noise: roughness scores %.2f at most", louder)
	}
}

func TestForgetting(t *testing.T) {
	odd := level + 50.0
	again := func(after int) float64 {
		f, at := learned(2000)
		f.Score(Alone(at, odd))
		for i, x := range noise(2, after) {
			f.Score(Alone(at+int64(i+1)*minute, x))
		}
		f.Score(Alone(at+int64(after+1)*minute, odd))
		tr := f.trees[Value]
		return float64(tr.pend >> tr.bin(odd) & 1)
	}
	if again(epoch) != 0 {
		t.Error("the value was new again within an epoch")
	}
	if again(2*epoch) != 1 {
		t.Error("the value was still known after two epochs")
	}
}

// A counter that was reset once, or a sensor that spat out 1e30, must not leave a tree
// too coarse to see anything for good.
func TestNarrowsAfterASpike(t *testing.T) {
	f, at := learned(2000)
	f.Score(Alone(at, 1e30))
	rest := noise(2, 12*epoch)
	learn := func(n int) {
		for _, x := range rest[:n] {
			at += minute
			f.Score(Alone(at, x))
		}
		rest = rest[n:]
	}
	score := func() float64 { g := f; return g.Score(Alone(at+1, level+20)).Score }
	learn(200)
	if s := score(); s > 0.1 {
		t.Fatalf("soon after the spike 20 σ scores %.3f: the test tests nothing", s)
	}
	learn(len(rest))
	if s := score(); s < 0.5 {
		t.Errorf("twelve epochs after the spike 20 σ scores %.3f, want it isolated again", s)
	}
}

// How finely values are told apart is no matter of how rough they are.
func TestNarrowingIsNotRough(t *testing.T) {
	var f Forest
	for i := range 4 * epoch {
		x := float64(i / 50 % 2) // a count that is at rest nearly always
		if i == 500 {
			x = 1e5
		}
		w := f.Score(Alone(int64(i)*minute, x))
		if i > epoch && w.Each[Roughness] > 0.02 {
			t.Fatalf("at %d the roughness scores %v, want next to 0", i, w.Each[Roughness])
		}
	}
}

func TestConstantIsNeverNew(t *testing.T) {
	for _, x := range []float64{0, 1, -1, 1e-300, 5e-324, 1e18 + 1, math.MaxFloat64, -math.MaxFloat64} {
		var f Forest
		for i := range 3 * epoch {
			if w := f.Score(Alone(int64(i)*15_000, x)); w.Score != 0 {
				t.Fatalf("%v scores %v at sample %d", x, w, i)
			}
		}
	}
}

func TestIsolation(t *testing.T) {
	var f Forest
	for i, x := range []float64{50, 51, 52} {
		f.Score(Alone(int64(i)*minute, x))
	}
	if r := f.Isolation(1000); r != 0 {
		t.Errorf("isolation %v of three values' fourth, want 0", r)
	}
	f.Score(Alone(3*minute, 53))
	for _, c := range []struct{ x, low, high float64 }{{51, 0, 0}, {56, 0.9, 1}, {83, 9, 10}, {20, 9, 10}, {1e308, 1e30, 1e40}} {
		if r := f.Isolation(c.x); r < c.low || r > c.high {
			t.Errorf("isolation of %v among 50 … 53 is %v, want %v to %v", c.x, r, c.low, c.high)
		}
	}
}

func TestHalveAndDouble(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		m := r.Uint64() & r.Uint64()
		for i := range 32 {
			if want := m>>(2*i)&3 != 0; halve(m)>>i&1 == 1 != want {
				t.Fatalf("halve(%064b) is %064b", m, halve(m))
			}
		}
		low := m & math.MaxUint32
		if d := double(low); halve(d) != low || bits.OnesCount64(d) != 2*bits.OnesCount64(low) {
			t.Fatalf("double(%032b) is %064b", low, d)
		}
	}
}

// 100 000 series × 344 B ≈ 34 MB: the size is a promise.
func TestSize(t *testing.T) {
	if size := unsafe.Sizeof(Forest{}); size > 350 {
		t.Errorf("a forest takes %d B, want at most 350", size)
	}
}

func FuzzScore(f *testing.F) {
	seed := func(values ...float64) {
		var b []byte
		for _, v := range values {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
		f.Add(b)
	}
	seed(50, 51, 52, 53, 200, 55)
	seed(0, 5e-324, -5e-324, math.MaxFloat64, -math.MaxFloat64, 0)
	seed(1<<62, 1<<62+1024, 0, math.MaxInt64, math.MinInt64)
	f.Fuzz(func(t *testing.T, b []byte) {
		var f, twin Forest
		at, mean := int64(math.MinInt64), 0.0
		for i := 0; len(b) >= 8 && i < 10_000; i++ {
			x := math.Float64frombits(binary.LittleEndian.Uint64(b))
			b = b[8:]
			if math.IsNaN(x) || math.IsInf(x, 0) {
				continue
			}
			at += 1 + int64(math.Float64bits(x)>>2)>>(i%62)
			r := f.Isolation(x)
			p := Point{T: at, X: x, Mean: x/2 + mean/2, Closed: i%3 == 0}
			mean = x
			w := f.Score(p)
			if !(w.Score >= 0 && w.Score <= 1) || !(r >= 0) || math.IsInf(r, 0) || w.Channel >= Channels {
				t.Fatalf("%v scores %v, isolation %v", x, w, r)
			}
			if again := twin.Score(p); again != w {
				t.Fatalf("%v scores %v and %v", x, w, again)
			}
		}
	})
}

func BenchmarkScore(b *testing.B) {
	f, at := learned(epoch)
	values := noise(2, epoch)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		f.Score(Alone(at+int64(i)*minute, values[i%len(values)]))
		i++
	}
}
