package window

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// A block is written in whole bytes, so that a sample takes one or two stores and no
// loop over bits. A sample that repeats the one before, in its step through time and in
// its value, is counted and not written; another is a record:
//
//	header  [time: 0, 1, 2 or 4 B]  [value: 0–8 B]
//
// The header is a value code × 4 + a time code. The time code says in how many bytes
// the change of the step through time follows. The value code is one of
//
//	0       the value before
//	1–7     a decimal: by how many units it changed, in that many bytes
//	8–43    the bits that differ from the value before: n bytes of them, n = 1–8, from
//	        byte s on, s = 0–8−n
//
// and what 44 and above would be are headers without a value of their own:
//
//	176–190 1–15 samples that repeat the one before
//	191     as many as the next byte says
//	192–207 the value before, the step through time changed by −8–7 ms
//	208–249 a decimal that changed by −21–20 units, the step through time as before
//	250–255 from here on the unit is 1, .1, .01, 10⁻³, 10⁻⁶ or 10⁻⁹
//
// Most of what is measured is a decimal: a count, or hundredths, milliseconds or
// nanoseconds of something. In binary .37 → .38 changes every byte of the fraction; in
// hundredths it is 1.
const (
	valueStep = 0 // + the number of bytes
	valueBits = 8 // + bitsCode

	headerRun     = (valueBits + 36) * 4 // 1 sample; the next ones more
	longestShort  = 15
	headerLongRun = headerRun + longestShort
	headerJitter  = headerLongRun + 1 // −jitter ms; the next ones more
	jitter        = 8
	headerStep    = headerJitter + 2*jitter // −small units; the next ones more
	small         = 21
	headerUnit    = headerStep + 2*small // 1; the next ones smaller

	// recordSize is the most one call of record writes: 2 B run, 1 B unit, header,
	// 4 B time, 8 B value.
	recordSize = 16

	finest = 5 // unit 10⁻⁹

	// late is how far, in ms, two bytes say that the step shrank: they reach from there
	// to +60 000, the first step of what is scraped every minute.
	late = 1<<16 - 1 - 60_000

	// patience is how many values that are decimals in no unit a block sees before it
	// stops asking: the five divisions would cost more than the rest of the record.
	patience = 4
)

// perUnit is how many of each unit make 1.
var perUnit = [finest + 1]float64{1, 10, 100, 1e3, 1e6, 1e9}

// timeWidth is the number of bytes that follow for a time code, and timeZero what they
// say where the step does not change.
var (
	timeWidth = [4]uint8{0, 1, 2, 4}
	timeZero  = [4]uint32{0, 128, late, 0}
)

// bitsShape is what a value code of bits says: how many bytes, and from which on.
var bitsShape = func() (shape [36]struct{ n, shift uint8 }) {
	for shift := range uint8(8) {
		for n := uint8(1); n <= 8-shift; n++ {
			shape[bitsCode(int(n), int(shift))].n = n
			shape[bitsCode(int(n), int(shift))].shift = shift
		}
	}
	return shape
}()

// bitsCode numbers the 36 pairs: 8 with shift 0, then 7 with shift 1 …
func bitsCode(n, shift int) int { return 8*shift - shift*(shift-1)/2 + n - 1 }

// cursor is where a block stands: what its next sample is compared with. A block begins
// at the zero cursor.
type cursor struct {
	bits   uint64 // of the value before
	units  int64  // of the last value written as a decimal
	delta  uint32 // ms: the step through time before
	unit   uint8  // index into perUnit: those of units
	misses uint8  // values that are decimals in no unit
	run    uint8  // samples that repeat the one before and are not written yet
	n      uint8  // samples in the block
}

// record writes what is told of a sample that is delta ms after the one before and does
// not repeat it, and of the run that it ends. It answers with the number of bytes.
func (c *cursor) record(b *[recordSize]byte, delta uint32, v float64) int {
	i := c.endRun(b)
	value, width := 0, 0
	var payload uint64
	if x := math.Float64bits(v) ^ c.bits; x != 0 {
		c.bits ^= x
		shift := bits.TrailingZeros64(x) / 8
		width = 8 - bits.LeadingZeros64(x)/8 - shift
		value, payload = valueBits+bitsCode(width, shift), x>>(8*shift)
		units, ok := inUnits(v, c.unit)
		unit := c.unit
		if !ok && c.misses < patience {
			units, unit, ok = c.refine(v)
		}
		if ok {
			step := units - c.unitsIn(unit)
			if n := stepWidth(step); n <= min(width, 7) {
				value, width, payload = valueStep+n, n, uint64(step)
				if unit != c.unit {
					b[i] = headerUnit + unit
					i++
				}
				c.units, c.unit = units, unit
				if delta == c.delta && -small <= step && step < small {
					b[i] = byte(headerStep + small + step)
					return i + 1
				}
			}
		}
	}
	change := int32(delta - c.delta)
	c.delta = delta
	if value == 0 && -jitter <= change && change < jitter {
		b[i] = byte(headerJitter + jitter + change)
		return i + 1
	}
	time, timePayload := timeCode(change)
	b[i] = byte(value<<2 | time)
	i++
	binary.LittleEndian.PutUint32(b[i:], timePayload)
	i += int(timeWidth[time])
	binary.LittleEndian.PutUint64(b[i:], payload)
	return i + width
}

