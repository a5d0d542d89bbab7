package inquest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/quantity"
)

// What people are told of an incident, the alert, says when the fault began and which
// evidence they look for first.

// onsetOf is when that began which a rule selected, and people are told of. What else was
// odd there before may be its beginning, or chance.
func onsetOf(i *foreshock.Incident) int64 {
	first := int64(math.MaxInt64)
	for _, m := range i.Members {
		if m.Rule != "" {
			first = min(first, m.Onset)
		}
	}
	if first == math.MaxInt64 {
		return i.StartsAt
	}
	return first
}

// alertFirst puts the evidence of the metrics that the alert is about before the rest, whatever
// is stranger at the place. Where there is none, as few samples have come since the onset, the
// alert's own words are it.
func alertFirst(all []foreshock.Clue, i *foreshock.Incident, place string) []foreshock.Clue {
	told := map[string]bool{} // names of metrics
	var say *foreshock.Clue
	for _, m := range i.Members {
		if m.Rule == "" {
			continue
		}
		w := speaker(&m)
		told[w.Series.Name()] = true
		if say == nil && i.Kind == foreshock.Outlier && m.Series.PlaceLabel() != "" && placeName(m.Series) == place {
			say = words(w)
		}
	}
	named := func(c foreshock.Clue) int {
		name, _, _ := strings.Cut(c.Series, "{")
		return after(told[name])
	}
	slices.SortStableFunc(all, func(a, b foreshock.Clue) int { return cmp.Compare(named(a), named(b)) })
	if say != nil && (len(all) == 0 || named(all[0]) > 0) {
		all = slices.Insert(all, 0, *say)
	}
	return all
}

// speaker is the series that speaks for a member: of a group the loudest, at the peak.
func speaker(m *foreshock.Member) foreshock.Witness {
	if m.Loudest.Series != nil {
		return m.Loudest
	}
	return foreshock.Witness{Series: m.Series, Value: m.Value, Band: m.Band}
}

// words are what an alert says of a series; nil where nothing was expected of it.
func words(w foreshock.Witness) *foreshock.Clue {
	if math.IsNaN(w.Value) || !w.Band.Known() {
		return nil
	}
	in := func(v float64) string { return quantity.Of(w.Series.Name(), v) }
	return &foreshock.Clue{
		Text:   fmt.Sprintf("%s where %s to %s was expected, at its worst", in(w.Value), in(w.Band.Lower), in(w.Band.Upper)),
		Series: cut(w.Series.String()), Before: w.Band.Expected, After: w.Value,
	}
}
