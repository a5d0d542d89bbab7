package emitter

import (
	"fmt"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// saying is what to quote of m: the loudest series of a group, or itself.
func saying(m *foreshock.Member) foreshock.Witness {
	if m.Of > 0 {
		return m.Loudest
	}
	return foreshock.Witness{Series: m.Series, Value: m.Value, Band: m.Band}
}

// placeSummary is the line for an incident whose lead is a group: how many, where, which
// most of all and how far off, since when.
func placeSummary(i *foreshock.Incident, lead *foreshock.Member) string {
	var b strings.Builder
	place := ward(lead.Series)
	switch lead.Odd {
	case 0:
		fmt.Fprintf(&b, "%d series on %s are unlike themselves together, none by itself", lead.Of, place)
	case 1:
		fmt.Fprintf(&b, "1 of %d series on %s is unlike itself", lead.Of, place)
	default:
		fmt.Fprintf(&b, "%d of %d series on %s are unlike themselves", lead.Odd, lead.Of, place)
	}
	b.WriteString(loudest(lead, named))
	fmt.Fprintf(&b, ", since %s", foreshock.Time(i.StartsAt).Format("15:04:05 UTC"))
	places := 0
	for _, m := range i.Members {
		if m.Of > 0 && ward(m.Series) != place {
			places++
		}
	}
	switch places {
	case 0:
	case 1:
		b.WriteString("; and on another place")
	default:
		fmt.Fprintf(&b, "; and on %d other places", places)
	}
	return b.String()
}

// ward is the place of a group or, where its rule groups by other labels, those.
func ward(s *foreshock.Series) string {
	if place := where(s); place != "" {
		return place
	}
	var by []string
	s.Labels.Range(func(l labels.Label) {
		if l.Name != model.MetricNameLabel && l.Name != foreshock.RuleLabel {
			by = append(by, l.Name+" "+l.Value)
		}
	})
	return shorten(strings.Join(by, ", "))
}

// named is a series by its metric, where that says which it is.
func named(s *foreshock.Series) string {
	if name := s.Name(); name != "" {
		return name
	}
	return s.String()
}

// loudest goes on with the series of the group m that says most.
func loudest(m *foreshock.Member, called func(*foreshock.Series) string) string {
	l := m.Loudest
	if l.Series == nil {
		return ""
	}
	return fmt.Sprintf(", most of all %s at %s%s", shorten(called(l.Series)), text(l.Value), expectation(l.Band))
}
