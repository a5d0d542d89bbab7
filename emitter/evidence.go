package emitter

import (
	"fmt"
	"strings"

	"github.com/foreshock/foreshock"
)

// describedCounts is how many sources of lines are named: 10 × 3 × ~250 B ≈ 8 KB at most.
const describedCounts = 3

// evidenceText says in a line a source what logs say. Lines of them are not repeated: they
// may hold what is not for everyone who reads alerts.
func evidenceText(all []foreshock.Evidence) string {
	var lines []string
	for _, e := range all {
		if e.Missing != "" {
			lines = append(lines, fmt.Sprintf("%s: not available: %s", e.Source, e.Missing))
			continue
		}
		line := fmt.Sprintf("%s: %d lines from %s to %s", e.Source, e.Total,
			foreshock.Time(e.From).Format("15:04:05"), foreshock.Time(e.To).Format("15:04:05 UTC"))
		var by []string
		for _, c := range e.By[:min(len(e.By), describedCounts)] {
			by = append(by, fmt.Sprintf("%d of %s", c.Lines, c.Name))
		}
		if len(by) > 0 {
			line += ": " + strings.Join(by, ", ")
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
