package plot

import (
	"image/color"
	"math"
	"sort"
	"strings"
	"unicode"

	stdfont "golang.org/x/image/font"

	gonum "gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Theme is what a picture is painted with.
type Theme struct {
	paper, ink, faint           color.NRGBA // background, text and axes, grid
	value, band, anomaly, score color.NRGBA
	expected                    color.NRGBA // the line within the band
	stretch                     color.NRGBA // behind what was anomalous
}

// The colours of Okabe and Ito: blue 0072b2, sky blue 56b4e9, vermilion d55e00,
// orange e69f00, bluish green 009e73.
var (
	Light = Theme{
		paper: color.NRGBA{0xff, 0xff, 0xff, 0xff}, ink: color.NRGBA{0x22, 0x26, 0x2b, 0xff}, faint: color.NRGBA{0xe3, 0xe6, 0xe9, 0xff},
		value: color.NRGBA{0x00, 0x72, 0xb2, 0xff}, band: color.NRGBA{0x56, 0xb4, 0xe9, 0x4c}, expected: color.NRGBA{0x56, 0xb4, 0xe9, 0xff},
		anomaly: color.NRGBA{0xd5, 0x5e, 0x00, 0xff}, score: color.NRGBA{0x00, 0x9e, 0x73, 0xff}, stretch: color.NRGBA{0xe6, 0x9f, 0x00, 0x26},
	}
	Dark = Theme{
		paper: color.NRGBA{0x16, 0x1a, 0x1f, 0xff}, ink: color.NRGBA{0xd9, 0xde, 0xe3, 0xff}, faint: color.NRGBA{0x2c, 0x33, 0x3a, 0xff},
		value: color.NRGBA{0x56, 0xb4, 0xe9, 0xff}, band: color.NRGBA{0x00, 0x72, 0xb2, 0x80}, expected: color.NRGBA{0xd9, 0xde, 0xe3, 0x90},
		anomaly: color.NRGBA{0xe6, 0x9f, 0x00, 0xff}, score: color.NRGBA{0x00, 0x9e, 0x73, 0xff}, stretch: color.NRGBA{0xe6, 0x9f, 0x00, 0x30},
	}
)

const (
	margin      = vg.Length(10) // points, around a panel
	headHeight  = vg.Length(22)
	scoreHeight = vg.Length(86) // the strip beneath, with the time axis
)

func (f Figure) draw(c draw.Canvas, t Theme) {
	c.SetColor(t.paper)
	c.Fill(c.Path())
	for i, p := range f.Panels {
		top := vg.Length(i) * panelHeight
		p.draw(draw.Crop(c, margin, -margin, c.Max.Y-top-panelHeight+margin, -top-margin), t)
	}
}

func (p Panel) draw(c draw.Canvas, t Theme) {
	head := c
	head.Min.Y = c.Max.Y - headHeight
	p.drawHead(head, t)

	values, scores := p.valuePlot(t), p.scorePlot(t)
	above, below := c, c
	above.Max.Y -= headHeight
	above.Min.Y += scoreHeight
	below.Max.Y = above.Min.Y - 4

	// Both plots share one time axis: their left edges meet where the wider of the
	// two value axes ends, their right ones where the last time label needs it.
	left := values.DataCanvas(above).Min.X - scores.DataCanvas(below).Min.X
	above, below = draw.Crop(above, max(0, -left), 0, 0, 0), draw.Crop(below, max(0, left), 0, 0, 0)
	right := below.Max.X - scores.DataCanvas(below).Max.X
	values.Draw(draw.Crop(above, 0, -right, 0, 0))
	scores.Draw(below)
}

// valuePlot is the upper plot: the series in its expected band.
func (p Panel) valuePlot(t Theme) *gonum.Plot {
	g := p.newPlot(t, valueTicks{5})
	g.Y.Min, g.Y.Max = p.valueRange()
	g.Y.Label.Text = plain(p.Unit)
	g.Add(
		spans{p.Anomalies, t.stretch},
		grid{t.faint, valueTicks{5}},
		shapes{outline(p.Points), t.band},
		strokes{line(p.Points, func(q *Point) float64 { return q.Expected }), draw.LineStyle{Color: t.expected, Width: 0.8}},
		strokes{line(p.Points, func(q *Point) float64 { return q.Value }), draw.LineStyle{Color: t.value, Width: 1.1}},
		dots{marks(p.Points), t.anomaly},
	)
	g.HideX()
	return g
}

// scorePlot is the strip beneath: the score, its threshold, the time axis.
func (p Panel) scorePlot(t Theme) *gonum.Plot {
	g := p.newPlot(t, valueTicks{4})
	g.Y.Min, g.Y.Max = 0, p.scoreTop()
	g.Y.Label.Text = "score"
	g.X.Label.Text = "time, UTC"
	g.Add(
		spans{p.Anomalies, t.stretch},
		grid{t.faint, valueTicks{4}},
		threshold{draw.LineStyle{Color: t.ink, Width: 0.7, Dashes: []vg.Length{4, 3}}},
		strokes{line(p.Points, func(q *Point) float64 { return q.Score }), draw.LineStyle{Color: t.score, Width: 1.1}},
	)
	return g
}

// scoreTop is how far up the strip of scores reaches.
func (p Panel) scoreTop() float64 {
	top := 1.25 // the threshold stays in sight, with room above it
	for _, q := range p.Points {
		if finite(q.Score) {
			top = max(top, min(q.Score, largest)*1.08)
		}
	}
	return top
}

// newPlot is an empty plot over the panel's time.
func (p Panel) newPlot(t Theme, ticks valueTicks) *gonum.Plot {
	g := gonum.New()
	g.BackgroundColor = nil
	g.X.Min, g.X.Max = p.timeRange()
	dress(g, t, timeTicks{}, ticks)
	return g
}

// dress gives both axes of g their ticks, fonts and colours.
func dress(g *gonum.Plot, t Theme, x, y gonum.Ticker) {
	g.X.Tick.Marker, g.Y.Tick.Marker = x, y
	for _, axis := range []*gonum.Axis{&g.X, &g.Y} {
		axis.Padding = 0
		axis.LineStyle.Color, axis.Tick.LineStyle.Color = t.ink, t.ink
		axis.Tick.Length = 4
		axis.Tick.Label.Font, axis.Label.TextStyle.Font = face(8), face(9)
		axis.Tick.Label.Color, axis.Label.TextStyle.Color = t.ink, t.ink
	}
}

// timeRange is from the first point to the last, ms; a minute around a lone one.
func (p Panel) timeRange() (low, high float64) {
	if len(p.Points) == 0 {
		return 0, 60_000
	}
	low, high = float64(p.Points[0].T), float64(p.Points[len(p.Points)-1].T)
	if low == high {
		return low - 30_000, high + 30_000
	}
	return low, high
}

// largest is the greatest magnitude that is drawn where it belongs: the distance
// between two such values still fits a float64. Beyond it lies the picture's edge.
const largest = 8e307

// valueRange is what the value axis spans: all values, and the band as far as it
// does not dwarf them, since a young model's band may be as wide as it likes.
func (p Panel) valueRange() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, q := range p.Points {
		if finite(q.Value) {
			low, high = min(low, max(q.Value, -largest)), max(high, min(q.Value, largest))
		}
	}
	if low > high {
		return -1, 1
	}
	room := (high - low) / 2
	if room == 0 {
		room = math.Abs(low) / 10
	}
	if room == 0 {
		room = 1
	}
	bottom, top := low-room/10, high+room/10
	for _, q := range p.Points {
		if finite(q.Lower) && finite(q.Upper) {
			bottom, top = min(bottom, max(q.Lower, low-room)), max(top, min(q.Upper, high+room))
		}
	}
	return max(bottom, -largest), min(top, largest)
}

