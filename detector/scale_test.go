package detector

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// Who plans for eight in ten is given bands that hold eight in ten, and the metric says so.
func TestBandsHoldTheConfidenceAskedFor(t *testing.T) {
	rule := &rules.Forecast{Name: "busy", Select: selecting("load"), Horizon: 6 * time.Hour, Limit: 1e6, Above: true, Confidence: 0.8}
	b := run(t, Options{Rules: &rules.Set{Forecasts: []*rules.Forecast{rule}}})
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
	asked, held := 0.0, 0.0
	for _, f := range b.found {
		for _, c := range f.Forecasts {
			if v, known := values[c.T+rule.Horizon.Milliseconds()]; known && c.T >= start+8*288*step {
				asked++
				if c.Band.Contains(v) {
					held++
				}
			}
		}
	}
	if share := held / asked; !(math.Abs(share-0.8) < 0.04) {
		t.Errorf("%.3f of %v forecasts held, want 0.8", share, asked)
	}
	if ratio := testutil.ToFloat64(b.standing.foretold.ratio.WithLabelValues("busy")); math.Abs(ratio-0.8) > 0.04 {
		t.Errorf("the metric says that %.3f held, want 0.8", ratio)
	}
}

// The bands of the first hours are the model's, and as wide as the rule says too.
func TestYoungBandsAreAsWideAsAskedFor(t *testing.T) {
	width := func(c rules.Confidence) float64 {
		rule := &rules.Forecast{Name: "busy", Select: selecting("load"), Horizon: time.Hour, Limit: 1e6, Above: true, Confidence: c}
		b := run(t, Options{Rules: &rules.Set{Forecasts: []*rules.Forecast{rule}}})
		r := rand.New(rand.NewPCG(1, 1))
		for i := range int64(60) {
			b.append(foreshock.Sample{Series: series("load"), T: start + i*60_000, V: 100 + r.NormFloat64()})
		}
		b.stop()
		for i := len(b.found) - 1; i >= 0; i-- {
			if f := b.found[i].Forecasts; len(f) > 0 && f[0].Band.Known() {
				return f[0].Band.Upper - f[0].Band.Lower
			}
		}
		t.Fatal("nothing was foreseen")
		return 0
	}
	// Of normal noise 68.27 % is within one deviation, 95 % within 1.96.
	if ratio := width(0) / width(0.6827); math.Abs(ratio-1.96) > 0.01 {
		t.Errorf("95 %% is %.2f times as wide as 68 %%, want 1.96", ratio)
	}
}

// Whoever scales by a series must see it end: with the series, and with the key that asked
// for it. The present value is never less than what is told to scale by.
func TestScalingComesAndEnds(t *testing.T) {
	ruled := func(scale time.Duration) *rules.Set {
		return &rules.Set{Forecasts: []*rules.Forecast{{
			Name: "r", Select: selecting("load"), Horizon: time.Hour, Limit: 1e6, Above: true, ScaleHorizon: scale,
		}}}
	}
	for name, end := range map[string]func(b *bench, next foreshock.Sample){
		"stale": func(b *bench, next foreshock.Sample) {
			next.V = staleMarker
			b.append(next)
		},
		"asked for no more": func(b *bench, next foreshock.Sample) {
			b.SetRules(ruled(0))
			b.append(next)
		},
		"asked for farther ahead": func(b *bench, next foreshock.Sample) {
			b.SetRules(ruled(30 * time.Minute))
			b.append(next)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := run(t, Options{Rules: ruled(15 * time.Minute)})
			x, at := series("load"), start
			r := rand.New(rand.NewPCG(1, 1))
			values := map[int64]float64{}
			const samples = 4 * 240
			for range samples {
				values[at] = 100 + r.NormFloat64()
				b.append(foreshock.Sample{Series: x, T: at, V: values[at]})
				at += 15_000
			}
			end(b, foreshock.Sample{Series: x, T: at, V: 100})
			b.stop()
			var all []foreshock.Scaling
			for _, f := range b.found[:len(b.found)-1] {
				all = append(all, f.Scalings...)
			}
			if len(all) < samples-3 {
				t.Fatalf("%d of %d samples were told what to scale by", len(all), samples)
			}
			above := 0
			for _, s := range all {
				if v := values[s.T]; s.Value < v || s.Rule != "r" {
					t.Fatalf("scale by %+v, and the value is %v", s, v)
				} else if s.Value > v {
					above++
				}
			}
			if first, last := all[0], all[len(all)-1]; !math.IsNaN(first.Error) || !(last.Error < 1) {
				t.Errorf("an error of %v at first and of %v later, want none and less than 1", first.Error, last.Error)
			}
			if above < samples/2 {
				t.Errorf("more than the value at %d of %d samples only", above, samples)
			}
			if n := len(b.found[len(b.found)-1].Gone); n != 1 {
				t.Errorf("%d series were gone with the last batch, want 1", n)
			}
		})
	}
}
