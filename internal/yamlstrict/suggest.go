package yamlstrict

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Suggest returns `, did you mean "…"?` when one of the known names is a slip of
// the hand away from name, and otherwise nothing.
func Suggest(name string, known []string) string {
	const longest = 64 // no name of ours is longer; the distance is quadratic
	best, least := "", min(2, len(name)/2)+1
	if len(name) > longest {
		return ""
	}
	for _, k := range known {
		if d := distance(strings.ToLower(name), k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
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
