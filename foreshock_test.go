package foreshock

import (
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// What is read together must have one kin, or a detector of two shards would see half
// a histogram; what is not must not crowd on one shard.
func TestKin(t *testing.T) {
	series := func(pairs ...string) *Series { return NewSeries(labels.FromStrings(pairs...)) }
	bucket := series("__name__", "rpc_seconds_bucket", "job", "a", "le", "0.1")
	pod := series("__name__", "restarts", "namespace", "shop", "pod", "cart-1", "instance", "10.0.0.1:80")
	for _, c := range []struct {
		name string
		a, b *Series
		kin  bool
	}{
		{"buckets", bucket, series("__name__", "rpc_seconds_bucket", "job", "a", "le", "+Inf"), true},
		{"bucket and count", bucket, series("__name__", "rpc_seconds_count", "job", "a"), true},
		{"bucket and sum", bucket, series("__name__", "rpc_seconds_sum", "job", "a"), true},
		{"bucket and what is made of it", bucket, series("__name__", "rpc_seconds_p99", "job", "a"), true},
		{"the parts of an odd name", series("__name__", "x_sum_count"), series("__name__", "x_sum_sum"), true},
		{"bucket of another job", bucket, series("__name__", "rpc_seconds_bucket", "job", "b", "le", "0.1"), false},
		{"pods", pod, series("__name__", "restarts", "namespace", "shop", "pod", "cart-2", "instance", "10.0.0.2:80"), true},
		{"pods of another namespace", pod, series("__name__", "restarts", "namespace", "bank", "pod", "cart-1"), false},
		{
			"containers", series("__name__", "container_memory_bytes", "pod", "cart-1", "id", "/kubepods/1", "image", "cart:1", "name", "k8s_1", "container", "app"),
			series("__name__", "container_memory_bytes", "pod", "cart-2", "id", "/kubepods/2", "image", "cart:2", "name", "k8s_2", "container", "app"), true,
		},
		{"memory pools", series("__name__", "jvm_memory_bytes", "pod", "cart-1", "id", "Eden"), series("__name__", "jvm_memory_bytes", "pod", "cart-1", "id", "Survivor"), false},
		{
			"hosts named like pods", series("__name__", "up", "pod", "cart-5d78c9869d-x7k2p", "host", "cart-5d78c9869d-x7k2p.svc"),
			series("__name__", "up", "pod", "cart-5d78c9869d-b4f5q", "host", "cart-5d78c9869d-b4f5q.svc"), true,
		},
		{"paths", series("__name__", "up", "pod", "a", "path", "/a"), series("__name__", "up", "pod", "b", "path", "/b"), false},
		{"nodes", series("__name__", "load", "node", "a"), series("__name__", "load", "node", "b"), false},
		{"instances", series("__name__", "up", "instance", "a"), series("__name__", "up", "instance", "b"), false},
	} {
		if kin := c.a.Kin == c.b.Kin; kin != c.kin {
			t.Errorf("%s: kin %v, want %v", c.name, kin, c.kin)
		}
		if c.kin && c.a.Neighbourhood != c.b.Neighbourhood {
			t.Errorf("%s: kin, but no neighbours", c.name)
		}
	}
}

// Fingerprints are made without making the labels that they are of, at the cost of the
// series alone.
func TestFingerprints(t *testing.T) {
	long := strings.Repeat("x", fingerprintRoom)
	for _, c := range []struct{ kin, neighbourhood, of labels.Labels }{
		{
			kin:           labels.FromStrings("__name__", "rpc", "cluster", "eu", "instance", "a:80"),
			neighbourhood: labels.FromStrings("cluster", "eu", "instance", "a:80"),
			of:            labels.FromStrings("__name__", "rpc_bucket", "cluster", "eu", "instance", "a:80", "le", "1"),
		},
		{
			kin:           labels.FromStrings("__name__", "up", "namespace", "shop", "x", long),
			neighbourhood: labels.FromStrings("namespace", "shop"),
			of:            labels.FromStrings("__name__", "up", "instance", "b", "namespace", "shop", "pod", "cart-1", "x", long),
		},
	} {
		s := NewSeries(c.of)
		if s.Kin != labels.StableHash(c.kin) || s.Neighbourhood != labels.StableHash(c.neighbourhood) {
			t.Errorf("%s has other fingerprints than its labels", s)
		}
	}
	host := labels.FromStrings("__name__", "load1", "instance", "a:80")
	if allocs := testing.AllocsPerRun(100, func() { NewSeries(host) }); allocs != 1 {
		t.Errorf("%v allocations for a series, want 1", allocs)
	}
}

func TestPlace(t *testing.T) {
	for _, c := range []struct{ series, place string }{
		{`{__name__="up", instance="a:80", job="node", cluster="eu"}`, `{cluster="eu", instance="a:80"}`},
		{`{__name__="up", instance="10.0.0.1:80", pod="cart-1", namespace="shop"}`, `{namespace="shop", pod="cart-1"}`},
		{`{__name__="up", svc="cart", le="1"}`, `{svc="cart"}`},
		{`{__name__="up", job="node"}`, `{}`},
	} {
		ls, err := parser.NewParser(parser.Options{}).ParseMetric(c.series)
		if err != nil {
			t.Fatal(err)
		}
		if got := NewSeries(ls).Place().String(); got != c.place {
			t.Errorf("%s is at %s, want %s", c.series, got, c.place)
		}
	}
}

// A counter that fell began anew.
func TestRate(t *testing.T) {
	before := Sample{T: 1000, V: 10}
	for _, c := range []struct {
		at   Sample
		want float64
	}{{Sample{T: 3000, V: 16}, 3}, {Sample{T: 1500, V: 10}, 0}, {Sample{T: 5000, V: 4}, 1}} {
		if got := c.at.Rate(before); got != c.want {
			t.Errorf("%v after %v: %g a second, want %g", c.at, before, got, c.want)
		}
	}
}
