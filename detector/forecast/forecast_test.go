package forecast

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"
)

const start = 1767571200000 // 2026-01-05T00:00:00Z, a Monday

var horizons = []time.Duration{time.Hour, 6 * time.Hour, 24 * time.Hour}

// wave is a day's, ten high.
func wave(at int64) float64 { return 5 * math.Sin(2*math.Pi*float64(at)/(day*quarter)) }

// errors learns value at every step for days, and from the eighth on asks every five
// hours: the mean absolute error and the share held, by horizon.
func errors(days int, step time.Duration, value func(at int64) float64) (wrong, held [3]float64) {
	var f Forecaster
	type asked struct{ point, lower, upper float64 }
	due := map[int64][3]*asked{}
	n := [3]float64{}
	for i := range int64(days) * int64(24*time.Hour/step) {
		at := start + i*step.Milliseconds()
		x := value(at)
		if math.IsNaN(x) {
			continue
		}
		for h, a := range due[at] {
			if a == nil {
				continue
			}
			n[h]++
			wrong[h] += math.Abs(x - a.point)
			if a.lower <= x && x <= a.upper {
				held[h]++
			}
		}
		delete(due, at)
		f.Learn(at, x)
		if at < start+8*day*quarter || (at-start)%(5*4*quarter) != 0 {
			continue
		}
		for h, d := range horizons {
			then := at + d.Milliseconds()
			point, lower, upper := f.Expect(then)
			all := due[then]
			all[h] = &asked{point, lower, upper}
			due[then] = all
		}
	}
	for h := range n {
		wrong[h] /= n[h]
		held[h] /= n[h]
	}
	return wrong, held
}

// What a stream is made of decides what its future is made of; noise of σ = 1 cannot be
// foreseen to better than 0.8.
func TestForeseesWhatCanBeForeseen(t *testing.T) {
	for _, c := range []struct {
		name  string
		value func(r *rand.Rand) func(at int64) float64
		most  [3]float64 // mean absolute error, by horizon
	}{
		{"flat", func(r *rand.Rand) func(int64) float64 {
			return func(int64) float64 { return 1e6 + r.NormFloat64() }
		}, [3]float64{0.85, 0.85, 0.85}},
		{"wave", func(r *rand.Rand) func(int64) float64 {
			return func(at int64) float64 { return 100 + wave(at) + r.NormFloat64() }
		}, [3]float64{0.87, 0.87, 0.87}},
		// A percent a day for a month.
		{"drift", func(r *rand.Rand) func(int64) float64 {
			return func(at int64) float64 { return float64(at-start)/(day*quarter) + r.NormFloat64() }
		}, [3]float64{0.9, 0.9, 0.95}},
		{"drift under a wave", func(r *rand.Rand) func(int64) float64 {
			return func(at int64) float64 { return 3*float64(at-start)/(day*quarter) + wave(at) + r.NormFloat64() }
		}, [3]float64{1, 1.05, 1.1}},
		// For a week after a shift of ten the season of the days before is wrong.
		{"shift under a wave", func(r *rand.Rand) func(int64) float64 {
			return func(at int64) float64 {
				v := 100 + wave(at) + r.NormFloat64()
				if at > start+15*day*quarter {
					v += 10
				}
				return v
			}
		}, [3]float64{1, 1.3, 1.8}},
		// Of a random walk of 0.1 a quarter nothing is known but the level; its error
		// after h quarters is 0.08·√h: 0.16, 0.39, 0.78.
		{"walk", func(r *rand.Rand) func(int64) float64 {
			level := 0.0
			return func(int64) float64 {
				level += 0.1 / math.Sqrt(3) * r.NormFloat64()
				return level
			}
		}, [3]float64{0.22, 0.5, 1.1}},
		// One sample in ten is missing, and every day from two to five in the morning.
		{"gaps", func(r *rand.Rand) func(int64) float64 {
			return func(at int64) float64 {
				v := 100 + wave(at) + r.NormFloat64()
				if h := modulo(floor(at, 4*quarter), 24); h >= 2 && h < 5 || r.IntN(10) == 0 {
					return math.NaN()
				}
				return v
			}
		}, [3]float64{0.9, 0.9, 0.9}},
		// At the weekend there is half the wave.
		{"week", func(r *rand.Rand) func(int64) float64 {
			return func(at int64) float64 {
				v := 100 + wave(at)
				if modulo(floor(at-start, day*quarter), 7) >= 5 {
					v = 100 + wave(at)/2
				}
				return v + r.NormFloat64()
			}
		}, [3]float64{1, 1.1, 1.2}},
	} {
		var wrong, held [3]float64
		const seeds = 6
		for seed := range uint64(seeds) {
			w, in := errors(30, 5*time.Minute, c.value(rand.New(rand.NewPCG(seed, 1))))
			for h := range w {
				wrong[h] += w[h] / seeds
				held[h] += in[h] / seeds
			}
		}
		t.Logf("%s: wrong by %.2f, held %.3f", c.name, wrong, held)
		for h := range wrong {
			if wrong[h] > c.most[h] {
				t.Errorf("%s: %s ahead wrong by %.3f, want at most %.2f", c.name, horizons[h], wrong[h], c.most[h])
			}
		}
	}
}

