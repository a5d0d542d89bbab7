package detector

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// podSeries is the latency of a pod of the namespace shop.
func podSeries(pod string, more ...string) *foreshock.Series {
	return series(append([]string{"latency", "namespace", "shop", "pod", pod, "instance", pod + ":80"}, more...)...)
}

// fleet is n pods of a release of the Deployment cart.
func fleet(hash string, n int) []*foreshock.Series {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	var xs []*foreshock.Series
	for i := range n {
		end := []byte{letters[i/27/27%27], letters[i/27%27], letters[i%27]}
		xs = append(xs, podSeries(fmt.Sprintf("cart-%s-x7%s", hash, end)))
	}
	return xs
}

// story is a bench on which it is minute now: samples come once a minute.
type story struct {
	*bench
	now int
	r   *rand.Rand
}

func tell(t *testing.T, o Options) *story {
	return &story{bench: run(t, o), r: rand.New(rand.NewPCG(1, 1))}
}

// play sends minutes of samples of each series, with noise of 1 about a level of 100.
func (s *story) play(minutes int, xs ...*foreshock.Series) { s.playAt(minutes, 100, 1, xs...) }

func (s *story) playAt(minutes int, level, noise float64, xs ...*foreshock.Series) {
	s.t.Helper()
	for range minutes {
		samples := make([]foreshock.Sample, len(xs))
		for i, x := range xs {
			samples[i] = foreshock.Sample{Series: x, T: s.time(), V: level + noise*s.r.NormFloat64()}
		}
		s.append(samples...)
		s.now++
	}
}

func (s *story) time() int64 { return start + int64(s.now)*minute }

// stop sends the staleness markers of series that end.
func (s *story) end(xs ...*foreshock.Series) {
	s.t.Helper()
	for _, x := range xs {
		s.append(foreshock.Sample{Series: x, T: s.time(), V: staleMarker})
	}
	s.now++
}

// started counts the anomalies of the series that started since minute from.
func (s *story) started(from int, xs ...*foreshock.Series) (n int) {
	s.t.Helper()
	s.settle()
	for _, f := range s.found {
		for _, a := range f.Anomalies {
			if a.Phase == foreshock.Started && a.T >= start+int64(from)*minute && slices.ContainsFunc(xs, a.Series.Equal) {
				n++
			}
		}
	}
	return n
}

// from is the pod whose series x inherited from, "" where it did not.
func (s *story) from(x *foreshock.Series) string {
	s.t.Helper()
	for _, v := range s.views(x.Name()) {
		if v.Series.Equal(x) && v.Inherited != nil {
			return v.Inherited.Labels.Get("pod")
		}
	}
	return ""
}

// A pod that is slower than its siblings from birth would teach a model of its own that
// slow is normal.
func TestPodUnlikeItsSiblings(t *testing.T) {
	for _, tc := range []struct {
		name         string
		level, noise float64
		found        bool
		inherits     bool
	}{
		{"like them", 100, 1, false, true},
		{"a little off", 110, 1, false, true},
		{"twice as slow", 200, 1, true, true},
		{"ten times as slow and noisy", 1000, 100, true, true},
		{"idle as yet", 20, 1, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := tell(t, Options{})
			s.play(1440, fleet("5d78c9869d", 5)...)
			pod := fleet("7f6b9d4c85", 1)[0]
			born := s.now
			s.playAt(10, tc.level, tc.noise, pod)
			if n := s.started(born, pod); n != 0 {
				t.Errorf("%d anomalies while the pod started", n)
			}
			s.playAt(10, tc.level, tc.noise, pod)
			if found := s.started(born, pod) > 0; found != tc.found {
				t.Errorf("found = %v, want %v", found, tc.found)
			}
			if from := s.from(pod); (from != "") != tc.inherits {
				t.Errorf("inherited from %q", from)
			}
		})
	}
}

// A moment of trouble, as every latency has, is no excuse for a pod that is always slow.
func TestPodUnlikeItsSpikySiblings(t *testing.T) {
	s := tell(t, Options{})
	olds := fleet("5d78c9869d", 5)
	for range 6 {
		s.play(240, olds...)
		s.playAt(1, 400, 50, olds...)
	}
	s.play(240, olds...)
	pod := fleet("7f6b9d4c85", 1)[0]
	s.playAt(40, 200, 1, pod)
	if s.started(0, pod) == 0 {
		t.Error("a pod twice as slow is not found")
	}
}

// What a pod does while its caches fill is neither told nor taken for normal.
func TestPodStartsSlowly(t *testing.T) {
	s := tell(t, Options{})
	s.play(1440, fleet("5d78c9869d", 3)...)
	pod := fleet("7f6b9d4c85", 1)[0]
	born := s.now
	s.playAt(4, 900, 100, pod)
	s.play(30, pod)
	if n := s.started(born, pod); n != 0 {
		t.Errorf("%d anomalies of a pod that only started slowly", n)
	}
	s.playAt(3, 900, 100, pod)
	if s.started(born, pod) == 0 {
		t.Error("as slow again half an hour later, and nobody hears of it")
	}
}

