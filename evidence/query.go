package evidence

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/prometheus/prometheus/model/labels"
)

// maxValue bounds, in bytes, the label value that is put into a query: it is repeated by
// proxies that take no URL beyond 8 KiB.
const maxValue = 1024

// grammar is what must be known of a query language to put a value into a query that
// cannot become anything but a value.
type grammar struct {
	quotes  string // each begins a string and ends it
	raw     string // those of quotes in which a backslash is a character like others
	comment string // begins one up to the end of the line; "" where there is none
	escapes bool   // whether a backslash escapes outside strings, too

	// place says whether a value may stand behind the query's beginning, which has no
	// white space at its end, within how many open braces.
	place func(before string, braces int) bool
	// where says in words where that is.
	where string

	// quote writes the value as a string of the language, whole, or refuses it.
	quote func(value string) (string, error)
}

// query is a template of a query: what stands in it, and the labels between. There is one
// more text than labels.
type query struct {
	texts, labels []string
	quote         func(string) (string, error)
}

// placeholder is how a label's value is asked for.
var placeholder = regexp.MustCompile(`^\$\{([a-zA-Z_][a-zA-Z0-9_]*)\}`)

// parse reads a template and refuses one in which a label's value would not stand where a
// value stands, whatever it holds.
func (g grammar) parse(text string) (query, error) {
	q := query{quote: g.quote}
	from, braces := 0, 0
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case strings.HasPrefix(text[i:], "${"):
			m := placeholder.FindStringSubmatch(text[i:])
			if m == nil {
				return query{}, errors.New("${ must be followed by the name of a label and }")
			}
			if !g.place(strings.TrimRightFunc(text[:i], unicode.IsSpace), braces) {
				return query{}, fmt.Errorf("%s must stand %s", m[0], g.where)
			}
			q.texts, q.labels = append(q.texts, text[from:i]), append(q.labels, m[1])
			i += len(m[0])
			from = i
		case strings.IndexByte(g.quotes, c) >= 0:
			end, err := g.skip(text, i)
			if err != nil {
				return query{}, err
			}
			i = end
		case g.comment != "" && strings.HasPrefix(text[i:], g.comment):
			line, _, _ := strings.Cut(text[i:], "\n")
			if strings.Contains(line, "${") {
				return query{}, errors.New("a label must not stand in a comment")
			}
			i += len(line)
		case c == '\\' && g.escapes:
			i += 2
		default:
			switch c {
			case '{':
				braces++
			case '}':
				braces--
			}
			i++
		}
	}
	q.texts = append(q.texts, text[min(from, len(text)):])
	return q, nil
}

// skip returns the end of the string that begins at start.
func (g grammar) skip(text string, start int) (end int, err error) {
	quote := text[start]
	for i := start + 1; i < len(text); i++ {
		switch {
		case text[i] == quote:
			if strings.Contains(text[start:i], "${") {
				return 0, errors.New("a label must not stand within quotes: it brings its own")
			}
			return i + 1, nil
		case text[i] == '\\' && strings.IndexByte(g.raw, quote) < 0:
			i++
		}
	}
	return 0, fmt.Errorf("the string that begins with %c does not end", quote)
}

// lacks returns a label that q asks for and ls has not; "" where it has all.
func (q query) lacks(ls labels.Labels) string {
	for _, name := range q.labels {
		if ls.Get(name) == "" {
			return name
		}
	}
	return ""
}

// fill puts the labels' values in.
func (q query) fill(ls labels.Labels) (string, error) {
	var b strings.Builder
	b.WriteString(q.texts[0])
	for i, name := range q.labels {
		value := ls.Get(name)
		if len(value) > maxValue {
			return "", reason(fmt.Sprintf("the label %s is longer than %d bytes", name, maxValue))
		}
		quoted, err := q.quote(value)
		if err != nil {
			return "", reason(fmt.Sprintf("the label %s %v", name, err))
		}
		b.WriteString(quoted)
		b.WriteString(q.texts[i+1])
	}
	return b.String(), nil
}
