package detector

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// What leaves, and what is said of it. Seven hours went by before, at the end another.
func TestWhoIsMissed(t *testing.T) {
	const job = `job="node"`
	node := func(metric, instance string) string {
		return fmt.Sprintf(`%s{instance="%s", %s}`, metric, instance, job)
	}
	for _, c := range []struct {
		name   string
		before int
		do     func(w *town)
		want   []string
	}{
		{"one series ends while its target goes on", 7 * hour, func(w *town) {
			w.leave(true, "__name__", "node_metric_03", "instance", "b")
		}, []string{"426 started " + node("node_metric_03", "b") + " since 420 {Targets:0 Series:1 Siblings:7}"}},
		{"one series falls silent without a marker", 7 * hour, func(w *town) {
			w.leave(false, "__name__", "node_metric_03", "instance", "b")
		}, []string{"425 started " + node("node_metric_03", "b") + " since 419 {Targets:0 Series:1 Siblings:7}"}},
		{"it comes back", 7 * hour, func(w *town) {
			left := w.leave(true, "__name__", "node_metric_03", "instance", "b")
			w.pass(30)
			w.live = append(w.live, left...)
		}, []string{
			"426 started " + node("node_metric_03", "b") + " since 420 {Targets:0 Series:1 Siblings:7}",
			"450 ended " + node("node_metric_03", "b") + " since 420 {Targets:0 Series:1 Siblings:7}",
		}},
		{"it comes back before anyone missed it", 7 * hour, func(w *town) {
			left := w.leave(true, "__name__", "node_metric_03", "instance", "b")
			w.pass(4)
			w.live = append(w.live, left...)
		}, nil},
		{"it had not been there for six hours", 5 * hour, func(w *town) {
			w.leave(true, "__name__", "node_metric_03", "instance", "b")
		}, nil},
		{"a collector dies: seven series of one target", 7 * hour, func(w *town) {
			for i := range 7 {
				w.leave(true, "__name__", fmt.Sprintf("node_metric_%02d", i), "instance", "b")
			}
		}, []string{"426 started " + node("node_metric_00", "b") + " since 420 {Targets:0 Series:7 Siblings:1}"}},
		{"a target cannot be scraped: up goes on", 7 * hour, func(w *town) {
			for i := range 8 {
				w.leave(true, "__name__", fmt.Sprintf("node_metric_%02d", i), "instance", "b")
			}
		}, []string{"426 started " + node("up", "b") + " since 420 {Targets:1 Series:8 Siblings:0}"}},
		{"and it is removed from discovery", 7 * hour, func(w *town) {
			for i := range 8 {
				w.leave(true, "__name__", fmt.Sprintf("node_metric_%02d", i), "instance", "b")
			}
			w.pass(20)
			w.leave(true, "__name__", "up", "instance", "b")
		}, []string{
			"426 started " + node("up", "b") + " since 420 {Targets:1 Series:8 Siblings:0}",
			"440 ended " + node("up", "b") + " since 420 {Targets:1 Series:8 Siblings:0}",
		}},
		{"a target is removed from discovery", 7 * hour, func(w *town) {
			w.leave(true, "instance", "b")
		}, nil},
		{"a target is removed from discovery, and its like are known to stay", 3 * day, func(w *town) {
			w.leave(true, "instance", "b")
		}, nil},
		{"a pod that pushes falls silent, and its like go on", 7 * hour, func(w *town) {
			w.leave(false, "pod", "cart-0")
		}, nil},
		{"a pod falls silent with its up, without markers", 7 * hour, func(w *town) {
			w.leave(false, "pod", "cart-1")
		}, nil},
		{"a target cannot be scraped, and the anomaly of its up tells it", 7 * hour, func(w *town) {
			for i := range 8 {
				w.leave(true, "__name__", fmt.Sprintf("node_metric_%02d", i), "instance", "b")
			}
			for _, r := range w.live {
				if r.Name() == "up" && r.Labels.Get("instance") == "b" {
					r.value = func(int64) float64 { return 0 }
				}
			}
		}, nil},
		{"the only pod of a namespace is deleted, as the kubelet tells", 7 * hour, func(w *town) {
			w.leave(true, "namespace", "ci")
		}, nil},
		{"a metric that left another target two hours before is known to", 7 * hour, func(w *town) {
			w.leave(true, "__name__", "node_metric_03", "instance", "a")
			w.pass(2 * hour)
			w.leave(true, "__name__", "node_metric_03", "instance", "b")
		}, []string{"426 started " + node("node_metric_03", "a") + " since 420 {Targets:0 Series:1 Siblings:7}"}},
		{"a target that pushes falls silent, and comes back", 7 * hour, func(w *town) {
			left := w.leave(false, "instance", "b")
			w.pass(hour)
			w.live = append(w.live, left...)
		}, []string{
			"425 started " + node("up", "b") + " since 419 {Targets:1 Series:8 Siblings:0}",
			"480 ended " + node("up", "b") + " since 419 {Targets:1 Series:8 Siblings:0}",
		}},
		{"a whole job goes", 7 * hour, func(w *town) {
			w.add("other", "instance", "z", "job", "other")
			w.pass(1)
			w.leave(true, "job", "node")
		}, []string{"427 started " + node("up", "a") + " since 421 {Targets:3 Series:24 Siblings:0}"}},
		{"everybody pauses for half an hour", 7 * hour, func(w *town) {
			w.minute += 30
			for _, r := range slices.Clone(w.live) { // and comes back one by one
				w.append(foreshock.Sample{Series: r.Series, T: start + w.minute*60_000, V: r.value(0)})
			}
			w.minute++
		}, nil},
		{"a release: counters begin anew, and the errors are not counted before the first", 7 * hour, func(w *town) {
			w.leave(true, "__name__", "errors_total")
			for _, r := range w.live {
				if r.Name() == "requests_total" {
					since := w.minute
					r.value = func(m int64) float64 { return float64(m - since) }
				}
			}
		}, nil},
		{"a reason that held for seven hours does not any more", hour, func(w *town) {
			w.add("waiting_reason", "instance", "b", "job", "node", "reason", "x")
			w.pass(7 * hour)
			w.leave(true, "__name__", "waiting_reason")
		}, nil},
		{"a version changes", 7 * hour, func(w *town) {
			w.leave(true, "__name__", "build_info")
			w.add("build_info", "instance", "a", "job", "shop", "version", "2").value = func(int64) float64 { return 1 }
		}, nil},
		{"one of four disks, after a day", day, func(w *town) {
			w.leave(true, "__name__", "disk_io", "device", "sdb")
		}, nil},
		{"one of four disks, after two days", 2 * day, func(w *town) {
			w.leave(true, "__name__", "disk_io", "device", "sdb")
		}, []string{`2886 started disk_io{device="sdb", instance="a", job="shop"} since 2880 {Targets:0 Series:1 Siblings:6}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, 2, rules.AbsenceAuto)
			for _, instance := range []string{"a", "b", "c"} {
				w.host(instance, 8)
			}
			shop := []string{"instance", "a", "job", "shop"}
			w.add(append([]string{"errors_total", "kind", "x"}, shop...)...).value = func(m int64) float64 { return float64(m) }
			w.add(append([]string{"requests_total"}, shop...)...).value = func(m int64) float64 { return float64(10 * m) }
			w.add(append([]string{"build_info", "version", "1"}, shop...)...).value = func(int64) float64 { return 1 }
			for _, disk := range []string{"sda", "sdb", "sdc", "sdd"} {
				w.add(append([]string{"disk_io", "device", disk}, shop...)...)
			}
			for _, pod := range []string{"cart-0", "cart-1"} {
				w.add("queue_length", "job", "cart", "namespace", "shop", "pod", pod)
			}
			w.add("up", "job", "cart", "namespace", "shop", "pod", "cart-1").value = func(int64) float64 { return 1 }
			w.add("container_memory_bytes", "instance", "n", "job", "kubelet", "namespace", "ci", "pod", "runner-0")
			w.add("container_memory_bytes", "instance", "n", "job", "kubelet", "namespace", "shop", "pod", "cart-0")
			w.add("kubelet_load", "instance", "n", "job", "kubelet")
			w.pass(c.before)
			c.do(w)
			w.pass(hour)
			w.want(c.name, c.want...)
			w.stop()
		})
	}
}

// Few series are sampled every 15 s, and are missed after five minutes; many, which move the
// clock, are sampled more seldom than that. Nobody is silent, and nobody is missed.
func TestFewBetweenManyAreNotMissed(t *testing.T) {
	watch := &rules.Watch{Name: "fast", Select: rules.Selector{{labels.MustNewMatcher(labels.MatchEqual, "job", "fast")}}, Sensitivity: 1, Absence: rules.Absence(leastWait * 1e6)}
	w := &town{bench: run(t, Options{Shards: 2, Rules: &rules.Set{Watches: []*rules.Watch{watch}}})}
	var few, many []*resident
	for i := range 100 {
		many = append(many, w.add("slow", "instance", fmt.Sprint(i/10), "job", "slow", "n", fmt.Sprint(i)))
	}
	for i := range 2 {
		few = append(few, w.add("fast", "instance", "a", "job", "fast", "n", fmt.Sprint(i)))
	}
	at := func(all []*resident, ms int64) {
		b := &foreshock.Batch{}
		for _, r := range all {
			b.Samples = append(b.Samples, foreshock.Sample{Series: r.Series, T: start + ms, V: r.value(0)})
		}
		w.batch(b)
	}
	const slow, fast = 312_000, 15_000
	next := int64(fast)
	for n := range int64(24 * 3_600_000 / slow) {
		at(many, n*slow)
		for ; next < (n+1)*slow; next += fast {
			at(few, next)
		}
	}
	w.want("nobody is silent")
	w.stop()
}

// Fifty pods are replaced over a day, one every half hour, as scraped by themselves and
// as another target tells of them: nobody is missed.
func TestChurnIsNotAbsence(t *testing.T) {
	w := newTown(t, 2, rules.AbsenceAuto)
	w.host("node-1", 4)
	pod := func(i int) string { return fmt.Sprintf("cart-5d78c9869d-%05d", i) }
	come := func(i int) {
		scraped := []string{"instance", fmt.Sprintf("10.0.0.%d:80", i), "job", "cart", "namespace", "shop", "pod", pod(i)}
		w.add(append([]string{"up"}, scraped...)...).value = func(int64) float64 { return 1 }
		w.add(append([]string{"latency_seconds"}, scraped...)...)
		told := []string{"instance", "node-1", "job", "kubelet", "namespace", "shop", "pod", pod(i)}
		w.add(append([]string{"container_memory_bytes", "container", "app"}, told...)...)
		w.add("route_latency", "instance", "gateway", "job", "gateway", "upstream", fmt.Sprint("10.0.0.", i))
	}
	w.add("gateway_load", "instance", "gateway", "job", "gateway")
	for i := range 20 {
		come(i)
	}
	w.pass(12 * hour)
	for i := range 50 {
		gone := pod(i)
		w.leave(true, "pod", gone)
		w.leave(true, "upstream", fmt.Sprint("10.0.0.", i))
		come(20 + i)
		w.pass(30)
	}
	w.want("50 pods were replaced")
	w.stop()
}

// What comes every night for its job and goes again is missed once at most, and not for
// long: then it is known.
func TestNightlyJobIsKnown(t *testing.T) {
	w := newTown(t, 1, rules.AbsenceAuto)
	w.host("a", 4)
	for range 5 {
		w.pass(16 * hour)
		w.add("backup_bytes", "instance", "a", "job", "node")
		w.pass(8 * hour)
		w.leave(true, "__name__", "backup_bytes")
	}
	w.pass(hour)
	started := 0
	for _, told := range w.absences() {
		if bytes.Contains([]byte(told), []byte("started")) {
			started++
		}
	}
	if started > 1 {
		t.Errorf("missed %d times in five nights: %q", started, w.absences())
	}
	w.stop()
}

// A rule that names the wait has its series missed after it, whatever their record; off
// misses none.
func TestRuleNamesTheWait(t *testing.T) {
	for absence, want := range map[rules.Absence]int{
		rules.AbsenceOff: 0, rules.AbsenceAuto: 0, rules.Absence(20 * 60e9): 1,
	} {
		w := newTown(t, 1, absence)
		w.host("a", 4)
		w.pass(3 * hour)
		w.leave(true, "__name__", "node_metric_01")
		w.pass(19)
		w.want("within the wait")
		w.pass(5)
		if got := len(w.absences()); got != want {
			t.Errorf("%s: missed %d times, want %d: %q", absence, got, want, w.absences())
		}
		w.stop()
	}
}

// Siblings may be on any shard: what is missed must not depend on it.
func TestAbsenceDependsOnTheBatchesAlone(t *testing.T) {
	var want []byte
	for _, shards := range []int{1, 2, 7} {
		watch := &rules.Watch{Name: "node", Sensitivity: 1, Emit: rules.EmitNone}
		for i := range 6 {
			watch.Select = append(watch.Select, selecting(fmt.Sprintf("node_metric_%02d", i))...)
		}
		w := &town{bench: run(t, Options{Shards: shards, Rules: &rules.Set{Watches: []*rules.Watch{watch}}})}
		r := rand.New(rand.NewPCG(5, 5))
		for i := range 12 {
			w.host(fmt.Sprint("host-", i), 6)
		}
		w.pass(7 * hour)
		for range 40 {
			one := w.live[r.IntN(len(w.live))]
			var left []*resident
			switch markers := r.IntN(2) == 0; r.IntN(3) {
			case 0:
				left = w.leave(markers, "instance", one.Labels.Get("instance"))
			case 1:
				left = w.leave(markers, "__name__", one.Name())
			default:
				left = w.leave(markers, "__name__", one.Name(), "instance", one.Labels.Get("instance"))
			}
			w.pass(r.IntN(30))
			if r.IntN(3) > 0 || len(w.live) < 40 {
				w.live = append(w.live, left...)
			}
		}
		w.stop()
		var got bytes.Buffer
		for _, f := range w.found {
			encode(&got, f)
		}
		if want == nil {
			want = got.Bytes()
			if n := len(w.absences()); n < 5 {
				t.Fatalf("%d steps of absences: it proves nothing", n)
			}
		} else if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%d shards find other absences", shards)
		}
	}
}

// A target's up may be on another shard than all that is watched of it, and speaks for
// it all the same.
func TestUpSpeaksFromAnyShard(t *testing.T) {
	for _, shards := range []int{1, 2, 7} {
		watch := &rules.Watch{Name: "load", Select: selecting("node_metric_00"), Sensitivity: 1, Emit: rules.EmitNone}
		w := &town{bench: run(t, Options{Shards: shards, Rules: &rules.Set{Watches: []*rules.Watch{watch}}})}
		for i := range 6 {
			w.host(fmt.Sprint("host-", i), 1)
		}
		for i := range 3 {
			w.pass(7 * hour)
			gone := w.leave(false, "instance", fmt.Sprint("host-", i))
			w.pass(10)
			told := w.absences()
			want := fmt.Sprintf(`started up{instance="host-%d", job="node"}`, i)
			if n := len(told); n == 0 || !strings.Contains(told[n-1], want) {
				t.Errorf("%d shards: told %q, want %s", shards, told, want)
			}
			w.live = append(w.live, gone...)
			w.pass(4 * day)
		}
		w.stop()
	}
}

// What is forgotten is not absent any more, and the roll keeps nothing of it.
func TestRollForgets(t *testing.T) {
	w := newTown(t, 2, rules.AbsenceAuto)
	for _, instance := range []string{"a", "b", "c"} {
		w.host(instance, 6)
	}
	w.pass(7 * hour)
	w.leave(false, "instance", "b")
	w.leave(false, "instance", "c", "__name__", "node_metric_02")
	w.pass(25 * hour)
	told := w.absences()
	if len(told) != 4 {
		t.Errorf("told %q, want two absences that begin and end", told)
	}
	w.stop()
	if n, m := len(w.roll.targets), len(w.roll.missing); n != 2 || m != 0 {
		t.Errorf("the roll keeps %d targets and misses %d series, want 2 and none", n, m)
	}
	for i, s := range w.shards {
		if n := len(s.targets.index); n > 2 {
			t.Errorf("shard %d keeps %d targets", i, n)
		}
	}
}
