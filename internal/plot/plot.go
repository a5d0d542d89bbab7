// Package plot draws series the way a person on call reads them: the value, the
// band it was expected in, a mark where it was anomalous, and beneath it the score
// with its threshold at 1. A Figure becomes a PNG, an SVG, a page of HTML that
// needs nothing else, or text for a terminal, each from the same layers.
//
// It knows time, numbers and colours, and has never heard of a detector. The same
// Figure gives the same bytes. Times are read in UTC. Colours are Okabe and Ito's
// (2008), which people with any of the common colour blindnesses can tell apart.
package plot

import (
	"bytes"
	"fmt"
	"io"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Point is one instant of a series. A value that is not finite is missing: the
// line is interrupted there.
type Point struct {
	T                      int64 // ms since the epoch
	Value                  float64
	Expected, Lower, Upper float64
	Score                  float64 // above 1 anomalous
	Marked                 bool    // an anomaly began, or grew worse, here
}

// Anomaly is a stretch that was anomalous.
type Anomaly struct {
	Start int64 // ms
	End   int64 // ms; 0 while it lasts
	// Value, its expected band and Score are those of its worst sample.
	Value, Lower, Upper float64
	Score               float64
	Why                 string // what gave it away, in a word or two
}

// Panel is one series. Points are in the order of their times.
type Panel struct {
	Title     string
	Unit      string // what the value axis counts; may be empty
	Points    []Point
	Anomalies []Anomaly
}

// Figure is one or more panels, drawn beneath each other.
type Figure struct {
	Title  string // of the page
	Panels []Panel
}

// A picture is as high as its panels; at 160 dots an inch 24 of them make one of
// 1440 × 13 440 dots, 77 MB while it is drawn.
const (
	maxPanels = 24
	dpi       = 160

	pictureWidth = 9 * vg.Inch
	panelHeight  = 3.5 * vg.Inch
)

func (f Figure) drawable() error {
	switch n := len(f.Panels); {
	case n == 0:
		return fmt.Errorf("plot: nothing to draw")
	case n > maxPanels:
		return fmt.Errorf("plot: %d series are too many for one picture, which holds %d; as HTML there is no limit", n, maxPanels)
	}
	return nil
}

// PNG writes the figure as an image 1440 dots wide. It refuses more than 24 panels.
func (f Figure) PNG(w io.Writer, t Theme) error {
	if err := f.drawable(); err != nil {
		return err
	}
	c := vgimg.NewWith(vgimg.UseWH(pictureWidth, f.height()), vgimg.UseDPI(dpi))
	f.draw(draw.New(c), t)
	if _, err := (vgimg.PngCanvas{Canvas: c}).WriteTo(w); err != nil {
		return fmt.Errorf("write PNG: %w", err)
	}
	return nil
}

// SVG writes the figure as a drawing. It refuses more than 24 panels.
func (f Figure) SVG(w io.Writer, t Theme) error {
	if err := f.drawable(); err != nil {
		return err
	}
	if _, err := w.Write(f.svg(t)); err != nil {
		return fmt.Errorf("write SVG: %w", err)
	}
	return nil
}

func (f Figure) svg(t Theme) []byte {
	c := vgsvg.New(pictureWidth, f.height())
	f.draw(draw.New(c), t)
	var b bytes.Buffer
	_, _ = c.WriteTo(&b) // a bytes.Buffer takes everything
	// The canvas names one font only; without it a viewer would fall back to a serif.
	return bytes.ReplaceAll(b.Bytes(),
		[]byte("font-family:Liberation Sans;"),
		[]byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
}

func (f Figure) height() vg.Length { return panelHeight * vg.Length(len(f.Panels)) }

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
