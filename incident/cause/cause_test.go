package cause

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

const (
	minute = int64(60_000)
	start  = int64(1_700_000_000_000)
	before = 120 // samples, a minute apart
	onset  = start + before*minute
)

// series wanders a little around usual, and is then for ten minutes.
func series(name string, usual, then float64) Series {
	s := Series{Name: name}
	for i := range before + 10 {
		v := usual
		if i >= before {
			v = then
		}
		s.T = append(s.T, start+int64(i)*minute)
		s.V = append(s.V, v*(1+.02*math.Sin(float64(i*i))))
	}
	return s
}

// later is s without what it was in the first six minutes.
func later(s Series) Series {
	for i := before; i < before+6; i++ {
		s.V[i] = s.V[i-before]
	}
	return s
}

func ask(candidates []Candidate, edges ...Edge) []Cause {
	return Rank(Question{Onset: onset, Until: onset + 10*minute, Candidates: candidates, Edges: edges})
}

const (
	latency = "http_request_duration_seconds"
	client  = "http_client_request_duration_seconds"
	cpu     = "container_cpu_usage_seconds_total"
	traffic = "http_requests_total"
	failing = "http_request_errors_total"
)

// The first is the cause; why is what somebody on call would say.
func TestRank(t *testing.T) {
	for why, c := range map[string]struct {
		candidates []Candidate
		edges      []Edge
		first      string
		says       string
	}{
		"it waits for what is slow": {
			candidates: []Candidate{
				{Place: "front", Series: []Series{series(latency, .1, 1.2)}},
				{Place: "db", Series: []Series{series(latency, .01, .1)}},
			},
			edges: []Edge{{0, 1}}, first: "db", says: "latency 10",
		},
		"only the way to it is slow: its callers notice": {
			candidates: []Candidate{
				{Place: "front", Series: []Series{series(latency, .1, 1.2), series(client, .05, 1)}},
				{Place: "ads", Series: []Series{series(latency, .01, .01)}},
				{Place: "checkout", Series: []Series{series(client, .05, .05)}},
				{Place: "cart", Series: []Series{series(latency, .01, .01)}},
			},
			edges: []Edge{{0, 1}, {0, 3}, {2, 3}}, first: "ads", says: "slow as seen from front",
		},
		"it is asked for more, so it works more": {
			candidates: []Candidate{
				{Place: "busy", Series: []Series{series(traffic, 10, 40), series(cpu, 1, 4)}},
				{Place: "sick", Series: []Series{series(traffic, 10, 10), series(cpu, 1, 4)}},
			},
			first: "sick", says: "CPU 4",
		},
		"it fails before it calls anybody": {
			candidates: []Candidate{
				{Place: "checkout", Series: []Series{series(traffic, 10, 10)}},
				{Place: "email", Series: []Series{series(traffic, 10, 1), series(cpu, 1, .1)}},
				{Place: "payment", Series: []Series{series(traffic, 10, 1), series(cpu, 1, .1)}},
			},
			edges: []Edge{{0, 1}, {0, 2}}, first: "checkout", says: "asks less of email, payment",
		},
		"a neighbour burns the machine's CPU": {
			candidates: []Candidate{
				{Place: "cart", Series: []Series{series(latency, .01, .05), series(cpu, 1, 1)}},
				{Place: "node-1", Host: true, Series: []Series{series("node_cpu_seconds_total", 1, 4)}},
				{Place: "batch", Series: []Series{series(cpu, .1, 3)}},
			},
			edges: []Edge{{0, 1}, {2, 1}}, first: "batch", says: "CPU 30",
		},
		"of two that are as slow, one was just rolled out": {
			candidates: []Candidate{
				{Place: "a", Series: []Series{series(failing, 1, 9)}},
				{Place: "b", Series: []Series{series(failing, 1, 9)}, Changes: []Change{{What: "a new version was rolled out", T: onset - 2*minute}}},
			},
			first: "b", says: "rolled out 2m0s before",
		},
		"what burns only when others suffer already is not why": {
			candidates: []Candidate{
				{Place: "front", Series: []Series{series(latency, .1, 1)}},
				{Place: "late", Series: []Series{later(series(cpu, 1, 40))}},
				{Place: "first", Series: []Series{series(cpu, 1, 4)}},
			},
			edges: []Edge{{0, 1}, {0, 2}}, first: "first", says: "at the onset",
		},
		"an old change is none": {
			candidates: []Candidate{
				{Place: "a", Series: []Series{series(failing, 1, 9), series(cpu, 1, 2)}},
				{Place: "b", Series: []Series{series(failing, 1, 9)}, Changes: []Change{{What: "a new version was rolled out", T: onset - 90*minute}}},
			},
			first: "a", says: "errors 9",
		},
	} {
		t.Run(why, func(t *testing.T) {
			causes := ask(c.candidates, c.edges...)
			if len(causes) == 0 || causes[0].Place != c.first {
				t.Fatalf("causes %+v, want %s first", causes, c.first)
			}
			var said []string
			for _, e := range causes[0].Evidence {
				said = append(said, e.Text)
			}
			if !strings.Contains(strings.Join(said, "\n"), c.says) {
				t.Errorf("says %q, want something with %q", said, c.says)
			}
		})
	}
}

