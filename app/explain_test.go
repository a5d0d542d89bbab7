package app

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// Who asks why one series is odd wants to see what went with it: the incident, else what
// else its host did at the time, and nothing of other hosts or other hours.
func TestWhatMovedWithIt(t *testing.T) {
	const noon, hour = int64(1772366400000), int64(3_600_000)
	of := func(name, instance string) *foreshock.Series {
		return foreshock.NewSeries(labels.FromStrings("__name__", name, "instance", instance))
	}
	load, cpu, disk, other := of("load", "a"), of("cpu", "a"), of("disk", "a"), of("load", "b")
	incidents := []foreshock.Incident{
		{ID: "late", Members: []foreshock.Member{{Series: load, Onset: noon + 5*hour}}},
		{ID: "noon", Dropped: 7, Members: []foreshock.Member{
			{Series: load, Onset: noon, EndedAt: noon + 600_000},
			{Series: cpu, Onset: noon + 60_000},
			{Series: other, Onset: noon + 60_000},
		}},
		{ID: "lone", Members: []foreshock.Member{{Series: disk, Onset: noon - hour, EndedAt: noon - hour + 1}}},
		{ID: "breach", Members: []foreshock.Member{{Series: cpu, Onset: noon}}},
	}
	for _, c := range []struct {
		name     string
		series   *foreshock.Series
		at       int64
		incident string
		together []*foreshock.Series
		unlisted int
	}{
		{"in the incident", load, noon, "noon", []*foreshock.Series{cpu, other}, 7},
		{"just before", load, noon - company, "noon", []*foreshock.Series{cpu, other}, 7},
		{"the later one", load, noon + 6*hour, "late", nil, 0},
		{"between the two", load, noon + 2*hour, "", []*foreshock.Series{cpu}, 0}, // lasting, once
		{"calm, on the same host", disk, noon, "", []*foreshock.Series{load, cpu}, 0},
		{"before all of it", disk, noon - 3*hour, "", nil, 0},
		{"alone", disk, noon - hour, "lone", nil, 0},
		{"of no host", foreshock.NewSeries(labels.FromStrings("__name__", "up")), noon, "", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := foreshock.Explanation{Series: c.series, Moment: foreshock.Moment{T: c.at}}
			accompany(&e, incidents)
			if e.Incident != c.incident || e.Unlisted != c.unlisted || len(e.Together) != len(c.together) {
				t.Fatalf("incident %q with %d others and %d more, want %q with %d and %d", e.Incident, len(e.Together), e.Unlisted, c.incident, len(c.together), c.unlisted)
			}
			for i, m := range e.Together {
				if m.Series != c.together[i] {
					t.Errorf("%s moved with it, want %s", m.Series, c.together[i])
				}
			}
		})
	}
}
