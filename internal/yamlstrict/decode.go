package yamlstrict

import (
	"encoding"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Chooser is a mapping whose keys say what it is. Choose is given the keys in the
// order they stand and returns a pointer to the struct to decode the mapping into.
type Chooser interface {
	Choose(keys []string) (any, error)
}

// blockUnmarshaler is the style of UnmarshalYAML that Prometheus's types have.
type blockUnmarshaler interface {
	UnmarshalYAML(unmarshal func(any) error) error
}

// errNoted is what a blockUnmarshaler is told of mistakes already noted.
var errNoted = errors.New("mistakes within")

func (f *File) decode(root *yaml.Node, into any) {
	f.value(root, reflect.ValueOf(into).Elem(), "")
}

// plainTags are those that say what YAML would take a value for by itself. Any other asks
// for a type that nothing here has.
var plainTags = []string{"!!null", "!!bool", "!!str", "!!int", "!!float", "!!seq", "!!map"}

// value decodes n into v, which is addressable.
func (f *File) value(n *yaml.Node, v reflect.Value, path string) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	f.places[path] = where(n)
	if n.Style&yaml.TaggedStyle != 0 && !slices.Contains(plainTags, n.ShortTag()) {
		f.reject(where(n), path, "unknown tag %s", quote(n.Tag))
		return
	}
	if isNull(n) {
		switch v.Kind() {
		case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
			v.SetZero()
		}
		return // key: with nothing behind it leaves the default
	}
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		f.value(n, p.Elem(), path)
		v.Set(p)
		return
	}
	if _, ok := measures[v.Type()]; ok {
		f.plain(n, v, path)
		return
	}
	switch u := v.Addr().Interface().(type) {
	case Chooser:
		f.choose(n, u, path)
	case blockUnmarshaler:
		f.block(n, u, path)
	case encoding.TextUnmarshaler:
		if f.want(n, yaml.ScalarNode, path) {
			f.refuse(n, path, u.UnmarshalText([]byte(n.Value)))
		}
	default:
		f.plain(n, v, path)
	}
}

// plain decodes n into v, whose type does not know how to read itself.
func (f *File) plain(n *yaml.Node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Struct:
		f.object(n, v, path)
	case reflect.Map:
		f.table(n, v, path)
	case reflect.Slice:
		f.list(n, v, path)
	case reflect.Interface:
		f.refuse(n, path, n.Decode(v.Addr().Interface()))
	default:
		if f.want(n, yaml.ScalarNode, path) {
			f.scalar(n, v, path)
		}
	}
}

func (f *File) choose(n *yaml.Node, c Chooser, path string) {
	if !f.want(n, yaml.MappingNode, path) {
		return
	}
	var keys []string
	for _, e := range f.entries(n, path) {
		keys = append(keys, e.key.Value)
	}
	into, err := c.Choose(keys)
	if err != nil {
		f.refuse(n, path, err)
		return
	}
	f.value(n, reflect.ValueOf(into).Elem(), path)
}

// block lets u read itself with a strict unmarshal. Mistakes found on the way
// count only if u fails: it may try one shape, then another.
func (f *File) block(n *yaml.Node, u blockUnmarshaler, path string) {
	before := len(f.mistakes)
	err := u.UnmarshalYAML(func(into any) error {
		already := len(f.mistakes)
		f.value(n, reflect.ValueOf(into).Elem(), path)
		if len(f.mistakes) > already {
			return errNoted
		}
		return nil
	})
	switch {
	case err == nil:
		f.mistakes = f.mistakes[:before]
	case len(f.mistakes) == before:
		f.refuse(n, path, err)
	}
}

// list decodes a sequence. Where the items are read from text, one text will do
// for a list of one.
func (f *File) list(n *yaml.Node, v reflect.Value, path string) {
	items := n.Content
	if n.Kind != yaml.SequenceNode && reflect.PointerTo(v.Type().Elem()).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		item := reflect.MakeSlice(v.Type(), 1, 1)
		f.value(n, item.Index(0), path)
		v.Set(item)
		return
	}
	if !f.want(n, yaml.SequenceNode, path) {
		return
	}
	out := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		at := fmt.Sprintf("%s[%d]", path, i)
		if isNull(item) {
			f.reject(where(item), at, "an empty item")
			continue
		}
		f.value(item, out.Index(i), at)
	}
	v.Set(out)
}

// table decodes a mapping whose keys the user chooses.
func (f *File) table(n *yaml.Node, v reflect.Value, path string) {
	if !f.want(n, yaml.MappingNode, path) {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range f.entries(n, path) {
		f.item(e, v, path)
	}
}

// item decodes e into the map v.
func (f *File) item(e entry, v reflect.Value, path string) {
	at := child(path, e.key.Value)
	key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
	f.value(e.key, key, at)
	f.value(e.value, value, at)
	v.SetMapIndex(key, value)
}

// object decodes a mapping whose keys are the fields of a struct.
func (f *File) object(n *yaml.Node, v reflect.Value, path string) {
	if !f.want(n, yaml.MappingNode, path) {
		return
	}
	fields := fieldsOf(v)
	for _, e := range f.entries(n, path) {
		at := child(path, e.key.Value)
		field, known := fields.named[e.key.Value]
		switch {
		case known:
			f.value(e.value, field, at)
		case fields.rest.IsValid():
			if fields.rest.IsNil() {
				fields.rest.Set(reflect.MakeMap(fields.rest.Type()))
			}
			f.item(e, fields.rest, path)
		default:
			f.reject(where(e.key), at, "unknown key%s", unknown{e.key.Value, fields.names})
			if meant := closest(e.key.Value, fields.names); meant != "" {
				f.meant[child(path, meant)] = true
			}
		}
	}
}

// want reports whether n is of the given kind; a mistake otherwise. It does not
// repeat a single value, which may be a secret in the wrong place.
func (f *File) want(n *yaml.Node, kind yaml.Kind, path string) bool {
	if n.Kind == kind {
		return true
	}
	hint := ""
	if kind == yaml.ScalarNode && n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0 {
		hint = "; text that begins with { needs quotes"
	}
	f.reject(where(n), path, "want %s, got %s%s", kindName(kind), kindName(n.Kind), hint)
	return false
}

func kindName(k yaml.Kind) string {
	switch k {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		return "a single value"
	}
}

// refuse notes err, if any, as a mistake in n.
func (f *File) refuse(n *yaml.Node, path string, err error) {
	if err == nil {
		return
	}
	// A url.Error repeats the URL, and with it the password.
	var ue *url.Error
	if errors.As(err, &ue) {
		err = fmt.Errorf("not a URL: %w", ue.Err)
	}
	what := strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\n", " "), "yaml: ")
	f.reject(where(n), path, "%s", withoutUser(what))
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}
