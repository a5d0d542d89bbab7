package incident

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// weather is a long stretch of made-up trouble on a few hosts and services.
func weather(seed uint64, steps int) []foreshock.Findings {
	r := rand.New(rand.NewPCG(seed, 0))
	var series []*foreshock.Series
	for i := range 60 {
		series = append(series, foreshock.NewSeries(labels.FromStrings(
			model.MetricNameLabel, fmt.Sprint("m", i%7), "instance", fmt.Sprint(i%11), "svc", fmt.Sprint(i%5),
		)))
	}
	rules := []string{"", "", "slow", "full"}
	var all []foreshock.Findings
	now := int64(0)
	for range steps {
		now += r.Int64N(60_000)
		f := foreshock.Findings{Now: now}
		for range r.IntN(5) {
			i := r.IntN(len(series))
			f.Anomalies = append(f.Anomalies, foreshock.Anomaly{
				Series: series[i],
				Kind:   foreshock.Kind(r.IntN(2)),
				Phase:  foreshock.Phase([]int{0, 0, 1, 2, 2}[r.IntN(5)]),
				Rule:   rules[i%len(rules)],
				T:      now,
				Onset:  now - r.Int64N(120_000),
				Score:  1 + r.Float64(),
			})
		}
		all = append(all, f)
	}
	return all
}

func TestInvariants(t *testing.T) {
	for seed := range uint64(12) {
		config := DefaultConfig()
		config.MaxOpen, config.MaxMembers, config.KeepResolved = 12, 4, 3
		config.FireAfter = model.Duration(seed%3) * model.Duration(30*time.Second)
		c := New(config)
		state := map[string]foreshock.State{}
		for i, f := range weather(seed, 800) {
			if i == 400 {
				config.Affinity = config.Affinity[1:]
				c.SetConfig(config)
			}
			for _, in := range c.Observe(f) {
				if before, ok := state[in.ID]; ok && in.State < before && before != foreshock.Resolved {
					t.Fatalf("seed %d: incident %s went from %s to %s", seed, in.ID, before, in.State)
				}
				state[in.ID] = in.State
				if in.State == foreshock.Firing && !in.Alerting || in.State == foreshock.Resolved && in.EndsAt > f.Now {
					t.Fatalf("seed %d: %+v", seed, in)
				}
				if len(in.Members) > config.MaxMembers {
					t.Fatalf("seed %d: %d members", seed, len(in.Members))
				}
			}
			checkOpen(t, c)
		}
		// Once all has ended, nothing of it is left but what was to be kept.
		end := int64(math.MaxInt64 - 1)
		for _, p := range c.parts {
			if p.lasting {
				p.end(end-1_000_000, 0)
			}
		}
		c.Tick(end)
		if len(c.open)+len(c.parts)+len(c.nearby)+len(c.alerts) > 0 || len(c.Incidents()) > config.KeepResolved {
			t.Errorf("seed %d: left behind: %d open, %d parts, %d keys, %d alerts, %d to be looked at",
				seed, len(c.open), len(c.parts), len(c.nearby), len(c.alerts), len(c.Incidents()))
		}
	}
}

// checkOpen holds the open incidents against what the package promises of them.
func checkOpen(t *testing.T, c *Correlator) {
	t.Helper()
	if len(c.open) > c.config.MaxOpen {
		t.Fatalf("%d incidents open", len(c.open))
	}
	ids, alerts, members := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, in := range c.Incidents() {
		if in.State == foreshock.Resolved {
			continue
		}
		if ids[in.ID] {
			t.Fatalf("two incidents are called %s", in.ID)
		}
		ids[in.ID] = true
		if alert := fmt.Sprint(in.Kind, in.Rule, in.Labels); in.State == foreshock.Firing && alerts[alert] {
			t.Fatalf("two alerts are %s", alert)
		} else if in.State == foreshock.Firing {
			alerts[alert] = true
		}
		for i, m := range in.Members {
			if who := fmt.Sprint(in.Kind, m.Series, m.Limit); m.EndedAt == 0 && members[who] {
				t.Fatalf("%s is a member twice", who)
			} else if m.EndedAt == 0 { // or it may be anomalous anew, in another
				members[who] = true
			}
			if i > 0 && in.Members[i-1].Onset > m.Onset {
				t.Fatalf("members out of order: %+v", in.Members)
			}
			if in.State == foreshock.Pending && m.Onset < in.StartsAt {
				t.Fatalf("incident starts at %d, after its member's onset %d", in.StartsAt, m.Onset)
			}
		}
	}
}

// TestSetConfig: what is open is found by the new affinity, and what is over by then
// is not found any more.
func TestSetConfig(t *testing.T) {
	at := func(name, rack, instance string, ts int64, phase foreshock.Phase) foreshock.Anomaly {
		s := foreshock.NewSeries(labels.FromStrings(model.MetricNameLabel, name, "instance", instance, "rack", rack))
		return foreshock.Anomaly{Series: s, T: ts, Onset: ts, Phase: phase}
	}
	config := DefaultConfig()
	c := New(config)
	c.Add(at("a", "r1", "1", 0, foreshock.Started))
	c.Add(at("b", "r2", "2", 0, foreshock.Started))
	c.Add(at("b", "r2", "2", 0, foreshock.Ended))
	c.Add(at("e", "r9", "2", 60_000, foreshock.Started)) // b is over by then
	config.Affinity = [][]string{{"rack"}}
	c.SetConfig(config)
	c.Add(at("c", "r1", "3", 60_000, foreshock.Started))
	c.Add(at("d", "r3", "1", 60_000, foreshock.Started))
	var got []int
	for _, in := range c.Tick(60_000) {
		got = append(got, len(in.Members))
	}
	if want := []int{2, 1, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("members of the incidents: %v, want %v", got, want)
	}
	if len(c.nearby) != 3+3 {
		t.Errorf("%d keys for three racks and three instances", len(c.nearby))
	}
}

