// Package image writes a graph of Go values down and builds it again, so that what a
// process has learned outlives it.
//
// Every field that can be reached is written, unexported ones among them: a field that
// is added to a model tomorrow is kept without anybody having to think of it. What is
// not to be kept, as it belongs to the process and not to what it learned, says so by
// the tag `image:"-"`. Pointers keep their identity: what was one value is one again.
//
// It is for state and not for exchange. An image is read by a build whose types are the
// same to the last field, on a machine with the same byte order: Codec.Layout tells, and
// whoever keeps images writes it beside them. In return runs of numbers are copied as
// they lie in memory, 512 bytes of them as fast as eight.
//
// Reading is safe whatever the bytes are: they give a value or an error, and take no
// more memory than a small multiple of their length. That the value makes sense only a
// checksum can tell, which is for whoever keeps the image.
package image

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unsafe"
)

// errShort says that an image ends before its value does.
var errShort = errors.New("image ends early")

// Codec knows how values of some types are written. It is safe for concurrent use once
// it is made.
type Codec struct {
	plans  map[reflect.Type]*plan
	refers map[reflect.Type]bool
	layout strings.Builder
}

// plan is how one type is written and read.
type plan struct {
	typ   reflect.Type
	size  uintptr
	least int  // bytes of an image that a value takes at least
	plain bool // the value is its bytes: no pointer in it
	write func(e *Encoder, p unsafe.Pointer)
	read  func(d *Decoder, p unsafe.Pointer) error
}

// Reference has pointers to one type written as numbers, which an Encoder's and a
// Decoder's user translates: they point to what is not part of the image.
func Reference[T any]() reflect.Type { return reflect.TypeFor[T]() }

// New returns a codec for what the examples point to. It panics where a type in it
// cannot be written, such as a channel: that is a mistake in the program, which its first
// test finds. Pointers to the types in references are written as numbers.
func New(references []reflect.Type, examples ...any) *Codec {
	c := &Codec{plans: map[reflect.Type]*plan{}, refers: map[reflect.Type]bool{}}
	for _, t := range references {
		c.refers[t] = true
	}
	for _, x := range examples {
		t := reflect.TypeOf(x).Elem()
		c.plan(t, t.String())
	}
	return c
}

// Layout tells images of different types apart: it is equal for codecs that read each
// other's images.
func (c *Codec) Layout() string {
	order := uint16(1)
	little := *(*byte)(unsafe.Pointer(&order)) == 1
	sum := sha256.Sum256(fmt.Appendf(nil, "%t %d\n%s", little, unsafe.Sizeof(uintptr(0)), c.layout.String()))
	return hex.EncodeToString(sum[:8])
}

// plan is that of t, which was reached by path.
func (c *Codec) plan(t reflect.Type, path string) *plan {
	if p := c.plans[t]; p != nil {
		return p
	}
	p := &plan{typ: t, size: t.Size(), least: 1}
	c.plans[t] = p // before what it is made of: types may contain themselves
	fmt.Fprintf(&c.layout, "%s %s %d;", t, t.Kind(), t.Size())
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		p.copies()
	case reflect.String:
		p.write = func(e *Encoder, at unsafe.Pointer) { e.text(*(*string)(at)) }
		p.read = func(d *Decoder, at unsafe.Pointer) error { return d.text((*string)(at)) }
	case reflect.Array:
		c.array(p, path)
	case reflect.Struct:
		c.structure(p, path)
	case reflect.Slice:
		c.slice(p, path)
	case reflect.Map:
		c.mapping(p, path)
	case reflect.Pointer:
		if c.refers[t.Elem()] {
			fmt.Fprintf(&c.layout, "number;")
			p.write = func(e *Encoder, at unsafe.Pointer) { e.number(t.Elem(), *(*unsafe.Pointer)(at)) }
			p.read = func(d *Decoder, at unsafe.Pointer) error { return d.number(t.Elem(), (*unsafe.Pointer)(at)) }
			break
		}
		of := c.plan(t.Elem(), path)
		p.write = func(e *Encoder, at unsafe.Pointer) { e.pointer(of, *(*unsafe.Pointer)(at)) }
		p.read = func(d *Decoder, at unsafe.Pointer) error { return d.pointer(of, (*unsafe.Pointer)(at)) }
	default:
		panic(fmt.Sprintf("image: %s: a %s cannot be written", path, t))
	}
	return p
}

// copies makes p the plan of a type without pointers.
func (p *plan) copies() {
	size := p.size
	p.plain, p.least = true, int(size)
	p.write = func(e *Encoder, at unsafe.Pointer) { e.raw(at, size) }
	p.read = func(d *Decoder, at unsafe.Pointer) error { return d.raw(at, size) }
}

func (c *Codec) array(p *plan, path string) {
	of, n := c.plan(p.typ.Elem(), path+"[]"), p.typ.Len()
	if of.plain {
		p.copies()
		return
	}
	p.least = n * of.least
	p.write = func(e *Encoder, at unsafe.Pointer) {
		for i := range n {
			of.write(e, unsafe.Add(at, uintptr(i)*of.size))
		}
	}
	p.read = func(d *Decoder, at unsafe.Pointer) error {
		for i := range n {
			if err := of.read(d, unsafe.Add(at, uintptr(i)*of.size)); err != nil {
				return err
			}
		}
		return nil
	}
}

