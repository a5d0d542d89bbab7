package emitter

import (
	"fmt"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/quantity"
)

// saying is what to quote of m: the loudest series of a group, or itself.
func saying(m *foreshock.Member) foreshock.Witness {
	if m.Of > 0 {
		return m.Loudest
	}
	return foreshock.Witness{Series: m.Series, Value: m.Value, Band: m.Band}
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
	return words(strings.Join(by, ", "), maxWord)
}

// loudest goes on with the series of the group m that says most.
func loudest(m *foreshock.Member) string {
	l := m.Loudest
	if l.Series == nil {
		return ""
	}
	return fmt.Sprintf(", most of all %s at %s%s", shorten(l.Series.String()), quantity.Of(l.Series.Name(), l.Value), expectation(l.Series, l.Band))
}
