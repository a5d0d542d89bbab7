package yamlstrict

import (
	"errors"
	"math"
	"reflect"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// longest is a duration of which two can still be added: 100 years; an int64 holds 292.
const longest = 100 * 365 * 24 * time.Hour

var errTooLong = errors.New("too long")

// measure is a number written with its unit.
type measure struct {
	wanted string
	parse  func(string) (int64, error)
}

var (
	duration = measure{"a duration such as 30s, 5m or 1d12h", func(s string) (int64, error) {
		d, err := model.ParseDuration(s)
		if time.Duration(d) > longest {
			err = errTooLong
		}
		return int64(d), err
	}}
	size = measure{"a size such as 512KiB or 32MiB", func(s string) (int64, error) {
		b, err := units.ParseBase2Bytes(s)
		return int64(b), err
	}}

	// measures come before a type's own way to read itself, which would tell less.
	measures = map[reflect.Type]measure{
		reflect.TypeFor[time.Duration]():    duration,
		reflect.TypeFor[model.Duration]():   duration,
		reflect.TypeFor[units.Base2Bytes](): size,
	}
)

// scalar decodes the single value n into v: text as it stands, numbers and
// booleans as YAML has them, durations and sizes as Prometheus writes them. A
// number must be finite: NaN as a ceiling would compare false with everything, and
// so hold nothing back.
func (f *File) scalar(n *yaml.Node, v reflect.Value, path string) {
	refuse := func(wanted string) { f.reject(where(n), path, "want %s, got %s", wanted, quote(n.Value)) }
	if m, ok := measures[v.Type()]; ok {
		x, err := m.parse(n.Value)
		if errors.Is(err, errTooLong) {
			f.reject(where(n), path, "must be at most %s, got %s", model.Duration(longest), quote(n.Value))
			return
		}
		if err != nil {
			refuse(m.wanted)
			return
		}
		v.SetInt(x)
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.Value)
	case reflect.Bool:
		if n.Decode(v.Addr().Interface()) != nil {
			refuse("true or false")
		}
	case reflect.Float32, reflect.Float64:
		var x float64
		if n.Decode(&x) != nil || math.IsNaN(x) || math.IsInf(x, 0) || v.OverflowFloat(x) {
			refuse("a finite number")
			return
		}
		v.SetFloat(x)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if !whole(n) || n.Decode(v.Addr().Interface()) != nil {
			refuse("a whole number")
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if !whole(n) || n.Decode(v.Addr().Interface()) != nil {
			refuse("a whole number, not negative")
		}
	default:
		panic("yamlstrict: cannot decode into " + v.Type().String())
	}
}

// whole reports whether n is written without a part of one: YAML would drop it.
func whole(n *yaml.Node) bool {
	var x float64
	return n.Decode(&x) != nil || x == math.Trunc(x)
}
