package detector

import (
	"testing"

	"github.com/foreshock/foreshock/rules"
)

// What came near an anomaly is told of the series that the rule selects, and of no other.
func TestNear(t *testing.T) {
	watch, other := &rules.Watch{Name: "w"}, &rules.Watch{Name: "o"}
	s := &shard{diaries: library{room: 10}}
	for i, of := range []*state{{watch: watch}, {watch: other}, {}} {
		s.diaries.near.put(&diary{of: of, notes: []note{{t: int64(i), raw: 0.1, theta: 0.2}}})
	}
	s.diaries.told.put(&diary{of: &state{watch: watch}, notes: []note{{t: 7, raw: 0.5, theta: 0.2}, {t: 8}}})
	found := s.near("w")
	if len(found) != 3 || found[0].T != 0 || found[0].Raw != 0.1 || found[0].Threshold != 0.2 || found[1].T != 7 || found[2].T != 8 {
		t.Errorf("%+v", found)
	}
}
