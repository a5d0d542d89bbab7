package forest

import (
	"math"
	"math/rand/v2"
	"testing"
)

// student draws from Student's t with three degrees of freedom, of a deviation of 1.
func student(r *rand.Rand) float64 {
	chi2 := 0.0
	for range 3 {
		z := r.NormFloat64()
		chi2 += z * z
	}
	return r.NormFloat64() / math.Sqrt(chi2)
}

// The exponent is that of the stream's own noise, whatever its scale and level, and what
// is high but always alike has none.
func TestTail(t *testing.T) {
	const days = 4 * 24 * 60
	for _, c := range []struct {
		name      string
		draw      func(r *rand.Rand, i int) float64
		low, high float64
	}{
		{"normal", func(r *rand.Rand, _ int) float64 { return r.NormFloat64() }, 0, 0},
		{"t(3)", func(r *rand.Rand, _ int) float64 { return student(r) }, 0.2, heaviest},
		{"t(3), large", func(r *rand.Rand, _ int) float64 { return 1e9 + 1e6*student(r) }, 0.2, heaviest},
		{"a job every hour", func(r *rand.Rand, i int) float64 {
			if i%60 == 0 {
				return 50 + r.NormFloat64()
			}
			return r.NormFloat64()
		}, 0, 0.12}, // as mad settles, units change
		{"one incident", func(r *rand.Rand, i int) float64 {
			if i > days/2 && i < days/2+300 {
				return 30 * r.Float64()
			}
			return r.NormFloat64()
		}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(10) {
				r := rand.New(rand.NewPCG(seed, 3))
				var f Forest
				for i := range days {
					f.Score(Alone(int64(i)*minute, c.draw(r, i)))
				}
				if got := f.Tail(); got < c.low || got > c.high {
					t.Errorf("seed %d: exponent %.3f, want %v to %v", seed, got, c.low, c.high)
				}
			}
		})
	}
}

// A tail to above makes far values above ordinary, and none below.
func TestATailHasASide(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	var f Forest
	at := int64(0)
	for range 4000 {
		f.Score(Alone(at, 10+math.Abs(student(r))))
		at += minute
	}
	if f.beyond.above == 0 || f.beyond.below != 0 {
		t.Fatalf("room %+v, want some above only", f.beyond)
	}
	g := f
	lo, hi := f.trees[Value].ends()
	if s := f.Score(Alone(at, hi+0.3*(hi-lo))).Score; s > 0.12 {
		t.Errorf("a third beyond the highest scores %.3f", s)
	}
	if s := g.Score(Alone(at, lo-0.3*(hi-lo))).Score; s < 0.2 {
		t.Errorf("as far below the lowest scores %.3f", s)
	}
}

// What a far value leaves of its season moves the season's level too: that is no news of
// a stream that throws them.
func TestATailIsWiderThanItsSeason(t *testing.T) {
	strayed := func(beyond room) float64 {
		var r Rest
		r.isolate(0, 0, 1, beyond)
		for i := range int64(2000) {
			r.isolate(i*60_000, float64(i%2), 1, beyond)
		}
		return r.isolate(2000*60_000, 200, 1, beyond)
	}
	plain, tailed := strayed(room{}), strayed(room{above: 1000})
	if plain < 0.2 || tailed > plain/2 || strayed(room{below: 1000}) != plain {
		t.Errorf("a rest of 200 scores %v, with a tail %v", plain, tailed)
	}
}
