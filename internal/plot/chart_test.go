package plot

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

func TestChart(t *testing.T) {
	c := Chart{
		Title: "CPU a sample", X: "series", Y: "ns of CPU a sample", Log: true,
		Lines: []Line{
			{Name: "Foreshock", Label: "Foreshock, rw1", Points: []Measured{{10_000, 700, "10k"}, {100_000, 900, "100k"}, {1_000_000, 1200, "1M"}}},
			{Name: "Foreshock", Label: "Foreshock, rw2", Dashed: true, Points: []Measured{{10_000, 500, "10k"}, {1_000_000, 1100, "1M"}}},
			{Name: "Prometheus", Label: "Prometheus, rw1", Points: []Measured{{10_000, 3200, "10k"}, {100_000, 4443, "100k"}, {1_000_000, 7693, "1M"}}},
		},
	}
	var first, second bytes.Buffer
	if err := c.PNG(&first); err != nil {
		t.Fatal(err)
	}
	if err := c.PNG(&second); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("the same chart gave other bytes, %v", err)
	}
	if *keep != "" {
		if err := os.WriteFile(filepath.Join(*keep, "chart.png"), first.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	picture, err := png.Decode(&first)
	if err != nil || picture.Bounds().Dx() != 1120 {
		t.Errorf("%v, %v", picture.Bounds(), err)
	}
}

func TestEmptyChart(t *testing.T) {
	for name, c := range map[string]Chart{
		"no lines":       {},
		"one point":      {Lines: []Line{{Points: []Measured{{1, 1, "1"}}}}},
		"logarithm of 0": {Log: true, Lines: []Line{{Points: []Measured{{0, 1, "0"}, {1, 1, "1"}}}}},
	} {
		if c.PNG(new(bytes.Buffer)) == nil {
			t.Errorf("%s: drawn", name)
		}
	}
}