// A service that answers no more says so by silence.
func TestFellSilent(t *testing.T) {
	gone := series(cpu, 1, 1)
	gone.T, gone.V = gone.T[:before], gone.V[:before]
	causes := Rank(Question{Onset: onset, Until: onset + 10*minute, Candidates: []Candidate{
		{Place: "front", Series: []Series{series(failing, 1, 50)}},
		{Place: "db", Series: []Series{gone}},
	}, Edges: []Edge{{0, 1}}})
	if len(causes) == 0 || causes[0].Place != "db" || !strings.Contains(causes[0].Evidence[0].Text, "silent") {
		t.Errorf("causes %+v", causes)
	}
}

// What spikes every ten minutes is not surprising when it spikes.
func TestWhatItAlwaysDoesIsNoEvidence(t *testing.T) {
	s := series(cpu, 1, 1)
	for i := range s.V {
		if i%10 == 5 {
			s.V[i] = 20
		}
	}
	if causes := ask([]Candidate{{Place: "cron", Series: []Series{s}}}); len(causes) > 0 && causes[0].Score > 1 {
		t.Errorf("a spike as ever is a cause: %+v", causes)
	}
}

// An onset assumed a minute late, or early, changes neither order nor much else.
func TestLateOnset(t *testing.T) {
	candidates := []Candidate{
		{Place: "front", Series: []Series{series(latency, .1, 1.2)}},
		{Place: "db", Series: []Series{series(latency, .01, .1), series(cpu, 1, 3)}},
	}
	for _, late := range []time.Duration{-time.Minute, 0, time.Minute, DefaultUncertainty} {
		causes := Rank(Question{Onset: onset + late.Milliseconds(), Until: onset + 10*minute, Candidates: candidates, Edges: []Edge{{0, 1}}})
		if len(causes) == 0 || causes[0].Place != "db" {
			t.Errorf("%s late: %+v", late, causes)
		}
	}
}