// The last pod of a workload may end long before the next begins.
func TestWorkloadOutlivesItsPods(t *testing.T) {
	s := tell(t, Options{})
	olds := fleet("5d78c9869d", 3)
	s.play(1440, olds...)
	s.end(olds...)
	clock := series("clock")
	s.play(600, clock)
	pod := fleet("7f6b9d4c85", 1)[0]
	s.play(20, pod)
	if s.from(pod) == "" {
		t.Fatal("ten hours later nothing is known of the workload any more")
	}
	s.playAt(5, 200, 1, pod)
	if s.started(0, pod) == 0 {
		t.Error("a pod that doubles is not found")
	}
	s.play(24*60, clock)
	late := fleet("66f4c5b7d8", 1)[0]
	s.play(20, late)
	if from := s.from(late); from != "" {
		t.Errorf("inherited from %s, which is forgotten", from)
	}
}

// A pod in trouble is no example, not even when all others are gone.
func TestSickSiblingTeachesNobody(t *testing.T) {
	for _, ends := range []bool{false, true} {
		s := tell(t, Options{})
		xs := fleet("5d78c9869d", 2)
		well, sick := xs[0], xs[1]
		s.play(1440, well, sick)
		s.end(well)
		s.playAt(15, 300, 1, sick)
		if s.started(0, sick) == 0 {
			t.Fatal("the sick pod is not")
		}
		if ends {
			s.end(sick)
		}
		pod := fleet("7f6b9d4c85", 1)[0]
		s.playAt(15, 300, 1, pod)
		if from := s.from(pod); from != well.Labels.Get("pod") {
			t.Errorf("sick pod ended %v: the new one inherited from %q", ends, from)
		}
		if s.started(0, pod) == 0 {
			t.Errorf("sick pod ended %v: a new one as sick is taken for well", ends)
		}
	}
}

// Where pods differ a new one is compared with the one it is most like: a leader
// carries ten times the load of its followers.
func TestPodIsLikeOneOfItsSiblings(t *testing.T) {
	s := tell(t, Options{})
	olds := fleet("5d78c9869d", 4)
	for range 1440 {
		s.playAt(1, 1000, 10, olds[0])
		s.now--
		s.play(1, olds[1:]...)
	}
	xs := fleet("7f6b9d4c85", 2)
	leader, follower := xs[0], xs[1]
	born := s.now
	for range 60 {
		s.playAt(1, 1000, 10, leader)
		s.now--
		s.play(1, follower)
	}
	if from := s.from(leader); from != olds[0].Labels.Get("pod") {
		t.Errorf("the leader inherited from %q", from)
	}
	if from := s.from(follower); from == "" || from == olds[0].Labels.Get("pod") {
		t.Errorf("the follower inherited from %q", from)
	}
	if n := s.started(born, xs...); n != 0 {
		t.Errorf("%d anomalies of pods that are as others are", n)
	}
}

// What is configured differs from release to release, as the time of a start does from
// pod to pod.
func TestConstantsTeachNothing(t *testing.T) {
	s := tell(t, Options{})
	s.playAt(1440, 3e9, 0, fleet("5d78c9869d", 2)...)
	pod := fleet("7f6b9d4c85", 1)[0]
	s.playAt(200, 8e9, 0, pod)
	if n := s.started(0, pod); n != 0 {
		t.Errorf("%d anomalies of a limit that was raised", n)
	}
	errs := fleet("66f4c5b7d8", 1)[0]
	s.playAt(20, 5e10, 1e9, errs)
	if s.started(0, errs) == 0 {
		t.Error("what never moved and does on one pod is not found")
	}
}

// Pods of a StatefulSet come back under their name at another address: each goes on as
// itself, whatever the others are like.
func TestStatefulPodComesBack(t *testing.T) {
	s := tell(t, Options{})
	at := func(pod, address string) *foreshock.Series { return series("latency", "pod", pod, "instance", address) }
	a, b := at("kafka-0", "10.0.0.1"), at("kafka-1", "10.0.0.2")
	for range 1440 {
		s.playAt(1, 100, 1, a)
		s.now--
		s.playAt(1, 104, 1, b)
	}
	back := at("kafka-1", "10.0.0.9")
	s.playAt(30, 101, 1, back)
	if from := s.from(back); from != "kafka-1" {
		t.Errorf("kafka-1 came back as %q", from)
	}
}

