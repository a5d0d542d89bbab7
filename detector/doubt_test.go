package detector

import (
	"math"
	"testing"

	"github.com/foreshock/foreshock/detector/forest"
)

// Whoever cried is believed less, and less so about something else.
func TestWhatCriedIsDoubtedMost(t *testing.T) {
	const day = int64(24 * 60 * minute)
	var d doubt
	needs := func(at int64, value, burst float64) {
		t.Helper()
		for c, want := range map[forest.Channel]float64{forest.Value: value, forest.Slow: value, forest.Burst: burst} {
			if got := d.need(at, c); math.Abs(got-want) > 1e-6 {
				t.Errorf("day %d, %v: needs %v, want %v", at/day, c, got, want)
			}
		}
	}
	needs(0, 1, 1)
	d.add(0, forest.Burst)
	d.add(0, forest.Burst)
	needs(0, 1.5, 2)
	d.add(2*day, forest.Value)
	needs(2*day, 1+0.5+0.5/math.E, 1+0.25+1/math.E)
	needs(30*day, 1, 1) // forgotten
	if d != (doubt{at: 30 * day}) {
		t.Errorf("forgotten doubt is %+v", d)
	}
}
