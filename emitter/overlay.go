package emitter

import (
	"math"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// Overlay puts what was emitted of the series from one time to another, ms, both included,
// onto the moments of those times.
func (e *Emitter) Overlay(of *foreshock.Series, from, to int64, moments map[int64]foreshock.Moment) {
	e.mu.Lock()
	names := e.table.config.Names
	e.mu.Unlock()
	for f, set := range map[family]func(*foreshock.Moment, float64){
		names.scoreOf(of):   func(m *foreshock.Moment, v float64) { m.Score = v },
		expectedFamily:      func(m *foreshock.Moment, v float64) { m.Band.Expected = v },
		expectedLowerFamily: func(m *foreshock.Moment, v float64) { m.Band.Lower = v },
		expectedUpperFamily: func(m *foreshock.Moment, v float64) { m.Band.Upper = v },
	} {
		e.recall.visit(names.sourceLabels(f, of.Labels, 0), from, to, func(t int64, v float64) {
			if m, held := moments[t]; held && !math.IsNaN(v) {
				set(&m, v)
				moments[t] = m
			}
		})
	}
}

// Scores are those emitted of the series from one time to another, ms, both included.
func (e *Emitter) Scores(of *foreshock.Series, from, to int64) (scores []float64) {
	e.mu.Lock()
	names := e.table.config.Names
	e.mu.Unlock()
	e.recall.visit(names.sourceLabels(names.scoreOf(of), of.Labels, 0), from, to, func(_ int64, v float64) {
		if !math.IsNaN(v) {
			scores = append(scores, v)
		}
	})
	return scores
}

// visit shows what was emitted in the one series that has the labels.
func (r *recall) visit(ls labels.Labels, from, to int64, see func(t int64, v float64)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	known := r.known(ls)
	if known == nil {
		return
	}
	for t, v := range known.window.Since(from) {
		if t >= from && t <= to {
			see(t, v)
		}
	}
}
