package emitter

import "github.com/foreshock/foreshock"

// The severities of alerts whose rule has none of its own. Where an alert goes is the
// user's to say; two are enough to say what cannot wait.
const (
	defaultSeverity  = "warning"
	criticalSeverity = "critical"
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

// Severity is that of an incident by its breadth and its strength, as it is now.
func Severity(i *foreshock.Incident) string {
	places, peak := extentOf(i).places, 0.
	for _, m := range i.Members {
		places = max(places, m.Silence.Targets)
		peak = max(peak, m.Peak)
	}
	if places >= manyPlaces || places >= somePlaces && peak >= farScore && i.Kind == foreshock.Outlier {
		return criticalSeverity
	}
	return defaultSeverity
}
