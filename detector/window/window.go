// Package window keeps the latest samples of one series, bit for bit.
//
// A Window is a list of blocks, each a string of bytes in an encoding of its own, made
// to be appended to fast: what a sample repeats of the one before is not written, whole
// numbers and decimals are as short as they change, and nothing takes a loop over bits.
// A regular gauge or counter costs two or three bytes a sample and a constant series
// none: its samples are counted in the Window itself. Samples leave by the block, when
// another begins: a Window holds at least the span it was asked to keep and at most
// about twice that. The block that leaves lends its memory to the next, so a Window that
// has seen its span once and its liveliest hour allocates nothing.
//
// It has no clock and no lock; the zero value is an empty Window.
package window

import (
	"iter"
	"math"
	"slices"
	"unsafe"
)

const (
	// maxSamples ends a block: long enough that what begins one weighs nothing (3 B
	// for its step through time, the value, 40 B block), short enough that reading one
	// is cheap (240 × ~4 ns ≈ 1 µs) and that a byte counts them.
	maxSamples = 240

	// maxSpan, in ms, ends one too, so that four bytes hold any time in it: 49 days.
	maxSpan = math.MaxUint32

	blockSize = int(unsafe.Sizeof(block{}))
)

// Window is the latest samples of one series. What Append reads of it is 64 B; a sample
// that repeats the one before touches nothing else.
type Window struct {
	data []byte // of the block that grows, but for its last run
	last int64  // ms: time of the newest sample
	cursor
	span  uint32 // ms: from the block's first sample to its last
	bytes uint32 // on the heap

	older []block // oldest first
}

// block is samples that are complete.
type block struct {
	data []byte
	last int64  // ms
	span uint32 // ms
	n    uint8
}

// Append adds the sample v at t (ms), which must be later than every sample
// before, and lets go of blocks that ended more than keep ms before t.
func (w *Window) Append(t int64, v float64, keep int64) {
	step := uint64(t) - uint64(w.last)
	// Two blocks make the span; shorter ones would let samples go sooner and cost more
	// than the samples.
	limit := min(uint64(keep)/2, maxSpan)
	if w.n == 0 || w.n == maxSamples || step >= limit || step+uint64(w.span) >= limit {
		w.cut(t, keep)
		step = 0
	}
	delta := uint32(step)
	w.last = t
	w.span += delta
	w.n++
	if delta == w.delta && math.Float64bits(v) == w.bits {
		w.run++
		return
	}
	w.write(delta, v)
}

// write adds a record to the block. Where there is no room for the longest, it is made
// beside and takes what it needs.
func (w *Window) write(delta uint32, v float64) {
	n := len(w.data)
	if free := w.data[n:cap(w.data)]; len(free) >= recordSize {
		w.data = w.data[:n+w.record((*[recordSize]byte)(free), delta, v)]
		return
	}
	var beside [recordSize]byte
	w.add(beside[:w.record(&beside, delta, v)])
}

// add adds bytes to the block, whose memory grows by a quarter where it must: a window
// is small for long, and there are many.
func (w *Window) add(b []byte) {
	if need := len(w.data) + len(b); need > cap(w.data) {
		w.use(append(room(need+need/4), w.data...))
	}
	w.data = append(w.data, b...)
}

// use makes data the memory of the block that grows.
func (w *Window) use(data []byte) {
	w.bytes += uint32(cap(data)) - uint32(cap(w.data))
	w.data = data
}

// room is an empty slice for n bytes: for all that the allocator gives instead.
func room(n int) []byte { return slices.Grow([]byte(nil), n) }

// cut begins a new block at t, in the memory of the last one that leaves.
func (w *Window) cut(t, keep int64) {
	spare := w.expire(t, keep)
	if w.n > 0 && !past(w.last, t, keep) {
		var b [recordSize]byte
		w.add(b[:w.endRun(&b)])
		w.shelve()
		if spare == nil {
			spare = room(len(w.older[len(w.older)-1].data)) // as much again
		}
	} else if cap(spare) < cap(w.data) {
		spare = w.data
	}
	w.use(spare[:0])
	w.cursor, w.span = cursor{}, 0
}

// expire lets go of the complete blocks that ended more than keep ms before t, and
// hands over the memory of the last.
func (w *Window) expire(t, keep int64) (spare []byte) {
	gone := 0
	for gone < len(w.older) && past(w.older[gone].last, t, keep) {
		spare = w.older[gone].data
		w.bytes -= uint32(cap(spare))
		gone++
	}
	w.older = slices.Delete(w.older, 0, gone)
	return spare
}

// past reports whether last is more than keep ms before t.
func past(last, t, keep int64) bool { return uint64(t)-uint64(last) > uint64(keep) }

// shelve adds the block that grew to the complete ones. Their list grows by one and a
// quarter of itself: most windows are two blocks and the one that grows.
func (w *Window) shelve() {
	if n := len(w.older); n == cap(w.older) {
		w.bytes -= uint32(n * blockSize)
		w.older = append(make([]block, 0, n+1+n/4), w.older...)
		w.bytes += uint32(cap(w.older) * blockSize)
	}
	w.older = append(w.older, block{w.data, w.last, w.span, w.n})
	w.data = nil
}

// Reset empties the window and gives its memory back.
func (w *Window) Reset() { *w = Window{} }

// Len is the number of samples held.
func (w *Window) Len() int {
	n := int(w.n)
	for _, b := range w.older {
		n += int(b.n)
	}
	return n
}

// Bytes is the memory the window holds on the heap for its samples.
func (w *Window) Bytes() int { return int(w.bytes) }

// All yields the samples held, oldest first. The window must not change meanwhile.
func (w *Window) All() iter.Seq2[int64, float64] {
	return func(yield func(int64, float64) bool) {
		for _, b := range w.older {
			if !read(b.data, b.last-int64(b.span), 0, yield) {
				return
			}
		}
		read(w.data, w.last-int64(w.span), w.run, yield)
	}
}
