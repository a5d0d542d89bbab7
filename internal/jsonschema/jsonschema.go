// Package jsonschema makes the JSON Schemas of the files that people write from the types
// that yamlstrict decodes them into: the editor then refuses what the program does, and
// says of each key what its doc comment says. It reads the sources, which a built program
// does not have: `make docs` and the tests that hold docs/schema use it.
package jsonschema

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock/internal/yamlstrict"
)

// draft is the JSON Schema that editors' YAML language servers read best.
const draft = "http://json-schema.org/draft-07/schema#"

// form is a JSON Schema, its keys in the order in which a person reads them.
type form struct {
	Schema      string      `json:"$schema,omitempty"`
	Title       string      `json:"title,omitempty"`
	Description string      `json:"description,omitempty"`
	Type        types       `json:"type,omitempty"`
	Enum        []string    `json:"enum,omitempty"`
	Pattern     string      `json:"pattern,omitempty"`
	MinLength   int         `json:"minLength,omitempty"`
	MinItems    int         `json:"minItems,omitempty"`
	Minimum     *int        `json:"minimum,omitempty"`
	Maximum     *int        `json:"maximum,omitempty"`
	Default     any         `json:"default,omitempty"`
	Items       *form       `json:"items,omitempty"`
	Required    []string    `json:"required,omitempty"`
	Properties  *properties `json:"properties,omitempty"`
	Others      any         `json:"additionalProperties,omitempty"` // false or *form
	AnyOf       []*form     `json:"anyOf,omitempty"`
	OneOf       []*form     `json:"oneOf,omitempty"`
}

// Of is the schema of the files that are decoded into what into points to. It panics where
// the sources cannot be read, or a type is met that no file is to hold.
func Of(title string, into any) string {
	d := describer{sources{}}
	v := reflect.ValueOf(into).Elem()
	s := d.of(v, v.Type())
	s.Schema, s.Title = draft, title
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(s); err != nil {
		panic(err) // strings, numbers and what is made of them
	}
	return b.String()
}

// types are the JSON types a value may have, a single one written by itself.
type types []string

// MarshalJSON implements json.Marshaler.
func (t types) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// properties keep the order of the struct's fields.
type properties struct {
	names []string
	named map[string]*form
}

func (p *properties) set(name string, s *form) {
	if _, shadowed := p.named[name]; !shadowed {
		p.names = append(p.names, name)
	}
	p.named[name] = s
}

// MarshalJSON implements json.Marshaler.
func (p *properties) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	for i, name := range p.names {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", name)
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(p.named[name]); err != nil {
			return nil, err
		}
	}
	return []byte("{" + b.String() + "}"), nil
}

// describer makes schemas of what yamlstrict decodes into: it takes the same turns on
// the same types, and the words from the doc comments.
type describer struct{ sources sources }

// The two ways in which a type reads itself that yamlstrict knows, and the way a Chooser
// says between what.
type (
	blockUnmarshaler interface {
		UnmarshalYAML(unmarshal func(any) error) error
	}
	choices interface {
		yamlstrict.Chooser
		Choices() []string
	}
)

var (
	// written is what stands for a text in YAML: what looks like a number is one too.
	written   = []string{"string", "number", "boolean"}
	durations = form{Type: []string{"string", "integer"}, Pattern: `^(0|([0-9]+(y|w|d|h|m|s|ms))+)$`, Minimum: new(int), Maximum: new(int)}
	sizes     = form{Type: []string{"string", "integer"}, Pattern: `^(0|([0-9]+(\.[0-9]+)?([KMGTPE]i?)?B)+)$`, Minimum: new(int), Maximum: new(int)}
	measured  = map[reflect.Type]form{
		reflect.TypeFor[time.Duration]():    durations,
		reflect.TypeFor[model.Duration]():   durations,
		reflect.TypeFor[units.Base2Bytes](): sizes,
	}
)

