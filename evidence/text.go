package evidence

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/foreshock/foreshock"
)

// maxText bounds, in bytes, one name or pattern that is kept: three lines of a page.
const maxText = 240

// maxRead bounds how much of a line is looked at for its pattern.
const maxRead = 4 * maxText

// variable is what differs between lines that say the same: numbers, and hexadecimal words
// with a digit in them, as of ids and addresses.
var variable = regexp.MustCompile(`(?i)\b(?:0x)?[0-9a-f]*[0-9][0-9a-f]*\b|[0-9]+`)

// pattern is line with its numbers collapsed, written as VictoriaLogs's collapse_nums does.
func pattern(line string) string {
	return variable.ReplaceAllString(cut(line, maxRead), "<N>")
}

// shown is text that may be shown: one line, cut, without what a terminal or a page would
// obey.
func shown(text string) string {
	clean := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, cut(text, maxText))
	return strings.TrimSpace(clean)
}

// cut is the beginning of text, valid UTF-8.
func cut(text string, most int) string {
	if len(text) > most {
		for most > 0 && !utf8.RuneStart(text[most]) {
			most--
		}
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// tally counts lines by a name.
type tally map[string]int64

// top returns the n names with most lines, those first.
func (t tally) top(n int) []foreshock.Count {
	merged := tally{}
	for name, lines := range t {
		merged[cmp.Or(shown(name), "(none)")] += lines
	}
	counts := make([]foreshock.Count, 0, len(merged))
	for name, lines := range merged {
		counts = append(counts, foreshock.Count{Name: name, Lines: lines})
	}
	slices.SortFunc(counts, func(a, b foreshock.Count) int {
		return cmp.Or(cmp.Compare(b.Lines, a.Lines), cmp.Compare(a.Name, b.Name))
	})
	return slices.Clone(counts[:min(n, len(counts))])
}

// add counts lines, which a server says and may not be believed: never below nothing, nor
// beyond what can be added up.
func (t tally) add(name string, lines int64) int64 {
	const most = 1 << 50
	lines = min(max(lines, 0), most)
	t[name] = min(t[name]+lines, most)
	return lines
}
