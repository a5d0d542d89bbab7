package plot

import (
	"bytes"
	"flag"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "rewrite testdata")

// TestText holds what a terminal shows against testdata, to be looked at by cat.
func TestText(t *testing.T) {
	figures := gallery()
	for name, terminal := range map[string]Terminal{
		"spike":       {Width: 100},
		"gaps":        {Width: 80},
		"constant":    {Width: 60},
		"spike-dark":  {Width: 100, Colour: true, Theme: Dark},
		"spike-light": {Width: 100, Colour: true, Theme: Light},
		"years":       {Width: 120},
	} {
		t.Run(name, func(t *testing.T) {
			f := figures[strings.Split(name, "-")[0]]
			var got bytes.Buffer
			if err := f.Text(&got, terminal); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want, err := os.ReadFile(file); err != nil || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s: %v, got\n%s", file, err, got.String())
			}
		})
	}
}

// TestTextFits: no line is wider than the terminal, nothing but the pictures' own colours
// is an order to it, and whoever wants no colours gets none.
func TestTextFits(t *testing.T) {
	for name, f := range gallery() {
		for _, width := range []int{-1, 40, 80, 200, 1000} {
			var plain, coloured bytes.Buffer
			if err := f.Text(&plain, Terminal{Width: width}); err != nil {
				t.Fatal(err)
			}
			if err := f.Text(&coloured, Terminal{Width: width, Colour: true, Theme: Dark}); err != nil {
				t.Fatal(err)
			}
			most := min(max(width, leastWidth), mostWidth)
			for _, l := range strings.Split(plain.String(), "\n") {
				if n := utf8.RuneCountInString(l); n > most {
					t.Errorf("%s: %d characters of %d: %s", name, n, most, l)
				}
			}
			if strings.ContainsAny(plain.String(), "\x1b\x00\u202e") {
				t.Errorf("%s: an order to the terminal in\n%q", name, plain.String())
			}
			bare := coloured.String()
			for _, c := range []color.NRGBA{Dark.value, Dark.expected, Dark.anomaly, Dark.score, Dark.ink} {
				bare = strings.ReplaceAll(bare, paint(c), "")
			}
			if bare = strings.ReplaceAll(bare, unpainted, ""); strings.Contains(bare, "\x1b") {
				t.Errorf("%s: a colour that is not the theme's in\n%q", name, bare)
			}
		}
	}
}

// TestBraille: dots are where their bits are.
func TestBraille(t *testing.T) {
	b := newBraille(2, 1, 0, 4, 0, 4)
	b.dot(0, 0, Light.value)
	b.dot(1, 3, Light.value)
	b.dot(2, 1, Light.value)
	if got := b.text(0, false); got != "⢁⠂" {
		t.Errorf("%q", got)
	}
	if x, y := b.across(4), b.down(0); x != 3 || y != 3 {
		t.Errorf("the end of both axes is at %d, %d", x, y)
	}
}
