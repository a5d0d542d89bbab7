package inquest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/incident/cause"
	"github.com/foreshock/foreshock/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	minute = int64(60_000) // ms
	start  = int64(1_700_000_000_000)
	onset  = start + 60*minute
	now    = onset + 10*minute
)

// windows is a Source of what is in memory.
type windows struct {
	all  []foreshock.Excerpt
	err  error
	room int // samples that may be read at once; 0: any
}

func (w *windows) Read(_ context.Context, matchers []*labels.Matcher, from, to int64, most int) ([]foreshock.Excerpt, error) {
	var found []foreshock.Excerpt
	samples := 0
	for _, e := range w.all {
		if slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(e.Series.Labels.Get(m.Name)) }) {
			continue
		}
		x := foreshock.Excerpt{Series: e.Series}
		for i, t := range e.T {
			if t >= from && t <= to {
				x.T, x.V = append(x.T, t), append(x.V, e.V[i])
			}
		}
		if x.T != nil {
			found = append(found, x)
			samples += len(x.T)
		}
	}
	if samples > min(most, w.room) && w.room > 0 {
		return nil, errors.New("too much at once")
	}
	return found, w.err
}

func (w *windows) Names(ctx context.Context, matchers []*labels.Matcher, from, to int64, most int) ([]foreshock.Excerpt, error) {
	return w.Read(ctx, matchers, from, to, most)
}

// hear adds a series, a sample a minute, by the value at a time.
func (w *windows) hear(value func(t int64) float64, name string, ls ...string) *foreshock.Series {
	e := foreshock.Excerpt{Series: foreshock.NewSeries(labels.FromStrings(append([]string{"__name__", name}, ls...)...))}
	for t := start; t <= now; t += minute {
		e.T, e.V = append(e.T, t), append(e.V, value(t)*(1+.01*float64(t/minute%3)))
	}
	w.all = append(w.all, e)
	return e.Series
}

func always(v float64) func(int64) float64 { return func(int64) float64 { return v } }

func from(at int64, usual, then float64) func(int64) float64 {
	return func(t int64) float64 {
		if t >= at {
			return then
		}
		return usual
	}
}

func incidentOf(members ...*foreshock.Series) foreshock.Incident {
	i := foreshock.Incident{ID: "1f", State: foreshock.Firing, Alerting: true, StartsAt: onset}
	for _, s := range members {
		i.Members = append(i.Members, foreshock.Member{Series: s, Onset: onset})
	}
	return i
}

// TestWhatPeopleAreToldOfBegins: a chance oddity of a series that no rule selected, half an hour
// before, is not the onset; what
// the alert is about comes first, and what the exporter says of itself is not the host's.
func TestWhatPeopleAreToldOfBegins(t *testing.T) {
	w := &windows{}
	chance := w.hear(from(onset-30*minute, 2, 3), "node_procs_running", "instance", "a:9100")
	full := w.hear(from(onset, 1e9, 9e9), "node_memory_Active_bytes", "instance", "a:9100")
	odd := w.hear(from(onset, 256, 9000), "node_entropy_bits", "instance", "a:9100")
	w.hear(from(onset, 1e-4, 1), "go_gc_duration_seconds", "instance", "a:9100", "quantile", "1")
	i := incidentOf(chance, full, odd)
	i.StartsAt, i.Members[0].Onset, i.Members[1].Rule = onset-30*minute, onset-30*minute, "memory"
	found, err := New(w, nil, nil).Hold(t.Context(), i, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Causes) != 1 {
		t.Fatalf("causes %+v, want one", found.Causes)
	}
	first := found.Causes[0].Evidence[0].String()
	if !strings.HasPrefix(first, `node_memory_Active_bytes{instance="a:9100"}: memory 9`) || !strings.HasSuffix(first, "at the onset") {
		t.Errorf("the first evidence is %q", first)
	}
	for _, e := range found.Causes[0].Evidence {
		if strings.HasPrefix(e.Series, "go_") {
			t.Errorf("evidence of the exporter: %v", e)
		}
	}
}

