package query

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/storage"
)

// slice is for how long evaluations run in one go. Until they rest a core that has nothing
// else to do hears of no request: the runtime looks at the network when it is idle, or else
// every 10 ms.
const slice = 250 * time.Microsecond

// pace is how evaluations go beside everything else: a slice of work, then as much rest. A
// thousand rules that are due at once are no reason to keep samples waiting. Where the
// clock stands still nobody rests.
type pace struct {
	now   func() time.Time
	begun time.Time     // of the slice
	spent time.Duration // at work, in slices that are over
}

// begin begins a slice: what was before it was somebody else's time.
func (p *pace) begin() { p.begun = p.now() }

// worked is for how long there was work, rests aside.
func (p *pace) worked() time.Duration { return p.spent + p.now().Sub(p.begun) }

// step rests if the slice is over, or until ctx ends: a stop waits for nothing.
func (p *pace) step(ctx context.Context) {
	took := p.now().Sub(p.begun)
	if took < slice {
		return
	}
	t := time.NewTimer(min(took, slice))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	p.spent += took
	p.begin()
}

// unhurried is a Queryable whose series are read at a pace.
type unhurried struct {
	storage.Queryable
	pace *pace
}

// Querier implements storage.Queryable.
func (u unhurried) Querier(from, to int64) (storage.Querier, error) {
	q, err := u.Queryable.Querier(from, to)
	if err == nil {
		q.(*querier).pace = u.pace
	}
	return q, err
}
