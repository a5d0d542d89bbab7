package remediation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// A person sees what the dry run said before they say yes.
func TestDryRunIsShownWithTheWaitingPlan(t *testing.T) {
	w := newWorld(t, Approve)
	var runs atomic.Int64
	w.bend(func(d *deed) {
		d.rehearse = func(context.Context) (string, error) {
			if runs.Add(1) == 2 {
				return "half of it", errors.New("the play is broken")
			}
			return fmt.Sprintf("would restart 1 pod; the token is %s, %s", token, strings.Repeat("x", 1<<20)), nil
		}
	})
	w.deliver(w.an("a"))
	l := w.eventually("the dry run is there", func(l []entry) bool { return len(l) == 1 && l[0].Rehearsal != "" })
	if said := l[0].Rehearsal; !strings.HasPrefix(said, "would restart 1 pod; the token is <secret>") || len(said) > maxRehearsal || l[0].State != stateWaiting {
		t.Errorf("%s: %.100s", l[0].State, said)
	}
	if public := w.listed(""); public[0].Rehearsal != "" {
		t.Error("everybody may read the dry run")
	}
	w.deliver(w.an("b"))
	w.eventually("a dry run that failed says so", func(l []entry) bool {
		return l[0].Rehearsal == "failed: the play is broken\nhalf of it"
	})
	w.called(0)
	w.decide(l[0], "approve", l[0].Hash)
	w.eventually("it acts", func(l []entry) bool { return l[1].State == stateSucceeded })
	w.called(1)
	if n := testutil.ToFloat64(w.metrics.transitions[stateWaiting]); n != 2 || runs.Load() != 2 {
		t.Errorf("%v began to wait after %d dry runs", n, runs.Load())
	}
}
