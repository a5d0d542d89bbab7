package foreshock

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// PodLabel marks the series of a pod, which come and go with it; the workload stays.
const PodLabel = "pod"

// Metrics of kube-state-metrics whose labels say who owns what.
const (
	PodOwnerMetric        = "kube_pod_owner"
	ReplicaSetOwnerMetric = "kube_replicaset_owner"
	JobOwnerMetric        = "kube_job_owner"
)

func tellsOwner(name string) bool {
	return name == PodOwnerMetric || name == ReplicaSetOwnerMetric || name == JobOwnerMetric
}

// kin is the fingerprint of ls without what sets kin apart: le and the suffix of a
// histogram's parts and, of a pod's, what only that pod has.
func kin(ls labels.Labels) uint64 {
	b := labels.NewScratchBuilder(ls.Len())
	podOnly := PodOnly(ls)
	ls.Range(func(l labels.Label) {
		switch {
		case l.Name == model.BucketLabel || podOnly(l):
			return
		case l.Name == model.MetricNameLabel:
			l.Value = withoutParts(l.Value)
		}
		b.Add(l.Name, l.Value)
	})
	return labels.StableHash(b.Labels())
}

// places are the labels that say where a series is, the first that it has, and
// districts those within which that means something.
var (
	places    = []string{PodLabel, model.InstanceLabel, "node", "service", "svc", "app"}
	districts = []string{"namespace", "cluster"}
)

// Place is where the series is, a pod, an instance, a node or a service: the labels that
// say so, none where nothing does.
func (s *Series) Place() labels.Labels {
	for _, name := range places {
		if s.Labels.Has(name) {
			return labels.NewBuilder(s.Labels).Keep(append(districts[:len(districts):len(districts)], name)...).Labels()
		}
	}
	return labels.EmptyLabels()
}

func (s *Series) neighbourhood() uint64 {
	at := s.Place()
	switch {
	case at.IsEmpty():
		return s.Kin
	case at.Has(PodLabel):
		at = labels.NewBuilder(at).Del(PodLabel).Labels()
	}
	return labels.StableHash(at)
}

// withoutParts is name without what the parts of a histogram, and what the detector
// makes of it, add to it. All such suffixes go: which of them are the family's own name,
// as in x_sum_count, nobody can tell.
func withoutParts(name string) string {
	for {
		bare := name
		for _, suffix := range [...]string{"_bucket", "_count", "_sum", "_mean", "_p50", "_p99"} {
			bare = strings.TrimSuffix(bare, suffix)
		}
		if bare == name {
			return name
		}
		name = bare
	}
}

// Labels of a pod's series that only that pod has, or only the pods of one release:
// its name and addresses, its containers' identities, its template's hash. A release
// replaces them all, and its pods are siblings of those before nonetheless.
var podOnlyNames = []string{
	PodLabel, model.InstanceLabel, "node", "host_ip", "pod_ip", "uid", "pod_uid", "container_id", "image_id",
	"pod_template_hash", "controller_revision_hash", "rollouts_pod_template_hash",
}

// What cAdvisor calls the control group, the container and the image of its series. In
// the metrics of others an id or a name may be anything: a memory pool, a topic.
var (
	cadvisorPrefix = "container_"
	cadvisorNames  = []string{"id", "name", "image"}
)

// generated is the least length of a pod's name whose occurrence in a label's value is
// no accident.
const generated = 8

// PodOnly returns what tells whether a label of ls is one that only its pod has, and
// its siblings, the other pods of the workload, do not: by its name, or since its
// value holds the pod's name. Where ls is no pod's there is none.
func PodOnly(ls labels.Labels) func(labels.Label) bool {
	pod := ls.Get(PodLabel)
	if pod == "" {
		return func(labels.Label) bool { return false }
	}
	cadvisor := strings.HasPrefix(ls.Get(model.MetricNameLabel), cadvisorPrefix)
	return func(l labels.Label) bool {
		switch {
		case l.Name == model.MetricNameLabel:
			return false
		case slices.Contains(podOnlyNames, l.Name), cadvisor && slices.Contains(cadvisorNames, l.Name):
			return true
		}
		return l.Value == pod || len(pod) >= generated && strings.Contains(l.Value, pod)
	}
}