// drawHead writes the title to the left and the legend to the right.
func (p Panel) drawHead(c draw.Canvas, t Theme) {
	title := text.Style{Color: t.ink, Font: face(11), Handler: gonum.DefaultTextHandler, YAlign: draw.YCenter}
	small := text.Style{Color: t.ink, Font: face(8), Handler: gonum.DefaultTextHandler, YAlign: draw.YCenter}
	title.Font.Weight = stdfont.WeightBold

	y := c.Center().Y
	x := c.Max.X
	for _, entry := range []struct {
		name string
		sign func(x vg.Length)
	}{
		{"anomaly", func(x vg.Length) {
			c.DrawGlyph(draw.GlyphStyle{Color: t.anomaly, Radius: 3, Shape: draw.CircleGlyph{}}, vg.Point{X: x + 8, Y: y})
		}},
		{"expected, 95 of 100", func(x vg.Length) {
			c.FillPolygon(t.band, []vg.Point{{X: x, Y: y - 4}, {X: x + 14, Y: y - 4}, {X: x + 14, Y: y + 4}, {X: x, Y: y + 4}})
			c.StrokeLine2(draw.LineStyle{Color: t.expected, Width: 0.8}, x, y, x+14, y)
		}},
		{"value", func(x vg.Length) {
			c.StrokeLine2(draw.LineStyle{Color: t.value, Width: 1.4}, x, y, x+14, y)
		}},
	} {
		x -= small.Width(entry.name)
		c.FillText(small, vg.Point{X: x, Y: y}, entry.name)
		x -= 18
		entry.sign(x)
		x -= 12
	}
	c.FillText(title, vg.Point{X: c.Min.X, Y: y}, fit(title, plain(p.Title), x-c.Min.X))
}

// fit shortens s to what fits into width.
func fit(style text.Style, s string, width vg.Length) string {
	if style.Width(s) <= width {
		return s
	}
	runes := []rune(s)
	keep := sort.Search(len(runes), func(n int) bool { return style.Width(string(runes[:n+1])+"…") > width })
	return string(runes[:keep]) + "…"
}

// plain replaces what a drawing may not hold: control characters.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, s)
}

func face(size font.Length) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
}
