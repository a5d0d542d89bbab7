package detector

import (
	"encoding/binary"
	"strings"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/workload"
)

// maxOwners bounds what kube-state-metrics may make a shard remember: 65 536 × ~200 B
// ≈ 13 MiB.
const maxOwners = 1 << 16

// ownership is by what a pod, a ReplicaSet or a Job is owned.
type ownership uint8

const (
	byNobody ownership = iota
	byWorkload
	byReplicaSet // which a Deployment may own
	byJob        // which a CronJob may own
	byNode       // a static pod
)

// owner is what kube-state-metrics says of one pod, ReplicaSet or Job.
type owner struct {
	name string
	by   ownership
	seen int64 // the detector's age then, ms
}

// owners is what kube-state-metrics says of who owns what. Every shard has all of it,
// as pods' series are everywhere. It is never required: without it names decide.
type owners struct {
	known   map[string]owner
	key     []byte // the last one made
	swept   int64  // the detector's age when room was made last, ms
	version uint32 // grows when some pod turns out to be owned otherwise than its name says
}

// learn takes the newest sample of an ownership series in, at the age awake. What was
// not heard for idle ms makes room where there is none. full says that x was refused.
func (o *owners) learn(x *foreshock.Sample, awake, idle int64) (full bool) {
	ls := x.Series.Labels
	metric := ls.Get(prommodel.MetricNameLabel)
	name := foreshock.Exported(ls, subject(metric))
	if name == "" || ls.Get("owner_is_controller") == "false" {
		return false
	}
	key := o.find(metric, foreshock.Exported(ls, "namespace"), name)
	if x.Stale() {
		delete(o.known, string(key))
		return false
	}
	said := owner{name: ls.Get("owner_name"), by: ownedBy(ls.Get("owner_kind")), seen: awake}
	old, known := o.known[string(key)]
	if known && old.name == said.name && old.by == said.by {
		if old.seen != awake {
			old.seen = awake
			o.known[string(key)] = old
		}
		return false
	}
	if !known && !o.room(awake, idle) {
		return true
	}
	said.name = strings.Clone(said.name) // or the labels would live as long
	o.known[string(key)] = said
	if news(metric, name, said) {
		o.version++
	}
	return false
}

// subject is the label that says of what an ownership metric speaks.
func subject(metric string) string {
	switch metric {
	case foreshock.ReplicaSetOwnerMetric:
		return "replicaset"
	case foreshock.JobOwnerMetric:
		return "job_name"
	}
	return foreshock.PodLabel
}

func ownedBy(kind string) ownership {
	switch kind {
	case "", "<none>":
		return byNobody
	case "ReplicaSet":
		return byReplicaSet
	case "Job":
		return byJob
	case "Node":
		return byNode
	}
	return byWorkload
}

// news reports whether what is said of name differs from what the name says.
func news(metric, name string, said owner) bool {
	if metric == foreshock.PodOwnerMetric {
		return said.workload(name) != workload.Of(name, "")
	}
	return said.by != byNobody && said.name != workload.OfController(name) || said.by == byNobody && name != workload.OfController(name)
}

// room reports whether there is room for one more, once those nobody speaks of any
// more are gone. It looks for those once a minute at most.
func (o *owners) room(awake, idle int64) bool {
	if o.known == nil {
		o.known = map[string]owner{}
	}
	if len(o.known) >= maxOwners && awake-o.swept >= minute {
		o.swept = awake
		for key, x := range o.known {
			if awake-x.seen > idle {
				delete(o.known, key)
			}
		}
	}
	return len(o.known) < maxOwners
}

// find makes the key of what the metric says of name; it is valid until the next.
func (o *owners) find(metric, namespace, name string) []byte {
	o.key = append(o.key[:0], metric...)
	o.key = append(binary.AppendUvarint(o.key, uint64(len(namespace))), namespace...)
	o.key = append(o.key, name...)
	return o.key
}

// workload is what the pod of ls belongs to: as kube-state-metrics has it, or else as
// the pod's name does.
func (o *owners) workload(ls labels.Labels) string {
	pod, namespace := ls.Get(foreshock.PodLabel), ls.Get("namespace")
	x, ok := o.known[string(o.find(foreshock.PodOwnerMetric, namespace, pod))]
	if !ok {
		return workload.Of(pod, ls.Get("node"))
	}
	var metric string
	switch x.by {
	case byReplicaSet:
		metric = foreshock.ReplicaSetOwnerMetric
	case byJob:
		metric = foreshock.JobOwnerMetric
	default:
		return x.workload(pod)
	}
	switch above, ok := o.known[string(o.find(metric, namespace, x.name))]; {
	case ok && above.by != byNobody:
		return above.name
	case ok:
		return x.name
	}
	return x.workload(pod)
}

// workload is what a pod with this owner belongs to, as far as names tell.
func (x owner) workload(pod string) string {
	switch x.by {
	case byNobody:
		return pod
	case byNode:
		return workload.Of(pod, x.name)
	case byReplicaSet, byJob:
		return workload.OfController(x.name)
	}
	return x.name
}
