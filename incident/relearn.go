package incident

import (
	"cmp"
	"slices"

	"github.com/foreshock/foreshock"
)

// Relearn takes in what dismissals taught before a restart. Each counts once the samples
// are past its time, as it did then: what is replayed from before it is told as it was, and
// the incident that was dismissed is so again, whatever was known of it when its state was
// last saved.
func (c *Correlator) Relearn(lessons []Lesson) {
	c.taught = append(c.taught, lessons...)
	slices.SortStableFunc(c.taught, func(a, b Lesson) int { return cmp.Compare(a.Dismissal.At, b.Dismissal.At) })
}

// ToBeDismissed reports whether the incident with that ID was dismissed at a time that the
// samples have not come to again.
func (c *Correlator) ToBeDismissed(id string) bool {
	return slices.ContainsFunc(c.taught, func(l Lesson) bool { return l.Incident == id })
}

// recollect has those lessons count that were learned before a time, ms.
func (c *Correlator) recollect(before int64) {
	n := 0
	for n < len(c.taught) && c.taught[n].Dismissal.At < before {
		n++
	}
	if n == 0 {
		return
	}
	made := make(map[string]foreshock.Dismissal, n)
	for _, l := range c.taught[:n] {
		c.Learn(l)
		made[l.Incident] = l.Dismissal
	}
	c.taught = slices.Delete(c.taught, 0, n)
	for _, in := range c.open {
		if d, is := made[in.ID]; is && in.Dismissal == nil && in.into == nil {
			c.close(in, d)
		}
	}
	for k := range c.resolved {
		in := &c.resolved[k]
		if d, is := made[in.ID]; is && in.Dismissal == nil {
			in.Dismissal = &d
			c.dismissed(in)
		}
	}
}

// close ends an incident that is dismissed.
func (c *Correlator) close(in *incident, d foreshock.Dismissal) {
	in.Dismissal = &d
	c.dismissed(&in.Incident)
	if in.State != foreshock.Resolved {
		c.resolve(in, max(d.At, in.StartsAt))
	}
}
