package detector

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// owned is what kube-state-metrics says of the owner of a pod, a replicaset or a job.
func owned(subject, name, kind, owner string, more ...string) *foreshock.Series {
	metric := map[string]string{"pod": "kube_pod_owner", "replicaset": "kube_replicaset_owner", "job_name": "kube_job_owner"}[subject]
	return series(append([]string{metric, "namespace", "shop", subject, name, "owner_kind", kind, "owner_name", owner}, more...)...)
}

func learnAll(o *owners, xs ...*foreshock.Series) {
	for _, x := range xs {
		o.learn(&foreshock.Sample{Series: x, V: 1}, 0, 0)
	}
}

func TestOwners(t *testing.T) {
	var o owners
	learnAll(
		&o,
		owned("pod", "cart-5d78c9869d-x7k2p", "ReplicaSet", "cart-5d78c9869d"),
		owned("replicaset", "cart-5d78c9869d", "Deployment", "cart"),
		owned("pod", "odd-x7k2p", "ReplicaSet", "odd"),
		owned("replicaset", "odd", "Rollout", "canary"),
		owned("pod", "bare-x7k2p", "ReplicaSet", "bare-5d78c9869d"),
		owned("replicaset", "bare-5d78c9869d", "<none>", "<none>"),
		owned("pod", "nightly-28473840-x7k2p", "Job", "nightly-28473840"),
		owned("job_name", "nightly-28473840", "CronJob", "nightly"),
		owned("pod", "flow-1234-main-567", "Workflow", "flow"),
		owned("pod", "debug-0", "", ""),
		owned("pod", "etcd-node-7", "Node", "node-7"),
		owned("pod", "shared-x7k2p", "Owner", "not the controller", "owner_is_controller", "false"),
		series("kube_pod_owner", "namespace", "monitoring", "pod", "kube-state-metrics-7f6b9d4c85-b4f5q",
			"exported_namespace", "shop", "exported_pod", "renamed", "owner_kind", "StatefulSet", "owner_name", "db"),
	)
	for pod, want := range map[string]string{
		"cart-5d78c9869d-x7k2p":               "cart",
		"odd-x7k2p":                           "canary",
		"bare-x7k2p":                          "bare-5d78c9869d",
		"nightly-28473840-x7k2p":              "nightly",
		"flow-1234-main-567":                  "flow",
		"debug-0":                             "debug-0",
		"etcd-node-7":                         "etcd",
		"shared-x7k2p":                        "shared",
		"renamed":                             "db",
		"cart-7f6b9d4c85-b4f5q":               "cart", // by its name
		"kube-state-metrics-7f6b9d4c85-b4f5q": "kube-state-metrics",
	} {
		ls := labels.FromStrings("namespace", "shop", "pod", pod)
		if got := o.workload(ls); got != want {
			t.Errorf("workload of %s = %q, want %q", pod, got, want)
		}
	}
	if got := o.workload(labels.FromStrings("namespace", "bank", "pod", "renamed")); got != "renamed" {
		t.Errorf("workload of a pod of another namespace = %q", got)
	}
	was := o.version
	learnAll(&o, owned("pod", "cart-5d78c9869d-b4f5q", "ReplicaSet", "cart-5d78c9869d"), owned("replicaset", "cart-5d78c9869d", "Deployment", "cart"))
	if o.version != was {
		t.Error("what names say anyway has every young series look up its siblings again")
	}
}

// Owners are bounded, whoever sends them: those nobody speaks of any more make room, the
// others stay, and what does not fit is refused.
func TestOwnersAreBounded(t *testing.T) {
	var o owners
	sample := func(i int) *foreshock.Sample {
		return &foreshock.Sample{Series: owned("pod", fmt.Sprint("pod", i), "Workflow", "flow"), V: 1}
	}
	const idle = 60 * minute
	for i := range maxOwners {
		if o.learn(sample(i), 0, idle) {
			t.Fatalf("refused the one numbered %d", i)
		}
	}
	if !o.learn(sample(maxOwners), 0, idle) || len(o.known) != maxOwners {
		t.Errorf("knows %d, want no more than %d", len(o.known), maxOwners)
	}
	o.learn(sample(0), 2*idle, idle)
	if o.learn(sample(maxOwners), 2*idle, idle) || len(o.known) != 2 {
		t.Errorf("knows %d once nobody speaks of them, want 2", len(o.known))
	}
	gone := sample(0)
	gone.V = staleMarker
	o.learn(gone, 2*idle, idle)
	if len(o.known) != 1 {
		t.Errorf("knows %d after one ended, want 1", len(o.known))
	}
	long := &foreshock.Sample{Series: owned("pod", strings.Repeat("x", 1<<16), "Workflow", strings.Repeat("y", 1<<16)), V: 1}
	if o.learn(long, 2*idle, idle) {
		t.Error("a long name is refused")
	}
}