// endRun writes the samples counted but not written, and answers with the number of
// bytes.
func (c *cursor) endRun(b *[recordSize]byte) int {
	n := c.run
	c.run = 0
	switch {
	case n == 0:
		return 0
	case n <= longestShort:
		b[0] = headerRun + n - 1
		return 1
	default:
		b[0], b[1] = headerLongRun, n
		return 2
	}
}

// refine finds the coarsest unit finer than the block's of which v is a whole number.
func (c *cursor) refine(v float64) (units int64, unit uint8, ok bool) {
	for unit = c.unit + 1; unit <= finest; unit++ {
		if units, ok = inUnits(v, unit); ok {
			return units, unit, true
		}
	}
	if v-v == 0 { // a marker says nothing of the series' values
		c.misses++
	}
	return 0, 0, false
}

// unitsIn is the last decimal counted in a unit that is as fine or finer.
func (c *cursor) unitsIn(unit uint8) int64 {
	if unit == c.unit {
		return c.units
	}
	return c.units * int64(perUnit[unit]/perUnit[c.unit])
}

// inUnits is v counted in a unit, and whether the count says all of v's bits. Adding
// 1.5 × 2^52 rounds to a whole number and leaves it in the low bits of the sum, for
// counts below 2^51; what comes out of others does not give v back.
func inUnits(v float64, unit uint8) (int64, bool) {
	const round = 3 << 51
	per := perUnit[unit]
	units := int64(math.Float64bits(float64(v*per)+round) - math.Float64bits(round))
	return units, math.Float64bits(float64(units)/per) == math.Float64bits(v)
}

// stepWidth is how many bytes hold step and its sign.
func stepWidth(step int64) int { return bits.Len64(uint64(step^step>>63))/8 + 1 }

// timeCode is the least that holds a change of the step through time, and the bytes
// that say it.
func timeCode(change int32) (code int, payload uint32) {
	x := uint32(change)
	switch {
	case change == 0:
		return 0, 0
	case x+128 < 1<<8:
		return 1, x + 128
	case x+late < 1<<16:
		return 2, x + late
	default:
		return 3, x
	}
}

// reader follows a block from its first sample's time on.
type reader struct {
	cursor
	t int64 // ms
}

// read yields the samples of whole records, until yield has enough; it then answers
// false.
func (r *reader) read(data []byte, yield func(int64, float64) bool) bool {
	for i := 0; i < len(data); {
		h := data[i]
		i++
		n := uint8(1)
		switch {
		case h >= headerUnit:
			r.units, r.unit = r.unitsIn(h-headerUnit), h-headerUnit
			continue
		case h >= headerStep:
			r.step(int64(h) - headerStep - small)
		case h >= headerJitter:
			r.delta += uint32(h) - headerJitter - jitter
		case h == headerLongRun:
			n = data[i]
			i++
		case h >= headerRun:
			n = h - headerRun + 1
		default:
			time := int(timeWidth[h&3])
			r.delta += uint32(load(data[i:], time)) - timeZero[h&3]
			i += time
			i += r.value(int(h>>2), data[i:])
		}
		if !r.repeat(n, yield) {
			return false
		}
	}
	return true
}

// repeat yields n samples.
func (r *reader) repeat(n uint8, yield func(int64, float64) bool) bool {
	for ; n > 0; n-- {
		r.t += int64(r.delta)
		if !yield(r.t, math.Float64frombits(r.bits)) {
			return false
		}
	}
	return true
}

// value takes the value that a code and the bytes after it say, and answers with their
// number.
func (c *cursor) value(code int, b []byte) int {
	if code >= valueBits {
		shape := bitsShape[code-valueBits]
		c.bits ^= load(b, int(shape.n)) << (8 * shape.shift)
		return int(shape.n)
	}
	if code > valueStep {
		c.step(extend(load(b, code), code))
	}
	return code
}

// step takes the value that is so many units from the last one written as a decimal.
func (c *cursor) step(units int64) {
	c.units += units
	c.bits = math.Float64bits(float64(c.units) / perUnit[c.unit])
}

// load reads an integer of n bytes, low byte first.
func load(b []byte, n int) (x uint64) {
	if len(b) >= 8 {
		return binary.LittleEndian.Uint64(b) &^ (^uint64(0) << (8 * n))
	}
	for i, c := range b[:n] {
		x |= uint64(c) << (8 * i)
	}
	return x
}

// extend gives an integer of n bytes its sign.
func extend(x uint64, n int) int64 {
	free := 64 - 8*n
	return int64(x<<free) >> free
}
