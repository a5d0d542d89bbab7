package foreshock

import (
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// GroupName is the metric name of the series that a group of series is known by: those
// at one place that one rule watches. Nobody sends such a series: see OwnOutput.
const GroupName = "foreshock_group"

// NewGroup returns the series by which those at place are known that one rule watches.
func NewGroup(place labels.Labels, rule string) *Series {
	b := labels.NewBuilder(place)
	b.Set(model.MetricNameLabel, GroupName)
	b.Set(RuleLabel, rule)
	return NewSeries(b.Labels())
}

// IsGroup reports whether s stands for a group.
func (s *Series) IsGroup() bool { return s.Name() == GroupName }

// Company is what the series of a group say together. Its zero value is that of a series
// that stands for itself.
type Company struct {
	Odd, Of int     // so many are anomalous by themselves, of so many
	Loudest Witness // says most of what they say
}

// Witness is one series of a group, and what it says.
type Witness struct {
	Series *Series
	Value  float64
	Band   Band
}
