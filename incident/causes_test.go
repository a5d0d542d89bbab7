package incident

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// What is learned of causes is told once; the same places again are no news, nor is that
// nothing is found any more, and what is
// over, or was never heard of, has no cause any more.
func TestSetInquest(t *testing.T) {
	c := New(DefaultConfig())
	s := foreshock.NewSeries(labels.FromStrings("__name__", "m", "instance", "a"))
	anomaly := foreshock.Anomaly{Series: s, Rule: "r", T: 1000, Onset: 1000, Score: 2}
	c.Add(anomaly)
	id := c.Tick(1000)[0].ID

	likely := func(places ...string) (found foreshock.Inquest) {
		for _, p := range places {
			found.Causes = append(found.Causes, foreshock.Cause{Place: p, Confidence: .6})
		}
		return found
	}
	c.SetInquest("nobody", likely("database"))
	if told := c.Tick(2000); len(told) != 0 {
		t.Errorf("told %+v of an incident nobody knows", told)
	}
	c.SetInquest(id, likely("database"))
	if told := c.Tick(3000); len(told) != 1 || told[0].ID != id || told[0].Causes[0].Place != "database" {
		t.Fatalf("told %+v, want the database", told)
	}
	surer := likely("database")
	surer.Causes[0].Confidence = .7
	c.SetInquest(id, surer)
	c.SetInquest(id, foreshock.Inquest{})
	if told := c.Tick(4000); len(told) != 0 {
		t.Errorf("told %+v again", told)
	}
	if known := c.Incidents()[0].Causes; known[0].Confidence != .7 {
		t.Errorf("who asks is told %+v, want the latest", known)
	}
	c.SetInquest(id, likely("cache", "database"))
	if told := c.Tick(5000); len(told) != 1 || told[0].Causes[0].Place != "cache" {
		t.Errorf("told %+v, want the cache", told)
	}

	anomaly.Phase, anomaly.T = foreshock.Ended, 6000
	c.Add(anomaly)
	if told := c.Tick(3_600_000); len(told) != 1 || told[0].State != foreshock.Resolved || len(told[0].Causes) != 2 {
		t.Fatalf("told %+v, want its end and its causes", told)
	}
	c.SetInquest(id, likely("database"))
	if told := c.Tick(3_700_000); len(told) != 0 {
		t.Errorf("told %+v of what is over", told)
	}
}
