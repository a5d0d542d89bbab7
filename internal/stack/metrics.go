package stack

import (
	"bytes"
	"context"
	"fmt"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Metrics is what a program said of itself at one moment.
type Metrics map[string]*dto.MetricFamily

// FetchMetrics reads the metrics at url.
func FetchMetrics(ctx context.Context, url string) (Metrics, error) {
	body, err := Fetch(ctx, url)
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("read the metrics at %s: %w", url, err)
	}
	return families, nil
}

// Sum is that of the named counter or gauge over all series that have the labels of
// match. It is 0 where there is none.
func (m Metrics) Sum(name string, match map[string]string) float64 {
	sum := 0.0
	for _, m := range m[name].GetMetric() {
		if has(m, match) {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
		}
	}
	return sum
}

// Metric is what a program says at url of the named counter or gauge, as Sum does.
func Metric(ctx context.Context, url, name string, match map[string]string) (float64, error) {
	m, err := FetchMetrics(ctx, url)
	if err != nil {
		return 0, err
	}
	return m.Sum(name, match), nil
}

func has(m *dto.Metric, match map[string]string) bool {
	found := 0
	for _, l := range m.GetLabel() {
		if v, asked := match[l.GetName()]; asked && v == l.GetValue() {
			found++
		}
	}
	return found == len(match)
}
