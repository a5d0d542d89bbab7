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

// One far value is no new level of what the season leaves, where far values come and go.
func TestATailReachesTheSeason(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	var f Forest
	var rest Rest
	at := int64(0)
	for range 4000 {
		x := student(r)
		f.ScoreSeasonal(Alone(at, x), &rest, x, 1.1) // a mean |x| of t(3) noise
		at += minute
	}
	_, hi := f.trees[Value].ends()
	far := 4 * hi
	told := rest
	wary := told.isolate(at, far, 1.1, f.beyond)
	if s := rest.isolate(at, far, 1.1, room{}); wary > 0.6*s || s == 0 {
		t.Errorf("a value four times as far as any scores %.3f, and %.3f without the tail, want little more than half of it", wary, s)
	}
}
