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

// A disk fills by two percent an hour from 60: it is announced once, about when ninety is four
// hours away, and over once somebody has cleaned up.
func TestDiskFills(t *testing.T) {
	const interval = 15_000
	full := &rules.Forecast{Name: "disk full", Select: selecting("disk"), Horizon: 4 * time.Hour, Limit: 90, Above: true}
	b := run(t, Options{Rules: &rules.Set{Forecasts: []*rules.Forecast{full}}})
	x := series("disk")
	r := rand.New(rand.NewPCG(1, 1))
	perHour := int64(3_600_000 / interval)
	for i := range 22 * perHour {
		used := 60 + 2*float64(i)/float64(perHour)
		if i > 14*perHour {
			used = 30 // cleaned up at 88
		}
		b.append(foreshock.Sample{Series: x, T: start + i*interval, V: used + r.NormFloat64()/5})
	}
	b.append(foreshock.Sample{Series: x, T: start + 22*perHour*interval, V: staleMarker})
	b.stop()

	var breaches []foreshock.Anomaly
	last := start - foreseeEvery
	ended := 0
	for _, f := range b.found {
		for _, a := range f.Anomalies {
			if a.Kind == foreshock.Breach {
				breaches = append(breaches, a)
			}
		}
		for _, c := range f.Forecasts {
			if c.T-last < foreseeEvery {
				t.Fatalf("two forecasts %d ms apart, want a minute at least", c.T-last)
			}
			last = c.T
			if c.Rule != full.Name || c.Horizon != full.Horizon || c.Limit != full.Limit {
				t.Fatalf("a forecast of %+v", c)
			}
		}
		ended += len(f.Gone)
	}
	if len(breaches) != 2 || breaches[0].Phase != foreshock.Started || breaches[1].Phase != foreshock.Ended {
		t.Fatalf("breaches: %+v; want one that starts and ends", breaches)
	}
	up, down := breaches[0], breaches[1]
	hours := func(at int64) float64 { return float64(at-start) / 3_600_000 }
	if truly := 15 - hours(up.T); up.ETA > full.Horizon || math.Abs(truly-up.ETA.Hours()) > 1 {
		t.Errorf("announced after %.1f hours with %s to go, and there are %.1f", hours(up.T), up.ETA, truly)
	}
	if h := hours(up.T); h < 9.5 || h > 12 {
		t.Errorf("announced after %.1f hours, want about 11", h)
	}
	if h := hours(down.T); h < 14.1 || h > 19 {
		t.Errorf("over after %.1f hours, want a while after the clean-up at 14", h)
	}
	if down.Onset != up.T || down.Rule != full.Name || up.Limit != 90 || up.Channel != breachChannel {
		t.Errorf("told %+v and %+v", up, down)
	}
	if ended == 0 {
		t.Error("the forecasts did not end with the series")
	}
	if n := testutil.ToFloat64(b.metrics.breaches); n != 1 {
		t.Errorf("%v breaches counted, want 1", n)
	}
}

// A breach does not outlast its series or its rule.
func TestBreachEndsWithSeriesAndRule(t *testing.T) {
	rising := &rules.Set{Forecasts: []*rules.Forecast{{Name: "r", Select: selecting("level"), Horizon: time.Hour, Limit: 10, Above: true}}}
	for _, c := range []struct {
		name string
		end  func(b *bench, next foreshock.Sample)
	}{
		{"stale", func(b *bench, next foreshock.Sample) {
			next.V = staleMarker
			b.append(next)
		}},
		{"rule gone", func(b *bench, next foreshock.Sample) {
			b.SetRules(nil)
			b.append(next)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := run(t, Options{Rules: rising})
			x := series("level")
			at := start
			for i := range 60 {
				b.append(foreshock.Sample{Series: x, T: at, V: 11 + float64(i)}) // it is beyond already
				at += 60_000
			}
			c.end(b, foreshock.Sample{Series: x, T: at, V: 100})
			b.stop()
			var phases []foreshock.Phase
			for _, f := range b.found {
				for _, a := range f.Anomalies {
					if a.Kind == foreshock.Breach {
						phases = append(phases, a.Phase)
					}
				}
			}
			if len(phases) != 2 || phases[0] != foreshock.Started || phases[1] != foreshock.Ended {
				t.Errorf("phases %v, want started and ended", phases)
			}
			if n := len(b.found[len(b.found)-1].Gone); n != 1 {
				t.Errorf("%d series were gone with the last batch, want 1", n)
			}
		})
	}
}
