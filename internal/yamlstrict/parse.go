package yamlstrict

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	// maxDepth bounds nesting; the deepest setting lies seven deep.
	maxDepth = 64

	// maxNodes bounds what a file holds once its aliases are expanded: a full
	// MaxSize of rules has about 60 000.
	maxNodes = 200_000
)

// syntaxError matches the parser's errors, which have a line but no column.
var syntaxError = regexp.MustCompile(`^yaml: (?:line (\d+): )?((?s).*)$`)

// parse returns the root of the only document in data, or nil.
func (f *File) parse(data []byte) *yaml.Node {
	if len(data) > MaxSize {
		f.reject(place{}, "", "larger than %d KiB", MaxSize>>10)
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		f.syntax(err, data)
		return nil
	}
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		f.syntax(err, data)
		return nil
	default:
		f.reject(where(&second), "", "a second document begins here: a file holds one")
		return nil
	}
	root := document.Content[0]
	budget := maxNodes
	if !f.bounded(root, maxDepth, &budget) {
		return nil
	}
	return root
}

// syntax notes what the parser says, where it is wrong.
func (f *File) syntax(err error, data []byte) {
	m := syntaxError.FindStringSubmatch(err.Error())
	if m == nil {
		f.reject(place{}, "", "%v", err)
		return
	}
	line, _ := strconv.Atoi(m[1]) // absent on the first line
	at := place{max(line, 1), 1}
	if p, ok := unreadable(data); ok {
		at = p
	} else if l, ok := failing(data, m[2]); ok {
		at.line = l // the parser's own is where something around it begins, or next to that
	}
	f.reject(at, "", "not YAML: %s", strings.TrimSpace(m[2]))
}

// unreadable is where the first character stands that no YAML file may have. A file that
// begins as UTF-16 does is not looked at.
func unreadable(data []byte) (at place, found bool) {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return place{}, false
	}
	at = place{1, 1}
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1, r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f:
			return at, true
		case r == '\n':
			at = place{at.line + 1, 1}
		default:
			at.column++
		}
		data = data[size:]
	}
	return place{}, false
}

// failing is the first line with which the parser says what. It reads as far as the error
// and no further, so with more lines it says the same, and with fewer it does not. It is
// asked some 14 times, half a second of work; a larger file has to do with its word.
func failing(data []byte, what string) (line int, found bool) {
	const largest = MaxSize / 4
	if len(data) > largest {
		return 0, false
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	fails := func(n int) bool {
		var any yaml.Node
		err := yaml.Unmarshal(bytes.Join(lines[:n], nil), &any)
		if err == nil {
			return false
		}
		m := syntaxError.FindStringSubmatch(err.Error())
		return m != nil && m[2] == what
	}
	n := 1 + sort.Search(len(lines)-1, func(i int) bool { return fails(i + 1) })
	return n, fails(n)
}

// bounded reports whether n, aliases expanded, is within depth and budget. An
// alias to something around it has no end, and so exceeds the depth.
func (f *File) bounded(n *yaml.Node, depth int, budget *int) bool {
	*budget--
	switch {
	case depth == 0:
		f.reject(where(n), "", "nested deeper than %d, its aliases expanded", maxDepth)
		return false
	case *budget < 0:
		f.reject(where(n), "", "more than %d values, its aliases expanded", maxNodes)
		return false
	case n.Kind == yaml.AliasNode:
		return f.bounded(n.Alias, depth-1, budget)
	}
	for _, c := range n.Content {
		if !f.bounded(c, depth-1, budget) {
			return false
		}
	}
	return true
}

func where(n *yaml.Node) place { return place{n.Line, n.Column} }
