// Package extent says how much an incident takes in, and how urgent that makes it. The
// correlator fixes the severity when it first tells of an incident, and the emitter says
// what it has become since: both measure here.
package extent

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// Extent is how much an incident takes in.
type Extent struct {
	Series int            // that are odd, be it only their group that says so
	Places int            // of the members that are kept
	Kinds  map[string]int // how many of them there are of each of PlaceLabels
}

// placeLabels say where a series is, the most telling first. People are told of a pod's
// node before they are of the instance that tells of it; models are kept by
// foreshock.PlaceLabels.
var placeLabels = []string{"pod", "node", "nodename", "instance", "host", "service", "svc", "app", "job"}

// PlaceLabels are the labels that say where a series is, the most telling first.
func PlaceLabels() []string { return slices.Clone(placeLabels) }

// PlaceOf is the label that says where a series is, none where nothing does.
func PlaceOf(s *foreshock.Series) labels.Label {
	for _, name := range placeLabels {
		if value := s.Labels.Get(name); value != "" {
			return labels.Label{Name: name, Value: value}
		}
	}
	return labels.Label{}
}

// Of is how much i takes in. Where groups are told of, theirs are the places, for the same
// series has others besides.
func Of(i *foreshock.Incident) Extent {
	places := map[labels.Label]bool{}
	series, spoken := i.Dropped, 0
	grouped := slices.ContainsFunc(i.Members, func(m foreshock.Member) bool { return m.Of > 0 })
	for k := range i.Members {
		m := &i.Members[k]
		if m.Of > 0 {
			spoken += m.Odd
		} else {
			series++
		}
		if l := PlaceOf(m.Series); l.Value != "" && (m.Of > 0 || !grouped) {
			places[l] = true
		}
	}
	e := Extent{Series: max(series, spoken), Places: len(places), Kinds: map[string]int{}}
	for l := range places {
		e.Kinds[l.Name]++
	}
	return e
}

// The severities of incidents whose rule names none. Where an alert goes is the user's to
// say; two are enough to say what cannot wait.
const (
	Warning  = "warning"
	Critical = "critical"
)

// What makes an incident critical.
const (
	// manyPlaces fail together: no spare takes that over.
	manyPlaces = 10

	// somePlaces are critical where one is off by farScore, four times what it takes to
	// alert: a half of the score there is, 1/0.12 = 8.3 (docs/detection.md).
	somePlaces = 3
	farScore   = 4.0
)

// Severity is that of i by its breadth and its strength, as it is now.
func Severity(i *foreshock.Incident) string {
	places, peak := Of(i).Places, 0.
	for k := range i.Members {
		m := &i.Members[k]
		places = max(places, m.Silence.Targets)
		peak = max(peak, m.Peak)
	}
	if places >= manyPlaces || places >= somePlaces && peak >= farScore && i.Kind == foreshock.Outlier {
		return Critical
	}
	return Warning
}
