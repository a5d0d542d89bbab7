package receiver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// A buffer takes all but its first bytes from max_buffered, step by step as bytes arrive: a
// sender cannot reserve memory by announcing a length. What is read first is bounded by the
// number of connections: 4096 × 16 KiB = 64 MiB.
const (
	firstBytes = 16 << 10
	keptBytes  = 1 << 20 // a larger buffer is not kept for another request
)

// maxWait is how long a request waits for memory.
const maxWait = time.Second

// maxTurn is how long a request waits for a decoder. One that has a decoder keeps it
// while its batch waits for room in the detector, a second, so that maxTurn is several
// of those; with its own second a request ends within the four that the app gives to
// those under way when it stops. A sender that hangs up gives up its place.
const maxTurn = 3 * time.Second

// body is a pooled buffer for one request body.
type body struct {
	bytes []byte
	from  netip.Addr // who sends
	held  int64      // of the room
}

var bodies = sync.Pool{New: func() any { return &body{bytes: make([]byte, 0, firstBytes)} }}

// newBody returns a buffer for what that sender sends.
func newBody(from netip.Addr, memory *room) *body {
	b := bodies.Get().(*body)
	b.from = from
	if more := int64(cap(b.bytes) - firstBytes); more > 0 {
		if memory.try(from, more) {
			b.held = more
		} else { // it may still be small
			b.bytes = make([]byte, 0, firstBytes)
		}
	}
	return b
}

// release gives back the buffer and what it reserved.
func (b *body) release(memory *room) {
	if b.held > 0 {
		memory.release(b.from, b.held)
		b.held = 0
	}
	if b.bytes = b.bytes[:0]; cap(b.bytes) <= keptBytes {
		bodies.Put(b)
	}
}

// read reads all of r, which ends with *http.MaxBytesError after most bytes. It is said to
// have so many, or -1.
func (b *body) read(ctx context.Context, r io.Reader, said int64, most int, memory *room) error {
	for {
		if len(b.bytes) == cap(b.bytes) {
			if err := b.grow(ctx, said, most, memory); err != nil {
				return err
			}
		}
		n, err := r.Read(b.bytes[len(b.bytes):cap(b.bytes)])
		b.bytes = b.bytes[:len(b.bytes)+n]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (b *body) grow(ctx context.Context, said int64, most int, memory *room) error {
	// One byte more than most, to see the end of a body of just that length.
	size := min(2*cap(b.bytes), most+1)
	if said >= int64(len(b.bytes)) {
		size = min(size, int(said)+1)
	}
	size = max(size, len(b.bytes)+1)
	if more := int64(size-firstBytes) - b.held; more > 0 {
		if err := memory.reserve(ctx, b.from, more); err != nil {
			return err
		}
		b.held += more
	}
	grown := make([]byte, len(b.bytes), size)
	copy(grown, b.bytes)
	b.bytes = grown
	return nil
}

// drain reads what is left of a body that is refused, up to four times what one may have.
// Who still sends when the answer comes may see a reset in its place, and try for ever.
func drain(r io.Reader, most int64) {
	_, _ = io.CopyN(io.Discard, r, 4*most) // a body that ends early, or never, is refused all the same
}

// tooLarge reports whether err is http.MaxBytesReader's.
func tooLarge(err error) bool {
	var e *http.MaxBytesError
	return errors.As(err, &e)
}
