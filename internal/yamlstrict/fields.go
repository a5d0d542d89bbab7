package yamlstrict

import (
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// entry is one key of a mapping with its value.
type entry struct{ key, value *yaml.Node }

// entries returns the keys of the mapping n, in order, each once; what `<<` merges
// in comes last and yields to the mapping's own.
func (f *File) entries(n *yaml.Node, path string) []entry {
	var own, merged []entry
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		e := entry{n.Content[i], n.Content[i+1]}
		for e.key.Kind == yaml.AliasNode {
			e.key = e.key.Alias
		}
		first, repeated := seen[e.key.Value]
		switch {
		case e.key.Kind != yaml.ScalarNode:
			f.reject(where(e.key), path, "a key must be a single value, got %s", kindName(e.key.Kind))
		case e.key.ShortTag() == "!!merge":
			merged = append(merged, f.merged(e.value, path)...)
		case repeated:
			f.reject(where(e.key), child(path, e.key.Value), "repeated, first on line %d", first.Line)
		default:
			seen[e.key.Value] = e.key
			own = append(own, e)
		}
	}
	for _, e := range merged {
		if _, overridden := seen[e.key.Value]; !overridden {
			seen[e.key.Value] = e.key
			own = append(own, e)
		}
	}
	return own
}

// merged are the entries of what stands behind `<<`: a mapping, or a list of them,
// the first of which counts most.
func (f *File) merged(n *yaml.Node, path string) []entry {
	switch n.Kind {
	case yaml.AliasNode:
		return f.merged(n.Alias, path)
	case yaml.SequenceNode:
		var all []entry
		for _, item := range n.Content {
			all = append(all, f.merged(item, path)...)
		}
		return all
	}
	if !f.want(n, yaml.MappingNode, path) {
		return nil
	}
	return f.entries(n, path)
}

// fields are the places in a struct that a mapping is decoded into.
type fields struct {
	named map[string]reflect.Value
	names []string      // in the order of the struct
	rest  reflect.Value // an inlined map, which takes every other key
}

func fieldsOf(v reflect.Value) fields {
	fs := fields{named: map[string]reflect.Value{}}
	fs.add(v)
	return fs
}

// add is the tags' meaning in every YAML package for Go.
func (fs *fields) add(v reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case name == "-" || !field.IsExported():
		case strings.Contains(options, "inline") && field.Type.Kind() == reflect.Map:
			fs.rest = v.Field(i)
		case strings.Contains(options, "inline"):
			fs.add(v.Field(i))
		default:
			if name == "" {
				name = strings.ToLower(field.Name)
			}
			if _, shadowed := fs.named[name]; !shadowed {
				fs.names = append(fs.names, name)
			}
			fs.named[name] = v.Field(i)
		}
	}
}