// Whatever it is asked, it answers, within bounds, the same twice.
func TestRankIsBoundedAndTheSameTwice(t *testing.T) {
	nan := series(cpu, 1, 2)
	for i := range nan.V {
		nan.V[i] = math.NaN()
	}
	inf := series(latency, 1, math.Inf(1))
	short := Series{Name: cpu, T: []int64{onset - 1, onset}, V: []float64{1}}
	var q Question
	q.Onset, q.Until = onset, onset+10*minute
	for i := range MaxCandidates + 10 {
		q.Candidates = append(q.Candidates, Candidate{
			Place:  fmt.Sprint(i),
			Series: []Series{nan, inf, short, series(cpu, 1, float64(1+i%7)), series(latency, 0, float64(i%3)), {}},
		})
		q.Edges = append(q.Edges, Edge{i, i + 1}, Edge{i + 1, i}, Edge{i, i}, Edge{-1, i}, Edge{i, 1 << 30}, Edge{i, 0})
	}
	a, b := Rank(q), Rank(q)
	if fmt.Sprintf("%+v", a) != fmt.Sprintf("%+v", b) {
		t.Error("two answers to one question")
	}
	if len(a) != Told {
		t.Errorf("%d causes, want %d", len(a), Told)
	}
	for i, c := range a {
		if c.Confidence <= 0 || c.Confidence >= 1 || i > 0 && c.Score > a[i-1].Score || len(c.Evidence) > mostEvidence+1 {
			t.Errorf("cause %d: %+v", i, c)
		}
	}
	if got := Rank(Question{}); len(got) != 0 {
		t.Errorf("causes of nothing: %v", got)
	}
	if got := ask([]Candidate{{Place: "calm", Series: []Series{series(cpu, 1, 1)}}}); len(got) != 0 {
		t.Errorf("causes where nothing changed: %+v", got)
	}
}

func TestAspectOf(t *testing.T) {
	for name, want := range map[string]Aspect{
		"http_request_duration_seconds":          Latency,
		"grpc_client_handling_seconds":           Calls,
		"PodServerLatencyP99(s)":                 Latency,
		"PodClientLatencyP99(s)":                 Calls,
		"http_requests_total":                    Traffic,
		"http_request_errors_total":              Errors,
		"node_network_receive_errs_total":        Surroundings,
		"container_network_receive_bytes_total":  Network,
		"container_network_receive_errors_total": Errors,
		"availability":                           Health,
		"PodSuccessRate(%)":                      Health,
		"up":                                     Health,
		"container_cpu_usage_seconds_total":      CPU,
		"container_memory_working_set_bytes":     Memory,
		"process_resident_memory_bytes":          Memory,
		"node_cpu_seconds_total":                 Surroundings,
		"container_fs_writes_bytes_total":        Disk,
		"SyscallRead":                            Disk,
		"pg_stat_database_xact_commit":           Unknown,
		"":                                       Unknown,
	} {
		if got := AspectOf(name, false); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]Aspect{
		"node_cpu_seconds_total": CPU, "node_memory_MemAvailable_bytes": Memory, "node_disk_io_time_seconds_total": Disk, "node_load1": CPU,
	} {
		if got := AspectOf(name, true); got != want {
			t.Errorf("%s of a machine: %s, want %s", name, got, want)
		}
	}
}

func TestRatio(t *testing.T) {
	got := []string{ratio("x", 2, 8), ratio("x", 8, 2), ratio("x", 0, 3), ratio("x", 5, 5.1), ratio("x", -1, 4), ratio(`x_bytes{a="1"}`, 1<<20, 1<<21)}
	want := []string{"4× usual (8, usually 2)", "75 % below usual (2, usually 8)", "(3, usually 0)", "(5.1, usually 5)", "(4, usually -1)", "2× usual (2 MiB, usually 1 MiB)"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}

// 2 ms for an incident of a dozen places; what it costs is said in docs/causes.md.
func BenchmarkRank(b *testing.B) {
	var q Question
	q.Onset, q.Until = onset, onset+10*minute
	for i := range 12 {
		q.Candidates = append(q.Candidates, Candidate{Place: fmt.Sprint(i), Series: []Series{
			series(latency, .1, 1), series(client, .1, 1), series(cpu, 1, 2), series(traffic, 10, 9), series(failing, 1, 1),
		}})
		q.Edges = append(q.Edges, Edge{0, i}, Edge{i, i / 2})
	}
	b.ReportAllocs()
	for b.Loop() {
		Rank(q)
	}
}
