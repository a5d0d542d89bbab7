package detector

import (
	"testing"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// limitsOf are two limits on load.
func limitsOf(higher float64) *rules.Set {
	return &rules.Set{Limits: []*rules.Limit{
		{Name: "warn", Select: selecting("load"), Bound: 8, Above: true},
		{Name: "page", Select: selecting("load"), Bound: higher, Above: true},
	}}
}

// Rules that are loaded again end no alert, those that are gone end theirs, and so do a
// new bound that is not crossed and the end of the series.
func TestLimitsOutlastAReload(t *testing.T) {
	b := run(t, Options{Rules: limitsOf(9)})
	x := series("load")
	at := int64(start)
	add := func(v float64) {
		at += 15_000
		b.append(foreshock.Sample{Series: x, T: at, V: v})
	}
	add(10)
	b.SetRules(limitsOf(9))
	add(10)
	b.SetRules(limitsOf(20))
	add(10)
	b.SetRules(&rules.Set{Limits: limitsOf(9).Limits[:1]})
	add(10)
	b.SetRules(nil)
	add(10)
	b.settle()
	var got []string
	for _, f := range b.found {
		for _, a := range f.Anomalies {
			if a.Kind != foreshock.Crossing || a.Onset != start+15_000 || a.Value != 10 || !a.Above {
				t.Errorf("got %+v", a)
			}
			got = append(got, a.Phase.String()+" "+a.Rule)
		}
	}
	want := []string{"started warn", "started page", "ended page", "ended warn"}
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %q, want %q", got, want)
			break
		}
	}
}

// A limit far beyond which a series goes is told of again, by halves of the distance.
func TestCrossingsEscalate(t *testing.T) {
	b := run(t, Options{Rules: &rules.Set{Limits: []*rules.Limit{{Name: "low", Select: selecting("load"), Bound: 10}}}})
	x := series("load")
	for i, v := range []float64{10, 8, 7.5, 7, 6, 5, 11, 8} {
		b.append(foreshock.Sample{Series: x, T: start + int64(i)*15_000, V: v})
	}
	b.settle()
	var phases []foreshock.Phase
	for _, f := range b.found {
		for _, a := range f.Anomalies {
			phases = append(phases, a.Phase)
		}
	}
	want := []foreshock.Phase{foreshock.Started, foreshock.Escalated, foreshock.Escalated, foreshock.Ended, foreshock.Started}
	if len(phases) != len(want) {
		t.Fatalf("got %v, want %v", phases, want)
	}
	for i := range want {
		if phases[i] != want[i] {
			t.Fatalf("got %v, want %v", phases, want)
		}
	}
}
