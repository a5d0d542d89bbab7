package main

import (
	"testing"
)

// The figures of the documentation rest on series like those of a real fleet.
func TestFleetIsLikeARealOne(t *testing.T) {
	f := newFleet(defaultMix, 0)
	n := 3 * len(f.hosts)
	var shares [3]float64
	seen := map[string]bool{}
	for i := range n {
		shares[f.moves(i)] += 100 / float64(n)
		ls := f.labels(i, 0)
		if ls.Len() < 8 || ls.Len() > 14 {
			t.Errorf("%s has %d labels", ls, ls.Len())
		}
		seen[ls.String()] = true
	}
	if len(seen) != n {
		t.Errorf("%d series of %d", len(seen), n)
	}
	for b, want := range [...]float64{resting: 68, moving: 22, growing: 10} {
		if got := shares[b]; got < want-1.5 || got > want+1.5 {
			t.Errorf("behaviour %d has %.1f of 100 series, want about %g (of %d a host)", b, got, want, len(f.hosts))
		}
	}
}

func TestCountersGrow(t *testing.T) {
	f := newFleet(movingMix, 0)
	for i := range f.hosts {
		for k := 1; k < 100; k++ {
			if f.moves(i) == growing && f.value(i, k) < f.value(i, k-1) {
				t.Fatalf("%s fell at scrape %d", f.labels(i, k), k)
			}
		}
	}
}

// Half the hosts an hour means just that.
func TestChurn(t *testing.T) {
	f := newFleet(defaultMix, 0.5)
	const hosts = 1000
	replaced := 0
	for h := range hosts {
		replaced += f.generation(h, scrapesAnHour) - f.generation(h, 0)
	}
	if replaced < hosts*45/100 || replaced > hosts*55/100 {
		t.Errorf("%d of %d hosts replaced within an hour, want half", replaced, hosts)
	}
}