// TestTheAlertSpeaksFirst: where a place stands out by another series, as one sample of what the
// alert is about says too little, the alert's own words come first.
func TestTheAlertSpeaksFirst(t *testing.T) {
	w := &windows{}
	busy := w.hear(always(2), "node_load1", "instance", "a:9100")
	full := w.hear(from(onset, 1e9, 9e9), "node_memory_Active_bytes", "instance", "a:9100")
	i := incidentOf(busy, full)
	i.Members[0].Rule, i.Members[0].Value, i.Members[0].Band = "cpu", 3, foreshock.Band{Expected: 2, Lower: 1.9, Upper: 2.1}
	found, err := New(w, nil, nil).Hold(t.Context(), i, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Causes) != 1 || len(found.Causes[0].Evidence) != 2 {
		t.Fatalf("causes %+v, want one with two reasons", found.Causes)
	}
	if first := found.Causes[0].Evidence[0].String(); first != `node_load1{instance="a:9100"}: 3 where 1.9 to 2.1 was expected, at its worst` {
		t.Errorf("the first evidence is %q", first)
	}
}

// TestPodOnABusyNode: a pod is slow because its node burns CPU. That it runs there is
// known from kube-state-metrics, which is another place.
func TestPodOnABusyNode(t *testing.T) {
	w := &windows{}
	slow := w.hear(from(onset, .1, .9), "http_request_duration_seconds", "namespace", "shop", "pod", "cart-5d4f8c7b9-x2x4z")
	w.hear(from(onset, .3, 3.9), "node_load1", "instance", "node-7:9100")
	w.hear(always(.3), "node_load1", "instance", "node-8:9100")
	w.hear(always(1), "kube_pod_info", "namespace", "shop", "pod", "cart-5d4f8c7b9-x2x4z", "node", "node-7", "instance", "ksm:8080")
	found, err := New(w, nil, nil).Hold(t.Context(), incidentOf(slow), now)
	if err != nil {
		t.Fatal(err)
	}
	causes := found.Causes
	if len(causes) == 0 || causes[0].Place != "node-7:9100" || !strings.HasPrefix(causes[0].Evidence[0].String(), `node_load1{instance="node-7:9100"}: CPU 13`) {
		t.Errorf("causes %+v, want node-7 first", causes)
	}
	for _, c := range causes {
		if c.Place == "node-8:9100" {
			t.Error("a node that has nothing to do with it is a cause")
		}
	}
}

// TestRolledOut: of what the front calls, one was rolled out just before.
func TestRolledOut(t *testing.T) {
	w := &windows{}
	front := w.hear(from(onset, 1, 9), "http_request_errors", "service", "front")
	for _, s := range []string{"cart", "ads"} {
		w.hear(from(onset, 1, 9), "http_request_errors", "service", s)
		w.hear(always(1), "istio_requests_total", "source_workload", "front", "destination_workload", s)
	}
	w.all = append(w.all, foreshock.Excerpt{
		Series: foreshock.NewSeries(labels.FromStrings("__name__", "kube_deployment_status_observed_generation", "deployment", "ads", "instance", "ksm")),
		T:      []int64{start, onset - 2*minute}, V: []float64{4, 5},
	})
	w.all[len(w.all)-1].T[0] = onset - 5*minute
	found, err := New(w, nil, nil).Hold(t.Context(), incidentOf(front), now)
	if err != nil {
		t.Fatal(err)
	}
	rolledOut := func(c foreshock.Clue) bool {
		return c.Text == "it was rolled out anew (generation 4 → 5) 2m0s before the onset"
	}
	if len(found.Causes) == 0 || found.Causes[0].Place != "ads" || !slices.ContainsFunc(found.Causes[0].Evidence, rolledOut) {
		t.Errorf("causes %+v, want ads first", found.Causes)
	}
	if want := []foreshock.Change{{T: onset - 2*minute, What: "it was rolled out anew (generation 4 → 5)", Place: "ads"}}; !reflect.DeepEqual(found.Changes, want) {
		t.Errorf("changes %+v, want %+v", found.Changes, want)
	}
}

func TestChangesOf(t *testing.T) {
	for _, c := range []struct {
		series string
		t      []int64
		v      []float64
		want   []string
	}{
		{"kube_deployment_spec_replicas", []int64{1, 2, 3}, []float64{3, 3, 5}, []string{"3 it was scaled from 3 to 5"}},
		{"kube_deployment_metadata_generation", []int64{1, 2}, []float64{1, 2}, []string{"2 it was rolled out anew (generation 1 → 2)"}},
		{"kube_pod_container_status_restarts_total", []int64{1, 2, 3}, []float64{1, 2, 0}, []string{"2 a container was restarted"}},
		{"process_start_time_seconds", []int64{1, 2}, []float64{1.7e9, 1.8e9}, []string{"2 its process was restarted"}},
		{"prometheus_config_last_reload_success_timestamp_seconds", []int64{1, 2}, []float64{1, 2}, []string{"2 its configuration was reloaded"}},
		{"app_build_info", []int64{10 * minute}, []float64{1}, []string{"600000 version 2.0 of it was started"}},
		{"app_build_info", []int64{minute}, []float64{1}, nil}, // all begin with us
		{"up", []int64{1, 2}, []float64{1, 0}, nil},
		{"process_start_time_seconds", nil, nil, nil},
	} {
		e := foreshock.Excerpt{Series: foreshock.NewSeries(labels.FromStrings("__name__", c.series, "version", "2.0")), T: c.t, V: c.v}
		var got []string
		for _, x := range changesOf(e, 0) {
			got = append(got, fmt.Sprint(x.T, " ", x.What))
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s %v: %q, want %q", c.series, c.v, got, c.want)
		}
	}
}

