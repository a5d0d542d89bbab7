package ruletest

import (
	"fmt"
	"strings"
)

// OK reports whether the test passed.
func (r Result) OK() bool { return len(r.Differences) == 0 }

// Diff writes the differences by kind: what was expected and did not happen with -,
// what happened and was not expected with +, and what did as expected between them.
func (r Result) Diff() string {
	var b strings.Builder
	for _, kind := range append(kinds, "templates") {
		var lines strings.Builder
		for _, d := range r.Differences {
			if d.Of != kind {
				continue
			}
			if d.Want != "" {
				fmt.Fprintf(&lines, "    - %s\n", d.Want)
			}
			if d.Got != "" {
				fmt.Fprintf(&lines, "    + %s\n", d.Got)
			}
			for _, why := range d.Why {
				fmt.Fprintf(&lines, "        %s\n", why)
			}
		}
		if lines.Len() == 0 {
			continue
		}
		fmt.Fprintf(&b, "  %s:\n", kind)
		for _, met := range r.Met[kind] {
			fmt.Fprintf(&b, "      %s\n", met)
		}
		b.WriteString(lines.String())
	}
	return b.String()
}
