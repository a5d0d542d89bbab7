package receiver

import (
	"context"
	"errors"
	"net/netip"
	"sync"

	"golang.org/x/sync/semaphore"
)

var errNoRoom = errors.New("no room for the request")

// room is the memory that requests may hold, in bytes. One sender may hold half of it, so
// that another one finds some.
type room struct {
	all  *semaphore.Weighted
	most int64 // of one sender

	mu   sync.Mutex
	held map[netip.Addr]int64
}

func newRoom(c Config) *room {
	return &room{
		all: semaphore.NewWeighted(int64(c.MaxBuffered)),
		// One request must always fit: twice its body while that grows, and what is in it.
		most: max(int64(c.MaxBuffered)/2, int64(2*c.MaxBody+c.MaxDecoded)),
		held: map[netip.Addr]int64{},
	}
}

// reserve waits for n bytes, up to maxWait. Who holds its share already need not wait.
func (r *room) reserve(ctx context.Context, from netip.Addr, n int64) error {
	if !r.note(from, n) {
		return errNoRoom
	}
	if r.all.TryAcquire(n) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	if r.all.Acquire(ctx, n) != nil {
		r.note(from, -n)
		return errNoRoom
	}
	return nil
}

// try reserves n bytes if that takes no waiting.
func (r *room) try(from netip.Addr, n int64) bool {
	if !r.note(from, n) {
		return false
	}
	if !r.all.TryAcquire(n) {
		r.note(from, -n)
		return false
	}
	return true
}

func (r *room) release(from netip.Addr, n int64) {
	r.note(from, -n)
	r.all.Release(n)
}

// note reports whether the sender may hold n bytes more.
func (r *room) note(from netip.Addr, n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	held := r.held[from] + n
	switch {
	case held > r.most:
		return false
	case held == 0:
		delete(r.held, from)
	default:
		r.held[from] = held
	}
	return true
}
