package incident

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// outage is what so many hosts of one job have to say within a minute, as Prometheus
// sends it: scrape by scrape, ten metrics a host, each host in an order of its own. A
// rule selects two in three of the metrics.
func outage(seed uint64, hosts int) []foreshock.Findings {
	r := rand.New(rand.NewPCG(seed, 1))
	var all []foreshock.Findings
	for host := range hosts {
		now := int64(host) * time.Minute.Milliseconds() / int64(hosts)
		f := foreshock.Findings{Now: now}
		for _, metric := range r.Perm(10) {
			rule := ""
			if metric%3 > 0 {
				rule = fmt.Sprint("rule", metric)
			}
			s := foreshock.NewSeries(labels.FromStrings(
				model.MetricNameLabel, fmt.Sprint("node_metric_", metric), model.InstanceLabel, fmt.Sprint("node-", host), model.JobLabel, "node",
			))
			f.Anomalies = append(f.Anomalies, foreshock.Anomaly{Series: s, Rule: rule, T: now, Onset: now - r.Int64N(30_000), Score: 2})
		}
		all = append(all, f)
	}
	return all
}

// A switch dies, and two hundred hosts have two thousand things to say: nobody is called
// two hundred times.
func TestAnOutageIsAFewPages(t *testing.T) {
	for seed := range uint64(20) {
		c := New(DefaultConfig())
		told := map[string]bool{}
		for _, f := range outage(seed, 200) {
			for _, in := range c.Observe(f) {
				told[in.ID] = true
			}
		}
		members := 0
		for _, in := range c.Incidents() {
			members += len(in.Members) + in.Dropped
		}
		if len(told) > 3 || members != 2000 || c.Refused() != 0 {
			t.Errorf("seed %d: %d incidents of %d members, %d refused", seed, len(told), members, c.Refused())
		}
	}
}

// Ten thousand at once, each another metric of another host: one incident that lists a
// hundred of them and counts the rest.
func TestTenThousandAtOnce(t *testing.T) {
	c := New(DefaultConfig())
	f := foreshock.Findings{Now: 1}
	for i := range 10_000 {
		s := foreshock.NewSeries(labels.FromStrings(model.MetricNameLabel, fmt.Sprint("m", i), model.InstanceLabel, fmt.Sprint(i), model.JobLabel, fmt.Sprint("job", i%50)))
		f.Anomalies = append(f.Anomalies, foreshock.Anomaly{Series: s, Rule: fmt.Sprint("r", i%7), T: 1, Onset: 1, Score: 2})
	}
	told := c.Observe(f)
	if len(told) != 1 || len(told[0].Members) != 100 || told[0].Dropped != 9900 || c.Refused() != 0 {
		t.Errorf("%d incidents, the first of %d members and %d more; %d refused", len(told), len(told[0].Members), told[0].Dropped, c.Refused())
	}
}

// Two hosts that fall ill minutes apart, each in a way of its own, are two matters.
func TestTwoHostsAreNoOutbreak(t *testing.T) {
	for apart := range 10 {
		c := New(DefaultConfig())
		for i, metric := range []string{"cpu", "disk"} {
			now := int64(i*apart) * time.Minute.Milliseconds()
			s := foreshock.NewSeries(labels.FromStrings(model.MetricNameLabel, metric, model.InstanceLabel, fmt.Sprint(i), model.JobLabel, "node"))
			c.Observe(foreshock.Findings{Now: now, Anomalies: []foreshock.Anomaly{{Series: s, Rule: metric, T: now, Onset: now, Score: 2}}})
		}
		if n := len(c.Incidents()); n != 2 {
			t.Errorf("%d minutes apart: %d incidents", apart, n)
		}
	}
}

// The arithmetic of outbreak.go: how many places must fall ill together for it to be one,
// by how many usually do in an hour.
func TestHowManyAreAnOutbreak(t *testing.T) {
	for _, c := range []struct {
		number int
		rate   float64 // an hour
		want   int
	}{{ofJob, 0, 3}, {ofJob, 0.5, 3}, {ofMetric, 2, 5}, {ofCluster, 0, 7}, {ofCluster, 10, 7}, {ofJob, 10, 7}} {
		s := scope{weight: c.rate * rateMemory.Hours()}
		n := 1
		for ; !s.breaksOut(start{thing: uint64(n)}, c.number, DefaultConfig().JoinWithin); n++ {
			s.starts = append(s.starts, start{thing: uint64(n)}, start{thing: uint64(n)})
		}
		if n != c.want {
			t.Errorf("scope %d, %g an hour: %d places, want %d", c.number, c.rate, n, c.want)
		}
	}
}

// Years of trouble in ever new places take no more memory than is allowed, and what was
// left out is counted.
func TestMemoryIsBounded(t *testing.T) {
	config := DefaultConfig()
	config.MaxOpen, config.MaxMembers = 20, 10
	c := New(config)
	for i := range 30_000 {
		now := int64(i) * time.Hour.Milliseconds()
		s := foreshock.NewSeries(labels.FromStrings(model.MetricNameLabel, fmt.Sprint("m", i), model.InstanceLabel, fmt.Sprint(i)))
		c.Observe(foreshock.Findings{Now: now, Anomalies: []foreshock.Anomaly{{Series: s, T: now, Onset: now}}})
		if len(c.parts) > 100 || len(c.scopes.of) > maxScopes || len(c.history.of) > maxThings || len(c.recent) > historyDepth {
			t.Fatalf("%d parts, %d scopes, %d things, %d starts", len(c.parts), len(c.scopes.of), len(c.history.of), len(c.recent))
		}
	}
	if c.Refused() != 30_000-20 || c.Forgotten() != 0 {
		t.Errorf("with 20 open: %d refused, %d forgotten", c.Refused(), c.Forgotten())
	}
	for i := range 30_000 {
		now := int64(i) * time.Hour.Milliseconds()
		s := foreshock.NewSeries(labels.FromStrings(model.MetricNameLabel, fmt.Sprint("n", i), model.InstanceLabel, fmt.Sprint("n", i)))
		c.Observe(foreshock.Findings{Now: now, Anomalies: []foreshock.Anomaly{
			{Series: s, T: now, Onset: now, Rule: "r"}, {Series: s, T: now, Onset: now, Phase: foreshock.Ended},
		}})
	}
	if c.Forgotten() == 0 || len(c.scopes.of) > maxScopes || len(c.history.of) > maxThings {
		t.Errorf("%d forgotten, %d scopes, %d things", c.Forgotten(), len(c.scopes.of), len(c.history.of))
	}
}

// BenchmarkOutage is the cost of an anomaly of a thousand hosts' outage, told batch by
// batch.
func BenchmarkOutage(b *testing.B) {
	const hosts = 1000
	all := outage(1, hosts)
	b.ReportAllocs()
	for b.Loop() {
		c := New(DefaultConfig())
		for _, f := range all {
			c.Observe(f)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*hosts*10), "ns/anomaly")
}
