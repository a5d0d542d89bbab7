package detector

import (
	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/forest"
	"github.com/foreshock/foreshock/detector/trend"
	"github.com/foreshock/foreshock/rules"
)

// model is what one series has learned. Its zero value is ready.
type model struct {
	forest forest.Forest
	trend  trend.Trend
}

// step scores the sample (t, x) against what the series taught, then learns it. w
// may be nil; t must grow from step to step; x must be finite.
func (m *model) step(g *grading, w *rules.Watch, t int64, x float64) verdict {
	m.forest.Score(t, x)
	m.trend.Learn(t, x)
	return verdict{band: foreshock.NoBand(), warming: true}
}

// resume says that the stretch was interrupted: the next sample is learned, not scored.
func (m *model) resume() {}

// end says that the series is gone; it ends an active anomaly, and reports whether there was one.
func (m *model) end(t int64) (verdict, bool) { return verdict{}, false }
