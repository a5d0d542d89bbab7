package workload

import (
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	long := strings.Repeat("a", 47)
	for _, tc := range []struct{ pod, node, want string }{
		// Deployments.
		{"cart-5d78c9869d-x7k2p", "", "cart"},
		{"coredns-576bfc4dc7-lq2rr", "", "coredns"},
		{"web-2-6d4b75cb6d-hwx9z", "", "web-2"},
		{"short-hash-8f56c9-bcdfg", "", "short-hash"},
		{"cart-5d78c9869d-24567", "", "cart"},
		{"cart-5d78c9869d-x7k2p", "worker-3", "cart"},
		// DaemonSets, Jobs, ReplicaSets nobody made a Deployment for.
		{"node-exporter-x7k2p", "", "node-exporter"},
		{"migrate-schema-4v2mz", "", "migrate-schema"},
		{"training-3-x7k2p", "", "training-3"},
		{"cart-123abc-x7k2p", "", "cart-123abc"}, // no hash: a vowel, and a 1
		{"cart-45678-x7k2p", "", "cart-45678"},   // too short for one
		// CronJobs.
		{"backup-28473840-x7k2p", "", "backup"},
		{"backup-1616161600-x7k2p", "", "backup"},
		// StatefulSets.
		{"postgres-0", "", "postgres"},
		{"kafka-broker-12", "", "kafka-broker"},
		{"backup-007", "", "backup-007"}, // no ordinal
		{"archive-20260101123000", "", "archive-20260101123000"},
		// Static pods.
		{"kube-apiserver-node1", "", "kube-apiserver-node1"},
		{"kube-apiserver-node1", "node1", "kube-apiserver"},
		{"etcd-ip-10-0-0-7.ec2.internal", "ip-10-0-0-7.ec2.internal", "etcd"},
		{"etcd-master", "", "etcd-master"},
		{"-node1", "node1", "-node1"},
		// Names cut to 63 bytes: within the hash, at its dash, before it.
		{long + "-5d78c9869dx7k2p", "", long},
		{long + "aaaaaaa-5d7x7k2p", "", long + "aaaaaaa"},
		{long + "aaaaaaaaaa-x7k2p", "", long + "aaaaaaaaaa"},
		{long + "aaaaaaaaaaax7k2p", "", long + "aaaaaaaaaaa"},
		{long + "aaaaaaaaaax7k2p", "", long + "aaaaaaaaaax7k2p"}, // 62: not cut
		// Anything else is its own.
		{"debug", "", "debug"},
		{"x7k2p", "", "x7k2p"},
		{"-x7k2p", "", "-x7k2p"},
		{"-", "", "-"},
		{"-", "-", "-"},
		{"0", "", "0"},
		{"", "", ""},
		{"", "node1", ""},
	} {
		if got := Of(tc.pod, tc.node); got != tc.want {
			t.Errorf("Of(%q, %q) = %q, want %q", tc.pod, tc.node, got, tc.want)
		}
	}
}

// FuzzOf: whatever a pod is called, its workload is the beginning of that name, and
// never nothing.
func FuzzOf(f *testing.F) {
	f.Add("cart-5d78c9869d-x7k2p", "")
	f.Add("a--0", "0")
	f.Add("\x00-x7k2p", "\xff")
	f.Fuzz(func(t *testing.T, pod, node string) {
		got := Of(pod, node)
		if !strings.HasPrefix(pod, got) || (got == "") != (pod == "") {
			t.Errorf("Of(%q, %q) = %q", pod, node, got)
		}
	})
}
