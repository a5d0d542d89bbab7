package remediation

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/foreshock/foreshock"
)

// Whoever sees nothing does nothing: nobody would see what it did, and what the alert
// says may be our own blindness.
func TestNothingIsDoneBlindly(t *testing.T) {
	w := newWorld(t, Auto)
	since := time.Date(2026, 1, 1, 10, 4, 5, 0, time.UTC)
	w.stop()
	w.o.Blindness = func() foreshock.Blindness { return foreshock.Blindness{Since: since, Why: "no samples come"} }
	w.start()
	w.deliver(w.an("b"))
	e := w.become(stateRefused)
	if want := "blind since 2026-01-01T10:04:05Z: no samples come"; e.Reason != want {
		t.Errorf("refused because %q, want %q", e.Reason, want)
	}
	w.called(0)
	if n := testutil.ToFloat64(w.metrics.refusals[refusedBlind]); n != 1 {
		t.Errorf("%v refusals counted, want 1", n)
	}
}
