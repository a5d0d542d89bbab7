package forest

import (
	"math/bits"

	"github.com/foreshock/foreshock/detector/octave"
)

// Deviation is the mean absolute deviation of the stream from its centre: 0 while it
// is constant.
func (f *Forest) Deviation() float64 { return f.mad }

// Stood reports whether x lies between the lowest and the highest level remembered:
// where the stream stood, not where it only went for a moment.
func (f *Forest) Stood(x float64) bool {
	t := &f.trees[Fast]
	lo, hi := t.ends()
	return t.width > 0 && x >= lo && x <= hi
}

// Follow has f, whose stream is young, judge its next samples by what o, the forest of
// a sibling stream, was taught, as though o's stream had gone on as f's does. What
// waits in o's quarantine stays with o; how rough the stream is, it has shown itself.
func (f *Forest) Follow(o *Forest) {
	at, last, rough := f.at, f.last, f.rough
	*f = *o
	f.at, f.last, f.rough = at, last, rough
	for c := range f.trees {
		f.trees[c].pend = 0
	}
}

// Resemble has f, whose stream is young, know what o, the forest of a sibling stream
// that is much like its own, was taught: what is normal of o's values, and what would
// be if they lay by higher, as f's do. Two streams differ by more than a level's own
// noise, so that the level channels begin as they do in a new stream; of one that
// wanders the fast level's range is worth knowing too. A shift is a shift in both.
func (f *Forest) Resemble(o *Forest, by float64) {
	young := *f
	f.Follow(o)
	f.lived = min(young.lived, f.n)
	f.step, f.fast, f.slow = young.step, young.fast, young.slow

	f.trees[Value].extend(by)
	f.trees[Log].extend(magnitude(o.centre+by) - magnitude(o.centre))
	f.centre += by
	if o.Wanders() {
		f.trees[Fast].extend(by)
	} else {
		f.trees[Fast] = tree{}
	}
	f.trees[Slow] = tree{}
}

// temper makes a level channel of a stream that was taught by a sibling as hard to
// surprise as any stream of its own age, whose level it is.
func (f *Forest) temper(c Channel, s float64) float64 {
	if c != Fast && c != Slow && c != Shift {
		return s
	}
	return octave.Pow(s, 1+youth/float64(f.lived))
}

// ends are the edges of what is occupied.
func (t *tree) ends() (lo, hi float64) {
	occ := t.cur | t.prev
	edge := func(bin int) float64 { return float64(t.base) + float64(bin)*float64(t.width) }
	return edge(bits.TrailingZeros64(occ)), edge(bits.Len64(occ))
}

// extend has everything that was seen count as seen by higher as well.
func (t *tree) extend(by float64) {
	if t.width == 0 || by == 0 {
		return
	}
	was, width := *t, float64(t.width)
	middle := func(bin int) float64 { return float64(was.base) + (float64(bin)+0.5)*width + by }
	occ := was.cur | was.prev
	for _, end := range [...]float64{middle(bits.TrailingZeros64(occ)), middle(bits.Len64(occ) - 1)} {
		end = min(max(end, -huge), huge)
		for p := t.place(end); !(p >= 0 && p < bins); p = t.place(end) {
			t.widen(p < 0)
		}
	}
	for bin := range bins {
		bit := uint64(1) << bin
		if occ&bit == 0 {
			continue
		}
		moved := uint64(1) << t.bin(middle(bin))
		if was.cur&bit != 0 {
			t.cur |= moved
		}
		if was.prev&bit != 0 {
			t.prev |= moved
		}
	}
}

// place is where x lies, in bins.
func (t *tree) place(x float64) float64 { return (x - float64(t.base)) / float64(t.width) }
