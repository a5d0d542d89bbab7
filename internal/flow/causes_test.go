package flow

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/incident"
	"github.com/foreshock/foreshock/rules"
)

// chain is two hours of a front that calls a database, every 15 s, and of others that have
// nothing to do with it. After an hour and a half the database burns CPU and is slow, just
// after it was restarted.
func chain() iter.Seq2[*foreshock.Batch, error] {
	series := func(name string, ls ...string) *foreshock.Series {
		return foreshock.NewSeries(labels.FromStrings(append([]string{"__name__", name}, ls...)...))
	}
	services := []string{"front", "database", "ads", "mail"}
	var slow, busy, begun []*foreshock.Series
	for _, s := range services {
		slow = append(slow, series("http_request_duration_seconds", "service", s))
		busy = append(busy, series("process_cpu_seconds_total", "service", s))
		begun = append(begun, series("process_start_time_seconds", "service", s))
	}
	calls := series("traces_service_graph_request_total", "client", "front", "server", "database")
	return func(yield func(*foreshock.Batch, error) bool) {
		r := rand.New(rand.NewPCG(7, 0))
		var cpu [4]float64
		for t := time.Duration(0); t < 2*time.Hour; t += 15 * time.Second {
			at := start.Add(t).UnixMilli()
			fault := t >= 90*time.Minute && t < 105*time.Minute
			var b foreshock.Batch
			add := func(s *foreshock.Series, v float64) {
				b.Samples = append(b.Samples, foreshock.Sample{Series: s, T: at, V: v})
			}
			for i, s := range services {
				latency, load, started := .1, .2, 1.
				if fault && s == "front" {
					latency = .9
				}
				if fault && s == "database" {
					latency, load = .8, .9
				}
				if s == "database" && t >= 89*time.Minute {
					started = 2
				}
				cpu[i] += 15 * load * (1 + .05*r.NormFloat64())
				add(slow[i], latency*(1+.05*r.NormFloat64()))
				add(busy[i], cpu[i])
				add(begun[i], started)
			}
			add(calls, t.Seconds()*10)
			if !yield(&b, nil) {
				return
			}
		}
	}
}

// TestWhoIsAlertedIsToldTheLikelyCause: the front's users are told that it is the database,
// why, and that this is a guess; by any number of shards.
func TestWhoIsAlertedIsToldTheLikelyCause(t *testing.T) {
	set, err := rules.ParseFile("test", []byte(`
groups:
  - name: g
    rules:
      - watch: slow_front
        select: http_request_duration_seconds{service="front"}
`))
	if err != nil {
		t.Fatal(err)
	}
	run := func(shards int) (said []string, last foreshock.Incident) {
		t.Helper()
		err := Run(t.Context(), Options{
			Rules: set, Detector: detector.DefaultConfig(), Incident: incident.DefaultConfig(), Shards: shards,
			Observe: func(o Outcome) {
				for _, i := range o.Incidents {
					if i.Alerting {
						last = i
						said = append(said, fmt.Sprint(foreshock.Time(i.Updated).Sub(start), " ", i.Causes))
					}
				}
				for _, a := range o.Alerts {
					said = append(said, fmt.Sprint(foreshock.Time(a.T).Sub(start), " ", a.Annotations.Get("cause")))
				}
			},
		}, chain())
		if err != nil {
			t.Fatal(err)
		}
		return said, last
	}
	said, last := run(1)
	if len(last.Causes) == 0 || last.Causes[0].Place != "database" {
		t.Fatalf("causes %+v, want the database first", last.Causes)
	}
	text := strings.Join(said, "\n")
	for _, want := range []string{"likely database (about", "CPU 5", "its process was restarted 1m0s before the onset"} {
		if !strings.Contains(text, want) {
			t.Errorf("nobody was told %q:\n%s", want, text)
		}
	}
	if c := last.Causes[0].Confidence; c < .5 || c > .97 {
		t.Errorf("confidence %g", c)
	}
	for _, shards := range []int{2, 4} {
		if again, _ := run(shards); strings.Join(again, "\n") != text {
			t.Errorf("%d shards say\n%s\nand one\n%s", shards, strings.Join(again, "\n"), text)
		}
	}
}

// burn is a machine of two cores, scraped every second, on which a process begins to burn
// both after four minutes, as in the demo.
func burn() iter.Seq2[*foreshock.Batch, error] {
	modes := map[string][2]float64{"user": {.02, .97}, "system": {.01, .02}, "idle": {.96, .005}, "iowait": {.005, .001}}
	type metric struct {
		series      *foreshock.Series
		calm, burnt float64
		counter     bool
		sum         float64
	}
	var all []*metric
	add := func(name string, calm, burnt float64, counter bool, ls ...string) {
		s := foreshock.NewSeries(labels.FromStrings(append([]string{"__name__", name, "instance", "localhost:9100", "job", "node"}, ls...)...))
		all = append(all, &metric{series: s, calm: calm, burnt: burnt, counter: counter})
	}
	for mode, v := range modes {
		for _, cpu := range []string{"0", "1"} {
			add("node_cpu_seconds_total", v[0], v[1], true, "cpu", cpu, "mode", mode)
		}
	}
	add("node_load1", .2, 1.9, false)
	add("node_context_switches_total", 900, 1100, true)
	add("node_memory_MemAvailable_bytes", 4e9, 4e9, false)
	add("node_network_receive_bytes_total", 2000, 2000, true, "device", "eth0")
	add("node_disk_io_time_seconds_total", .01, .01, true, "device", "sda")
	add("up", 1, 1, false)
	slices.SortFunc(all, func(a, b *metric) int { return labels.Compare(a.series.Labels, b.series.Labels) })
	return func(yield func(*foreshock.Batch, error) bool) {
		r := rand.New(rand.NewPCG(3, 0))
		for t := range 330 {
			var b foreshock.Batch
			for _, m := range all {
				v := m.calm
				if t >= 240 {
					v = m.burnt
				}
				if m.series.Name() != "up" {
					v *= 1 + .1*r.NormFloat64()
				}
				if m.sum += v; m.counter {
					v = m.sum
				}
				b.Samples = append(b.Samples, foreshock.Sample{Series: m.series, T: start.Add(time.Duration(t) * time.Second).UnixMilli(), V: v})
			}
			if !yield(&b, nil) {
				return
			}
		}
	}
}

// TestBurnIsTheMachinesCPU: within a minute of the burn, and with four minutes of history,
// the cause is the machine and node_cpu is named first.
func TestBurnIsTheMachinesCPU(t *testing.T) {
	set, err := rules.ParseFile("test", []byte(`
groups:
  - name: g
    rules:
      - watch: cpu_busy
        select: node_cpu_seconds_total{mode="user"}
`))
	if err != nil {
		t.Fatal(err)
	}
	var first foreshock.Incident
	var known time.Duration
	err = Run(t.Context(), Options{
		Rules: set, Detector: detector.DefaultConfig(), Incident: incident.DefaultConfig(), Shards: 2,
		Observe: func(o Outcome) {
			for _, i := range o.Incidents {
				if i.Alerting && len(i.Causes) > 0 && len(first.Causes) == 0 {
					first, known = i, foreshock.Time(i.Updated).Sub(start)
				}
			}
		},
	}, burn())
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Causes) == 0 {
		t.Fatal("no cause is told")
	}
	c := first.Causes[0]
	if known > 5*time.Minute || c.Place != "localhost:9100" || !strings.HasPrefix(c.Evidence[0].String(), "node_cpu_seconds_total") {
		t.Errorf("after %s: %+v", known, c)
	}
}
