package app

import (
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/foreshock/foreshock/internal/disk/faulty"
)

// What has been written down is not written again, but for once more when no more comes;
// and what is known after a restart is the same.
func TestNothingNewIsNotWrittenAgain(t *testing.T) {
	h := newHouse(t)
	data := filepath.Join(t.TempDir(), "data")
	a, end := h.live(data, faulty.Unsynced{})
	written := func() float64 {
		if err := a.keeper.refresh(); err != nil {
			t.Fatal(err)
		}
		return testutil.ToFloat64(a.keeper.metrics.checkpoints)
	}
	h.write(a, 0)
	h.scored(a, 1)
	began := written()
	for range 5 {
		if got := written(); got > began+1 {
			t.Errorf("%v checkpoints more though nothing came", got-began)
		}
	}
	before := written()
	h.write(a, 1)
	h.scored(a, 2)
	if got := written(); got != before+1 {
		t.Errorf("%v checkpoints after another request, want 1", got-before)
	}
	known := h.known(a)
	end()
	a, end = h.live(data, faulty.Unsynced{})
	defer end()
	if again := h.known(a); again != known {
		t.Errorf("after a restart it knows\n%s\nwant\n%s", again, known)
	}
}
