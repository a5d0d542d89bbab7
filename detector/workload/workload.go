// Package workload tells from a pod's name what the pod belongs to, so that a pod may
// come and go while what was learned of its workload stays.
//
// It is a pure function of names, as Kubernetes makes them. A name can be made by hand
// to look like another kind's, so the answer is a good guess: whoever knows the owner,
// as kube-state-metrics does, knows better.
package workload

import "strings"

const (
	// randoms is the alphabet of k8s.io/apimachinery/pkg/util/rand: no vowels, no y and
	// nothing that looks like one of them. suffix is how many of it end a pod's name.
	randoms = "bcdfghjklmnpqrstvwxz2456789"
	suffix  = 5

	// hashes are the ten letters to which rand.SafeEncodeString maps the decimal digits
	// of a uint32: the hash of a pod template.
	hashes = "456789bcdf"

	digits = "0123456789"

	// longest is the longest name of a pod, 63 bytes: generated ones are cut so that
	// their suffix fits, and a cut name has no dash before it.
	longest = 63
)

// Of is the name of what pod belongs to:
//
//	Deployment            cart-5d78c9869d-x7k2p       → cart
//	DaemonSet, Job        node-exporter-x7k2p         → node-exporter
//	CronJob               backup-28473840-x7k2p       → backup
//	StatefulSet           postgres-0                  → postgres
//	static pod of node-1  kube-apiserver-node-1       → kube-apiserver
//
// node is the node it runs on, "" where nobody knows. Any other pod is its own
// workload: one that someone made by hand. So is each index of an indexed Job, which
// reads like a part of the Job's name.
func Of(pod, node string) string {
	if name, ok := strings.CutSuffix(pod, "-"+node); ok && node != "" && name != "" {
		return name
	}
	if controller, ok := cutSuffix(pod); ok {
		return OfController(controller)
	}
	if name, last := cutLast(pod); name != "" && isOrdinal(last) {
		return name
	}
	return pod
}

// OfController is the name of what made the ReplicaSet or the Job of that name: a
// Deployment or a CronJob. One that nobody made is its own workload.
func OfController(name string) string {
	owner, last := cutLast(name)
	if owner != "" && (isTemplateHash(last) || isSchedule(last)) {
		return owner
	}
	return name
}

// cutSuffix is the name of a pod's controller, which the pod's own was generated from:
// false where it was not.
func cutSuffix(pod string) (controller string, ok bool) {
	name, last := cutLast(pod)
	switch {
	case name != "" && isRandom(last):
		return name, true
	case len(pod) == longest && isRandom(pod[longest-suffix:]):
		name = pod[:longest-suffix]
		// The cut may have gone through the template's hash.
		if owner, part := cutLast(name); owner != "" && consistsOf(part, hashes) {
			name = owner
		}
		return name, true
	}
	return "", false
}

// cutLast splits a name at its last dash; before is "" if nothing precedes one.
func cutLast(name string) (before, after string) {
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return "", name
	}
	return name[:i], name[i+1:]
}

func isRandom(s string) bool { return len(s) == suffix && consistsOf(s, randoms) }

// isTemplateHash: shorter than six is one in 40 000.
func isTemplateHash(s string) bool {
	return len(s) >= 6 && len(s) <= 10 && consistsOf(s, hashes)
}

// isSchedule: the scheduled time of a CronJob's Job in minutes since the epoch,
// before Kubernetes 1.21 in seconds.
func isSchedule(s string) bool {
	return len(s) >= 8 && len(s) <= 10 && consistsOf(s, digits)
}

// isOrdinal: of a StatefulSet, written without a leading zero and, as it fits an
// int32, in ten digits at most.
func isOrdinal(s string) bool {
	return len(s) <= 10 && consistsOf(s, digits) && (s[0] != '0' || len(s) == 1)
}

func consistsOf(s, alphabet string) bool { return s != "" && strings.Trim(s, alphabet) == "" }