func TestRate(t *testing.T) {
	times, rates := rate([]int64{0, 10_000, 20_000, 30_000}, []float64{5, 15, 2, 12})
	if !reflect.DeepEqual(times, []int64{10_000, 30_000}) || !reflect.DeepEqual(rates, []float64{1, 1}) {
		t.Errorf("times %v rates %v", times, rates)
	}
}

// TestQuestionsAreDue: an incident that fires is asked about at once, again later, and not once it is resolved; one that nobody is told of never.
func TestQuestionsAreDue(t *testing.T) {
	w := &windows{}
	slow := w.hear(from(onset, .1, .9), "http_request_duration_seconds", "instance", "a")
	var answered []string
	q := New(w, func(id string, found foreshock.Inquest) { answered = append(answered, id+" "+found.Causes[0].Place) }, nil)
	firing := incidentOf(slow)
	quiet := incidentOf(slow)
	quiet.ID, quiet.Alerting = "2f", false
	step := func(now int64, changed ...foreshock.Incident) int {
		t.Helper()
		answered = nil
		q.Heard(changed, now)
		q.Ask(t.Context())
		return len(answered)
	}
	if step(onset+5*minute+1, firing, quiet) != 1 || answered[0] != "1f a" {
		t.Errorf("answered %q", answered)
	}
	if step(onset+5*minute+30_000) != 0 {
		t.Error("asked again at once")
	}
	if step(onset+6*minute) != 1 {
		t.Error("not asked again")
	}
	firing.State = foreshock.Resolved
	if step(onset+20*minute, firing) != 0 {
		t.Error("asked about what is over")
	}
}

// A window that cannot be read, or more incidents than are waited for, are counted.
func TestLossesAreCounted(t *testing.T) {
	w := &windows{err: errors.New("shutting down")}
	slow := w.hear(always(1), "up", "instance", "a")
	q := New(w, func(string, foreshock.Inquest) { t.Error("an answer out of nothing") }, nil)
	var many []foreshock.Incident
	for k := range mostOpen + 3 {
		i := incidentOf(slow)
		i.ID = fmt.Sprint(k)
		many = append(many, i)
	}
	q.Heard(many, onset)
	q.Heard(nil, onset+minute)
	q.Ask(t.Context())
	if q.Skipped() != 3 || q.Failed() != mostOpen {
		t.Errorf("skipped %d, failed %d", q.Skipped(), q.Failed())
	}
}

// Where all places are too much to read, those of the first members are read.
func TestFewerPlacesWhereThereIsMuch(t *testing.T) {
	w := &windows{room: 1000} // 14 series of 71 samples
	var hosts []*foreshock.Series
	for i := range 40 {
		hosts = append(hosts, w.hear(from(onset, .3, 3.9), "node_load1", "instance", fmt.Sprintf("node-%d:9100", i)))
	}
	found, err := New(w, nil, nil).Hold(t.Context(), incidentOf(hosts...), now)
	if err != nil || len(found.Causes) == 0 || found.Looked+found.Unlooked != len(hosts) {
		t.Errorf("found %+v, %v", found, err)
	}
}

// Labels are hostile: a graph of everything with everything is cut, and nothing grows.
func TestTopologyIsBounded(t *testing.T) {
	w := &windows{}
	var front *foreshock.Series
	for i := range 90 {
		for j := range 60 {
			w.all = append(w.all, foreshock.Excerpt{
				Series: foreshock.NewSeries(labels.FromStrings("__name__", "calls", "client", fmt.Sprint("s.*|", i), "server", fmt.Sprint("s.*|", j))),
				T:      []int64{onset}, V: []float64{1},
			})
		}
		s := w.hear(from(onset, 1, float64(2+i)), "http_request_errors", "service", fmt.Sprint("s.*|", i))
		if front == nil {
			front = s
		}
	}
	q := New(w, nil, nil)
	net, err := q.topology(t.Context(), start, now)
	if err != nil || len(net.links) != cause.MaxEdges {
		t.Fatalf("%d links, %v", len(net.links), err)
	}
	scene, err := q.scene(t.Context(), new(incidentOf(front)), net, mostPlaces, start, now)
	if err != nil || len(scene.candidates) > 2*mostPlaces || len(scene.edges(net)) > cause.MaxEdges {
		t.Errorf("%d candidates, %d edges, %v", len(scene.candidates), len(scene.edges(net)), err)
	}
}

