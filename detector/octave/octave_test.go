package octave

import (
	"math"
	"math/rand/v2"
	"testing"
)

// near reports whether two numbers agree to within what a score can notice.
func near(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-12*max(1, math.Abs(b))
}

func TestLog2(t *testing.T) {
	for _, x := range []float64{
		0, math.Copysign(0, -1), 1, 2, 0.5, 1 - 1e-16, 1 + 1e-15, 1e-320, math.SmallestNonzeroFloat64,
		math.MaxFloat64, math.Inf(1), math.Inf(-1), math.NaN(), -1, 1e300, 1e-300, 3,
	} {
		if got, want := Log2(x), math.Log2(x); !near(got, want) {
			t.Errorf("Log2(%v) = %v, want %v", x, got, want)
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 1_000_000 {
		x := math.Exp2(r.Float64()*2000 - 1000)
		if got, want := Log2(x), math.Log2(x); !near(got, want) {
			t.Fatalf("Log2(%v) = %v, want %v", x, got, want)
		}
	}
}

// What rises stays in order, so that no comparison turns round at a step of the table.
func TestLog2Rises(t *testing.T) {
	for i := range steps * 2 {
		edge := 1 + float64(i)/(2*steps)
		below := math.Nextafter(edge, 0)
		if lo, hi := Log2(below), Log2(edge); lo > hi+1e-15 {
			t.Errorf("Log2(%v) = %v is above Log2(%v) = %v", below, lo, edge, hi)
		}
	}
}

func TestPow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 1_000_000 {
		x, y := math.Exp2(r.Float64()*200-100), r.Float64()*200
		got, want := Pow(x, y), math.Pow(x, y)
		if got != want && math.Abs(got/want-1) > 1e-9 {
			t.Fatalf("Pow(%v, %v) = %v, want %v", x, y, got, want)
		}
	}
	for _, c := range [][2]float64{{0, 2}, {1 - 1e-16, 1}, {1, 1e300}, {0.5, 1e6}, {2, 5000}, {0.999, 1}, {math.Inf(1), 2}, {1e-310, 0.5}} {
		if got, want := Pow(c[0], c[1]), math.Pow(c[0], c[1]); !near(got, want) || c[0] <= 1 && got > 1 {
			t.Errorf("Pow(%v, %v) = %v, want %v", c[0], c[1], got, want)
		}
	}
}

var sink float64

func BenchmarkLog2(b *testing.B) {
	for name, f := range map[string]func(float64) float64{"octave": Log2, "math": math.Log2} {
		b.Run(name, func(b *testing.B) {
			x := 0.37
			for b.Loop() {
				sink += f(x)
				x += 0.01
			}
		})
	}
}

func BenchmarkPow(b *testing.B) {
	for name, f := range map[string]func(x, y float64) float64{"octave": Pow, "math": math.Pow} {
		b.Run(name, func(b *testing.B) {
			x := 0.1
			for b.Loop() {
				sink += f(x, 1.03)
				x += 1e-7
			}
		})
	}
}
