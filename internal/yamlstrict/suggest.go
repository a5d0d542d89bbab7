package yamlstrict

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Suggest returns `, did you mean "…"?` when one of the known names is a slip of
// the hand away from name, and otherwise nothing.
func Suggest(name string, known []string) string {
	if best := closest(name, known); best != "" {
		return fmt.Sprintf(", did you mean %q?", best)
	}
	return ""
}

// closest is the known name that name is a slip of, or "".
func closest(name string, known []string) string {
	const longest = 64 // no name of ours is longer; the distance is quadratic
	best, least := "", min(2, len(name)/2)+1
	if len(name) > longest {
		return ""
	}
	name = strings.ToLower(name)
	for _, k := range known {
		if d := distance(name, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// unknown is a name that is none of the known ones.
type unknown struct {
	name  string
	known []string
}

// String is Suggest or, where nothing is close to the name, which names there are, as far
// as a line has room for them.
func (u unknown) String() string {
	const room = 200 // bytes of names
	if close := Suggest(u.name, u.known); close != "" || len(u.known) == 0 {
		return close
	}
	sorted, n := slices.Sorted(slices.Values(u.known)), 0
	for used := 0; n < len(sorted); n++ {
		if used += len(sorted[n]) + len(", "); used > room {
			break
		}
	}
	list := strings.Join(sorted[:n], ", ")
	if more := len(sorted) - n; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return "; want one of " + list
}

// distance counts the letters to insert, drop, change or swap with their
// neighbour to turn a into b: the optimal string alignment distance.
func distance(a, b string) int {
	var before []int // the row before the row above
	above := make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := above[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(above[j]+1, row[j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above = above, row
	}
	return above[len(b)]
}

// quote is s as a Go string, cut to what is needed to recognise it.
func quote(s string) string {
	const longest = 60
	s = withoutUser(s)
	if r := []rune(s); len(r) > longest {
		s = string(r[:longest]) + "…"
	}
	return strconv.Quote(s)
}

// user matches what stands before the host of a URL: a name and often a password.
var user = regexp.MustCompile(`://[^\s"]*@`)

// withoutUser is text without what may be a password in a URL.
func withoutUser(text string) string { return user.ReplaceAllString(text, "://…@") }
