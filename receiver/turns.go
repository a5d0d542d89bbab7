package receiver

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// turns gives out the decoders. While requests wait, each sender has its share of the work,
// however many requests it has waiting: the next turn is that of the sender who has had the
// least, in bytes to decode, since there was a queue (start-time fair queueing: Goyal, Vin
// and Cheng, 1996). Among one sender's requests the first come is the first served.
type turns struct {
	mu      sync.Mutex
	free    []*decoder // none while somebody waits
	lines   map[netip.Addr]*line
	waiting int   // in all lines
	clock   int64 // bytes: what the sender served last had had by then
}

// line is one sender's requests that wait.
type line struct {
	first []*turn
	had   int64 // bytes
}

type turn struct {
	cost  int64 // bytes
	given chan *decoder
}

func newTurns(decoders []*decoder) *turns {
	return &turns{free: decoders, lines: map[netip.Addr]*line{}}
}

// take waits for a decoder, up to maxTurn, for work of so many bytes. It returns nil when
// there is none.
func (t *turns) take(ctx context.Context, from netip.Addr, cost int) *decoder {
	d, mine := t.enter(from, cost)
	if d != nil {
		return d
	}
	timer := time.NewTimer(maxTurn)
	defer timer.Stop()
	select {
	case d := <-mine.given:
		return d
	case <-timer.C:
	case <-ctx.Done():
	}
	return t.leave(from, mine)
}

// enter returns a decoder that is free, or else a turn in its sender's line.
func (t *turns) enter(from netip.Addr, cost int) (*decoder, *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.free) - 1; n >= 0 {
		d := t.free[n]
		t.free = t.free[:n]
		return d, nil
	}
	l := t.lines[from]
	if l == nil {
		l = &line{}
		t.lines[from] = l
	}
	mine := &turn{cost: int64(cost), given: make(chan *decoder, 1)}
	l.first = append(l.first, mine)
	t.waiting++
	return nil, mine
}

// leave gives up a turn. It returns the decoder where that was given in the same moment.
func (t *turns) leave(from netip.Addr, mine *turn) *decoder {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case d := <-mine.given:
		return d
	default:
	}
	l := t.lines[from]
	i := slices.Index(l.first, mine)
	l.first = slices.Delete(l.first, i, i+1)
	t.less()
	return nil
}

// less notes that one waits no more. Where nobody does, nobody has had anything.
func (t *turns) less() {
	if t.waiting--; t.waiting == 0 {
		clear(t.lines)
		t.clock = 0
	}
}

// release hands d to whoever is next.
func (t *turns) release(d *decoder) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var next *line
	for _, l := range t.lines {
		if l.had = max(l.had, t.clock); len(l.first) > 0 && (next == nil || l.had < next.had) {
			next = l
		}
	}
	if next == nil {
		t.free = append(t.free, d)
		return
	}
	mine := next.first[0]
	next.first = slices.Delete(next.first, 0, 1)
	t.clock = next.had
	next.had += mine.cost
	t.less()
	mine.given <- d
}
