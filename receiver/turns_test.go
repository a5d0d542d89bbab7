package receiver

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alecthomas/units"
)

var (
	loud  = netip.MustParseAddr("10.0.0.1")
	quiet = netip.MustParseAddr("10.0.0.2")
	third = netip.MustParseAddr("10.0.0.3")
)

// TestTurnsAreShared: one sender has a hundred requests waiting at all times, two others
// have one each. Each of the three gets a third of the work, in bytes.
func TestTurnsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns([]*decoder{{}, {}})
		end, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		var did [3]atomic.Int64
		var all sync.WaitGroup
		work := func(i int, from netip.Addr, cost int, at time.Duration) {
			all.Go(func() {
				for end.Err() == nil {
					d := turns.take(end, from, cost)
					if d == nil {
						continue
					}
					time.Sleep(at)
					did[i].Add(int64(cost))
					turns.release(d)
				}
			})
		}
		for range 100 {
			work(0, loud, 1000, time.Millisecond)
		}
		for range 3 { // enough for one to wait while another is served
			work(1, quiet, 1000, time.Millisecond)
			work(2, third, 4000, 4*time.Millisecond)
		}
		all.Wait()
		total := float64(did[0].Load() + did[1].Load() + did[2].Load())
		for i := range did {
			if share := float64(did[i].Load()) / total; share < 0.30 || share > 0.37 {
				t.Errorf("sender %d got %.2f of the work", i, share)
			}
		}
		if len(turns.free) != 2 || turns.waiting != 0 || len(turns.lines) != 0 {
			t.Errorf("left: %d free, %d waiting, %d lines", len(turns.free), turns.waiting, len(turns.lines))
		}
	})
}

// TestOneAmongManyIsNext: who comes while another one's requests wait does not wait for
// them all.
func TestOneAmongManyIsNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns([]*decoder{{}})
		d := turns.take(t.Context(), loud, 1)
		var order []netip.Addr
		var all sync.WaitGroup
		join := func(from netip.Addr) {
			all.Go(func() {
				d := turns.take(t.Context(), from, 1000)
				order = append(order, from)
				turns.release(d)
			})
			synctest.Wait()
		}
		for range 50 {
			join(loud)
		}
		join(quiet)
		turns.release(d)
		all.Wait()
		if len(order) != 51 || order[0] != quiet && order[1] != quiet {
			t.Errorf("served in order %v", order)
		}
	})
}

// TestGivingUpATurn: who hangs up, or waits too long, takes nothing away.
func TestGivingUpATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns([]*decoder{{}})
		d := turns.take(t.Context(), loud, 1)
		ctx, hangUp := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, hangUp)
		if turns.take(ctx, quiet, 1) != nil || turns.take(t.Context(), quiet, 1) != nil {
			t.Error("got a decoder that another one has")
		}
		turns.release(d)
		if turns.take(t.Context(), quiet, 1) == nil {
			t.Error("the decoder is lost")
		}
	})
}

// TestOneSenderLeavesRoom: however much one sender holds, another one finds room; what is
// released may be had again.
func TestOneSenderLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := DefaultConfig()
		r := newRoom(c)
		held := 0
		for r.reserve(t.Context(), loud, int64(units.MiB)) == nil {
			held++
		}
		if held != int(c.MaxBuffered/units.MiB)/2 {
			t.Errorf("one sender holds %d MiB", held)
		}
		if err := r.reserve(t.Context(), quiet, int64(16*units.MiB)); err != nil {
			t.Error(err)
		}
		for range held {
			r.release(loud, int64(units.MiB))
		}
		r.release(quiet, int64(16*units.MiB))
		if len(r.held) != 0 || !r.all.TryAcquire(int64(c.MaxBuffered)) {
			t.Errorf("still held: %v", r.held)
		}
	})
}
