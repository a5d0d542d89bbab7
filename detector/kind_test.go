package detector

import (
	"fmt"
	"testing"

	prommodel "github.com/prometheus/common/model"

	"github.com/foreshock/foreshock"
)

func TestKind(t *testing.T) {
	const le = prommodel.BucketLabel
	for _, c := range []struct {
		name   string
		labels []string
		family string
		typ    prommodel.MetricType
		want   kind
	}{
		{"node_load1", nil, "", "", gauge},
		{"http_requests_total", nil, "", "", counter},
		{"http_seconds_sum", nil, "", "", counter},
		{"http_seconds_count", nil, "", "", counter},
		{"http_seconds_bucket", []string{le, "1"}, "", "", bucket},
		{"leaky_bucket", nil, "", "", gauge},
		{"_total", nil, "", "", counter},

		{"ticks", nil, "ticks", prommodel.MetricTypeCounter, counter},
		{"ticks_total", nil, "ticks", prommodel.MetricTypeCounter, counter}, // OpenMetrics leaves the suffix out
		{"ticks_created", nil, "ticks", prommodel.MetricTypeCounter, gauge},
		{"seats_total", nil, "seats_total", prommodel.MetricTypeGauge, gauge},
		{"pods_count", nil, "pods_count", prommodel.MetricTypeGauge, gauge},
		{"pods_count", nil, "pods", prommodel.MetricTypeGauge, gauge},
		{"rpc", []string{"quantile", "0.9"}, "rpc", prommodel.MetricTypeSummary, gauge},
		{"rpc_sum", nil, "rpc", prommodel.MetricTypeSummary, counter},
		{"rpc_count", nil, "rpc", prommodel.MetricTypeHistogram, counter},
		{"rpc_bucket", []string{le, "+Inf"}, "rpc", prommodel.MetricTypeHistogram, bucket},
		{"ages_bucket", []string{le, "+Inf"}, "ages", prommodel.MetricTypeGaugeHistogram, bucket},
		{"ages_count", nil, "ages", prommodel.MetricTypeGaugeHistogram, gauge},
		{"x_total", nil, "x_total", prommodel.MetricTypeUnknown, counter},
	} {
		ts := types{}
		ts.learn(foreshock.Metadata{Family: c.family, Type: c.typ})
		if got := ts.kind(series(append([]string{c.name}, c.labels...)...).Labels); got != c.want {
			t.Errorf("%s with %s %s: %s, want %s", c.name, c.family, c.typ, got, c.want)
		}
	}
}

func TestTypesAreBounded(t *testing.T) {
	ts := types{}
	for i := range maxFamilies {
		if _, full := ts.learn(foreshock.Metadata{Family: fmt.Sprint(i), Type: prommodel.MetricTypeGauge}); full {
			t.Fatalf("full at %d families, want %d", i, maxFamilies)
		}
	}
	if _, full := ts.learn(foreshock.Metadata{Family: "one more", Type: prommodel.MetricTypeGauge}); !full {
		t.Error("took one more family than it may")
	}
	if changed, full := ts.learn(foreshock.Metadata{Family: "7", Type: prommodel.MetricTypeCounter}); full || !changed {
		t.Error("a full table does not take a known family's new type")
	}
}
