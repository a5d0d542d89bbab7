package emitter

import (
	"fmt"
	"math"
	"strings"

	"github.com/foreshock/foreshock"
)

// describedCauses are as many as a person looks at.
const describedCauses = 3

// likely says what an incident may come from, one place a line, with the reasons for the
// first; "" where nothing is known. How sure that is, it says in words and in tens of
// percent: more is not known.
func likely(causes []foreshock.Cause) string {
	var b strings.Builder
	for k, c := range causes[:min(len(causes), describedCauses)] {
		percent := 10 * math.Round(10*c.Confidence)
		switch {
		case k > 0:
			fmt.Fprintf(&b, "\nor %s (%s)", shorten(c.Place), about(percent))
		case c.Confidence >= .5:
			fmt.Fprintf(&b, "likely %s (%s)", shorten(c.Place), about(percent))
		default:
			fmt.Fprintf(&b, "perhaps %s (%s)", shorten(c.Place), about(percent))
		}
		if k == 0 {
			for n, e := range c.Evidence {
				separator := "; "
				if n == 0 {
					separator = ": "
				}
				b.WriteString(separator + shorten(e))
			}
		}
	}
	return b.String()
}

func about(percent float64) string {
	if percent < 10 {
		return "below 10 %"
	}
	return fmt.Sprintf("about %.0f %%", min(percent, 90))
}
