package forecast

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// Who asks for eight in ten gets eight in ten, and the same who asks for it late.
func TestIntervalHoldsTheShareAskedFor(t *testing.T) {
	for _, share := range []float64{0.5, 0.8, 0.99} {
		for name, from := range map[string]int64{"from the start": 0, "after ten days": 10 * day} {
			var f Forecaster
			r := rand.New(rand.NewPCG(7, 1))
			type asked struct{ lower, upper float64 }
			due := map[int64]asked{}
			held, n := 0.0, 0.0
			for i := range int64(60 * day) {
				if i == from {
					f.Hold(share)
				}
				at := start + i*quarter
				x := 100 + wave(at) + r.NormFloat64()
				if a, ok := due[at]; ok && i > 12*day {
					n++
					if a.lower <= x && x <= a.upper {
						held++
					}
				}
				delete(due, at)
				f.Learn(at, x)
				_, lower, upper := f.Expect(at + 4*quarter)
				due[at+4*quarter] = asked{lower, upper}
			}
			if got := held / n; math.Abs(got-share) > 0.03 {
				t.Errorf("%s: %.3f of %v were held, want %v", name, got, n, share)
			}
			if tally := f.Tally(4 * quarter); math.Abs(float64(tally.Held)/float64(tally.Due)-share) > 0.03 {
				t.Errorf("%s: %+v, want %v of them held", name, tally, share)
			}
		}
	}
}

// office is a day's load: 20, and from eight to six 100, with half an hour between.
func office(at int64) float64 {
	hour := float64(modulo(at, day*quarter)) / (4 * quarter)
	return 20 + 80*min(max((hour-8)/0.5, 0), max((18.5-hour)/0.5, 0), 1)
}

// follow has both learn value every minute for days, and calls see after each.
func follow(days int64, horizon int64, value func(at int64) float64, see func(at int64, x float64, a *Ahead)) {
	var f Forecaster
	var a Ahead
	for i := range days * day * 15 {
		at := start + i*minute
		x := value(at)
		f.Learn(at, x)
		a.Learn(at, x, horizon)
		a.Promise(&f, at, x, horizon)
		see(at, x, &a)
	}
}

// What comes every morning is known a quarter of an hour ahead; and on the day it does
// not come, the error says within the hour that nobody should act on it.
func TestAheadOfTheMorning(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 1))
	const holiday = 10
	at08 := func(d int64) int64 { return start + d*day*quarter + 8*4*quarter }
	ready, worst, broke := 0, 0.0, int64(0)
	follow(11, quarter, func(at int64) float64 {
		x := 20.
		if at < start+holiday*day*quarter {
			x = office(at)
		}
		return x + r.NormFloat64()
	}, func(at int64, x float64, a *Ahead) {
		high, ok := a.High()
		for d := int64(5); d < holiday; d++ {
			if at == at08(d)+quarter && ok && high > 80 { // it is 60 by now
				ready++
			}
		}
		if at > start+7*day*quarter && at < start+holiday*day*quarter {
			worst = max(worst, a.Error())
		}
		if at > at08(holiday) && broke == 0 && a.Error() > 1 {
			broke = at - at08(holiday)
		}
	})
	if ready != 5 {
		t.Errorf("on %d of 5 mornings it was known what comes", ready)
	}
	if !(worst < 1) {
		t.Errorf("the error was %.2f while the pattern held, want below 1", worst)
	}
	if broke == 0 || broke > 4*quarter {
		t.Errorf("the error was above 1 after %d min of a holiday, want within the hour", broke/minute)
	}
	t.Logf("worst %.2f, above 1 after %d min", worst, broke/minute)
}

// Nine in ten values are not above what is told, whatever the noise.
func TestHighHoldsNineInTen(t *testing.T) {
	for name, noise := range map[string]func(r *rand.Rand) float64{
		"normal":   (*rand.Rand).NormFloat64,
		"heavy":    func(r *rand.Rand) float64 { return math.Pow(r.NormFloat64(), 3) },
		"lopsided": (*rand.Rand).ExpFloat64,
	} {
		r := rand.New(rand.NewPCG(9, 1))
		told := map[int64]float64{}
		n, held := 0.0, 0.0
		follow(14, quarter, func(at int64) float64 { return 100 + wave(at) + noise(r) }, func(at int64, x float64, a *Ahead) {
			if high, ok := told[at]; ok && at > start+5*day*quarter {
				n++
				if x <= high {
					held++
				}
			}
			delete(told, at)
			if high, ok := a.High(); ok {
				told[at+quarter] = high
			}
		})
		if share := held / n; share < 0.87 || share > 0.93 {
			t.Errorf("%s noise: %.3f were not above, want 0.9", name, share)
		}
	}
}

// A constant is no reason to divide by nothing, and a gap none to judge by what it hid.
func TestAheadBearsConstantsAndGaps(t *testing.T) {
	for name, value := range map[string]float64{"constant": 3, "zero": 0, "huge": 1e300} {
		follow(2, quarter, func(int64) float64 { return value }, func(at int64, _ float64, a *Ahead) {
			if e := a.Error(); e > 0.01 || math.IsInf(e, 0) {
				t.Fatalf("%s: an error of %v", name, e)
			}
		})
	}
	var f Forecaster
	var a Ahead
	for i := range int64(6 * 60) {
		at := start + i*minute
		f.Learn(at, 1)
		a.Learn(at, 1, quarter)
		a.Promise(&f, at, 1, quarter)
	}
	due := a.due
	a.Learn(start+24*60*minute, 1000, quarter)
	if a.due != due || a.n != 0 {
		t.Errorf("after a gap %d forecasts were held against it, and %d wait; want none", a.due-due, a.n)
	}
}

// As the table in docs/detection.md has it.
func TestAheadIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Ahead{}); size > 1152 {
		t.Errorf("%d B, want at most 1152, a class of the allocator", size)
	}
	var f Forecaster
	var a Ahead
	i := int64(0)
	if n := testing.AllocsPerRun(1000, func() {
		at := start + i*minute
		f.Learn(at, float64(i))
		a.Learn(at, float64(i), quarter)
		a.Promise(&f, at, float64(i), quarter)
		i++
	}); n != 0 {
		t.Errorf("%v allocations a sample, want none", n)
	}
}
