package detector

import (
	"fmt"
	"math"
	"reflect"
	"testing"
	"unsafe"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/synthetic"
)

// A still series that moves at last has the model that it would have had, had it been
// given one at once; and while it is still, both say the same of it.
func TestStillIsAModelInShort(t *testing.T) {
	for _, every := range []int64{1_000, 15_000, 60_000, 300_000} {
		for _, samples := range []int{1, 2, 3, 9, 10, 35, 340, 3000, 30_000} {
			for _, x := range []float64{0, 3, -1e9, 0.1, 1e100} {
				t.Run(fmt.Sprintf("%d×%ds/%v", samples, every/1000, x), func(t *testing.T) {
					g := grading{threshold: defaultThreshold, warmUp: 100}
					whole := moving()
					var short mind
					for i := range samples {
						at := int64(synthetic.Start) + int64(i)*every
						want, got := stepped(&whole, &g, nil, at, x), stepped(&short, &g, nil, at, x)
						if want.band.Known() != got.band.Known() || got.band.Known() && got.band.Expected != x {
							t.Fatalf("sample %d: expects %v, want %v", i, got.band, want.band)
						}
						want.band, got.band = foreshock.Band{}, foreshock.Band{} // a constant's has no width
						if want != got {
							t.Fatalf("sample %d: says %+v, want %+v", i, got, want)
						}
					}
					if short.model != nil {
						t.Fatal("has a model")
					}
					short.move(nil)
					compare(t, "model", reflect.ValueOf(*short.model), reflect.ValueOf(*whole.model))
					compare(t, "bar", reflect.ValueOf(short.bar), reflect.ValueOf(whole.bar))
					if short.born != whole.born {
						t.Errorf("born at %d, want %d", short.born, whole.born)
					}
				})
			}
		}
	}
}

// compare holds what two values are made of against each other, to what is lost in sums of
// thousands.
func compare(t *testing.T, path string, got, want reflect.Value) {
	switch got.Kind() {
	case reflect.Struct:
		for i := range got.NumField() {
			compare(t, path+"."+got.Type().Field(i).Name, got.Field(i), want.Field(i))
		}
	case reflect.Array:
		for i := range got.Len() {
			compare(t, fmt.Sprintf("%s[%d]", path, i), got.Index(i), want.Index(i))
		}
	case reflect.Float32, reflect.Float64:
		if a, b := got.Float(), want.Float(); math.Abs(a-b) > 1e-6*max(math.Abs(a), math.Abs(b)) {
			t.Errorf("%s = %v, want %v", path, a, b)
		}
	default:
		if !got.Equal(want) {
			t.Errorf("%s = %v, want %v", path, got, want)
		}
	}
}

// Two in three series of a host are still: what is kept of one has to be small. Pages of
// states that are 512 B fill their pages of memory and every state its cache lines; a model
// of up to 704 B without a pointer takes a block of that size, and one with a pointer 8 B
// more.
func TestSizes(t *testing.T) {
	if size := unsafe.Sizeof(state{}); size > 512 {
		t.Errorf("a state takes %d B, want at most 512", size)
	}
	if size := unsafe.Sizeof(mind{}); size > 96 {
		t.Errorf("a mind takes %d B, want at most 96", size)
	}
	if size := unsafe.Sizeof(model{}); size > 704 {
		t.Errorf("a model takes %d B, want at most 704", size)
	}
}

// The sample after an interruption is not scored, still or not.
func TestStillIsInterrupted(t *testing.T) {
	g := grading{threshold: defaultThreshold, warmUp: 10}
	var k mind
	at := int64(synthetic.Start)
	for range 200 {
		at += minute
		stepped(&k, &g, nil, at, 1)
	}
	k.resume()
	if v := stepped(&k, &g, nil, at+60*minute, 50); v.score != 0 {
		t.Errorf("the first after a gap scores %v", v.score)
	}
	var other mind
	at = synthetic.Start
	for range 200 {
		at += minute
		stepped(&other, &g, nil, at, 1)
	}
	if v := stepped(&other, &g, nil, at+minute, 50); v.score < 1 {
		t.Errorf("a constant that jumps scores %v", v.score)
	}
}
