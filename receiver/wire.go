package receiver

import (
	"encoding/binary"
	"errors"
	"math"
)

// Wire types of protocol buffers.
const (
	wireVarint     = 0
	wireFixed64    = 1
	wireBytes      = 2
	wireGroupStart = 3
	wireGroupEnd   = 4
	wireFixed32    = 5
)

// What can be wrong with the bytes of a message. Any of them condemns the whole
// request: after a bad length nothing behind it can be trusted.
var (
	errTruncated = errors.New("message is truncated")
	errOverlong  = errors.New("varint is longer than ten bytes")
	errLength    = errors.New("length is out of range")
	errField     = errors.New("field number is out of range")
	errGroup     = errors.New("group ends that never began")
	errWireType  = errors.New("field has the wrong wire type")
)

// reader walks the fields of one message. It accepts exactly what the generated
// Prometheus decoders accept, so that a sender never meets two opinions: ten-byte
// varints lose their excess bits, unknown groups may nest, and tags need not be
// minimal. It allocates nothing and never looks outside b.
type reader struct {
	b []byte
	i int // 0 ≤ i ≤ len(b)
}

func (r *reader) more() bool { return r.i < len(r.b) }

// each calls one for every field of the message, with r at its value. What is decoded
// most often walks its fields itself: the call costs as much as a field.
func (r *reader) each(one func(num int32, wire int) error) error {
	for r.more() {
		num, wire, err := r.field()
		if err != nil {
			return err
		}
		if err := one(num, wire); err != nil {
			return err
		}
	}
	return nil
}

// uvarint reads a varint.
func (r *reader) uvarint() (uint64, error) {
	if v, ok := r.short(); ok {
		return v, nil
	}
	return r.longUvarint()
}

// short reads a varint of one byte if there is one. It is inlined, which uvarint, with
// its call of another, is not.
func (r *reader) short() (v uint64, ok bool) {
	if r.i < len(r.b) && r.b[r.i] < 0x80 {
		v = uint64(r.b[r.i])
		r.i++
		return v, true
	}
	return 0, false
}

// longUvarint reads a varint of more than one byte.
//
//go:noinline
func (r *reader) longUvarint() (uint64, error) {
	if b := r.b[r.i:]; len(b) >= 2 && b[1] < 0x80 { // symbol references, lengths
		r.i += 2
		return uint64(b[0]&0x7f) | uint64(b[1])<<7, nil
	}
	var v uint64
	for i, shift := r.i, 0; shift < 64; shift += 7 {
		if i >= len(r.b) {
			return 0, errTruncated
		}
		c := r.b[i]
		i++
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			r.i = i
			return v, nil
		}
	}
	return 0, errOverlong
}

// field reads a tag.
func (r *reader) field() (num int32, wire int, err error) {
	tag, ok := r.short()
	if !ok {
		if tag, err = r.longUvarint(); err != nil {
			return 0, 0, err
		}
	}
	num, wire = int32(tag>>3), int(tag&7)
	switch {
	case wire == wireGroupEnd:
		return 0, 0, errGroup
	case num <= 0:
		return 0, 0, errField
	}
	return num, wire, nil
}

// varint reads the value of a varint field.
func (r *reader) varint(wire int) (uint64, error) {
	if wire != wireVarint {
		return 0, errWireType
	}
	return r.uvarint()
}

// double reads the value of a double field by its bits: a staleness marker is a
// signalling NaN and must not meet arithmetic.
func (r *reader) double(wire int) (float64, error) {
	if wire != wireFixed64 {
		return 0, errWireType
	}
	if len(r.b)-r.i < 8 {
		return 0, errTruncated
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(r.b[r.i:]))
	r.i += 8
	return v, nil
}

// length reads the length of what follows and checks that it is there.
func (r *reader) length() (int, error) {
	v, ok := r.short()
	if !ok {
		var err error
		if v, err = r.longUvarint(); err != nil {
			return 0, err
		}
	}
	n := int(v)
	if n < 0 {
		return 0, errLength
	}
	if n > len(r.b)-r.i {
		return 0, errTruncated
	}
	return n, nil
}

// bytes reads the value of a string, bytes or message field. The result aliases b.
func (r *reader) bytes(wire int) ([]byte, error) {
	if wire != wireBytes {
		return nil, errWireType
	}
	n, err := r.length()
	if err != nil {
		return nil, err
	}
	r.i += n
	return r.b[r.i-n : r.i : r.i], nil
}

func (r *reader) advance(n int) error {
	if len(r.b)-r.i < n {
		return errTruncated
	}
	r.i += n
	return nil
}

// skip passes over the value of an unknown field whose tag was just read. Groups
// are walked with a counter, not by recursion: their depth is the sender's choice.
func (r *reader) skip(wire int) error {
	for depth := 0; ; {
		var err error
		switch wire {
		case wireVarint:
			_, err = r.uvarint()
		case wireFixed64:
			err = r.advance(8)
		case wireBytes:
			_, err = r.bytes(wire)
		case wireGroupStart:
			depth++
		case wireGroupEnd:
			depth--
		case wireFixed32:
			err = r.advance(4)
		default:
			err = errWireType
		}
		if err != nil || depth == 0 {
			return err
		}
		tag, err := r.uvarint()
		if err != nil {
			return err
		}
		wire = int(tag & 7)
	}
}

// repeated reads a repeated scalar that may be packed: one is called for each
// element with r at its first byte. As in the generated decoders, the last packed
// element may run over the announced length, though never out of the message.
func (r *reader) repeated(wire, element int, one func() error) error {
	if wire == element {
		return one()
	}
	if wire != wireBytes {
		return errWireType
	}
	n, err := r.length()
	if err != nil {
		return err
	}
	for end := r.i + n; r.i < end; {
		if err := one(); err != nil {
			return err
		}
	}
	return nil
}

// zigzag undoes the encoding of sint32 and sint64.
func zigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }
