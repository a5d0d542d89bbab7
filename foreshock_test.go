package foreshock

import (
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
		{"bucket of another job", bucket, series("__name__", "rpc_seconds_bucket", "job", "b", "le", "0.1"), false},
		{"pods", pod, series("__name__", "restarts", "namespace", "shop", "pod", "cart-2", "instance", "10.0.0.2:80"), true},
		{"pods of another namespace", pod, series("__name__", "restarts", "namespace", "bank", "pod", "cart-1"), false},
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
