package main

import (
	"strings"
	"unicode"

	"github.com/foreshock/foreshock/internal/yamlstrict"
)

// excerpts show a person the line of a mistake with a mark under its column. A program
// that reads along is not shown any: a mistake stays one line.
type excerpts struct {
	on    bool
	file  string   // the file last read
	lines []string // its lines
}

// of is the excerpt for m, or nothing.
func (e *excerpts) of(m yamlstrict.Mistake) string {
	if !e.on || m.Line == 0 || !harmless(m.Path) {
		return ""
	}
	if m.File != e.file {
		data, err := yamlstrict.Read(m.File)
		if err != nil { // a preset, or gone since
			data = nil
		}
		e.file, e.lines = m.File, strings.Split(string(data), "\n")
	}
	if m.Line > len(e.lines) {
		return ""
	}
	return point(e.lines[m.Line-1], m.Column)
}

// harmless reports whether the value at path can stand next to no secret: rules hold
// none, and the blocks of a configuration that do are others.
func harmless(path string) bool { return strings.HasPrefix(path, "groups") }

// point is the part of line around column, from 1, over a mark under the column.
func point(line string, column int) string {
	const before, after = 48, 48 // fits in 100 columns with its margin
	runes := []rune(line)
	at := min(max(column-1, 0), len(runes))
	from, to := max(0, at-before), min(len(runes), at+after)
	shown := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) { // a terminal would obey it
			return ' '
		}
		return r
	}, string(runes[from:to]))
	return "    " + strings.TrimRight(shown, " ") + "\n    " + strings.Repeat(" ", at-from) + "^\n"
}
