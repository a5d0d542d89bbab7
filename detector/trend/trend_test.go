package trend

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"
)

const (
	minute = 60_000        // ms
	start  = 1767571200000 // 2026-01-05T00:00:00Z, a Monday
)

func TestKnowsNothingOfTwoSamples(t *testing.T) {
	var tr Trend
	for i := range 3 {
		point, lower, upper := tr.Expect(start + int64(i)*minute)
		if !math.IsNaN(point) || !math.IsNaN(lower) || !math.IsNaN(upper) {
			t.Errorf("after %d samples: %v in [%v, %v], want no expectation", i, point, lower, upper)
		}
		tr.Learn(start+int64(i)*minute, float64(i))
	}
	if point, _, _ := tr.Expect(start + 3*minute); math.IsNaN(point) {
		t.Error("three samples are no line")
	}
}

// Scrapes come late and go missing; the line is one of time all the same.
func TestFollowsTimeNotSamples(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	truth := func(at int64) float64 { return 20 + 0.003*float64(at-start)/1000 }
	var tr Trend
	at := int64(start)
	for range 3000 {
		at += 1000 + r.Int64N(10*minute)
		tr.Learn(at, truth(at)+r.NormFloat64())
	}
	for _, h := range []time.Duration{0, time.Minute, time.Hour, 24 * time.Hour} {
		point, lower, upper := tr.Expect(tr.at + h.Milliseconds())
		want := truth(at + h.Milliseconds())
		if math.Abs(point-want) > 1 || want < lower || want > upper {
			t.Errorf("%v ahead: %.2f in [%.2f, %.2f], want %.2f", h, point, lower, upper, want)
		}
	}
}

func TestForecastIsLessSureTheFartherItLooks(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	var tr Trend
	for i := range int64(2000) {
		tr.Learn(start+i*minute, r.NormFloat64())
	}
	last := 0.0
	for _, h := range []time.Duration{0, time.Hour, 24 * time.Hour, 30 * 24 * time.Hour} {
		_, lower, upper := tr.Expect(tr.at + h.Milliseconds())
		if upper-lower <= last {
			t.Errorf("%v ahead the interval is %.3f wide, want more than %.3f", h, upper-lower, last)
		}
		last = upper - lower
	}
}

// A slope no larger than its error is not worth a forecast: a month ahead it would
// send flat noise anywhere.
func TestDoesNotExtrapolateNoise(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		var tr Trend
		for i := range int64(3000) {
			tr.Learn(start+i*minute, r.NormFloat64())
		}
		if point, lower, upper := tr.Expect(tr.at + (7 * 24 * time.Hour).Milliseconds()); lower > 0 || upper < 0 {
			t.Errorf("seed %d: a week ahead %.2f in [%.2f, %.2f], want 0 among them", seed, point, lower, upper)
		}
	}
}

func TestOneOutlierHardlyMovesIt(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	var tr Trend
	for i := range int64(1000) {
		tr.Learn(start+i*minute, r.NormFloat64())
	}
	before, lower, upper := tr.Expect(tr.at + time.Minute.Milliseconds())
	tr.Learn(start+1000*minute, 1e9)
	after, lower2, upper2 := tr.Expect(tr.at + time.Minute.Milliseconds())
	if math.Abs(after-before) > 0.1 || upper2-lower2 > 2*(upper-lower) {
		t.Errorf("an outlier turned %.3f in [%.3f, %.3f] into %.3f in [%.3f, %.3f]", before, lower, upper, after, lower2, upper2)
	}
}

// A gauge that was constant for a week and then starts to live needs a band that lives.
func TestConstantCanStartToMove(t *testing.T) {
	for _, level := range []float64{0, 5, -1e12} {
		r := rand.New(rand.NewPCG(4, 1))
		var tr Trend
		at := int64(start)
		for range 7 * 1440 {
			at += minute
			tr.Learn(at, level)
		}
		if _, lower, upper := tr.Expect(at + minute); lower > level || upper < level || upper-lower > 1e-4*math.Abs(level)+1e-6 {
			t.Errorf("constant %v is expected in [%v, %v]", level, lower, upper)
		}
		size := 1 + math.Abs(level)/10
		held, of := 0, 0
		for i := range 1440 {
			at += minute
			x := level + size*r.NormFloat64()
			if _, lower, upper := tr.Expect(at); i >= 240 {
				of++
				if x >= lower && x <= upper {
					held++
				}
			}
			tr.Learn(at, x)
		}
		if share := float64(held) / float64(of); share < 0.9 {
			t.Errorf("from the fifth hour on the band around %v holds %.0f %%, want 90", level, 100*share)
		}
	}
}

func TestSize(t *testing.T) {
	if size := unsafe.Sizeof(Trend{}); size > 96 {
		t.Errorf("a trend takes %d B, want at most 96", size)
	}
}

// points calls f with finite values at increasing times.
func points(b []byte, f func(at int64, x float64)) {
	at := int64(math.MinInt64)
	for i := 0; len(b) >= 8 && i < 5000; i++ {
		x := math.Float64frombits(binary.LittleEndian.Uint64(b))
		b = b[8:]
		if math.IsNaN(x) || math.IsInf(x, 0) {
			continue
		}
		gap := int64(math.Float64bits(x)>>2) >> (i % 62)
		if at > 0 && gap >= math.MaxInt64-at {
			return
		}
		at += 1 + gap
		f(at, x)
	}
}

func seeds(f *testing.F) {
	seed := func(values ...float64) {
		var b []byte
		for range 40 {
			for _, v := range values {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
			}
		}
		f.Add(b)
	}
	seed(50, 51, 52, 53, 200, 55)
	seed(0, 5e-324, -5e-324)
	seed(math.MaxFloat64, -math.MaxFloat64)
}

func FuzzTrend(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var tr Trend
		points(b, func(at int64, x float64) {
			tr.Learn(at, x)
			point, lower, upper := tr.Expect(tr.at + time.Minute.Milliseconds())
			if tr.n < Ready {
				return
			}
			if !(lower <= point && point <= upper) || math.IsInf(lower, 0) || math.IsInf(upper, 0) {
				t.Fatalf("after %v at %d: %v in [%v, %v]: %+v", x, at, point, lower, upper, tr)
			}
		})
	})
}

func BenchmarkTrend(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 1))
	var values [4096]float64
	for i := range values {
		values[i] = r.NormFloat64()
	}
	var tr Trend
	b.ReportAllocs()
	i := int64(0)
	for b.Loop() {
		tr.Expect(start + i*minute)
		tr.Learn(start+i*minute, values[i%4096])
		i++
	}
}

// A stream that falls back to where it was a while ago surprises nobody but the line: it
// must not take hours of a wide interval to follow.
func TestLineFollowsAJumpWithinMinutes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var tr Trend
	at := int64(0)
	learn := func(level float64, n int) {
		for range n {
			tr.Learn(at, level+r.NormFloat64())
			at += 60_000
		}
	}
	learn(0, 500)
	_, lower, upper := tr.Expect(at)
	before := upper - lower
	learn(1000, 1)
	if point, _, _ := tr.Expect(at); math.Abs(point) > 1 {
		t.Errorf("expects %.1f after a single spike, want 0", point)
	}
	learn(100, 60)
	if point, lower, upper := tr.Expect(at); math.Abs(point-100) > 2 || upper-lower > 2*before {
		t.Errorf("an hour after a jump to 100 expects %.1f in an interval of %.1f, want 100 in less than twice %.1f", point, upper-lower, before)
	}
}
