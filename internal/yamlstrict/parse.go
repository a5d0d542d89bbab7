package yamlstrict

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

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
		f.syntax(err)
		return nil
	}
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		f.syntax(err)
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

func (f *File) syntax(err error) {
	m := syntaxError.FindStringSubmatch(err.Error())
	if m == nil {
		f.reject(place{}, "", "%v", err)
		return
	}
	line, _ := strconv.Atoi(m[1]) // absent on the first line
	f.reject(place{max(line, 1), 1}, "", "not YAML: %s", strings.TrimSpace(m[2]))
}

// bounded reports whether n, aliases expanded, is within depth and budget. An
// alias to something around it has no end, and so exceeds the depth.
func (f *File) bounded(n *yaml.Node, depth int, budget *int) bool {
	*budget--
	switch {
	case depth == 0:
		f.reject(where(n), "", "nested deeper than %d", maxDepth)
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
