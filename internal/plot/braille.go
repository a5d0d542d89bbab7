package plot

import (
	"fmt"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot/plotter"
)

// A character of Unicode's braille block is 2 × 4 dots, and these are the bits of each dot
// from the left top on: U+2800 and their sum is the character.
var brailleDots = [4][2]uint8{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}

const (
	dotsAcross = 2 // of one character
	dotsDown   = 4
)

// cell is one character of a braille canvas. A glyph hides its dots.
type cell struct {
	dots   uint8
	glyph  rune
	colour color.NRGBA
}

// braille is a canvas of characters over a range of both axes.
type braille struct {
	columns, rows          int
	left, right, low, high float64
	cells                  []cell // row by row, from the top
}

func newBraille(columns, rows int, left, right, low, high float64) *braille {
	return &braille{columns, rows, left, right, low, high, make([]cell, columns*rows)}
}

// column and row are where a value lies, in characters; outside it is at the edge.
func (b *braille) column(x float64) int { return b.across(x) / dotsAcross }
func (b *braille) row(y float64) int    { return b.down(y) / dotsDown }

func (b *braille) across(x float64) int {
	return share(x, b.left, b.right, b.columns*dotsAcross)
}

func (b *braille) down(y float64) int {
	most := b.rows * dotsDown
	return most - 1 - share(y, b.low, b.high, most)
}

// share is which of most equal parts of the range from low to high v lies in.
func share(v, low, high float64, most int) int {
	part := math.Floor((v/2 - low/2) / (high/2 - low/2) * float64(most)) // halves: the range may be twice the largest number
	return int(min(max(part, 0), float64(most-1)))
}

// dot sets one dot, counted from the left top.
func (b *braille) dot(across, down int, c color.NRGBA) {
	one := &b.cells[down/dotsDown*b.columns+across/dotsAcross]
	one.dots |= brailleDots[down%dotsDown][across%dotsAcross]
	one.colour = c
}

// put sets a glyph at a place.
func (b *braille) put(column, row int, glyph rune, c color.NRGBA) {
	b.cells[row*b.columns+column] = cell{glyph: glyph, colour: c}
}

// strokes draws the pieces of a line, every so many-th dot of it.
func (b *braille) strokes(pieces []plotter.XYs, c color.NRGBA, every int) {
	for _, piece := range pieces {
		x, y := b.across(piece[0].X), b.down(piece[0].Y)
		b.dot(x, y, c)
		for _, to := range piece[1:] {
			x2, y2 := b.across(to.X), b.down(to.Y)
			b.segment(x, y, x2, y2, c, every)
			x, y = x2, y2
		}
	}
}

// segment draws from one dot to another; dots are left out by where they are, so that short
// segments of one line leave out as many as a long one.
func (b *braille) segment(x, y, x2, y2 int, c color.NRGBA, every int) {
	steps := max(abs(x2-x), abs(y2-y), 1)
	for i := 0; i <= steps; i++ {
		across := x + (x2-x)*i/steps
		down := y + (y2-y)*i/steps
		if (across+down)%every == 0 {
			b.dot(across, down, c)
		}
	}
}

// text is one row as a terminal shows it.
func (b *braille) text(row int, inColour bool) string {
	var out strings.Builder
	var last color.NRGBA
	for _, one := range b.cells[row*b.columns : (row+1)*b.columns] {
		glyph := one.glyph
		switch {
		case glyph == 0 && one.dots == 0:
			glyph = ' '
		case glyph == 0:
			glyph = 0x2800 + rune(one.dots)
		}
		if inColour && glyph != ' ' && one.colour != last {
			out.WriteString(paint(one.colour))
			last = one.colour
		}
		out.WriteRune(glyph)
	}
	if last != (color.NRGBA{}) {
		out.WriteString(unpainted)
	}
	return strings.TrimRight(out.String(), " ")
}

const unpainted = "\x1b[0m"

// paint is what makes a terminal write in a colour.
func paint(c color.NRGBA) string { return fmt.Sprintf("\x1b[38;2;%d;%d;%dm", c.R, c.G, c.B) }

func abs(n int) int { return max(n, -n) }
