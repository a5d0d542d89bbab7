package incident

import "testing"

func TestWorkload(t *testing.T) {
	for _, tc := range []struct{ pod, want string }{
		{"cart-5d78c9869d-x7k2p", "cart"},
		{"coredns-576bfc4dc7-lq2rr", "coredns"},
		{"web-2-6d4b75cb6d-hwx9z", "web-2"},
		{"short-hash-8f56c9-bcdfg", "short-hash"},
		{"node-exporter-x7k2p", "node-exporter"},
		{"migrate-schema-4v2mz", "migrate-schema"},
		{"backup-28473840-x7k2p", "backup"},
		{"backup-1616161600-x7k2p", "backup"},
		{"postgres-0", "postgres"},
		{"kafka-broker-12", "kafka-broker"},
		{"cart-5d78c9869d-24567", "cart"},
		{"training-3-x7k2p", "training-3"},
		{"kube-apiserver-node1", "kube-apiserver-node1"},
		{"etcd-master", "etcd-master"},
		{"debug", "debug"},
		{"x7k2p", "x7k2p"},
		{"-x7k2p", "-x7k2p"},
		{"-", "-"},
		{"0", "0"},
		{"", ""},
	} {
		if got := workload(tc.pod); got != tc.want {
			t.Errorf("workload(%q) = %q, want %q", tc.pod, got, tc.want)
		}
	}
}

// FuzzWorkload: whatever a pod is called, its workload is the beginning of that
// name, and never nothing.
func FuzzWorkload(f *testing.F) {
	f.Add("cart-5d78c9869d-x7k2p")
	f.Add("a--0")
	f.Fuzz(func(t *testing.T, pod string) {
		got := workload(pod)
		if len(got) > len(pod) || pod[:len(got)] != got || (got == "") != (pod == "") {
			t.Errorf("workload(%q) = %q", pod, got)
		}
	})
}
