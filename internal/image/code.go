package image

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"unsafe"
)

// object is a value that pointers point to. One address may be that of a struct and of
// its first field.
type object struct {
	at unsafe.Pointer
	of *plan
}

// Encoder writes one image, piece by piece: what is one value in two pieces is one
// again. Nothing that was written may be freed before the last piece is. It is not
// safe for concurrent use.
type Encoder struct {
	codec   *Codec
	numbers func(pointee reflect.Type, p unsafe.Pointer) uint64
	seen    map[object]uint64
	out     []byte
}

// NewEncoder returns an encoder. number translates the pointers to what is referred to,
// which are not nil.
func (c *Codec) NewEncoder(number func(pointee reflect.Type, p unsafe.Pointer) uint64) *Encoder {
	return &Encoder{codec: c, numbers: number, seen: map[object]uint64{}}
}

// Append appends what x points to, whose type must be among the codec's.
func (e *Encoder) Append(to []byte, x any) []byte {
	v := reflect.ValueOf(x)
	e.out = to
	e.codec.plans[v.Type().Elem()].write(e, v.UnsafePointer())
	to, e.out = e.out, nil
	return to
}

func (e *Encoder) raw(at unsafe.Pointer, size uintptr) {
	e.out = append(e.out, unsafe.Slice((*byte)(at), size)...)
}

func (e *Encoder) count(n uint64) { e.out = binary.AppendUvarint(e.out, n) }

func (e *Encoder) text(s string) {
	e.count(uint64(len(s)))
	e.out = append(e.out, s...)
}

func (e *Encoder) number(pointee reflect.Type, p unsafe.Pointer) {
	if p == nil {
		e.count(0)
		return
	}
	e.count(1 + e.numbers(pointee, p))
}

// pointer writes 0 for nil, 1 and the value for one that is new, and beyond that the
// number of one that was written before.
func (e *Encoder) pointer(of *plan, p unsafe.Pointer) {
	if p == nil {
		e.count(0)
		return
	}
	if n, ok := e.seen[object{p, of}]; ok {
		e.count(2 + n)
		return
	}
	e.seen[object{p, of}] = uint64(len(e.seen))
	e.count(1)
	of.write(e, p)
}

// maxDepth bounds how deep values of an image lie in each other: as deep as the diaries
// of one shard, of which each points to the next. 2^20 × ~300 B of stack ≈ 300 MB.
const maxDepth = 1 << 20

// Decoder reads one image, in the pieces that it was written in.
type Decoder struct {
	codec  *Codec
	values func(pointee reflect.Type, n uint64) unsafe.Pointer
	seen   []object
	in     []byte
	depth  int
}

// NewDecoder returns a decoder. value is what a number refers to; nil where there is no
// such thing, which makes reading fail.
func (c *Codec) NewDecoder(value func(pointee reflect.Type, n uint64) unsafe.Pointer) *Decoder {
	return &Decoder{codec: c, values: value}
}

// Read reads a piece into what x points to, fields that are not kept aside. All of the
// piece must belong to it. After an error x is in pieces, and the decoder is done.
func (d *Decoder) Read(piece []byte, x any) error {
	v := reflect.ValueOf(x)
	d.in, d.depth = piece, 0
	if err := d.codec.plans[v.Type().Elem()].read(d, v.UnsafePointer()); err != nil {
		return err
	}
	if len(d.in) > 0 {
		return fmt.Errorf("%d bytes too many in the image", len(d.in))
	}
	return nil
}

func (d *Decoder) raw(at unsafe.Pointer, size uintptr) error {
	if uintptr(len(d.in)) < size {
		return errShort
	}
	copy(unsafe.Slice((*byte)(at), size), d.in)
	d.in = d.in[size:]
	return nil
}

func (d *Decoder) uvarint() (uint64, error) {
	n, size := binary.Uvarint(d.in)
	if size <= 0 {
		return 0, errShort
	}
	d.in = d.in[size:]
	return n, nil
}

// length reads that of a slice or map whose elements take at least so many bytes; -1
// for nil.
func (d *Decoder) length(least int) (int, error) {
	n, err := d.uvarint()
	if err != nil {
		return 0, err
	}
	if n > 0 && n-1 > uint64(len(d.in)/max(least, 1)) {
		return 0, errShort
	}
	return int(n) - 1, nil
}

func (d *Decoder) text(s *string) error {
	n, err := d.uvarint()
	if err != nil {
		return err
	}
	if n > uint64(len(d.in)) {
		return errShort
	}
	*s, d.in = string(d.in[:n]), d.in[n:]
	return nil
}

func (d *Decoder) number(pointee reflect.Type, at *unsafe.Pointer) error {
	n, err := d.uvarint()
	if err != nil || n == 0 {
		*at = nil
		return err
	}
	if *at = d.values(pointee, n-1); *at == nil {
		return fmt.Errorf("image refers to a %s that is not there", pointee)
	}
	return nil
}

func (d *Decoder) pointer(of *plan, at *unsafe.Pointer) error {
	n, err := d.uvarint()
	if err != nil {
		return err
	}
	switch n {
	case 0:
		*at = nil
		return nil
	case 1:
		if d.depth++; d.depth > maxDepth {
			return fmt.Errorf("image is nested too deeply")
		}
		p := reflect.New(of.typ).UnsafePointer()
		d.seen = append(d.seen, object{p, of})
		*at = p
		err := of.read(d, p)
		d.depth--
		return err
	}
	if n-2 >= uint64(len(d.seen)) || d.seen[n-2].of != of {
		return fmt.Errorf("image points to a %s that is not there", of.typ)
	}
	*at = d.seen[n-2].at
	return nil
}