func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	q := New(&windows{}, nil, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		q.Run(ctx)
	}()
	q.Heard(nil, now)
	cancel()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("it goes on")
	}
}

// What a correlate rule says belongs together is an edge: the shop waits for a database
// that no label of its own names.
func TestPairsOfCorrelateRules(t *testing.T) {
	w := &windows{}
	slow := w.hear(from(onset, .1, .9), "http_request_duration_seconds", "service", "shop", "tier", "gold")
	w.hear(from(onset, .2, .9), "node_load1", "instance", "db-1:9100", "serves", "gold")
	w.hear(from(onset, .2, .9), "node_load1", "instance", "db-2:9100", "serves", "silver")
	q := New(w, nil, nil)
	if found, err := q.Hold(t.Context(), incidentOf(slow), now); err != nil || found.Looked != 1 {
		t.Fatalf("%+v, %v; want the shop alone", found, err)
	}
	set, err := rules.ParseFile("test", []byte(`
groups:
  - name: g
    rules:
      - correlate: databases
        pairs: [{from: 'http_request_duration_seconds', to: 'node_load1', on: {tier: serves}}]
`))
	if err != nil {
		t.Fatal(err)
	}
	q.SetRules(set)
	found, err := q.Hold(t.Context(), incidentOf(slow), now)
	if err != nil || found.Looked != 2 || len(found.Causes) == 0 || found.Causes[0].Place != "db-1:9100" {
		t.Errorf("found %+v, %v; want db-1 first of two", found, err)
	}
	q.SetRules(nil)
	if found, err := q.Hold(t.Context(), incidentOf(slow), now); err != nil || found.Looked != 1 {
		t.Errorf("%+v, %v; want the shop alone once the rule is gone", found, err)
	}
}

// Of series that come every five minutes an hour says nothing: what there is of a day is read.
func TestSlowSeriesAreReadFromFartherBack(t *testing.T) {
	w := &windows{}
	every := func(value func(int64) float64, name, place string) *foreshock.Series {
		e := foreshock.Excerpt{Series: foreshock.NewSeries(labels.FromStrings("__name__", name, "service", place))}
		for at := onset - 10*60*minute; at <= now; at += 5 * minute {
			e.T, e.V = append(e.T, at), append(e.V, value(at)*(1+.01*float64(at/minute%7)))
		}
		w.all = append(w.all, e)
		return e.Series
	}
	slow := every(from(onset, .1, .9), "http_request_duration_seconds", "front")
	every(from(onset, .1, .8), "http_request_duration_seconds", "database")
	every(from(onset, .1, .8), "process_cpu_usage", "database")
	every(always(1), "calls", "mesh")
	w.all[len(w.all)-1].Series = foreshock.NewSeries(labels.FromStrings("__name__", "calls", "client", "front", "server", "database"))
	found, err := New(w, nil, nil).Hold(t.Context(), incidentOf(slow), now)
	if err != nil || len(found.Causes) == 0 || found.Causes[0].Place != "database" {
		t.Errorf("found %+v, %v; want the database", found, err)
	}
}

// What is done to many places at once is told once, and of much the nearest to the onset.
func TestChangesAreTold(t *testing.T) {
	s := &scene{}
	for i := range 30 {
		s.candidates = append(s.candidates, cause.Candidate{Place: fmt.Sprintf("pod-%02d", i), Changes: []cause.Change{
			{What: "it was rolled out anew", T: onset - 5*minute}, {What: "its process was restarted", T: onset - int64(i)*minute},
		}})
	}
	all := s.done(onset)
	if len(all) != mostTold || !slices.IsSortedFunc(all, func(a, b foreshock.Change) int { return cmp.Compare(a.T, b.T) }) {
		t.Fatalf("%d changes: %v", len(all), all)
	}
	if !slices.Contains(all, foreshock.Change{T: onset - 5*minute, What: "it was rolled out anew", Place: "pod-00", Others: 29}) {
		t.Errorf("the rollout is not told once: %v", all)
	}
	if all[0].T < onset-20*minute {
		t.Errorf("what is farther from the onset is told: %v", all[0])
	}
}
