// Package window keeps the latest samples of one series, bit for bit.
//
// A Window is a list of blocks, each a string of bytes in an encoding of its own, made
// to be appended to fast: what a sample repeats of the one before is not written, whole
// numbers and decimals are as short as they change, and nothing takes a loop over bits.
// A regular gauge or counter costs one to three bytes a sample and a constant series
// none: its samples are counted in the Window itself. Samples leave by the block, when
// another begins: a Window holds at least the span it was asked to keep and at most
// twice that. The block that leaves lends its memory to the next, so a Window that
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
	// is cheap (240 × ~6 ns ≈ 1.5 µs) and that a byte counts them.
	maxSamples = 240

	// maxSpan, in ms, ends one too, so that four bytes hold any time in it: 49 days.
	maxSpan = math.MaxUint32

	// endSize leaves room for the longest record after as many bytes, less one, as it
	// may take. With the byte that counts them it is half a cache line.
	endSize = 2*recordSize - 1

	blockSize = int(unsafe.Sizeof(block{}))
)

// Window is the latest samples of one series. A sample that repeats the one before reads
// and writes the first 40 B; most others do with the first 72, as the end of the block
// that grows is kept here: its memory is met once in some samples.
type Window struct {
	last int64 // ms: time of the newest sample
	cursor
	span  uint32 // ms: from the block's first sample to its last
	bytes uint32 // on the heap

	fill uint8 // bytes of end
	end  [endSize]byte
	data []byte // of the block that grows, but for its end and its last run

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

// write adds a record to the block.
func (w *Window) write(delta uint32, v float64) {
	w.fill += uint8(w.record((*[recordSize]byte)(w.end[w.fill:]), delta, v))
	if w.fill > endSize-recordSize {
		w.flush()
	}
}

// flush brings the end of the block to the rest of it, whose memory grows by a quarter
// where it must: a window is small for long, and there are many.
func (w *Window) flush() {
	if need := len(w.data) + int(w.fill); need > cap(w.data) {
		w.use(append(room(need+need/4), w.data...))
	}
	w.data = append(w.data, w.end[:w.fill]...)
	w.fill = 0
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
		w.fill += uint8(w.endRun((*[recordSize]byte)(w.end[w.fill:])))
		w.flush()
		w.shelve()
		if spare == nil {
			n := len(w.older[len(w.older)-1].data)
			spare = room(n + n/16) // as much again, or a little more
		}
	} else if cap(spare) < cap(w.data) {
		spare = w.data
	}
	w.use(spare[:0])
	w.cursor, w.span, w.fill = cursor{}, 0, 0
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

// Bytes is the memory the window holds for its samples beside itself: 0 while the few
// bytes they take have room in it.
func (w *Window) Bytes() int { return int(w.bytes) }

// All yields the samples held, oldest first. The window must not change meanwhile.
func (w *Window) All() iter.Seq2[int64, float64] { return w.Since(math.MinInt64) }

// Since is All without the blocks that ended before t, ms: it may begin a little earlier.
func (w *Window) Since(t int64) iter.Seq2[int64, float64] {
	return func(yield func(int64, float64) bool) {
		for _, b := range w.older {
			if b.last < t {
				continue
			}
			r := reader{t: b.last - int64(b.span)}
			if !r.read(b.data, yield) {
				return
			}
		}
		r := reader{t: w.last - int64(w.span)}
		if r.read(w.data, yield) && r.read(w.end[:w.fill], yield) {
			r.repeat(w.run, yield)
		}
	}
}
