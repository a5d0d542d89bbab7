package emitter

import (
	"fmt"
	"strings"

	"github.com/foreshock/foreshock"
)

// describedCauses are as many as a person looks at.
const describedCauses = 3

// likely says what an incident may come from, one place a line, with the reasons for the
// first; "" where nothing is known.
func likely(causes []foreshock.Cause) string {
	var b strings.Builder
	for k, c := range causes[:min(len(causes), describedCauses)] {
		switch {
		case k > 0:
			fmt.Fprintf(&b, "\nor %s (%s)", shorten(c.Place), c.Likelihood())
		case c.Confidence >= .5:
			fmt.Fprintf(&b, "likely %s (%s)", shorten(c.Place), c.Likelihood())
		default:
			fmt.Fprintf(&b, "perhaps %s (%s)", shorten(c.Place), c.Likelihood())
		}
		if k == 0 {
			for n, e := range c.Evidence {
				separator := "; "
				if n == 0 {
					separator = ": "
				}
				b.WriteString(separator + shorten(e.String()))
			}
		}
	}
	return b.String()
}

// describedChanges are as many as fit on a telephone.
const describedChanges = 3

// changesText says what was done shortly before the onset or since, the latest last.
func changesText(i *foreshock.Incident) string {
	var lines []string
	for _, c := range i.Changes[max(0, len(i.Changes)-describedChanges):] {
		lines = append(lines, foreshock.Time(c.T).Format("15:04:05 UTC ")+shorten(c.String()))
	}
	return strings.Join(lines, "\n")
}
