package emitter

import (
	"math"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// What was emitted of a series stands on its moments, of no other series and at no other
// time.
func TestOverlay(t *testing.T) {
	r := newRecall(newMetrics(nil))
	r.setKeep(3600_000)
	of := foreshock.NewSeries(labels.FromStrings("__name__", "load", "instance", "a"))
	other := foreshock.NewSeries(labels.FromStrings("__name__", "load", "instance", "b"))
	sampled := func(f family, x *foreshock.Series, at int64, v float64) sample {
		return sample{labels: ForeshockNames.sourceLabels(f, x.Labels, 0), t: at, v: v}
	}
	r.deliver(foreshock.Report{Findings: foreshock.Findings{Now: 3000}}, []sample{
		sampled(scoreFamily, of, 1000, 0.5), sampled(scoreFamily, of, 2000, 3), sampled(scoreFamily, of, 3000, math.NaN()),
		sampled(expectedUpperFamily, of, 2000, 9), sampled(scoreFamily, other, 1000, 7),
	})
	e := &Emitter{recall: r, table: &table{config: Config{Names: ForeshockNames}}}
	moments := map[int64]foreshock.Moment{}
	for _, at := range []int64{1000, 2000, 3000} {
		moments[at] = foreshock.Moment{T: at, Score: math.NaN(), Band: foreshock.NoBand()}
	}
	e.Overlay(of, 1500, 3000, moments)
	if m := moments[2000]; m.Score != 3 || m.Band.Upper != 9 || !math.IsNaN(m.Band.Lower) {
		t.Errorf("%+v", m)
	}
	if !math.IsNaN(moments[1000].Score) || !math.IsNaN(moments[3000].Score) || len(moments) != 3 {
		t.Errorf("%+v", moments)
	}
	if got := e.Scores(of, 0, 3000); len(got) != 2 || got[0] != 0.5 || got[1] != 3 {
		t.Errorf("scores %v", got)
	}
}
