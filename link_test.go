package foreshock

import (
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

func TestAppendLinks(t *testing.T) {
	for _, c := range []struct {
		labels []string
		want   []Link
	}{
		{[]string{"__name__", "calls_total", "client", "front", "server", "cart", "cluster", "eu"}, []Link{{From: "front", To: "cart", Cluster: "eu"}}},
		{[]string{"source_workload", "a", "destination_workload", "b", "source_app", "x", "destination_app", "y"}, []Link{{From: "a", To: "b"}, {From: "x", To: "y"}}},
		{[]string{"__name__", PodInfoMetric, "pod", "cart-0", "node", "n1"}, []Link{{From: "cart-0", To: "n1", Mutual: true}}},
		// Where Prometheus renamed them, pod is that of kube-state-metrics.
		{[]string{"__name__", PodInfoMetric, "pod", "ksm", "exported_pod", "cart-0", "node", "n1"}, []Link{{From: "cart-0", To: "n1", Mutual: true}}},
		{[]string{"__name__", "container_cpu", "pod", "cart-0", "node", "n1"}, nil},
		{[]string{"client", "front", "server", "front"}, nil},
		{[]string{"client", "front"}, nil},
	} {
		if got := AppendLinks(nil, labels.FromStrings(c.labels...)); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.labels, got, c.want)
		}
	}
}
