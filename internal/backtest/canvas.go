package backtest

import (
	"fmt"
	"slices"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/flow"
	"github.com/foreshock/foreshock/internal/history"
	"github.com/foreshock/foreshock/internal/plot"
)

// maxPoints bounds what is kept to be drawn: 2^21 × 64 B = 128 MiB.
const maxPoints = 1 << 21

// canvas collects the points of curves to be drawn.
type canvas struct {
	wanted  map[string][]history.Span    // by the labels of the series; nil: all, always
	curves  map[string]*curve            // by them too
	known   map[*foreshock.Series]*curve // nil: not wanted
	order   []*curve                     // by first sight
	points  int
	undrawn int
}

type curve struct {
	panel plot.Panel
	spans []history.Span
}

func newCanvas(wanted map[string][]history.Span) *canvas {
	return &canvas{wanted: wanted, curves: map[string]*curve{}, known: map[*foreshock.Series]*curve{}}
}

// curve is that of the series; nil where it is not wanted.
func (c *canvas) curve(x *foreshock.Series) *curve {
	if known, ok := c.known[x]; ok {
		return known
	}
	key := string(x.Labels.Bytes(nil))
	one := c.curves[key]
	if spans, ok := c.wanted[key]; one == nil && (ok || c.wanted == nil) {
		one = &curve{panel: plot.Panel{Title: title(x)}, spans: spans}
		c.curves[key] = one
		c.order = append(c.order, one)
	}
	c.known[x] = one
	return one
}

// title is the series as a person knows it: what a query returned without a name has none.
func title(x *foreshock.Series) string {
	if x.Name() == history.QueryName {
		return x.Labels.MatchLabels(false, "__name__").String()
	}
	return x.String()
}

func (c *canvas) observe(o flow.Outcome) {
	marked := map[*foreshock.Series]int64{}
	for _, a := range o.Anomalies {
		if one := c.curve(a.Series); one != nil {
			one.anomaly(a)
		}
		if a.Phase != foreshock.Ended {
			marked[a.Series] = a.T
		}
	}
	for i := range o.Scores {
		s := &o.Scores[i]
		one := c.curve(s.Series)
		if one == nil || !one.wants(s.T) {
			continue
		}
		if c.points++; c.points > maxPoints {
			c.undrawn++
			continue
		}
		one.worse(s)
		at, began := marked[s.Series]
		one.panel.Points = append(one.panel.Points, plot.Point{
			T: s.T, Value: s.Value, Score: s.Score,
			Expected: s.Band.Expected, Lower: s.Band.Lower, Upper: s.Band.Upper,
			Marked: began && at == s.T,
		})
	}
}

func (c *curve) wants(t int64) bool {
	return c.spans == nil || slices.ContainsFunc(c.spans, func(s history.Span) bool { return t >= s.From && t <= s.To })
}

// anomaly follows an anomaly from its start over its worst to its end.
func (c *curve) anomaly(a foreshock.Anomaly) {
	all := &c.panel.Anomalies
	if a.Phase == foreshock.Started {
		*all = append(*all, plot.Anomaly{Start: a.Onset})
	}
	if len(*all) == 0 {
		return // of another kind
	}
	last := &(*all)[len(*all)-1]
	if a.Phase == foreshock.Ended {
		last.End = a.T
		return
	}
	last.Value, last.Lower, last.Upper = a.Value, a.Band.Lower, a.Band.Upper
	last.Score, last.Why = a.Score, a.Channel
}

// worse has an anomaly that lasts tell of s, where that is its worst.
func (c *curve) worse(s *foreshock.Score) {
	all := c.panel.Anomalies
	if len(all) == 0 || all[len(all)-1].End != 0 || s.Score <= all[len(all)-1].Score {
		return
	}
	last := &all[len(all)-1]
	last.Value, last.Lower, last.Upper, last.Score = s.Value, s.Band.Lower, s.Band.Upper, s.Score
}

// title is what was run over which time.
func (r *Report) title() string {
	const minute = "2 Jan 2006 15:04"
	return fmt.Sprintf("Backtest, %s: %s to %s UTC", r.Config, foreshock.Time(r.From).Format(minute), foreshock.Time(r.To).Format(minute))
}

// figure is every curve, those with anomalies first.
func (c *canvas) figure(title string) plot.Figure {
	f := plot.Figure{Title: title}
	for _, quiet := range []bool{false, true} {
		for _, one := range c.order {
			if (len(one.panel.Anomalies) == 0) == quiet {
				f.Panels = append(f.Panels, one.panel)
			}
		}
	}
	return f
}

// within is the part of the curve of x that lies in the span; ok says that there is one.
func (c *canvas) within(x *foreshock.Series, span history.Span) (p plot.Panel, ok bool) {
	one := c.curves[string(x.Labels.Bytes(nil))]
	if one == nil {
		return p, false
	}
	p = one.panel
	from, _ := slices.BinarySearchFunc(p.Points, span.From, func(q plot.Point, t int64) int { return int(min(max(q.T-t, -1), 1)) })
	to, _ := slices.BinarySearchFunc(p.Points, span.To+1, func(q plot.Point, t int64) int { return int(min(max(q.T-t, -1), 1)) })
	p.Points = p.Points[from:to]
	p.Anomalies = nil
	for _, a := range one.panel.Anomalies {
		if a.Start <= span.To && (a.End == 0 || a.End >= span.From) {
			p.Anomalies = append(p.Anomalies, a)
		}
	}
	return p, len(p.Points) > 1
}

// around is the time that the picture of an incident shows.
func around(in *foreshock.Incident) history.Span {
	from, to := in.Around()
	return history.Span{From: from, To: to}
}
