package plot

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gonum.org/v1/plot/plotter"

	gonum "gonum.org/v1/plot"
)

// Terminal is what a figure is written on: so many characters wide, in colours or not.
type Terminal struct {
	Width  int
	Colour bool
	Theme  Theme
}

const (
	// leastWidth leaves room for a plot beside the labels of its axis, mostWidth is as far as
	// an eye follows.
	leastWidth = 40
	mostWidth  = 240

	valueRows = 14 // 56 dots
	scoreRows = 5  // 20 dots
)

// Text writes the figure in braille characters, panel beneath panel. It refuses more than 24.
func (f Figure) Text(w io.Writer, t Terminal) error {
	if err := f.drawable(); err != nil {
		return err
	}
	t.Width = min(max(t.Width, leastWidth), mostWidth)
	var b bytes.Buffer
	for i, p := range f.Panels {
		if i > 0 {
			fmt.Fprintln(&b)
		}
		p.text(&b, t)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write the picture: %w", err)
	}
	return nil
}

func (p Panel) text(b *bytes.Buffer, t Terminal) {
	left, right := p.timeRange()
	low, high := p.valueRange()
	top := p.scoreTop()
	values, scores := valueTicks{4}.Ticks(low, high), valueTicks{2}.Ticks(0, top)
	margin := 0
	for _, tick := range slices.Concat(values, scores) {
		margin = max(margin, utf8.RuneCountInString(tick.Label))
	}
	columns := t.Width - margin - 2 // the axis, and a space before it

	above := newBraille(columns, valueRows, left, right, low, high)
	for _, o := range outline(p.Points) {
		above.strokes([]plotter.XYs{o}, t.Theme.edge(), 2)
	}
	above.strokes(line(p.Points, func(q *Point) float64 { return q.Value }), t.Theme.value, 1)
	for _, at := range marks(p.Points) {
		above.put(above.column(at.X), above.row(at.Y), '●', t.Theme.anomaly)
	}
	below := newBraille(columns, scoreRows, left, right, 0, top)
	below.strokes([]plotter.XYs{{{X: left, Y: 1}, {X: right, Y: 1}}}, t.Theme.ink, 2)
	below.strokes(line(p.Points, func(q *Point) float64 { return q.Score }), t.Theme.score, 1)

	fmt.Fprintln(b, cut(p.Title, t.Width))
	fmt.Fprintln(b, p.key(t))
	above.write(b, t, margin, values)
	fmt.Fprintf(b, "%s└%s\n", strings.Repeat(" ", margin+1), p.stretches(above, t))
	below.write(b, t, margin, scores)
	writeTimes(b, below, margin, timeTicks{}.Ticks(left, right))
}

// edge is the colour of the band's edges, which are lines here.
func (t Theme) edge() color.NRGBA { return t.expected }

// key says what is drawn how, and in what unit.
func (p Panel) key(t Terminal) string {
	coloured := func(sign string, c color.NRGBA) string {
		if !t.Colour {
			return sign
		}
		return paint(c) + sign + unpainted
	}
	value := "value"
	if p.Unit != "" {
		value += ", " + cut(p.Unit, 20)
	}
	said, left := "", t.Width
	for _, s := range []struct {
		sign, name string
		colour     color.NRGBA
	}{
		{"⠒⠒", value, t.Theme.value},
		{"●━", "anomaly", t.Theme.anomaly},
		{"⠂⠂", "expected, 95 of 100", t.Theme.edge()},
		{"⠒⠒", "score", t.Theme.score},
		{"⠐⠐", "threshold", t.Theme.ink},
	} {
		if left -= utf8.RuneCountInString(s.sign + " " + s.name + "  "); left >= 0 {
			said += coloured(s.sign, s.colour) + " " + s.name + "  "
		}
	}
	return strings.TrimRight(said, " ")
}

// write writes the canvas beside its axis.
func (b *braille) write(w io.Writer, t Terminal, margin int, ticks []gonum.Tick) {
	for row := range b.rows {
		label, axis := "", "│"
		for _, tick := range ticks {
			if b.row(tick.Value) == row {
				label, axis = tick.Label, "┤"
			}
		}
		pad := strings.Repeat(" ", margin-utf8.RuneCountInString(label))
		fmt.Fprintln(w, strings.TrimRight(pad+label+" "+axis+b.text(row, t.Colour), " "))
	}
}

// stretches is the line beneath the values, heavy where it was anomalous.
func (p Panel) stretches(b *braille, t Terminal) string {
	heavy := make([]bool, b.columns)
	for _, a := range p.Anomalies {
		end := b.right
		if a.End != 0 {
			end = float64(a.End)
		}
		if float64(a.Start) > b.right || end < b.left {
			continue
		}
		for column := b.column(float64(a.Start)); column <= b.column(end); column++ {
			heavy[column] = true
		}
	}
	var out strings.Builder
	for column, now := range heavy {
		before := column > 0 && heavy[column-1]
		switch {
		case t.Colour && now && !before:
			out.WriteString(paint(t.Theme.anomaly))
		case t.Colour && !now && before:
			out.WriteString(unpainted)
		}
		if now {
			out.WriteRune('━')
		} else {
			out.WriteRune('─')
		}
	}
	if t.Colour && heavy[b.columns-1] {
		out.WriteString(unpainted)
	}
	return out.String()
}

// writeTimes writes the time axis and, in two lines, its labels.
func writeTimes(w io.Writer, b *braille, margin int, ticks []gonum.Tick) {
	axis := []rune(strings.Repeat("─", b.columns))
	suffixes := [2]string{"", " UTC"}
	var labels [2][]rune
	for _, tick := range ticks {
		column := b.column(tick.Value)
		axis[column] = '┬'
		first, second, _ := strings.Cut(tick.Label, "\n")
		for i, text := range []string{first, strings.TrimSpace(second)} {
			wide := utf8.RuneCountInString(text + suffixes[i])
			from := min(max(column-wide/2, 0), b.columns-wide)
			if text == "" || len(labels[i]) > 0 && from <= len(labels[i]) {
				continue // it would meet the one before
			}
			labels[i] = append(labels[i], []rune(strings.Repeat(" ", from-len(labels[i]))+text)...)
		}
	}
	indent := strings.Repeat(" ", margin+2)
	fmt.Fprintf(w, "%s└%s\n", indent[1:], string(axis))
	for i, suffix := range suffixes {
		if len(labels[i]) > 0 {
			fmt.Fprintf(w, "%s%s%s\n", indent, string(labels[i]), suffix)
		}
	}
}

// cut shortens what a terminal is to show to a width, without what it takes for an order.
func cut(s string, width int) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s))
	if len(runes) > width {
		runes = append(runes[:width-1], '…')
	}
	return string(runes)
}
