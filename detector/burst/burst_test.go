package burst

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

const (
	minute = int64(60_000)
	day    = 24 * 60 * minute
)

// learned is a Burst that has seen so many days of noise at an interval, and the time
// of the next point.
func learned(days, apart int64, noise func() float64) (b Burst, t int64) {
	for t = 0; t < days*day; t += apart {
		b.Score(t, noise(), apart, 0)
	}
	return b, t
}

func normal(seed uint64) func() float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	return func() float64 { return 100 + r.NormFloat64() }
}

func TestSaysNothingForTwoDays(t *testing.T) {
	noise := normal(1)
	for _, days := range []int64{0, 1} {
		b, at := learned(days, minute, noise)
		if s := b.Score(at, 1e6, minute, 0); s != 0 {
			t.Errorf("after %d days a jump scores %v, want 0", days, s)
		}
	}
	b, at := learned(3, minute, noise)
	if s := b.Score(at, 200, minute, 0); s < 3 {
		t.Errorf("after three days a jump of 100 σ scores %v, want at least 3", s)
	}
}

// The larger the jump beside what is usual, the higher; and what is usual is the
// stream's own habit, not its deviation.
func TestHabit(t *testing.T) {
	calm, at := learned(7, minute, normal(1))
	r := rand.New(rand.NewPCG(2, 1))
	noise := normal(2)
	wild, _ := learned(7, minute, func() float64 {
		if r.Float64() < 0.005 { // a spike every three hours
			return noise() + 40*r.Float64()
		}
		return noise()
	})
	last := 0.0
	for _, jump := range []float64{5, 10, 20, 40} {
		c, w := calm, wild
		high, low := c.Score(at, 100+jump, minute, 0), w.Score(at, 100+jump, minute, 0)
		if high < last {
			t.Errorf("a jump of %v scores %v, less than a smaller one's %v", jump, high, last)
		}
		last = high
		if low > high/2 {
			t.Errorf("a jump of %v scores %v where spikes are usual and %v where they are not", jump, low, high)
		}
	}
}

// Where blocks are known to differ more than they have shown, a jump counts less.
func TestDiffer(t *testing.T) {
	b, at := learned(7, minute, normal(1))
	plain, told := b, b
	s, less := plain.Score(at, 130, minute, 0), told.Score(at, 130, minute, 4*least)
	if s < 4 || less < s/5 || less > s/3 {
		t.Errorf("a jump scores %v, and %v where blocks differ by %v octaves", s, less, 4*least)
	}
}

// One block in five may hold an incident without making the next one ordinary.
func TestIncidentsDoNotTeach(t *testing.T) {
	noise := normal(3)
	var b Burst
	var at int64
	for ; at < 7*day; at += minute {
		x := noise()
		if at%day == 3*day/4 { // a block of four
			x += 50
		}
		b.Score(at, x, minute, 0)
	}
	daily := b
	if s := daily.Score(at, 150, minute, 0); s > 2 {
		t.Errorf("a spike that comes every day scores %v, want no more than 2", s)
	}
	noise = normal(3)
	b = Burst{}
	for at = 0; at < 7*day; at += minute {
		x := noise()
		if at%(2*day) == day/2 { // one of eight
			x += 50
		}
		b.Score(at, x, minute, 0)
	}
	if s := b.Score(at, 150, minute, 0); s < 2 {
		t.Errorf("a spike that came every other day scores %v, want at least 2", s)
	}
}

// A stream that was silent for days moves as it did before.
func TestSilenceDoesNotTeach(t *testing.T) {
	noise := normal(5)
	b, at := learned(4, minute, noise)
	for range 6 * day / minute {
		b.Score(at, 100.1, minute, 0)
		at += minute
	}
	for range day / minute {
		if s := b.Score(at, noise(), minute, 0); s > 3 {
			t.Fatalf("after six silent days the usual noise scores %v, want no more than 3", s)
		}
		at += minute
	}
	if s := b.Score(at, 200, minute, 0); s < 3 {
		t.Errorf("a jump of 100 σ scores %v, want at least 3", s)
	}
}

// A gap is no jump.
func TestBreak(t *testing.T) {
	b, at := learned(4, minute, normal(4))
	b.Break()
	for i := range int64(smooth + steps) {
		if s := b.Score(at+day+i*minute, 1e6, minute, 0); s != 0 {
			t.Errorf("point %d after a gap scores %v", i, s)
		}
	}
}

// 100 000 series × 200 B = 20 MB: the size is a promise.
func TestSize(t *testing.T) {
	if size := unsafe.Sizeof(Burst{}); size > 200 {
		t.Errorf("a burst takes %d B, want at most 200", size)
	}
}

func FuzzScore(f *testing.F) {
	f.Add([]byte("12345678abcdefghABCDEFGH"), int64(60_000))
	f.Fuzz(func(t *testing.T, raw []byte, apart int64) {
		apart = min(max(apart, 1), 1<<40)
		var b, twin Burst
		at := int64(math.MinInt64 / 4)
		for i := 0; len(raw) >= 8 && i < 10_000; i++ {
			x := math.Float64frombits(binary.LittleEndian.Uint64(raw))
			raw = raw[8:]
			if math.IsNaN(x) || math.IsInf(x, 0) {
				continue
			}
			at += apart
			s := b.Score(at, x, apart, 0)
			if !(s >= 0 && s <= Highest) {
				t.Fatalf("%v scores %v", x, s)
			}
			if s2 := twin.Score(at, x, apart, 0); s2 != s {
				t.Fatalf("%v scores %v and %v", x, s, s2)
			}
		}
	})
}

func BenchmarkScore(b *testing.B) {
	noise := normal(1)
	values := make([]float64, 4096)
	for i := range values {
		values[i] = noise()
	}
	var s Burst
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s.Score(int64(i)*minute, values[i%len(values)], minute, 0)
		i++
	}
}
