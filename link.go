package foreshock

import (
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Link says that From depends on To, both by name: a caller on what it calls, a pod on its
// node.
type Link struct {
	From, To string
	Cluster  string // that both are in; "" where nobody says
	Mutual   bool   // To waits for From as well: a machine for what runs on it
}

// Relation is a pair of labels of one series that says who depends on whom.
type Relation struct {
	From, To string
	Metric   string // whose series alone say so; "" where any do
	Mutual   bool   // see Link
}

// PodInfoMetric is the metric of kube-state-metrics that says which pod runs on which node.
// Other series of a node name pods, too, and mean something else.
const PodInfoMetric = "kube_pod_info"

// relations are those of service graphs, of meshes, and of what Kubernetes tells of its pods.
var relations = []Relation{
	{From: "client", To: "server"},
	{From: "source_workload", To: "destination_workload"},
	{From: "source_app", To: "destination_app"},
	{From: PodLabel, To: "node", Metric: PodInfoMetric, Mutual: true},
}

// Relations are the pairs of labels that say who depends on whom.
func Relations() []Relation { return slices.Clone(relations) }

// AppendLinks appends what the labels of a series say of who depends on whom.
func AppendLinks(to []Link, ls labels.Labels) []Link {
	for _, r := range relations {
		from := ls.Get(r.From)
		if from == "" || r.Metric != "" && r.Metric != ls.Get(model.MetricNameLabel) {
			continue
		}
		if r.Metric != "" {
			from = Exported(ls, r.From)
		}
		if on := ls.Get(r.To); on != "" && on != from {
			to = append(to, Link{From: from, To: on, Cluster: ls.Get("cluster"), Mutual: r.Mutual})
		}
	}
	return to
}

// Exported is the label name of what a series is about, which Prometheus renames where it
// has one of that name of the target itself.
func Exported(ls labels.Labels, name string) string {
	if v := ls.Get(model.ExportedLabelPrefix + name); v != "" {
		return v
	}
	return ls.Get(name)
}
