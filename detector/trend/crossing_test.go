package trend

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// disk is a file system in percent full, ending at 50: a steady slope, percent a day,
// under a daily wave of up to 3 %, noise, one sample in fifty far off, a nightly
// clean-up that comes back, and for half of them one large clean-up that does not.
func disk(seed uint64, slope, days float64, learn func(at int64, x float64)) {
	r := rand.New(rand.NewPCG(seed, 1))
	wave, phase := 0.5+2.5*r.Float64(), 2*math.Pi*r.Float64()
	cleaned, freed := days*r.Float64(), float64(r.IntN(2))*(3+5*r.Float64())
	for i := range int64(days * 1440) {
		day := float64(i) / 1440
		v := 50 - slope*(days-day) + wave*math.Sin(2*math.Pi*day+phase) + 0.5*r.NormFloat64()
		if day < cleaned {
			v += freed
		}
		if math.Mod(day+phase/7, 1.7) < 0.1 {
			v -= 3
		}
		if r.IntN(50) == 0 {
			v += 20 * r.NormFloat64()
		}
		learn(start+i*minute, v)
	}
}

// Who is paged for a disk that fills up in three days wants it to be three days, and
// nobody wants to be paged for one that is emptying.
func TestTimeToThreshold(t *testing.T) {
	const disks = 200
	var errs []float64
	silent, wrong, alarms := 0, 0, 0
	for seed := range uint64(disks) {
		r := rand.New(rand.NewPCG(seed, 2))
		left := 0.25 * math.Pow(7/0.25, r.Float64()) // days: six hours to a week
		slope := min(40/left, 20)                    // percent a day
		if seed%2 == 0 {
			slope = 3 + 17*r.Float64()
		}
		up := seed%4 < 2
		if !up {
			slope = -slope
		}
		seen := 2.1 + 2*r.Float64() // days

		var c, flat Crossing
		disk(seed, slope, seen, c.Learn)
		disk(seed, 0, seen, flat.Learn)
		if eta, ok := c.Reach(50+slope*left, up); ok {
			errs = append(errs, math.Abs(math.Log(max(eta.Hours()/24, 0.01)/left)))
		} else {
			silent++
		}
		if eta, ok := c.Reach(50-slope*left, !up); ok && eta > 0 {
			wrong++
		}
		if eta, ok := flat.Reach(60, true); ok && eta > 0 {
			alarms++
		}
	}
	slices.Sort(errs)
	median := errs[len(errs)/2]
	t.Logf("median |log error| %.3f, ninth decile %.2f; wrong sign %.1f %%, silent %.1f %%, alarms of flat disks %.1f %%",
		median, errs[len(errs)*9/10], 100*float64(wrong)/disks, 100*float64(silent)/disks, 100*float64(alarms)/disks)
	if median > 0.16 {
		t.Errorf("median |log error| %.3f, want at most 0.16", median)
	}
	if wrong > disks*5/100 || alarms > disks*5/100 {
		t.Errorf("%d wrong signs, %d alarms of flat disks among %d, want at most 5 %%", wrong, alarms, disks)
	}
	if silent > disks/4 {
		t.Errorf("silent of %d disks among %d, want at most a quarter", silent, disks)
	}
}

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