// of is the schema of v, which is addressable and holds the defaults. Fields find their
// doc comments in the type docs: v's own, or that of which v is what it decodes into.
func (d describer) of(v reflect.Value, docs reflect.Type) *form {
	if v.Kind() == reflect.Pointer {
		return d.of(reflect.New(v.Type().Elem()).Elem(), v.Type().Elem())
	}
	if s, ok := measured[v.Type()]; ok {
		return &s
	}
	switch u := v.Addr().Interface().(type) {
	case choices:
		return d.choice(u)
	case blockUnmarshaler:
		return d.block(u, v)
	case encoding.TextUnmarshaler:
		return text(v)
	}
	return d.plain(v, docs)
}

func (d describer) plain(v reflect.Value, docs reflect.Type) *form {
	switch v.Kind() {
	case reflect.Struct:
		return d.object(v, docs)
	case reflect.Map:
		return &form{Type: []string{"object", "null"}, Others: d.item(v.Type().Elem())}
	case reflect.Slice:
		item := d.item(v.Type().Elem())
		list := &form{Type: []string{"array", "null"}, Items: item}
		if reflect.PointerTo(v.Type().Elem()).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
			return &form{AnyOf: []*form{item, list}}
		}
		return list
	case reflect.Interface:
		return &form{}
	case reflect.String:
		if words := d.sources.words(docs); len(words) > 0 {
			return &form{Type: []string{"string"}, Enum: words}
		}
		return &form{Type: written}
	case reflect.Bool:
		return &form{Type: []string{"boolean"}}
	case reflect.Float32, reflect.Float64:
		return &form{Type: []string{"number"}}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return &form{Type: []string{"integer"}, Minimum: new(int)}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return &form{Type: []string{"integer"}}
	}
	panic("no schema for " + v.Type().String())
}

func (d describer) item(t reflect.Type) *form { return d.of(reflect.New(t).Elem(), t) }

// choice is one of what the keys of c begin.
func (d describer) choice(c choices) *form {
	s := &form{}
	for _, key := range c.Choices() {
		into, err := c.Choose([]string{key})
		if err != nil {
			panic(err) // it said so itself
		}
		v := reflect.ValueOf(into).Elem()
		one := d.of(v, v.Type())
		one.Title = key
		if !slices.Contains(one.Required, key) {
			one.Required = append([]string{key}, one.Required...)
		}
		s.OneOf = append(s.OneOf, one)
	}
	return s
}

// block is any of what u has itself decoded into, with the defaults it has set by then.
func (d describer) block(u blockUnmarshaler, v reflect.Value) *form {
	var shapes []*form
	_ = u.UnmarshalYAML(func(into any) error {
		shape := reflect.ValueOf(into).Elem()
		if shape.CanConvert(v.Type()) && shape.Kind() != reflect.Struct {
			shapes = append(shapes, d.plain(shape, v.Type()))
		} else {
			shapes = append(shapes, d.shape(shape, v.Type()))
		}
		return errors.New("seen") // so that it tries its next shape
	})
	switch len(shapes) {
	case 0:
		panic("no shape of " + v.Type().String())
	case 1:
		return shapes[0]
	}
	return &form{AnyOf: shapes}
}

// shape is what a type decodes itself into: a copy of itself without the method, or
// another.
func (d describer) shape(v reflect.Value, of reflect.Type) *form {
	if v.Kind() == reflect.Struct {
		return d.object(v, of)
	}
	return d.of(v, v.Type())
}

// text is any text, or one of the words where the type is a small number that has a name
// for each of its values.
func text(v reflect.Value) *form {
	if _, named := v.Addr().Interface().(encoding.TextMarshaler); !named || v.Kind() != reflect.Uint8 {
		return &form{Type: written}
	}
	s := &form{Type: []string{"string"}}
	one := reflect.New(v.Type())
	for i := uint64(0); ; i++ {
		word, ok := nameOf(one, i)
		if !ok {
			return s
		}
		s.Enum = append(s.Enum, word)
	}
}

