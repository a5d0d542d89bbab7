package trend

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestReach(t *testing.T) {
	var c Crossing
	if _, ok := c.Reach(100, true); ok {
		t.Error("a stream nobody has heard will cross a limit")
	}
	// One percent a minute from 0: the short ring sees a fill within the hour.
	for i := range int64(70) {
		c.Learn(start+i*minute, float64(i))
	}
	for _, x := range []struct {
		limit float64
		above bool
		eta   time.Duration
		ok    bool
	}{
		{100, true, 31 * time.Minute, true},
		{-10, false, 0, false},
		{50, true, 0, true},   // crossed already
		{80, false, 0, true},  // the other way round
		{1e6, true, 0, false}, // out of sight
	} {
		eta, ok := c.Reach(x.limit, x.above)
		if ok != x.ok || (eta-x.eta).Abs() > time.Minute {
			t.Errorf("Reach(%v, %v) = %v, %v; want %v, %v", x.limit, x.above, eta, ok, x.eta, x.ok)
		}
	}
	// Two days of silence: what was known of the last four hours is void.
	c.Learn(start+3000*minute, 70)
	c.Learn(start+3006*minute, 70)
	if eta, ok := c.Reach(100, true); ok {
		t.Errorf("after two days of silence the limit is reached in %v", eta)
	}
}

// What rises evenly, as a counted number of files does, is on its line but for rounding:
// once its crossing is in sight it stays so.
func TestReachOnAnExactLine(t *testing.T) {
	for _, step := range []float64{0.0007, 0.07, 1.0 / 3, 7e5} {
		var c Crossing
		limit, seen := 600*step, false
		for i := range int64(600) {
			c.Learn(start+i*minute, float64(i)*step)
			eta, ok := c.Reach(limit, true)
			if left := time.Duration(600-i) * time.Minute; ok && (eta-left).Abs() > 2*time.Minute {
				t.Fatalf("steps of %v: %v to go, foreseen %v", step, left, eta)
			}
			if seen && !ok {
				t.Fatalf("steps of %v: a crossing in sight is lost after %d minutes", step, i)
			}
			seen = seen || ok
		}
		if !seen {
			t.Errorf("steps of %v: the crossing was never foreseen", step)
		}
	}
}

// Of streams that rise with noise, the interval holds when the limit will be crossed about
// as often as it says, and widens with its share.
func TestBetween(t *testing.T) {
	const streams, limit = 400, 100.0
	held := map[float64]int{}
	foreseen := 0
	for seed := range uint64(streams) {
		r := rand.New(rand.NewPCG(seed, 7))
		var c Crossing
		for i := range int64(240) {
			c.Learn(start+i*minute, float64(i)/4+3*r.NormFloat64())
		}
		truly := time.Duration(limit*4-240) * time.Minute
		eta, ok := c.Reach(limit, true)
		if !ok {
			continue
		}
		foreseen++
		var inner time.Duration
		for _, wider := range []float64{0.34, 1} { // 50 and 95 %
			soonest, latest := c.Between(limit, true, wider)
			if soonest > eta || latest >= 0 && latest < eta {
				t.Fatalf("%v is not between %v and %v", eta, soonest, latest)
			}
			if latest >= 0 && latest-soonest < inner {
				t.Fatalf("the wider interval, %v, is narrower than %v", latest-soonest, inner)
			}
			inner = latest - soonest
			if soonest <= truly && (latest < 0 || truly <= latest) {
				held[wider]++
			}
		}
	}
	if foreseen < streams*9/10 {
		t.Fatalf("%d of %d streams were foreseen", foreseen, streams)
	}
	for wider, want := range map[float64]float64{0.34: 0.5, 1: 0.95} {
		if share := float64(held[wider]) / float64(foreseen); math.Abs(share-want) > 0.1 {
			t.Errorf("%.2f of the crossings were in the interval of %.2f", share, want)
		}
	}
}

func TestMedianOfManySamples(t *testing.T) {
	var m median
	for i := range 1001 {
		m.add(float64(i))
	}
	if v := m.value(); math.Abs(v-500) > 20 {
		t.Errorf("median of 0 … 1000 is %v", v)
	}
	if m.n < len(m.kept)/2 {
		t.Errorf("kept %d samples, want at least half of %d", m.n, len(m.kept))
	}
}

func FuzzCrossing(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Crossing
		points(b, func(at int64, x float64) {
			c.Learn(at, x)
			for _, above := range []bool{true, false} {
				if eta, ok := c.Reach(x*1.1, above); eta < 0 || eta > 0 && !ok {
					t.Fatalf("Reach(%v, %v) = %v, %v", x*1.1, above, eta, ok)
				}
			}
		})
	})
}

func BenchmarkCrossing(b *testing.B) {
	r := rand.New(rand.NewPCG(6, 1))
	var c Crossing
	b.ReportAllocs()
	i := int64(0)
	for b.Loop() {
		c.Learn(start+i*minute, r.NormFloat64())
		c.Reach(10, true)
		i++
	}
}