// Pods whose names say nothing have siblings once kube-state-metrics has told, even
// where it tells after their first samples.
func TestOwnersToldLate(t *testing.T) {
	s := tell(t, Options{Shards: 3})
	old, pod := podSeries("flow-aaaa-main"), podSeries("flow-bbbb-main")
	s.play(1, old)
	s.playAt(1, 1, 0, owned("pod", "flow-aaaa-main", "Workflow", "flow"))
	s.play(1440, old)
	s.play(2, pod)
	s.playAt(1, 1, 0, owned("pod", "flow-bbbb-main", "Workflow", "flow"))
	s.play(20, pod)
	if from := s.from(pod); from != "flow-aaaa-main" {
		t.Errorf("inherited from %q", from)
	}
	if got := s.Status().Owners; got != 2 {
		t.Errorf("%d owners known, want 2", got)
	}
}

// churning is a namespace whose pods come, end and come again, among them what
// kube-state-metrics says of them.
func churning(seed uint64, rounds int) []*foreshock.Batch {
	r := rand.New(rand.NewPCG(seed, 9))
	pods := map[int]string{}
	var batches []*foreshock.Batch
	generation := 0
	for round := range rounds {
		at := start + int64(round)*minute
		b := &foreshock.Batch{}
		for i := range 30 {
			name, ok := pods[i]
			marker := ok && r.IntN(150) == 0
			if !ok {
				generation++
				name = fmt.Sprintf("w%d-5d78c9869d-%05d", i%3, generation)
				name = strings.NewReplacer("0", "b", "1", "c", "3", "d").Replace(name)
				if i%3 == 2 {
					name = fmt.Sprintf("flow-%x-main", generation)
				}
				pods[i] = name
			}
			more := []string{"namespace", "shop", "pod", name, "instance", fmt.Sprint(i)}
			for _, metric := range []string{"latency", "load"} {
				v := 100 + 10*float64(i%4) + r.NormFloat64()
				if generation%7 == 0 {
					v *= 3
				}
				if marker {
					v = staleMarker
				}
				b.Samples = append(b.Samples, foreshock.Sample{Series: series(append([]string{metric}, more...)...), T: at, V: v})
			}
			if i%3 == 2 && round%2 == 0 {
				b.Samples = append(b.Samples, foreshock.Sample{Series: owned("pod", name, "Workflow", "flow"), T: at, V: 1})
			}
			if marker {
				delete(pods, i)
			}
		}
		r.Shuffle(len(b.Samples), func(i, j int) { b.Samples[i], b.Samples[j] = b.Samples[j], b.Samples[i] })
		batches = append(batches, b)
	}
	return batches
}

// Who inherits from whom must not depend on the number of shards.
func TestInheritanceDependsOnTheBatchesAlone(t *testing.T) {
	batches := churning(1, 1200)
	cfg := DefaultConfig()
	cfg.IdleAfter = prommodel.Duration(4 * 3600e9)
	var want bytes.Buffer
	for _, shards := range []int{1, 2, 7} {
		b := run(t, Options{Config: cfg, Rules: everything(), Shards: shards})
		for _, batch := range batches {
			b.batch(batch)
		}
		var got bytes.Buffer
		for _, name := range []string{"latency", "load"} {
			for _, v := range b.views(name) {
				fmt.Fprintln(&got, v.Series, "from", v.Inherited)
			}
		}
		b.stop()
		for _, f := range b.found {
			encode(&got, f)
		}
		if want.Len() == 0 {
			want = got
			st := b.Status()
			t.Logf("%d series inherited, %d evicted, %d owners", st.Inherited, st.Evicted, st.Owners)
			if st.Inherited == 0 || st.Evicted == 0 || st.Owners == 0 {
				t.Error("the stream proves nothing")
			}
			continue
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("%d shards: other findings (%d bytes, %d with one)", shards, got.Len(), want.Len())
		}
	}
}

// Once a pod is grown its samples cost no allocation more than any others.
func TestPodsAllocateNothing(t *testing.T) {
	s := newShard(0, 1, DefaultConfig(), &rules.Set{}, false)
	j := newJob(1)
	xs := append(fleet("5d78c9869d", 20), owned("pod", "flow-aaaa-main", "Workflow", "flow"))
	at := start
	round := func() {
		at += 15_000
		for i, x := range xs {
			sample := foreshock.Sample{Series: x, T: at, V: float64(i % 3)}
			j.parts[0].samples = append(j.parts[0].samples, sample)
			if x.Ownership {
				j.owners = append(j.owners, sample)
			}
		}
		j.awake = at - start
		j.working.Add(1)
		s.work(task{job: j, part: &j.parts[0]})
		j.reset()
	}
	for range 500 {
		round()
	}
	// A window grows now and then, and ageing takes a slice a minute.
	if got := testing.AllocsPerRun(2000, round) / float64(len(xs)); got > 0.05 {
		t.Errorf("%.3f allocations a sample", got)
	}
}
