package foreshock

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"
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
		{"instances", series("__name__", "up", "instance", "a"), series("__name__", "up", "instance", "b"), false},
	} {
		if kin := c.a.Kin == c.b.Kin; kin != c.kin {
			t.Errorf("%s: kin %v, want %v", c.name, kin, c.kin)
		}
	}
}
