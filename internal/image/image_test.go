package image

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

type leaf struct {
	a byte
	b uint64
	c bool
}

type node struct {
	name  string
	value float64
	next  *node
	peer  *node
	mine  *leaf `image:"own"`
	leafs []leaf
	texts [2]string
	by    map[string]*node
	index map[uint64]uint32
	home  *place
	lock  chan int `image:"-"`
	last  int16
}

type place struct{ number int }

var (
	places = []place{{0}, {1}, {2}}
	codec  = New([]reflect.Type{Reference[place]()}, &node{})
)

func numberOf(_ reflect.Type, p unsafe.Pointer) uint64 { return uint64((*place)(p).number) }

func placeOf(_ reflect.Type, n uint64) unsafe.Pointer {
	if n >= uint64(len(places)) {
		return nil
	}
	return unsafe.Pointer(&places[n])
}

// ring is three nodes that know each other in every way there is.
func ring() *node {
	a, b, c := &node{name: "a", value: math.Inf(-1)}, &node{name: "b"}, &node{name: "c", last: -3}
	a.next, b.next, c.next = b, c, a
	a.peer, b.peer = c, b
	a.mine, a.leafs = &leaf{1, 2, true}, []leaf{{3, 4, true}, {5, 6, false}}
	b.leafs, b.texts = []leaf{}, [2]string{"x", strings.Repeat("y", 300)}
	a.by = map[string]*node{"self": a, "c": c, "none": nil}
	b.by, b.index = map[string]*node{}, map[uint64]uint32{1: 2, 1 << 60: 3}
	a.home, c.home = &places[2], &places[0]
	a.lock = make(chan int)
	return a
}

func TestAGraphIsBuiltAgain(t *testing.T) {
	was := ring()
	e := codec.NewEncoder(numberOf)
	first, second := e.Append(nil, was), e.Append([]byte{}, was.next.next)
	d := codec.NewDecoder(placeOf)
	var is, c node
	if err := d.Read(first, &is); err != nil {
		t.Fatal(err)
	}
	if err := d.Read(second, &c); err != nil {
		t.Fatal(err)
	}
	was.lock = nil
	// What Append is given is no object of the graph: it is one that is pointed to.
	if self := is.by["self"]; self.next != is.next || self != is.next.next.next || is.peer != is.next.next || is.next.peer != is.next || is.by["c"] != is.peer {
		t.Error("what was one is two")
	}
	if !reflect.DeepEqual(was.leafs, is.leafs) || *is.mine != *was.mine || is.next.leafs == nil || is.peer.leafs != nil {
		t.Error("slices are others")
	}
	if !reflect.DeepEqual(is.next.index, was.next.index) || is.peer.index != nil || len(is.by) != 3 || is.by["none"] != nil {
		t.Error("maps are others")
	}
	if is.home != &places[2] || is.next.home != nil || is.peer.home != &places[0] {
		t.Error("what is referred to is something else")
	}
	if is.name != "a" || !math.IsInf(is.value, -1) || is.next.texts != was.next.texts || is.peer.last != -3 || c.next != is.by["self"] {
		t.Error("fields are others")
	}
}

func TestImagesOfOtherTypesAreTold(t *testing.T) {
	if New([]reflect.Type{Reference[place]()}, &node{}).Layout() != codec.Layout() {
		t.Error("the same types have two layouts")
	}
	if New([]reflect.Type{Reference[place]()}, &[]node{}).Layout() == codec.Layout() {
		t.Error("two types have one layout")
	}
}

func TestWhatCannotBeWrittenIsAMistakeInTheProgram(t *testing.T) {
	defer func() {
		if said, _ := recover().(string); !strings.Contains(said, "waits") {
			t.Errorf("panicked with %q, want the field's name", said)
		}
	}()
	New(nil, &struct{ waits chan int }{})
}

// Whatever a disk gives back, reading it ends in a value or an error.
func FuzzRead(f *testing.F) {
	whole := codec.NewEncoder(numberOf).Append(nil, ring())
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, piece []byte) {
		var n node
		if codec.NewDecoder(placeOf).Read(piece, &n) == nil {
			codec.NewEncoder(numberOf).Append(nil, &n)
		}
	})
}
