package score

import (
	"math"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/plot"
)

// picture collects what was found of each column, to be drawn.
type picture struct{ panels []plot.Panel }

func newPicture(columns []string) *picture {
	p := &picture{panels: make([]plot.Panel, len(columns))}
	for i, name := range columns {
		p.panels[i].Title = name
	}
	return p
}

func (p *picture) row(r *row, answers []answer) {
	if r.unscored {
		return
	}
	for i, a := range answers {
		point := plot.Point{T: r.T, Value: r.Cells[i].Value, Score: math.NaN(), Expected: math.NaN(), Lower: math.NaN(), Upper: math.NaN()}
		if a.known {
			point.Score, point.Marked = a.said.Score, a.marked
			point.Expected, point.Lower, point.Upper = a.said.Band.Expected, a.said.Band.Lower, a.said.Band.Upper
		}
		p.panels[i].Points = append(p.panels[i].Points, point)
	}
}

// anomaly follows a column's anomaly from its start over its worst to its end.
func (p *picture) anomaly(column int, a foreshock.Anomaly) {
	panel := &p.panels[column]
	if a.Phase == foreshock.Started {
		panel.Anomalies = append(panel.Anomalies, plot.Anomaly{Start: a.Onset})
	}
	last := &panel.Anomalies[len(panel.Anomalies)-1]
	switch a.Phase {
	case foreshock.Ended:
		last.End = a.T
	case foreshock.Started, foreshock.Escalated:
		last.Value, last.Lower, last.Upper = a.Value, a.Band.Lower, a.Band.Upper
		last.Score, last.Why = a.Score, a.Channel
	}
}

func (p *picture) figure(title string) plot.Figure {
	return plot.Figure{Title: title, Panels: p.panels}
}