// part is a run of a struct's fields that are copied together, or one other field.
type part struct {
	offset, size uintptr
	of           *plan // nil of a run
}

func (c *Codec) structure(p *plan, path string) {
	var parts []part
	plain := true
	p.least = 0
	for i := range p.typ.NumField() {
		f := p.typ.Field(i)
		if f.Tag.Get("image") == "-" {
			plain = false
			continue
		}
		fmt.Fprintf(&c.layout, "%s %s@%d;", f.Name, f.Type, f.Offset)
		of := c.owned(f, path+"."+f.Name)
		p.least += of.least
		if !of.plain {
			plain = false
			parts = append(parts, part{f.Offset, of.size, of})
			continue
		}
		if n := len(parts) - 1; n >= 0 && parts[n].of == nil && f.Offset-parts[n].offset-parts[n].size < uintptr(p.typ.Align()) {
			parts[n].size = f.Offset + of.size - parts[n].offset // with the padding between
			continue
		}
		parts = append(parts, part{f.Offset, of.size, nil})
	}
	if plain {
		p.copies()
		return
	}
	p.write = func(e *Encoder, at unsafe.Pointer) {
		for i := range parts {
			if f := &parts[i]; f.of == nil {
				e.raw(unsafe.Add(at, f.offset), f.size)
			} else {
				f.of.write(e, unsafe.Add(at, f.offset))
			}
		}
	}
	p.read = func(d *Decoder, at unsafe.Pointer) error {
		for i := range parts {
			f := &parts[i]
			var err error
			if f.of == nil {
				err = d.raw(unsafe.Add(at, f.offset), f.size)
			} else {
				err = f.of.read(d, unsafe.Add(at, f.offset))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// owned is the plan of a field: that of its type, but of a pointer with the tag
// `image:"own"`, which nothing else points to, without a look at who else may.
func (c *Codec) owned(f reflect.StructField, path string) *plan {
	p := c.plan(f.Type, path)
	if f.Tag.Get("image") != "own" {
		return p
	}
	fmt.Fprintf(&c.layout, "own;")
	of := c.plans[f.Type.Elem()]
	return &plan{
		typ: p.typ, size: p.size, least: 1,
		write: func(e *Encoder, at unsafe.Pointer) {
			to := *(*unsafe.Pointer)(at)
			if to == nil {
				e.count(0)
				return
			}
			e.count(1)
			of.write(e, to)
		},
		read: func(d *Decoder, at unsafe.Pointer) error {
			there, err := d.uvarint()
			if err != nil || there == 0 {
				*(*unsafe.Pointer)(at) = nil
				return err
			}
			to := reflect.New(of.typ).UnsafePointer()
			*(*unsafe.Pointer)(at) = to
			return of.read(d, to)
		},
	}
}

func (c *Codec) slice(p *plan, path string) {
	of := c.plan(p.typ.Elem(), path+"[]")
	p.write = func(e *Encoder, at unsafe.Pointer) {
		s := (*header)(at)
		if s.data == nil {
			e.count(0)
			return
		}
		e.count(uint64(s.len) + 1)
		if of.plain {
			e.raw(s.data, uintptr(s.len)*of.size)
			return
		}
		for i := range s.len {
			of.write(e, unsafe.Add(s.data, uintptr(i)*of.size))
		}
	}
	p.read = func(d *Decoder, at unsafe.Pointer) error {
		n, err := d.length(of.least)
		if err != nil || n < 0 {
			*(*header)(at) = header{}
			return err
		}
		s := reflect.MakeSlice(p.typ, n, n)
		data := s.UnsafePointer()
		*(*header)(at) = header{data, n, n}
		if of.plain {
			return d.raw(data, uintptr(n)*of.size)
		}
		for i := range n {
			if err := of.read(d, unsafe.Add(data, uintptr(i)*of.size)); err != nil {
				return err
			}
		}
		return nil
	}
}

// header is how a slice lies in memory.
type header struct {
	data     unsafe.Pointer
	len, cap int
}

func (c *Codec) mapping(p *plan, path string) {
	key, of := c.plan(p.typ.Key(), path+"[key]"), c.plan(p.typ.Elem(), path+"[]")
	p.write = func(e *Encoder, at unsafe.Pointer) {
		m := reflect.NewAt(p.typ, at).Elem()
		if m.IsNil() {
			e.count(0)
			return
		}
		e.count(uint64(m.Len()) + 1)
		k, v := reflect.New(key.typ), reflect.New(of.typ)
		for i := m.MapRange(); i.Next(); {
			k.Elem().SetIterKey(i)
			v.Elem().SetIterValue(i)
			key.write(e, k.UnsafePointer())
			of.write(e, v.UnsafePointer())
		}
	}
	p.read = func(d *Decoder, at unsafe.Pointer) error {
		m := reflect.NewAt(p.typ, at).Elem()
		n, err := d.length(key.least + of.least)
		if err != nil || n < 0 {
			m.SetZero()
			return err
		}
		made := reflect.MakeMapWithSize(p.typ, n)
		m.Set(made)
		for range n {
			k, v := reflect.New(key.typ), reflect.New(of.typ)
			if err := key.read(d, k.UnsafePointer()); err != nil {
				return err
			}
			if err := of.read(d, v.UnsafePointer()); err != nil {
				return err
			}
			made.SetMapIndex(k.Elem(), v.Elem())
		}
		return nil
	}
}
