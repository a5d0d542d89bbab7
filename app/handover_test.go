package app

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// TestFaultUnderWayIsToldOnce: whoever starts Foreshock in the midst of a fault hears of
// it, since when it is one, and of nothing that was over before.
func TestFaultUnderWayIsToldOnce(t *testing.T) {
	series := func(name string) *foreshock.Series {
		return foreshock.NewSeries(labels.FromStrings("__name__", name))
	}
	a, b := series("a"), series("b")
	var h handover
	h.note(foreshock.Findings{Now: 100, Anomalies: []foreshock.Anomaly{
		{Series: a, Onset: 90, T: 100},
		{Series: b, Onset: 80, T: 100},
		{Series: b, Kind: foreshock.Crossing, Rule: "r", Onset: 70, T: 100},
	}})
	h.note(foreshock.Findings{Now: 200, Anomalies: []foreshock.Anomaly{
		{Series: a, Phase: foreshock.Ended, Onset: 90, T: 200},
		{Series: series("b"), Phase: foreshock.Escalated, Onset: 80, T: 200, Rule: "w", Score: 2},
	}})
	f := foreshock.Findings{Now: 300, Anomalies: []foreshock.Anomaly{{Series: a, Onset: 300, T: 300}}}
	h.begin(&f)
	if len(f.Anomalies) != 3 {
		t.Fatalf("%+v", f.Anomalies)
	}
	crossing, outlier := f.Anomalies[0], f.Anomalies[1]
	if crossing.Kind != foreshock.Crossing || crossing.Onset != 70 || crossing.T != 300 {
		t.Errorf("the crossing is %+v", crossing)
	}
	if outlier.Series.Name() != "b" || outlier.Phase != foreshock.Started || outlier.Onset != 80 || outlier.T != 300 || outlier.Rule != "w" {
		t.Errorf("the outlier is %+v", outlier)
	}
	later := foreshock.Findings{Now: 400}
	if h.begin(&later); len(later.Anomalies) != 0 {
		t.Errorf("told again: %+v", later.Anomalies)
	}
}