// nameOf is the text of the value i of the type that p points to, if it has one.
func nameOf(p reflect.Value, i uint64) (word string, ok bool) {
	defer func() {
		if recover() != nil { // beyond its table of names
			ok = false
		}
	}()
	p.Elem().SetUint(i)
	b, err := p.Interface().(encoding.TextMarshaler).MarshalText()
	return string(b), err == nil
}

// object is a mapping whose keys are the fields of a struct.
func (d describer) object(v reflect.Value, docs reflect.Type) *form {
	s := &form{Type: []string{"object", "null"}, Properties: &properties{named: map[string]*form{}}, Others: false}
	d.fields(s, v, docs)
	if len(s.Required) > 0 {
		s.Type = []string{"object"}
	}
	return s
}

func (d describer) fields(s *form, v reflect.Value, docs reflect.Type) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		key, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		inline := strings.Contains(options, "inline")
		switch {
		case key == "-" || !field.IsExported():
			continue
		case inline && field.Type.Kind() == reflect.Map:
			s.Others = d.item(field.Type.Elem())
			continue
		case inline:
			d.fields(s, v.Field(i), field.Type)
			continue
		case key == "":
			key = strings.ToLower(field.Name)
		}
		one := *d.of(v.Field(i), field.Type)
		doc := d.sources.field(docs, field.Name)
		one.Description = describe(doc, field.Name, key)
		if one.Properties == nil {
			one.Default = defaultOf(v.Field(i), len(one.Enum) > 0)
		}
		s.Properties.set(key, &one)
		if strings.HasSuffix(strings.TrimSpace(doc), "Required.") {
			s.Required = append(s.Required, key)
			one.notEmpty()
		}
		if or := requiredOr.FindStringSubmatch(strings.TrimSpace(doc)); or != nil {
			one.notEmpty()
			for _, either := range []string{key, or[1]} {
				s.AnyOf = append(s.AnyOf, &form{Required: []string{either}})
			}
		}
	}
}

// requiredOr ends the doc comment of a key that another one may stand in for.
var requiredOr = regexp.MustCompile(`Required, or (\w+)\.$`)

// notEmpty refuses nothing at all where something is required.
func (f *form) notEmpty() {
	f.Type = slices.DeleteFunc(slices.Clone(f.Type), func(t string) bool { return t == "null" })
	switch {
	case slices.Contains(f.Type, "array"):
		f.MinItems = 1
	case slices.Contains(f.Type, "string") && f.Enum == nil && f.Pattern == "":
		f.MinLength = 1
	}
	for _, one := range f.AnyOf {
		one.notEmpty()
	}
}

// describe is a doc comment as the entry of a key in a manual.
func describe(doc, goName, key string) string {
	paragraphs := strings.Split(strings.TrimSpace(doc), "\n\n")
	for i, p := range paragraphs {
		p = strings.ReplaceAll(p, "\n", " ")
		if rest, ok := strings.CutPrefix(p, goName+" "); ok {
			p = key + " " + rest
		}
		paragraphs[i] = p
	}
	return strings.Join(paragraphs, "\n\n")
}

// defaultOf is what v holds, as it would be written, or nil where that is nothing: zero
// is one of the words, or false.
func defaultOf(v reflect.Value, word bool) any {
	if v.IsZero() && v.Kind() != reflect.Bool && !word {
		return nil
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		return model.Duration(v.Int()).String()
	}
	var n yaml.Node
	var value any
	if n.Encode(v.Interface()) != nil || n.Decode(&value) != nil {
		return nil
	}
	switch x := value.(type) {
	case string:
		if x == "" {
			return nil
		}
	case []any:
		if len(x) == 0 {
			return nil
		}
	case map[string]any:
		if len(x) == 0 {
			return nil
		}
	}
	return value
}
