package plot

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"

	stdfont "golang.org/x/image/font"

	gonum "gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Chart is how one quantity goes with another, from 0 up, a line for each of those
// compared.
type Chart struct {
	Title string
	X, Y  string // what the axes count
	// Log spaces the X axis by ratios. Every X must be above 0 then.
	Log   bool
	Lines []Line
}

// Line is one of those compared. What has the same Name has the same colour; Dashed tells
// two of one name apart. Label is for the legend.
type Line struct {
	Name, Label string
	Dashed      bool
	Points      []Measured // in the order of their X
}

// Measured is a point of a Line. XLabel is how its X is written on the axis.
type Measured struct {
	X, Y   float64
	XLabel string
}

const (
	chartWidth  = 7 * vg.Inch
	chartHeight = 4 * vg.Inch
)

// PNG writes the chart as an image 1120 dots wide.
func (c Chart) PNG(w io.Writer) error {
	low, high, top := c.ranges()
	if !(low < high) || !finite(top) || c.Log && low <= 0 {
		return fmt.Errorf("plot: chart %q has nothing to draw", c.Title)
	}
	canvas := vgimg.NewWith(vgimg.UseWH(chartWidth, chartHeight), vgimg.UseDPI(dpi))
	d := draw.New(canvas)
	d.SetColor(Light.paper)
	d.Fill(d.Path())
	c.draw(draw.Crop(d, margin, -2*margin, margin, -margin), Light)
	if _, err := (vgimg.PngCanvas{Canvas: canvas}).WriteTo(w); err != nil {
		return fmt.Errorf("write PNG: %w", err)
	}
	return nil
}

// ranges are the least and the greatest X, and the greatest Y.
func (c Chart) ranges() (low, high, top float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, l := range c.Lines {
		for _, p := range l.Points {
			low, high, top = min(low, p.X), max(high, p.X), max(top, p.Y)
		}
	}
	return low, high, top
}

func (c Chart) draw(d draw.Canvas, t Theme) {
	title := text.Style{Color: t.ink, Font: face(11), Handler: gonum.DefaultTextHandler, YAlign: draw.YCenter}
	title.Font.Weight = stdfont.WeightBold
	head := d.Max.Y - headHeight/2
	d.FillText(title, vg.Point{X: d.Min.X, Y: head}, fit(title, plain(c.Title), d.Max.X-d.Min.X))

	marks := c.marks()
	g := gonum.New()
	g.BackgroundColor = nil
	low, high, top := c.ranges()
	g.X.Min, g.X.Max, g.Y.Min, g.Y.Max = low, high, 0, 1.05*top
	if c.Log {
		g.X.Scale = gonum.LogScale{}
	}
	g.X.Label.Text, g.Y.Label.Text = plain(c.X), plain(c.Y)
	dress(g, t, gonum.ConstantTicks(marks), valueTicks{6})
	g.Add(mesh{t.faint, marks, valueTicks{6}})
	for _, l := range c.Lines {
		var line plotter.XYs
		for _, p := range l.Points {
			line = append(line, plotter.XY{X: p.X, Y: p.Y})
		}
		g.Add(strokes{[]plotter.XYs{line}, c.style(l, t)}, dots{line, c.colour(l, t)})
	}
	body := d
	body.Max.Y -= 2 * headHeight
	g.Draw(body)
	c.legend(d, t, head-headHeight)
}

// marks are the values measured at, on the X axis.
func (c Chart) marks() []gonum.Tick {
	var marks []gonum.Tick
	for _, l := range c.Lines {
		for _, p := range l.Points {
			if !slices.ContainsFunc(marks, func(m gonum.Tick) bool { return m.Value == p.X }) {
				marks = append(marks, gonum.Tick{Value: p.X, Label: plain(p.XLabel)})
			}
		}
	}
	return marks
}

// colour is that of the line's name: the first name has the first colour, and so on.
func (c Chart) colour(l Line, t Theme) color.NRGBA {
	var names []string
	for _, other := range c.Lines {
		if !slices.Contains(names, other.Name) {
			names = append(names, other.Name)
		}
	}
	colours := []color.NRGBA{t.value, t.anomaly, t.score, t.ink}
	return colours[slices.Index(names, l.Name)%len(colours)]
}

func (c Chart) style(l Line, t Theme) draw.LineStyle {
	s := draw.LineStyle{Color: c.colour(l, t), Width: 1.4}
	if l.Dashed {
		s.Dashes = []vg.Length{5, 3}
	}
	return s
}

// legend names the lines in one row.
func (c Chart) legend(d draw.Canvas, t Theme, y vg.Length) {
	small := text.Style{Color: t.ink, Font: face(9), Handler: gonum.DefaultTextHandler, YAlign: draw.YCenter}
	x := d.Min.X
	for _, l := range c.Lines {
		d.StrokeLine2(c.style(l, t), x, y, x+20, y)
		x += 25
		d.FillText(small, vg.Point{X: x, Y: y}, plain(l.Label))
		x += small.Width(plain(l.Label)) + 16
	}
}

// mesh draws a faint line through every mark of both axes.
type mesh struct {
	colour color.NRGBA
	marks  []gonum.Tick
	values valueTicks
}

func (m mesh) Plot(c draw.Canvas, g *gonum.Plot) {
	style := draw.LineStyle{Color: m.colour, Width: 0.5}
	for _, t := range m.marks {
		x := c.X(g.X.Norm(t.Value))
		c.StrokeLine2(style, x, c.Min.Y, x, c.Max.Y)
	}
	for _, t := range m.values.Ticks(g.Y.Min, g.Y.Max) {
		y := c.Y(g.Y.Norm(t.Value))
		c.StrokeLine2(style, c.Min.X, y, c.Max.X, y)
	}
}
