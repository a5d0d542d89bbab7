package foreshock

import (
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
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

// fingerprintRoom is how many bytes of labels are hashed without an allocation.
const fingerprintRoom = 1 << 10

// AppendLabel appends l as labels.StableHash has it, so that xxhash.Sum64 of several is
// the StableHash of the labels that they are, which need not be made for it.
func AppendLabel(b []byte, l labels.Label) []byte {
	const end = 0xff // no byte of UTF-8
	return append(append(append(append(b, l.Name...), end), l.Value...), end)
}

// kin is the fingerprint of ls without what sets kin apart: le and the suffix of a
// histogram's parts and, of a pod's, what only that pod has.
func kin(ls labels.Labels) uint64 {
	b := make([]byte, 0, fingerprintRoom)
	podOnly := PodOnly(ls)
	ls.Range(func(l labels.Label) {
		switch {
		case l.Name == model.BucketLabel || podOnly(l):
			return
		case l.Name == model.MetricNameLabel:
			l.Value = withoutParts(l.Value)
		}
		b = AppendLabel(b, l)
	})
	return xxhash.Sum64(b)
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
	place := placeLabel(s.Labels)
	if place == "" {
		return labels.EmptyLabels()
	}
	return labels.NewBuilder(s.Labels).Keep(append(districts[:len(districts):len(districts)], place)...).Labels()
}

// placeLabel is the name of the label that says where the series ls is, "" where there
// is none.
func placeLabel(ls labels.Labels) string {
	rank := len(places)
	ls.Range(func(l labels.Label) {
		if i := slices.Index(places[:rank], l.Name); i >= 0 {
			rank = i
		}
	})
	if rank == len(places) {
		return ""
	}
	return places[rank]
}

func (s *Series) neighbourhood() uint64 {
	place := placeLabel(s.Labels)
	if place == "" {
		return s.Kin
	}
	b := make([]byte, 0, fingerprintRoom)
	s.Labels.Range(func(l labels.Label) {
		if slices.Contains(districts, l.Name) || l.Name == place && place != PodLabel {
			b = AppendLabel(b, l)
		}
	})
	return xxhash.Sum64(b)
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
