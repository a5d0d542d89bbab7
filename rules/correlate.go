package rules

import (
	"fmt"
	"maps"
	"slices"

	"github.com/prometheus/common/model"
)

// Correlate says what belongs together beyond what incident.affinity joins anyway.
type Correlate struct {
	// Name is the rule's name, unique among all rules. Required.
	Name string `yaml:"correlate"`
	// Labels are those whose values anomalies share that belong together: the first of
	// them must be there, the others qualify it and must be equal, or absent from both.
	// workload and rule may be among them, as in incident.affinity.
	Labels []string `yaml:"labels"`
	// Pairs are things of which one ails when the other does, such as a service and
	// its database.
	Pairs []Pair `yaml:"pairs"`
}

// Pair is two kinds of series: an anomaly of the one belongs together with one of the
// other. Where an incident's cause is looked for, the one is taken to depend on the other.
type Pair struct {
	// From selects the one. Required.
	From Selector `yaml:"from"`
	// To selects the other. Required.
	To Selector `yaml:"to"`
	// On are labels of the one, each with the label of the other that must have the
	// same value: {node: instance}. Both must be there. Left out, any of the one belongs
	// together with any of the other.
	On map[string]string `yaml:"on"`
}

// correlate adds one correlate rule to the set.
func (r *reader) correlate(at string, c *Correlate) {
	r.unique(at, "correlate", c.Name)
	if len(c.Labels) == 0 && len(c.Pairs) == 0 && r.Sound(at+".labels") && r.Sound(at+".pairs") {
		r.Reject(at, "says nothing: want labels, or pairs of from and to")
	}
	for i, name := range c.Labels {
		path := fmt.Sprintf("%s.labels[%d]", at, i)
		r.labelName(path, name)
		if slices.Contains(c.Labels[:i], name) {
			r.Reject(path, "names %q again", name)
		}
	}
	for i, p := range c.Pairs {
		path := fmt.Sprintf("%s.pairs[%d]", at, i)
		r.required(path, "from", len(p.From) == 0)
		r.required(path, "to", len(p.To) == 0)
		for _, name := range slices.Sorted(maps.Keys(p.On)) {
			r.labelName(path+".on", name)
			r.labelName(path+".on."+name, p.On[name])
		}
	}
	r.set.Correlates = append(r.set.Correlates, c)
}

func (r *reader) labelName(path, name string) {
	if !model.UTF8Validation.IsValidLabelName(name) {
		r.Reject(path, "%q is not a label name", name)
	}
}
