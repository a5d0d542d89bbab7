package detector

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// Whoever plans by a forecast wants to know how often such forecasts came true: the
// bands handed out must hold 95 % of the values, and the metric must say what they did.
func TestForecastsHoldWhatTheyPromise(t *testing.T) {
	rule := &rules.Forecast{Name: "busy", Select: selecting("load"), Horizon: 6 * time.Hour, Limit: 1e6, Above: true}
	reg := prometheus.NewRegistry()
	b := run(t, Options{Rules: &rules.Set{Forecasts: []*rules.Forecast{rule}}, Registerer: reg})
	if n, err := testutil.GatherAndCount(reg, "foreshock_detector_forecasts_due_total"); err != nil || n != 1 {
		t.Errorf("%d rules counted before anything came due, %v; want 1", n, err)
	}
	const step = 5 * 60_000
	x := series("load")
	r := rand.New(rand.NewPCG(1, 1))
	values := map[int64]float64{}
	for i := range int64(20 * 288) {
		at := start + i*step
		values[at] = 100 + 10*math.Sin(2*math.Pi*float64(at)/86_400_000) + r.NormFloat64()
		b.append(foreshock.Sample{Series: x, T: at, V: values[at]})
	}
	b.settle()

	asked, held, wrong := 0.0, 0.0, 0.0
	for _, f := range b.found {
		for _, c := range f.Forecasts {
			v, known := values[c.T+rule.Horizon.Milliseconds()]
			if !known || c.T < start+8*288*step {
				continue
			}
			asked++
			wrong += math.Abs(v - c.Band.Expected)
			if c.Band.Lower <= v && v <= c.Band.Upper {
				held++
			}
		}
	}
	if share := held / asked; share < 0.93 || share > 0.97 {
		t.Errorf("%.3f of %v forecasts held, want 0.95", share, asked)
	}
	if wrong /= asked; wrong > 0.9 {
		t.Errorf("wrong by %.2f, want hardly more than the noise, 0.8", wrong)
	}
	due := testutil.ToFloat64(b.standing.foretold.due.WithLabelValues("busy"))
	ratio := testutil.ToFloat64(b.standing.foretold.ratio.WithLabelValues("busy"))
	if due < 1500 || due > 20*96 || ratio < 0.93 || ratio > 0.98 {
		t.Errorf("the metrics say that %.3f of %v forecasts held", ratio, due)
	}

	b.SetRules(nil)
	if n, err := testutil.GatherAndCount(reg, "foreshock_detector_forecasts_due_total", "foreshock_detector_forecast_coverage_ratio"); err != nil || n != 0 {
		t.Errorf("%d metrics of a rule that is gone, %v", n, err)
	}
}
