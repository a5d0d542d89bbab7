// Package yamlstrict reads a YAML file that a person wrote and tells them
// everything that is wrong with it at once, each mistake as file:line:column and
// the path they would type: unknown and repeated keys, wrong types, values that do
// not parse, numbers that are not numbers.
//
// It decodes over what the destination already holds, so defaults are set by
// setting them. Types that know how to read themselves do, by UnmarshalText or by
// the UnmarshalYAML(func(any) error) of Prometheus's own configuration blocks,
// which are thereby read as strictly as ours.
//
// Input is bounded in size, depth and what its aliases expand to. Reading says
// nothing of values where a secret may stand.
package yamlstrict

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Mistake is one thing wrong with a file.
type Mistake struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`   // from 1; 0 where the whole file is meant
	Column int    `json:"column,omitempty"` // from 1, in characters
	Path   string `json:"path,omitempty"`   // as a user would type it: groups[0].rules[2].select
	What   string `json:"message"`
}

// Error is the mistake on one line: file:line:column: path: what.
func (m Mistake) Error() string {
	var b strings.Builder
	b.WriteString(m.File)
	if m.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", m.Line, m.Column)
	}
	if m.Path != "" {
		b.WriteString(": " + m.Path)
	}
	b.WriteString(": " + m.What)
	return printable(b.String())
}

// printable is text without what a terminal would obey, as Go writes it in a string. A
// name in a file may hold anything.
func printable(text string) string {
	if !strings.ContainsFunc(text, unicode.IsControl) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if unicode.IsControl(r) {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Mistakes is an error that lists every mistake, one a line.
type Mistakes []Mistake

func (ms Mistakes) Error() string {
	lines := make([]string, len(ms))
	for i, m := range ms {
		lines[i] = m.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the mistakes one by one, for who prints them so.
func (ms Mistakes) Unwrap() []error {
	errs := make([]error, len(ms))
	for i, m := range ms {
		errs[i] = m
	}
	return errs
}

// Err is ms as an error: nil when there are none.
func (ms Mistakes) Err() error {
	if len(ms) == 0 {
		return nil
	}
	return ms
}

type place struct{ line, column int }

// File is one file being read: where everything in it stood, and what is wrong
// with it so far.
type File struct {
	name     string
	places   map[string]place
	meant    map[string]bool // paths of keys that were misspelt
	mistakes Mistakes
	untold   int // beyond maxMistakes
}

// maxMistakes bounds what is told of one file, and with it the time Sound takes.
const maxMistakes = 500

// Decode reads data over what into, a pointer to a struct, already holds. What is
// wrong with it is found in the File, whose name appears in every mistake; what is
// right has been decoded all the same, so that the caller can judge that too.
func Decode(name string, data []byte, into any) *File {
	f := &File{name: name, places: map[string]place{}, meant: map[string]bool{}}
	if root := f.parse(data); root != nil {
		f.decode(root, into)
	}
	return f
}

// Keys returns the keys of the mapping that data is, or nil where it is none: enough
// to tell one kind of file from another.
func Keys(data []byte) []string {
	f := &File{}
	root := f.parse(data)
	if root == nil || root.Kind != yaml.MappingNode {
		return nil
	}
	var keys []string
	for _, e := range f.entries(root, "") {
		keys = append(keys, e.key.Value)
	}
	return keys
}

// Sound reports whether no mistake is known in the value at path, nor in that which
// is around it as such: what could not be read says nothing further. A key that was
// misspelt is known to be meant.
func (f *File) Sound(path string) bool {
	if f.meant[path] {
		return false
	}
	for _, m := range f.mistakes {
		if within(m.Path, path) || within(path, m.Path) {
			return false
		}
	}
	return true
}

// within reports whether path is that of a value in the one at around, or the same.
func within(path, around string) bool {
	rest, ok := strings.CutPrefix(path, around)
	return ok && (rest == "" || around == "" || rest[0] == '.' || rest[0] == '[')
}

// Reject notes a mistake in the value at path.
func (f *File) Reject(path, format string, args ...any) {
	f.add(f.Mistake(path, format, args...))
}

// Mistake is a mistake in the value at path, not noted; where the file does not
// have the value, it is placed at the nearest thing around it that it does have.
func (f *File) Mistake(path, format string, args ...any) Mistake {
	at := place{1, 1}
	for around := path; around != ""; around = parent(around) {
		if p, ok := f.places[around]; ok {
			at = p
			break
		}
	}
	return f.mistake(at, path, format, args...)
}

func (f *File) reject(at place, path, format string, args ...any) {
	if len(f.mistakes) == maxMistakes {
		f.untold++ // and nobody waits for its words
		return
	}
	f.add(f.mistake(at, path, format, args...))
}

func (f *File) mistake(at place, path, format string, args ...any) Mistake {
	return Mistake{File: f.name, Line: at.line, Column: at.column, Path: path, What: fmt.Sprintf(format, args...)}
}

func (f *File) add(m Mistake) {
	if len(f.mistakes) == maxMistakes {
		f.untold++
		return
	}
	f.mistakes = append(f.mistakes, m)
}

// Mistakes are those noted so far, by place; each is told once. Beyond a few
// hundred, the last says how many are not told.
func (f *File) Mistakes() Mistakes {
	ms := slices.Clone(f.mistakes)
	slices.SortStableFunc(ms, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	ms = slices.Compact(ms)
	if f.untold > 0 {
		ms = append(ms, Mistake{File: f.name, What: fmt.Sprintf("%d more mistakes", f.untold)})
	}
	return ms
}

// parent is the path without its last step.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// child is the path of key within path.
func child(path, key string) string {
	const longest = 64 // a key in a path need only be recognised
	if r := []rune(key); len(r) > longest {
		key = string(r[:longest]) + "…"
	}
	switch {
	case !plainKey(key):
		return fmt.Sprintf("%s[%q]", path, key)
	case path == "":
		return key
	default:
		return path + "." + key
	}
}

func plainKey(key string) bool {
	for _, r := range key {
		if r != '_' && r != '-' && r != '/' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return key != ""
}
