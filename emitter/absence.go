package emitter

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock"
)

// unheard says what is absent since when, how much went with it and what goes on.
func unheard(m *foreshock.Member) string {
	var b strings.Builder
	silent := m.Silence
	if silent.Targets == 0 {
		b.WriteString(what(m.Series))
		also(&b, silent.Series-1, "series")
	} else {
		b.WriteString(cmp.Or(where(m.Series), what(m.Series)))
		if job := m.Series.Labels.Get(model.JobLabel); job != "" {
			fmt.Fprintf(&b, " (job %s)", words(job, maxWord))
		}
		also(&b, silent.Targets-1, "targets")
	}
	fmt.Fprintf(&b, " not been heard since %s", foreshock.Time(m.Onset).Format("15:04:05 UTC"))
	switch {
	case silent.Targets > 0:
		fmt.Fprintf(&b, ": %d series", silent.Series)
	case silent.Siblings == 1:
		b.WriteString("; 1 sibling goes on")
	case silent.Siblings > 1:
		fmt.Fprintf(&b, "; %d siblings go on", silent.Siblings)
	}
	return b.String()
}

// also goes on with how many others there are, and the verb for all of them.
func also(b *strings.Builder, others int, noun string) {
	if others > 0 {
		fmt.Fprintf(b, " and %d more %s have", others, noun)
		return
	}
	b.WriteString(" has")
}
