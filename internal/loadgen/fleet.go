package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// behaviour is how the values of a series go.
type behaviour uint8

const (
	resting behaviour = iota // the same value at every scrape
	moving                   // a gauge with noise around a level of its own
	growing                  // a counter with a rate of its own
)

// metric is one metric of a host, with every combination of its own labels.
type metric struct {
	name  string
	moves behaviour
	own   []dimension
}

// dimension is a label and its values. Labels that vary together, as a device's and its
// mount point's, are one dimension: "device=/dev/vda1,fstype=ext4".
type dimension []string

// fleet is what hosts of a few Kubernetes clusters show: each its node_exporter, and
// what kube-state-metrics says of the pods on it. Series i of it is always the same.
//
// A host's part of a scrape is in the order of the exporters' pages, which sort by
// name. The shares are those of a real node_exporter of 541 series: 68 of 100 series
// rest, 22 are gauges that move, 10 are counters that grow; of values at rest half
// are zero.
type fleet struct {
	hosts []template // one host's series
	mix   mix
	churn float64 // share of hosts whose pods are replaced within an hour of samples
}

// template is a series but for the host's names.
type template struct {
	name  string
	moves behaviour
	state bool // of kube-state-metrics
	own   []string
}

// mix is which series move.
type mix string

const (
	defaultMix mix = "default" // as in reality
	movingMix  mix = "moving"  // every one at every scrape
)

func newFleet(m mix, churn float64) *fleet {
	f := &fleet{mix: m, churn: churn}
	for _, page := range []struct {
		metrics []metric
		state   bool
	}{{nodeMetrics(), false}, {stateMetrics(), true}} {
		for _, mt := range page.metrics {
			for _, own := range combinations(mt.own) {
				f.hosts = append(f.hosts, template{mt.name, mt.moves, page.state, own})
			}
		}
	}
	return f
}

// combinations are all of the dimensions, as "name=value" pairs.
func combinations(ds []dimension) [][]string {
	all := [][]string{nil}
	for _, d := range ds {
		var longer [][]string
		for _, c := range all {
			for _, v := range d {
				longer = append(longer, append(slices.Clone(c), strings.Split(v, ",")...))
			}
		}
		all = longer
	}
	return all
}

// at returns the template of series i and the host it is on.
func (f *fleet) at(i int) (t *template, host int) {
	return &f.hosts[i%len(f.hosts)], i / len(f.hosts)
}

// moves is how series i goes.
func (f *fleet) moves(i int) behaviour {
	t, _ := f.at(i)
	if f.mix == movingMix && t.moves == resting {
		if strings.HasSuffix(t.name, "_total") {
			return growing
		}
		return moving
	}
	return t.moves
}

// kind is the type of series i's metric.
func (f *fleet) kind(i int) model.MetricType {
	t, _ := f.at(i)
	switch {
	case strings.HasSuffix(t.name, "_total"):
		return model.MetricTypeCounter
	case strings.HasPrefix(t.name, "node_vmstat_"):
		return model.MetricTypeUnknown
	default:
		return model.MetricTypeGauge
	}
}

const (
	interval       = 15_000 // ms from scrape to scrape
	scrapesAnHour  = 3_600_000 / interval
	hostsACluster  = 40
	podNameLetters = "bcdfghjklmnpqrstvwxz2456789" // Kubernetes's own
)

// generation counts how often a host's pods were replaced before scrape k. Hosts are
// staggered, so that some are at every scrape.
func (f *fleet) generation(host, k int) int {
	return int(float64(k)*f.churn/scrapesAnHour + uniform(uint64(host), 7))
}

// labels are those of series i at scrape k: 8 to 14, as the Prometheus operator and
// external labels make them.
func (f *fleet) labels(i, k int) labels.Labels {
	t, host := f.at(i)
	g := f.generation(host, k)
	cluster := host / hostsACluster
	node := fmt.Sprintf("ip-10-%d-%d-%d.eu-central-1.compute.internal", 16+host>>14, host>>6&255, 4*(host&63)+3)
	b := labels.NewBuilder(labels.EmptyLabels())
	b.Set(model.MetricNameLabel, t.name)
	b.Set("cluster", fmt.Sprintf("production-eu-central-1-%03d", cluster))
	b.Set("namespace", "monitoring")
	if t.state {
		b.Set("container", "kube-state-metrics")
		b.Set("endpoint", "http-metrics")
		b.Set("instance", fmt.Sprintf("10.%d.128.17:8080", cluster&255))
		b.Set("job", "kube-state-metrics")
		b.Set("service", "kube-prometheus-kube-state-metrics")
	} else {
		b.Set("container", "node-exporter")
		b.Set("endpoint", "http-metrics")
		b.Set("instance", node+":9100")
		b.Set("job", "node-exporter")
		b.Set("service", "kube-prometheus-prometheus-node-exporter")
		b.Set("pod", "kube-prometheus-prometheus-node-exporter-"+letters(host, g, 5))
	}
	for _, pair := range t.own {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "pod": // of a deployment, on this host
			value += "-" + letters(cluster, 0, 10) + "-" + letters(host, g, 5)
			b.Set("uid", uid(value, host))
		case "node":
			value = node
		}
		b.Set(name, value)
	}
	return b.Labels()
}

// letters is the end of a pod's name.
func letters(seed, generation, n int) string {
	x := mixed(uint64(seed)<<20 | uint64(generation))
	s := make([]byte, n)
	for i := range s {
		s[i] = podNameLetters[x%uint64(len(podNameLetters))]
		x = x/uint64(len(podNameLetters)) + x<<50
	}
	return string(s)
}

func uid(name string, host int) string {
	x := uint64(host)
	for _, c := range []byte(name) {
		x = mixed(x ^ uint64(c))
	}
	y := mixed(x)
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", uint32(x), uint16(x>>32), x>>52, y&0xfff, y>>16)
}

// value is that of series i at scrape k. It needs no state, so that scrapes can be made
// in any order.
func (f *fleet) value(i, k int) float64 {
	own := mixed(uint64(i) + 1)
	level := math.Trunc(math.Exp(3 + 17*uniform(own, 1))) // 20 to 485 M
	noise := uniform(own, uint64(k)+2)
	switch f.moves(i) {
	case growing:
		rate := level / 1e4
		return math.Round(100*(level+rate*(float64(15*k)+10*noise))) / 100 // in hundredths, as CPU seconds are
	case moving:
		return math.Trunc(level * (1 + 0.1*math.Sin(float64(k)/40+float64(own%7)) + 0.05*(noise-0.5)))
	default:
		switch own >> 8 % 4 {
		case 0, 1:
			return 0
		case 2:
			return 1
		default:
			return level
		}
	}
}

// uniform is a number from 0 to 1 that (seed, n) alone decides.
func uniform(seed, n uint64) float64 {
	return float64(mixed(seed*0x9e3779b97f4a7c15+n)>>11) / (1 << 53)
}

// mixed is the finalizer of SplitMix64 (Steele, Lea, Flood 2014).
func mixed(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