// An heir is not easier to surprise than those who were there before it, however much
// the pods of a workload differ from each other.
func TestHeirsAreAsCalmAsTheirElders(t *testing.T) {
	if testing.Short() {
		t.Skip("a simulation, run without -short: it has one goroutine, and the race detector would take minutes")
	}
	for _, spread := range []float64{0, 0.5, 2} {
		s := tell(t, Options{})
		const n = 100
		xs := append(fleet("5d78c9869d", n), fleet("7f6b9d4c85", n)...)
		own := make([]float64, len(xs))
		for i := range own {
			own[i] = 100 + spread*s.r.NormFloat64()
		}
		day := func(xs []*foreshock.Series) {
			for range 1440 {
				samples := make([]foreshock.Sample, len(xs))
				for i, x := range xs {
					samples[i] = foreshock.Sample{Series: x, T: s.time(), V: own[i] + s.r.NormFloat64()}
				}
				s.append(samples...)
				s.now++
			}
		}
		day(xs[:n])
		day(xs)
		elders, heirs := s.started(1440, xs[:n]...), s.started(1440, xs[n:]...)
		t.Logf("pods %g σ apart: %d anomalies of %d elders in a day, %d of their heirs", spread, elders, n, heirs)
		if heirs > elders*3/2+5 {
			t.Errorf("pods %g σ apart: %d anomalies of heirs, %d of elders", spread, heirs, elders)
		}
		if got := s.Status().Inherited; got != n {
			t.Errorf("pods %g σ apart: %d series inherited, want %d", spread, got, n)
		}
	}
}

// Names are hostile: nothing but memory is at stake, and that is bounded by the series.
func TestHostilePodNames(t *testing.T) {
	s := tell(t, Options{})
	names := []string{
		"-", "--", "-x7k2p", "x7k2p", "0", "-0", "a", strings.Repeat("-", 63), strings.Repeat("b", 63), strings.Repeat("4", 100_000),
		"cart-5d78c9869d-x7k2p\x00", "\xff\xfe", "café-x7k2p", "cart-5d78c9869d-", strings.Repeat("x7k2p-", 1000),
	}
	var xs []*foreshock.Series
	for _, name := range names {
		xs = append(xs, podSeries(name), series(name, "pod", name, "namespace", name, "node", name, "uid", name))
	}
	s.play(150, xs...)
	var heirs []*foreshock.Series
	for _, name := range names {
		heirs = append(heirs, podSeries(name, "uid", "2"))
	}
	s.play(30, heirs...)
	for _, x := range heirs {
		// Without a generated part each is its own workload, and the pod the same.
		if from := s.from(x); from == "" {
			t.Errorf("%.20q inherited from nobody", x.Labels.Get("pod"))
		}
	}
}

// The ring of those that teach holds whoever joined and did not leave, the latest first
// but for those put last.
func TestSiblingsRing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	var reg registry
	var sb siblings
	var xs []*state
	for i := range 40 {
		st := reg.add(series("latency", "pod", fmt.Sprint(i)))
		st.kin.key = uint64(i % 3)
		xs = append(xs, st)
	}
	want := map[uint64][]uint32{}
	for range 5000 {
		st := xs[r.IntN(len(xs))]
		k := st.kin.key
		i := slices.Index(want[k], st.slot)
		switch {
		case i >= 0:
			sb.leave(&reg, st)
			want[k] = slices.Delete(want[k], i, i+1)
		case r.IntN(2) == 0:
			sb.join(&reg, st, false)
			want[k] = slices.Insert(want[k], 0, st.slot)
		default:
			sb.join(&reg, st, true)
			want[k] = append(want[k], st.slot)
		}
		for k, slots := range want {
			first, ok := sb.first[k]
			if ok != (len(slots) > 0) {
				t.Fatalf("group %d: known %v with %d members", k, ok, len(slots))
			}
			for i, slot := range slots {
				if first != slot {
					t.Fatalf("group %d: slot %d at place %d, want %d", k, first, i, slot)
				}
				next := reg.at(first).kin.next
				if reg.at(next).kin.prev != first {
					t.Fatalf("group %d: %d is not before %d", k, first, next)
				}
				first = next
			}
			if ok && first != slots[0] {
				t.Fatalf("group %d: the ring does not close", k)
			}
		}
	}
}

// Series that share a key by chance share nothing else.
func TestSiblingsThatAreNone(t *testing.T) {
	a := podSeries("cart-5d78c9869d-x7k2p", "path", "/a")
	if b := podSeries("cart-7f6b9d4c85-b4f5q", "path", "/a"); !areSiblings(a, b) {
		t.Errorf("%s and %s are", a, b)
	}
	if b := podSeries("cart-7f6b9d4c85-b4f5q", "path", "/b"); areSiblings(a, b) {
		t.Errorf("%s and %s are not", a, b)
	}
	if labels.Equal(shared(a.Labels, "a"), shared(a.Labels, "b")) {
		t.Error("the workload does not count")
	}
}
