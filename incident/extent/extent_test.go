package extent

import (
	"strconv"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

func pods(n int, peak float64) (all []foreshock.Member) {
	for k := range n {
		s := foreshock.NewSeries(labels.FromStrings("__name__", "x", "pod", strconv.Itoa(k), "instance", "a"))
		all = append(all, foreshock.Member{Series: s, Peak: peak}, foreshock.Member{Series: s})
	}
	return all
}

// What is broad, or both broad and far off, cannot wait.
func TestSeverity(t *testing.T) {
	for _, c := range []struct {
		kind    foreshock.Kind
		places  int
		peak    float64
		targets int // silent
		want    string
	}{
		{foreshock.Outlier, 1, 8, 0, Warning},
		{foreshock.Outlier, 9, 2, 0, Warning},
		{foreshock.Outlier, 10, 2, 0, Critical},
		{foreshock.Outlier, 2, 5, 0, Warning},
		{foreshock.Outlier, 3, 4, 0, Critical},
		{foreshock.Crossing, 3, 4, 0, Warning},
		{foreshock.Absence, 1, 0, 40, Critical},
	} {
		i := foreshock.Incident{Kind: c.kind, Members: pods(c.places, c.peak)}
		i.Members[0].Silence.Targets = c.targets
		if got := Severity(&i); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// The places of a group are its own, not those of the series it speaks for.
func TestOf(t *testing.T) {
	i := foreshock.Incident{Members: pods(3, 1), Dropped: 2}
	if e := Of(&i); e.Series != 8 || e.Places != 3 || e.Kinds["pod"] != 3 {
		t.Errorf("%+v", e)
	}
	group := foreshock.NewGroup(labels.FromStrings("instance", "b"), "r")
	i.Members = append(i.Members, foreshock.Member{Series: group, Company: foreshock.Company{Odd: 20, Of: 30}})
	if e := Of(&i); e.Series != 20 || e.Places != 1 || e.Kinds["instance"] != 1 {
		t.Errorf("with its group: %+v", e)
	}
}