// The interval says 95 %, and at every horizon it must be.
func TestIntervalHoldsItsShare(t *testing.T) {
	for name, noise := range map[string]func(r *rand.Rand) float64{
		"normal":   (*rand.Rand).NormFloat64,
		"heavy":    func(r *rand.Rand) float64 { return math.Pow(r.NormFloat64(), 3) },
		"lopsided": (*rand.Rand).ExpFloat64,
	} {
		var held [3]float64
		const seeds = 20
		for seed := range uint64(seeds) {
			r := rand.New(rand.NewPCG(seed, 2))
			_, in := errors(30, 5*time.Minute, func(at int64) float64 { return 100 + wave(at) + noise(r) })
			for h := range in {
				held[h] += in[h] / seeds
			}
		}
		t.Logf("%s: held %.3f", name, held)
		for h, share := range held {
			if share < 0.93 || share > 0.97 {
				t.Errorf("%s noise: %s ahead the interval held %.3f, want 0.93 to 0.97", name, horizons[h], share)
			}
		}
	}
}

// An interval does not become narrow because nobody has seen so far ahead yet.
func TestWiderTheFartherAhead(t *testing.T) {
	var f Forecaster
	r := rand.New(rand.NewPCG(3, 1))
	level := 0.0
	for i := range int64(4 * 24 * 60) {
		level += r.NormFloat64()
		f.Learn(start+i*minute, level)
	}
	last := 0.0
	for _, h := range []time.Duration{time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 60 * 24 * time.Hour} {
		point, lower, upper := f.Expect(f.at + h.Milliseconds())
		if !(lower < point && point < upper) || upper-lower < last {
			t.Errorf("%v ahead: %.1f in [%.1f, %.1f], narrower than %.1f", h, point, lower, upper, last)
		}
		last = upper - lower
	}
}

// A disk that fills from its first minute on is foreseen to fill on within hours.
func TestSeesAYoungLine(t *testing.T) {
	var f Forecaster
	r := rand.New(rand.NewPCG(4, 1))
	at := int64(start)
	for ; at < start+10*4*quarter; at += minute / 4 {
		f.Learn(at, 60+2*float64(at-start)/(4*quarter)+r.NormFloat64()/5)
	}
	if point, lower, upper := f.Expect(at + 4*4*quarter); math.Abs(point-88) > 2 || lower > 88 || upper < 88 {
		t.Errorf("four hours ahead: %.1f in [%.1f, %.1f], want 88", point, lower, upper)
	}
}

