package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/foreshock/foreshock"
)

// groupBy checks which labels make a group. A group is weighed where its series are
// kept together: those of one place, and the pods of one namespace.
func (r *reader) groupBy(at string, w *Watch) {
	if len(w.GroupBy) == 0 {
		return
	}
	path := at + ".group_by"
	if w.Group == GroupOff {
		r.Reject(path, "needs groups, and the rule says group: off")
	}
	for i, name := range w.GroupBy {
		item := fmt.Sprintf("%s[%d]", path, i)
		r.labelName(item, name)
		if slices.Contains(w.GroupBy[:i], name) {
			r.Reject(item, "names %q again", name)
		}
	}
	if !slices.ContainsFunc(w.GroupBy, foreshock.IsPlaceLabel) && !slices.Contains(w.GroupBy, foreshock.NamespaceLabel) {
		r.Reject(path, "must name %s or %s: a group is never larger than one of these places, or than the pods of one namespace",
			strings.Join(foreshock.PlaceLabels(), ", "), foreshock.NamespaceLabel)
	}
}
