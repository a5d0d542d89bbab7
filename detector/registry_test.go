package detector

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/foreshock/foreshock"
)

// Two series with one fingerprint must never share a state, whether found by Home or
// by the chain, and whichever of them leaves first.
func TestRegistryKeepsCollisionsApart(t *testing.T) {
	const fleet = 600 // more than two pages
	r := rand.New(rand.NewPCG(1, 2))
	var reg registry
	known := map[string]*state{}
	var names []string
	for i := range fleet {
		names = append(names, fmt.Sprintf("s%d", i))
	}
	colliding := func(name string) *foreshock.Series {
		s := series(name)
		s.Fingerprint %= 5
		return s
	}
	for range 20_000 {
		name := names[r.IntN(fleet)]
		x := colliding(name)
		x.Home = uint32(r.IntN(2 * fleet)) // a stale or foreign Home must not mislead
		st := reg.find(x)
		if st != known[name] {
			t.Fatalf("%s: found %v, want %v", name, st, known[name])
		}
		switch {
		case st == nil:
			known[name] = reg.add(x)
		case st.series != x || reg.at(x.Home) != st:
			t.Fatalf("%s: Home %d and the state do not point at each other", name, x.Home)
		case r.IntN(3) == 0:
			reg.remove(st)
			delete(known, name)
		}
		if reg.len() != len(known) {
			t.Fatalf("len = %d, want %d", reg.len(), len(known))
		}
	}
	n := 0
	for slot := uint32(1); slot <= reg.used; slot++ {
		st := reg.at(slot)
		if st.series == nil {
			continue
		}
		n++
		if known[st.series.Name()] != st {
			t.Errorf("slot %d holds a state of %s that is not its own", slot, st.series)
		}
	}
	if n != len(known) {
		t.Errorf("the slots hold %d series, want %d", n, len(known))
	}
	if int(reg.used) > fleet {
		t.Errorf("%d slots used for %d series: free ones are not used again", reg.used, fleet)
	}
}