func TestKnowsNothingOfAnHour(t *testing.T) {
	var f Forecaster
	for i := range int64(60) {
		f.Learn(start+i*minute, 1)
	}
	if point, lower, upper := f.Expect(start + 2*60*minute); f.Known() || !math.IsNaN(point) || !math.IsNaN(lower) || !math.IsNaN(upper) {
		t.Errorf("after an hour: %v in [%v, %v], want nothing", point, lower, upper)
	}
}

// A clock that was wrong, and silence of weeks, begin anew or leave a gap; neither
// invents a past.
func TestBearsTimeThatLeaps(t *testing.T) {
	var f Forecaster
	learn := func(from int64, level float64) int64 {
		for i := range int64(2 * 24 * 12) {
			f.Learn(from+i*5*minute, level)
		}
		return f.at
	}
	at := learn(start, 10)
	at = learn(at+100*day*quarter, 20)
	if point, _, _ := f.Expect(at + 4*quarter); math.Abs(point-20) > 0.5 {
		t.Errorf("two days after a silence expects %.2f, want 20", point)
	}
	f.Learn(start, 30)
	if f.Known() {
		t.Error("time went back and the future is still known")
	}
	learn(start, 30)
	if point, _, _ := f.Expect(f.at + 4*quarter); math.Abs(point-30) > 0.5 {
		t.Errorf("two days after time went back expects %.2f, want 30", point)
	}
}

// What is kept for each series under a forecast rule.
func TestIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Forecaster{}); size > 10<<10 {
		t.Errorf("a Forecaster is %d bytes, want at most 10 KiB", size)
	}
}

func TestTheSameSamplesTeachTheSame(t *testing.T) {
	learn := func() (f Forecaster) {
		r := rand.New(rand.NewPCG(5, 1))
		for i := range int64(20_000) {
			f.Learn(start+i*minute, wave(start+i*minute)+r.NormFloat64())
		}
		return f
	}
	a, b := learn(), learn()
	for h := int64(1); h < 2*week; h += 7 {
		p, l, u := a.Expect(a.at + h*quarter)
		q, m, v := b.Expect(b.at + h*quarter)
		if p != q || l != m || u != v {
			t.Fatalf("%d quarters ahead: %v [%v, %v] and %v [%v, %v]", h, p, l, u, q, m, v)
		}
	}
}

func FuzzForecaster(f *testing.F) {
	seed := func(step uint16, values ...float64) {
		var b []byte
		for range 80 {
			for _, v := range values {
				b = binary.LittleEndian.AppendUint16(b, step)
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
			}
		}
		f.Add(b)
	}
	seed(300, 50, 51, 52, 53, 200, 55)
	seed(900, 0, 5e-324, -5e-324)
	seed(60_000, math.MaxFloat64, -math.MaxFloat64)
	f.Fuzz(func(t *testing.T, b []byte) {
		var fc Forecaster
		at := int64(start)
		for ; len(b) >= 10; b = b[10:] {
			at += 1000 * int64(int16(binary.LittleEndian.Uint16(b)))
			x := math.Float64frombits(binary.LittleEndian.Uint64(b[2:]))
			if math.IsNaN(x) || math.IsInf(x, 0) {
				continue
			}
			fc.Learn(at, x)
			if !fc.Known() {
				continue
			}
			for _, h := range []int64{0, quarter, day * quarter, 1000 * week * quarter, math.MaxInt64 - at} {
				point, lower, upper := fc.Expect(at + h)
				if !(lower <= point && point <= upper) || math.IsInf(lower, 0) || math.IsInf(upper, 0) {
					t.Fatalf("after %v: %d ms ahead %v in [%v, %v]", x, h, point, lower, upper)
				}
			}
		}
	})
}

// A sample each 15 s, and a forecast each minute.
func BenchmarkForecaster(b *testing.B) {
	r := rand.New(rand.NewPCG(6, 1))
	var f Forecaster
	b.ReportAllocs()
	i := int64(0)
	for b.Loop() {
		f.Learn(start+i*minute/4, r.NormFloat64())
		if i%4 == 0 {
			f.Expect(f.at + day*quarter)
		}
		i++
	}
}
