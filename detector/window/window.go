// Package window keeps the latest samples of one series, bit for bit.
//
// A Window is a short list of Prometheus's XOR chunks, so a regular series costs
// little more than a byte a sample and a constant one a quarter of that. Samples
// leave by the chunk, when another begins: a Window holds at least the span it was
// asked to keep and at most about twice that. The chunk that leaves lends its memory
// to the next, so a Window that has seen its span once allocates only what a chunk's
// appender needs.
//
// It has no clock and no lock; the zero value is an empty Window.
package window

import (
	"iter"
	"unsafe"

	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

const (
	// maxSamples ends a chunk, as in Prometheus's head: long enough that the first
	// sample's 16 B weigh nothing, short enough that reading one is cheap.
	maxSamples = 120

	// headerSize is what an empty XOR chunk holds: the number of its samples.
	headerSize = 2

	// firstSize is a new chunk's capacity: an hour of a constant series a minute
	// is 2 B header + 15 B first sample + 60 × 2 bits ≈ 32 B.
	firstSize = 32

	// overhead is a chunk's cost besides its bytes: the chunk, its pointer in the
	// list.
	overhead = int(unsafe.Sizeof(chunk{}) + unsafe.Sizeof((*chunk)(nil)))
)

// Window is the latest samples of one series.
type Window struct {
	chunks []*chunk // oldest first; the last one grows
	app    chunkenc.Appender
	spare  *chunk // left the window, to be used again
	bytes  int32
}

type chunk struct {
	xor         chunkenc.XORChunk
	first, last int64 // ms
}

// Append adds the sample v at t (ms), which must be later than every sample
// before, and lets go of chunks that ended more than keep ms before t.
func (w *Window) Append(t int64, v float64, keep int64) {
	if n := len(w.chunks); n == 0 || w.chunks[n-1].full(t, keep) {
		w.expire(t, keep)
		w.cut(t)
	}
	head := w.chunks[len(w.chunks)-1]
	before := cap(head.xor.Bytes())
	w.app.Append(0, t, v)
	w.bytes += int32(cap(head.xor.Bytes()) - before)
	head.last = t
}

// full reports whether a sample at t belongs to a new chunk. Two chunks make the
// span; shorter ones would let samples go sooner and cost more than the samples.
func (c *chunk) full(t, keep int64) bool {
	return c.xor.NumSamples() >= maxSamples || uint64(t)-uint64(c.first) >= uint64(keep)/2
}

// expire removes the chunks that ended more than keep ms before t.
func (w *Window) expire(t, keep int64) {
	gone := 0
	for gone < len(w.chunks) && uint64(t)-uint64(w.chunks[gone].last) > uint64(keep) {
		w.bytes -= int32(overhead + cap(w.chunks[gone].xor.Bytes()))
		gone++
	}
	if gone == 0 {
		return
	}
	w.spare = w.chunks[gone-1]
	n := copy(w.chunks, w.chunks[gone:])
	clear(w.chunks[n:])
	w.chunks = w.chunks[:n]
}

// cut begins a new chunk at t.
func (w *Window) cut(t int64) {
	c := w.spare
	w.spare = nil
	if c == nil {
		c = &chunk{}
		c.xor.Reset(make([]byte, headerSize, firstSize))
	} else {
		b := c.xor.Bytes()[:headerSize]
		clear(b)
		c.xor.Reset(b)
	}
	c.first = t
	app, err := c.xor.Appender()
	if err != nil {
		panic("window: appender of an empty chunk: " + err.Error()) // reads nothing, so cannot fail
	}
	w.app = app
	w.chunks = append(w.chunks, c)
	w.bytes += int32(overhead + cap(c.xor.Bytes()))
}

// Reset empties the window and gives its memory back.
func (w *Window) Reset() { *w = Window{} }

// Len is the number of samples held.
func (w *Window) Len() int {
	n := 0
	for _, c := range w.chunks {
		n += c.xor.NumSamples()
	}
	return n
}

// Bytes is the memory the window holds on the heap for its samples.
func (w *Window) Bytes() int { return int(w.bytes) }

// All yields the samples held, oldest first. The window must not change meanwhile.
func (w *Window) All() iter.Seq2[int64, float64] {
	return func(yield func(int64, float64) bool) {
		var it chunkenc.Iterator
		for _, c := range w.chunks {
			it = c.xor.Iterator(it)
			for it.Next() != chunkenc.ValNone {
				if !yield(it.At()) {
					return
				}
			}
		}
	}
}
