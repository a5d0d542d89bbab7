package rules

import (
	"errors"
	"fmt"
	"regexp/syntax"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/strutil"
)

// UnmarshalText parses a PromQL series selector.
func (ms *Matchers) UnmarshalText(text []byte) error {
	selector := string(text)
	if err := BoundPromQL(selector); err != nil {
		return err
	}
	parsed, err := parser.NewParser(parser.Options{}).ParseMetricSelector(selector)
	if err != nil {
		return located("not a series selector", err)
	}
	for _, m := range parsed {
		if !m.Matches("") {
			*ms = parsed
			return nil
		}
	}
	return errors.New("selects everything: want at least one matcher that an absent label does not match")
}

// freeSize is how many instructions a regular expression may have whatever its
// length: the longest name of a Kubernetes service, [a-z0-9-]{1,63}, has 63, a
// SHA-512 in hexadecimal 128. A file as large as may be, full of such expressions,
// then takes some 600 MB and 4 s.
const freeSize = 256

// maxTokens is some ten times what the longest expressions of the well-known rules for
// Kubernetes have. The parser takes a time that grows with the square of how deep they
// are nested, 2 ns × 2000² = 8 ms, and half a million of brackets more than an hour.
const maxTokens = 2000

// BoundPromQL refuses a selector or an expression that costs far more than its length
// says, before the parser has it: one of endless tokens, and one with a regular
// expression that repeats itself to a size far beyond its own, as a name of 600 letters
// in (?:…){1000} takes 35 MB.
func BoundPromQL(text string) error {
	lexer := parser.Lex(text)
	var item parser.Item
	for op, n := parser.ItemType(parser.EOF), 0; ; op = item.Typ {
		lexer.NextItem(&item)
		if n++; n > maxTokens {
			return fmt.Errorf("PromQL: more than %d words and signs; have other rules or queries work out parts of it", maxTokens)
		}
		if item.Typ == parser.EOF || item.Typ == parser.ERROR {
			return nil // the parser says what is wrong
		}
		if item.Typ != parser.STRING || op != parser.EQL_REGEX && op != parser.NEQ_REGEX {
			continue
		}
		text, err := strutil.Unquote(item.Val)
		if err != nil {
			return nil // as above
		}
		re, err := syntax.Parse(text, syntax.Perl|syntax.DotNL)
		if err != nil {
			return nil // as above
		}
		if n := size(re); n > freeSize+2*len(text) {
			return fmt.Errorf("a regular expression repeats itself to %d steps, more than %d", n, freeSize+2*len(text))
		}
	}
}

// size is about how many instructions re compiles to. The parser bounds what
// repeats of repeats multiply to, so the product does not overflow.
func size(re *syntax.Regexp) int {
	n := 1
	if re.Op == syntax.OpLiteral {
		n = len(re.Rune)
	}
	for _, sub := range re.Sub {
		n += size(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(1, re.Min, re.Max)
	}
	return n
}
