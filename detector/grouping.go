package detector

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// grouped are the labels of the group that w puts the series x in: those of its place, or
// those that the rule groups by and the districts. There are none where x raises its own
// alert. scattered says that it has none of the labels, or that the rule would group it with
// series of other neighbourhoods, which other shards may have.
//
// With namespace among its labels a rule groups pods, which are neighbours throughout
// their namespace, and nothing else; without, what is at one place, whose label it names.
// So no two series of one group have different neighbourhoods.
func grouped(w *rules.Watch, x *foreshock.Series) (at labels.Labels, scattered bool) {
	switch {
	case w == nil || w.Group == rules.GroupOff:
		return labels.EmptyLabels(), false
	case roleOf(x.Labels) == scrape:
		return labels.EmptyLabels(), false // a target that is down has silenced the others of its place
	case len(w.GroupBy) == 0:
		return x.Place(), false
	}
	place := x.PlaceLabel()
	together := slices.Contains(w.GroupBy, place)
	if slices.Contains(w.GroupBy, foreshock.NamespaceLabel) {
		together = place == foreshock.PodLabel
	}
	if !together {
		return labels.EmptyLabels(), true
	}
	at = labels.NewBuilder(x.Labels).Keep(append(foreshock.DistrictLabels(), w.GroupBy...)...).Labels()
	return at, at.IsEmpty()
}
