package flow

import (
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/incident"
	"github.com/foreshock/foreshock/rules"
)

// holiday is the day on which nobody comes to the office.
const holiday = 7

// office is eight days of a counter, a minute each: 20 requests a second, from eight to six
// 100, with half an hour between, but for the last day.
func office() iter.Seq2[*foreshock.Batch, error] {
	s := foreshock.NewSeries(labels.FromStrings("__name__", "requests_total", "service", "cart"))
	r := rand.New(rand.NewPCG(1, 0))
	total := 0.0
	return func(yield func(*foreshock.Batch, error) bool) {
		for t := time.Duration(0); t < (holiday+1)*24*time.Hour; t += time.Minute {
			hour, load := (t % (24 * time.Hour)).Hours(), 20.0
			if t < holiday*24*time.Hour {
				load += 80 * min(max((hour-8)/0.5, 0), max((18.5-hour)/0.5, 0), 1)
			}
			total += 60 * (load + r.NormFloat64())
			if !yield(&foreshock.Batch{Samples: []foreshock.Sample{{Series: s, T: start.Add(t).UnixMilli(), V: total}}}, nil) {
				return
			}
		}
	}
}

// Replicas take a quarter of an hour to be of use: the morning's load has to be known that
// long before it comes. On a holiday it does not come, and within the hour the error says
// that the forecast is not to be scaled by.
func TestScaleAheadOfTheMorning(t *testing.T) {
	set, err := rules.ParseFile("test", []byte(`
groups:
  - name: g
    rules:
      - forecast: load
        expr: sum by (service) (rate(requests_total[5m]))
        scale_horizon: 15m
        limit: "> 1000"
        horizon: 6h
`))
	if err != nil {
		t.Fatal(err)
	}
	ready, morning, broken, seen, worst := 0, 0, time.Duration(0), 0, 0.0
	err = Run(t.Context(), Options{
		Rules: set, Detector: detector.DefaultConfig(), Incident: incident.DefaultConfig(),
		Observe: func(o Outcome) {
			for _, s := range o.Scalings {
				seen++
				at := foreshock.Time(s.T).Sub(start)
				day, hour := int(at/(24*time.Hour)), (at % (24 * time.Hour)).Hours()
				if day >= 4 && day < holiday {
					worst = max(worst, s.Error)
				}
				switch {
				case day >= 4 && day < holiday && hour >= 8.2 && hour < 8.25: // 52 to 60 by now
					morning++
					if s.Value > 75 {
						ready++
					}
				case day == holiday && hour >= 8 && broken == 0 && s.Error > 1:
					broken = at - holiday*24*time.Hour - 8*time.Hour
				}
				if s.Rule != "load" || s.Series.Labels.Get("service") != "cart" {
					t.Fatalf("scaling of %s by %q", s.Series, s.Rule)
				}
			}
		},
	}, office())
	if err != nil {
		t.Fatal(err)
	}
	if morning < 6 || ready != morning {
		t.Errorf("of %d minutes before a morning's load it was known in %d", morning, ready)
	}
	if !(worst < 1) {
		t.Errorf("the error was up to %.2f while the mornings were alike, want less than 1", worst)
	}
	if broken == 0 || broken > time.Hour {
		t.Errorf("the error told of the holiday after %s, want within the hour", broken)
	}
	if seen < holiday*24*60*9/10 {
		t.Errorf("%d samples were told what to scale by, want nearly each", seen)
	}
	t.Logf("known in %d of %d minutes; the error at most %.2f, and above 1 %s into the holiday", ready, morning, worst, broken)
}