func TestSameAnomaliesSameIncidents(t *testing.T) {
	run := func() (told []foreshock.Incident) {
		c := New(DefaultConfig())
		for _, f := range weather(7, 500) {
			told = append(told, c.Observe(f)...)
		}
		return told
	}
	if first, second := run(), run(); !reflect.DeepEqual(first, second) {
		t.Error("two runs differ")
	}
}

// TestToldStaysAsTold: what was handed out is not changed by what comes later.
func TestToldStaysAsTold(t *testing.T) {
	c := New(DefaultConfig())
	s := foreshock.NewSeries(labels.FromStrings("instance", "a"))
	told := c.Observe(foreshock.Findings{Now: 1, Anomalies: []foreshock.Anomaly{{Series: s, T: 1, Onset: 1, Rule: "r"}}})
	looked := c.Incidents()
	c.Observe(foreshock.Findings{Now: 2, Anomalies: []foreshock.Anomaly{{Series: s, Phase: foreshock.Ended, T: 2, Onset: 1}}})
	for _, in := range append(told, looked...) {
		if in.State != foreshock.Firing || in.Members[0].EndedAt != 0 {
			t.Errorf("told, then changed: %+v", in)
		}
	}
}

// TestAnyTimeIsATime: sample times come from outside, and the extremes of int64 are
// as far from each other as they look.
func TestAnyTimeIsATime(t *testing.T) {
	c := New(DefaultConfig())
	at := func(name string, ts int64) foreshock.Anomaly {
		s := foreshock.NewSeries(labels.FromStrings(model.MetricNameLabel, name, "instance", "a"))
		return foreshock.Anomaly{Series: s, T: ts, Onset: ts}
	}
	c.Add(at("a", math.MinInt64))
	c.Add(at("b", math.MaxInt64))
	c.Add(at("c", 0))
	if got := c.Tick(math.MaxInt64); len(got) != 3 {
		t.Errorf("got %d incidents, want 3", len(got))
	}
}

// BenchmarkCorrelate is the cost of an anomaly where 10 000 come at once: all on one
// host, or each on its own.
func BenchmarkCorrelate(b *testing.B) {
	const storm = 10_000
	for _, hosts := range []int{1, 100, storm} {
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) {
			config := DefaultConfig()
			config.MaxOpen = storm
			f := foreshock.Findings{Now: 1}
			for i := range storm {
				s := foreshock.NewSeries(labels.FromStrings(
					model.MetricNameLabel, fmt.Sprint("m", i),
					"instance", strconv.Itoa(i%hosts), "job", "node", "namespace", "shop", "pod", fmt.Sprintf("p%d-5d78c9869d-x7k2p", i%hosts),
				))
				f.Anomalies = append(f.Anomalies, foreshock.Anomaly{Series: s, T: 1, Onset: 1, Score: 2, Rule: "r"})
			}
			b.ReportAllocs()
			for b.Loop() {
				New(config).Observe(f)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*storm), "ns/anomaly")
		})
	}
}

// What is asked about who depends on whom stays far below 20 µs, be every place a hub.
func BenchmarkLinked(b *testing.B) {
	const places = 1000
	f := foreshock.Findings{Now: 1}
	for i := range places {
		name := strconv.Itoa(i)
		for k := range maxNeighbours / 2 {
			f.Links = append(f.Links, foreshock.Link{From: name, To: strconv.Itoa((i + k + 1) % places), Mutual: true})
		}
		s := foreshock.NewSeries(labels.FromStrings(model.MetricNameLabel, "m"+name, "service", name))
		f.Anomalies = append(f.Anomalies, foreshock.Anomaly{Series: s, T: 1, Onset: 1, Score: 2, Rule: "r" + name})
	}
	c := New(DefaultConfig())
	c.learn(f.Links)
	f.Links = nil
	image := c.Image()
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		c := New(DefaultConfig())
		if err := c.Restore(image); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		c.Observe(f)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*places), "ns/anomaly")
}

// A batch costs the same however many anomalies wait for their rule's for.
func BenchmarkWaiting(b *testing.B) {
	for _, waiting := range []int{1, 10_000} {
		b.Run(fmt.Sprint(waiting), func(b *testing.B) {
			set, err := rules.ParseFile("bench", []byte(`groups: [{name: g, rules: [{watch: r, select: up, for: 1h}]}]`))
			if err != nil {
				b.Fatal(err)
			}
			c := New(DefaultConfig())
			c.SetRules(set)
			f := foreshock.Findings{Now: 1}
			for i := range waiting {
				s := foreshock.NewSeries(labels.FromStrings(model.MetricNameLabel, "up", "instance", strconv.Itoa(i)))
				f.Anomalies = append(f.Anomalies, foreshock.Anomaly{Series: s, T: 1, Onset: 1, Score: 2, Rule: "r"})
			}
			c.Observe(f)
			b.ReportAllocs()
			for t := int64(2); b.Loop(); t++ {
				c.Observe(foreshock.Findings{Now: t})
			}
		})
	}
}
