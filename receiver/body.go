package receiver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// Buffers up to freeBytes are not accounted for; a larger one takes its whole
// growth from max_buffered, step by step as bytes arrive: a sender cannot reserve
// memory by announcing a length.
const (
	freeBytes  = 1 << 20
	firstBytes = 64 << 10 // an ordinary request fits: 40 KiB
)

// maxWait is how long a request waits for memory.
const maxWait = time.Second

// maxTurn is how long a request waits for a decoder. One that has a decoder keeps it
// while its batch waits for room in the detector, a second, so that maxTurn is several
// of those; with its own second a request ends within the four that the app gives to
// those under way when it stops. A sender that hangs up gives up its place.
const maxTurn = 3 * time.Second

var errNoRoom = errors.New("no room for the request")

// body is a pooled buffer for one request body.
type body struct {
	bytes []byte
	held  int64 // reserved in memory
}

var bodies = sync.Pool{New: func() any { return &body{bytes: make([]byte, 0, firstBytes)} }}

// release gives back the buffer and what it reserved.
func (b *body) release(memory *semaphore.Weighted) {
	if b.held > 0 {
		memory.Release(b.held)
		b.bytes, b.held = make([]byte, 0, firstBytes), 0
	}
	b.bytes = b.bytes[:0]
	bodies.Put(b)
}

// read reads all of r, which ends with *http.MaxBytesError after most bytes.
func (b *body) read(ctx context.Context, r io.Reader, most int, memory *semaphore.Weighted) error {
	for {
		if len(b.bytes) == cap(b.bytes) {
			if err := b.grow(ctx, most, memory); err != nil {
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

func (b *body) grow(ctx context.Context, most int, memory *semaphore.Weighted) error {
	// One byte more than most, to see the end of a body of just that length.
	size := max(min(2*cap(b.bytes), most+1), len(b.bytes)+1)
	if size > freeBytes {
		more := int64(size) - b.held
		if err := reserve(ctx, memory, more); err != nil {
			return err
		}
		b.held += more
	}
	grown := make([]byte, len(b.bytes), size)
	copy(grown, b.bytes)
	b.bytes = grown
	return nil
}

// reserve waits for n bytes of memory, up to maxWait.
func reserve(ctx context.Context, memory *semaphore.Weighted, n int64) error {
	if memory.TryAcquire(n) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	if memory.Acquire(ctx, n) != nil {
		return errNoRoom
	}
	return nil
}

// tooLarge reports whether err is http.MaxBytesReader's.
func tooLarge(err error) bool {
	var e *http.MaxBytesError
	return errors.As(err, &e)
}
