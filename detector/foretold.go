package detector

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/foreshock/foreshock/detector/forecast"
	"github.com/foreshock/foreshock/rules"
)

// foretold is how well the forecasts of each rule did, in forecasts that came due. Its
// owner is whoever holds the standing's lock.
type foretold struct {
	due   *prometheus.CounterVec `image:"-"`
	ratio *prometheus.GaugeVec   `image:"-"`
	rules map[string]*outcome
}

// outcome is that of one rule.
type outcome struct {
	share     float64 // that was to be held
	due, held float64
}

// came is what came due of the forecasts of one series.
type came struct {
	rule  string
	tally forecast.Tally
}

func newForetold(reg prometheus.Registerer, r *rules.Set) foretold {
	f := promauto.With(reg)
	t := foretold{
		due: f.NewCounterVec(prometheus.CounterOpts{
			Name: "foreshock_detector_forecasts_due_total",
			Help: "Forecasts whose time came, about as far ahead as the rule's horizon.",
		}, []string{"rule"}),
		ratio: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "foreshock_detector_forecast_coverage_ratio",
			Help: "Share of the forecasts due whose interval held the value: the rule's confidence, if they keep their word.",
		}, []string{"rule"}),
		rules: map[string]*outcome{},
	}
	t.follow(r)
	return t
}

// follow keeps the records of the rules of r, and no other.
func (t *foretold) follow(r *rules.Set) {
	kept := map[string]*outcome{}
	for _, f := range r.Forecasts {
		share := f.Confidence.Share()
		if kept[f.Name] = t.rules[f.Name]; kept[f.Name] == nil || kept[f.Name].share != share {
			kept[f.Name] = &outcome{share: share}
			t.due.WithLabelValues(f.Name)
		}
	}
	for rule := range t.rules {
		if kept[rule] == nil {
			t.due.DeleteLabelValues(rule)
			t.ratio.DeleteLabelValues(rule)
		}
	}
	t.rules = kept
}

// add takes in what came due. What a rule that is gone had foretold is passed over.
func (t *foretold) add(all []came) {
	for _, c := range all {
		r := t.rules[c.rule]
		if r == nil {
			continue
		}
		r.due += float64(c.tally.Due)
		r.held += float64(c.tally.Held)
		t.due.WithLabelValues(c.rule).Add(float64(c.tally.Due))
		t.ratio.WithLabelValues(c.rule).Set(r.held / r.due)
	}
}
