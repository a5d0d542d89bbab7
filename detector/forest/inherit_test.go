package forest

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// taught is a forest of n samples a minute of noise of 1 about level, and the time.
func taught(r *rand.Rand, n int, level float64) (f Forest, at int64) {
	for range n {
		at += 60_000
		f.Score(Alone(at, level+r.NormFloat64()))
	}
	return f, at
}

// Two siblings' values are normal for the heir: those of the teacher, and as far about
// its own level. Far from both is as odd as ever.
func TestResemble(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	o, at := taught(r, 3000, 100)
	was := o
	f, _ := taught(r, 8, 110)
	f.Resemble(&o, f.Level()-o.Level())
	if o != was {
		t.Error("the teacher changed")
	}
	if f.Len() != o.Len() {
		t.Errorf("knows %d samples, want %d", f.Len(), o.Len())
	}
	for _, tc := range []struct {
		x   float64
		odd bool
	}{{100, false}, {110, false}, {112, false}, {160, true}, {40, true}} {
		g := f
		w := g.Score(Alone(at+60_000, tc.x))
		s, ch := w.Score, w.Channel
		if odd := s > 0.13; odd != tc.odd {
			t.Errorf("%g: scores %.2f by %s, odd %v", tc.x, s, ch, tc.odd)
		}
	}
	if f.Level() < 108 || f.Level() > 112 {
		t.Errorf("level %.1f, want its own", f.Level())
	}
}

// Follow leaves out what waits in quarantine, and the levels are the teacher's.
func TestFollow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 6))
	o, at := taught(r, 3000, 100)
	o.Score(Alone(at+60_000, 150))
	f, _ := taught(r, 8, 200)
	f.Follow(&o)
	for c, tr := range f.trees {
		if tr.pend != 0 {
			t.Errorf("%s: %d values in quarantine", Channel(c), bits.OnesCount64(tr.pend))
		}
	}
	if f.Level() != o.Level() {
		t.Errorf("level %v, want the teacher's %v", f.Level(), o.Level())
	}
	if s := f.Score(Alone(at+120_000, 150)).Score; s < 0.13 {
		t.Errorf("what the teacher had in quarantine scores %.2f", s)
	}
}

// Whatever is extended by whatever: what was seen stays seen, what lies by higher is
// seen too, and nothing grows beyond what a tree can hold.
func TestExtend(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	for range 2000 {
		var tr tree
		scale := math.Pow(10, 30*r.Float64()-15)
		level := scale * r.NormFloat64()
		seen := []float64{level}
		tr.score(level, 0, room{})
		for range r.IntN(40) {
			x := level + scale*r.NormFloat64()*0.1
			seen = append(seen, x)
			tr.score(x, 0, room{})
		}
		tr.release()
		by := scale * r.NormFloat64() * math.Pow(10, 6*r.Float64()-3)
		tr.extend(by)
		for _, x := range seen {
			for _, y := range []float64{x, x + by} {
				p := tr.place(y)
				if p < -1 || p > bins+1 {
					t.Fatalf("%g (by %g) lies %.1f bins from the tree's edge", y, by, p)
				}
				b := tr.bin(y)
				occ := tr.cur | tr.prev
				near := occ>>b&1 | occ<<1>>b&1 | occ>>1>>b&1 // rounding may take it next door
				if near == 0 {
					t.Fatalf("%g (by %g) is not seen", y, by)
				}
			}
		}
	}
	var f, o Forest
	o.Score(Alone(0, huge))
	o.Score(Alone(1, -huge))
	f.Score(Alone(1, huge))
	f.Resemble(&o, 10*huge)
	if s := f.Score(Alone(2, huge)).Score; math.IsNaN(s) {
		t.Error("no score at the end of the scale")
	}
}
