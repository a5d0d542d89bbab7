package incident

import (
	"encoding/binary"
	"strings"

	"github.com/foreshock/foreshock"
)

// partKey is what a series' part in an open incident of one kind is found by. It is
// valid until the next key is made.
func (c *Correlator) partKey(s *foreshock.Series, kind foreshock.Kind) []byte {
	c.buf = append(s.Labels.Bytes(c.buf), byte(kind))
	return c.buf
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

// index has later anomalies find in by what its member s has in common with them.
func (c *Correlator) index(in *incident, s *foreshock.Series, rule string) {
	for i := range c.config.Affinity {
		key, ok := c.affinityKey(i, in.Kind, s, rule)
		if !ok || c.nearby[string(key)] == in {
			continue
		}
		k := string(key)
		c.nearby[k] = in
		in.keys = append(in.keys, k)
	}
}

// value is the value of a label of s, derived ones among them.
func value(name string, s *foreshock.Series, rule string) string {
	if name == foreshock.RuleLabel {
		return rule
	}
	v := s.Labels.Get(name)
	if v == "" && name == WorkloadLabel {
		return workload(s.Labels.Get("pod"))
	}
	return v
}

// workload is the name of what a pod belongs to, as far as the pod's name tells:
//
//	Deployment       cart-5d78c9869d-x7k2p    → cart
//	DaemonSet, Job   node-exporter-x7k2p      → node-exporter
//	CronJob          backup-28473840-x7k2p    → backup
//	StatefulSet      postgres-0               → postgres
//
// Any other name is its own workload: a static pod, a pod someone made by hand. So
// is each index of an indexed Job, which reads like a part of the Job's name.
func workload(pod string) string {
	name, last := cutLast(pod)
	switch {
	case name == "":
		return pod
	case isRandom(last):
		if owner, middle := cutLast(name); owner != "" && (isTemplateHash(middle) || isSchedule(middle)) {
			return owner
		}
		return name
	case consistsOf(last, "0123456789"):
		return name
	}
	return pod
}

// cutLast splits a name at its last dash; before is "" if nothing precedes one.
func cutLast(name string) (before, after string) {
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return "", name
	}
	return name[:i], name[i+1:]
}

// isRandom: k8s.io/apimachinery/pkg/util/rand.String(5), whose alphabet has no
// vowels, no y and nothing that looks like one of them.
func isRandom(s string) bool {
	return len(s) == 5 && consistsOf(s, "bcdfghjklmnpqrstvwxz2456789")
}

// isTemplateHash: the decimal digits of a uint32, which rand.SafeEncodeString maps
// to these ten letters of the same alphabet. Shorter than six is one in 40 000.
func isTemplateHash(s string) bool {
	return len(s) >= 6 && len(s) <= 10 && consistsOf(s, "456789bcdf")
}

// isSchedule: the scheduled time of a CronJob's Job in minutes since the epoch,
// before Kubernetes 1.21 in seconds.
func isSchedule(s string) bool {
	return len(s) >= 8 && len(s) <= 10 && consistsOf(s, "0123456789")
}

func consistsOf(s, alphabet string) bool { return s != "" && strings.Trim(s, alphabet) == "" }
