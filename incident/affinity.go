package incident

import (
	"encoding/binary"
	"math"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/workload"
)

// partKey is what a series' part in an open incident of one kind is found by. It is
// valid until the next key is made.
func (c *Correlator) partKey(s *foreshock.Series, kind foreshock.Kind) []byte {
	c.buf = append(s.Labels.Bytes(c.buf), byte(kind))
	return c.buf
}

// groupKey is what the anomaly of a group shares with those of the series it speaks for;
// false where there is no group. It is valid until the next key is made.
func (c *Correlator) groupKey(kind foreshock.Kind, group *foreshock.Series) ([]byte, bool) {
	if group == nil {
		return nil, false
	}
	c.buf = append(binary.BigEndian.AppendUint32(c.buf[:0], math.MaxUint32), byte(kind)) // no set has that number
	c.buf = append(c.buf, group.String()...)
	return c.buf, true
}

// groupOf is the group that a is the anomaly of, or that speaks for its series; nil where
// there is none.
func groupOf(a *foreshock.Anomaly) *foreshock.Series {
	if a.Series.IsGroup() {
		return a.Series
	}
	return a.Group
}

// affinityKey is what two anomalies share when they belong together by the set
// numbered i; false where the set says nothing of the series. It is valid until the
// next key is made.
func (c *Correlator) affinityKey(i int, kind foreshock.Kind, s *foreshock.Series, rule string) ([]byte, bool) {
	c.buf = append(binary.BigEndian.AppendUint32(c.buf[:0], uint32(i)), byte(kind))
	for j, name := range c.config.Affinity[i] {
		v := value(name, s, rule)
		if j == 0 && v == "" {
			return nil, false
		}
		c.buf = append(binary.AppendUvarint(c.buf, uint64(len(v))), v...)
	}
	return c.buf, true
}

// index has later anomalies find in by what p, a part of it whose series is s under rule,
// has in common with them.
func (c *Correlator) index(in *incident, p *part, s *foreshock.Series, rule string) {
	enter := func(key []byte, ok bool) {
		if !ok || c.nearby[string(key)] == in {
			return
		}
		k := string(key)
		c.nearby[k] = in
		in.keys = append(in.keys, k)
	}
	enter(c.groupKey(in.Kind, p.group))
	for i := range c.config.Affinity {
		enter(c.affinityKey(i, in.Kind, s, rule))
	}
}

// value is the value of a label of s, derived ones among them.
func value(name string, s *foreshock.Series, rule string) string {
	if name == foreshock.RuleLabel {
		return rule
	}
	v := s.Labels.Get(name)
	if v == "" && name == WorkloadLabel {
		return workload.Of(s.Labels.Get("pod"), s.Labels.Get("node"))
	}
	return v
}
