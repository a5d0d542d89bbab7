package detector

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// Whatever labels a rule groups by, two series of one group must be neighbours: only those
// are on one shard.
func TestGroupsAreOfNeighbours(t *testing.T) {
	names := []string{"cluster", "deployment", "instance", "namespace", "node", "pod", "service"}
	grouping := [][]string{
		{"namespace"},
		{"namespace", "deployment"},
		{"namespace", "service"},
		{"namespace", "instance", "node"},
		{"instance"},
		{"service"},
		{"node", "service"},
		{"pod", "deployment"},
		{"deployment", "instance", "service"},
	}
	for _, by := range grouping {
		w := &rules.Watch{Name: "w", GroupBy: by}
		neighbourhoods, alone, together := map[string]uint64{}, 0, 0
		for set := range 1 << (2 * len(names)) { // each label absent, or of one of two values
			b := labels.NewScratchBuilder(len(names) + 1)
			b.Add("__name__", "load")
			for i, name := range names {
				if v := set >> (2 * i) & 3; v == 3 {
					b.Add(name, "y")
				} else if v == 2 {
					b.Add(name, "x")
				}
			}
			x := foreshock.NewSeries(b.Labels())
			at, scattered := grouped(w, x)
			if at.IsEmpty() != scattered {
				t.Fatalf("%v: %s is grouped by %s and scattered: %t", by, x, at, scattered)
			}
			if scattered {
				alone++
				continue
			}
			together++
			key := at.String()
			if of, known := neighbourhoods[key]; known && of != x.Neighbourhood {
				t.Fatalf("%v: series of %s have different neighbourhoods, such as %s", by, key, x)
			}
			neighbourhoods[key] = x.Neighbourhood
		}
		if together == 0 || alone == 0 {
			t.Errorf("%v: %d series grouped and %d alone prove nothing", by, together, alone)
		}
	}
}
