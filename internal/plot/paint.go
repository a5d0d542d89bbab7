package plot

import (
	"image/color"

	gonum "gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// What follows are the layers of a plot, each gonum's Plotter. None has a say in
// the axes' ranges, and none paints beyond them.

// place maps a point of a series into the canvas, at its edge where it lies outside.
func place(c *draw.Canvas, g *gonum.Plot, at plotter.XY) vg.Point {
	inside := func(v, low, high float64) float64 { return min(max(v, low), high) }
	return vg.Point{
		X: c.X(g.X.Norm(inside(at.X, g.X.Min, g.X.Max))),
		Y: c.Y(g.Y.Norm(inside(at.Y, g.Y.Min, g.Y.Max))),
	}
}

func placeAll(c *draw.Canvas, g *gonum.Plot, piece plotter.XYs) []vg.Point {
	out := make([]vg.Point, len(piece))
	for i, at := range piece {
		out[i] = place(c, g, at)
	}
	return out
}

const longestPath = 100 // points

// strokes are the pieces of a line; a piece of one point is a dot.
type strokes struct {
	pieces []plotter.XYs
	style  draw.LineStyle
}

func (s strokes) Plot(c draw.Canvas, g *gonum.Plot) {
	for _, piece := range s.pieces {
		if len(piece) == 1 {
			c.DrawGlyphNoClip(draw.GlyphStyle{Color: s.style.Color, Radius: 1.5 * s.style.Width, Shape: draw.CircleGlyph{}}, place(&c, g, piece[0]))
			continue
		}
		// The rasteriser's time grows with the square of a path's length; a line in
		// short paths, each from the last point of the one before, looks the same.
		for path := placeAll(&c, g, piece); len(path) > 1; path = path[min(longestPath, len(path)-1):] {
			c.StrokeLines(s.style, path[:min(longestPath+1, len(path))])
		}
	}
}

// shapes are filled outlines.
type shapes struct {
	outlines []plotter.XYs
	colour   color.NRGBA
}

func (s shapes) Plot(c draw.Canvas, g *gonum.Plot) {
	for _, o := range s.outlines {
		c.FillPolygon(s.colour, placeAll(&c, g, o))
	}
}

// dots mark single points.
type dots struct {
	at     plotter.XYs
	colour color.NRGBA
}

func (d dots) Plot(c draw.Canvas, g *gonum.Plot) {
	for _, at := range d.at {
		c.DrawGlyphNoClip(draw.GlyphStyle{Color: d.colour, Radius: 3, Shape: draw.CircleGlyph{}}, place(&c, g, at))
	}
}

const leastSpan = vg.Length(2) // points: minutes of a month are to be seen

// spans shade the time that was anomalous; one that lasts reaches the right edge.
type spans struct {
	anomalies []Anomaly
	colour    color.NRGBA
}

func (s spans) Plot(c draw.Canvas, g *gonum.Plot) {
	for _, a := range s.anomalies {
		end := g.X.Max
		if a.End != 0 {
			end = float64(a.End)
		}
		from := place(&c, g, plotter.XY{X: float64(a.Start), Y: g.Y.Min})
		to := place(&c, g, plotter.XY{X: end, Y: g.Y.Max})
		to.X = max(to.X, from.X+leastSpan)
		c.FillPolygon(s.colour, []vg.Point{from, {X: from.X, Y: to.Y}, to, {X: to.X, Y: from.Y}})
	}
}

// grid draws a faint line through every tick.
type grid struct {
	colour color.NRGBA
	values valueTicks
}

func (l grid) Plot(c draw.Canvas, g *gonum.Plot) {
	style := draw.LineStyle{Color: l.colour, Width: 0.5}
	for _, t := range (timeTicks{}).Ticks(g.X.Min, g.X.Max) {
		x := c.X(g.X.Norm(t.Value))
		c.StrokeLine2(style, x, c.Min.Y, x, c.Max.Y)
	}
	for _, t := range l.values.Ticks(g.Y.Min, g.Y.Max) {
		y := c.Y(g.Y.Norm(t.Value))
		c.StrokeLine2(style, c.Min.X, y, c.Max.X, y)
	}
}

// threshold is the line at 1, above which a score is anomalous.
type threshold struct{ style draw.LineStyle }

func (l threshold) Plot(c draw.Canvas, g *gonum.Plot) {
	y := c.Y(g.Y.Norm(1))
	c.StrokeLine2(l.style, c.Min.X, y, c.Max.X, y)
}
