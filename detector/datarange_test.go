package detector

import (
	"math"
	"testing"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// A ratio of 1.5 cannot be: nobody needs a week of samples to know, and no gate, no
// budget and no alert of a moment ago may hide it.
func TestAValueOutsideItsRangeIsAnomalousAtOnce(t *testing.T) {
	ratio := &rules.Watch{DataRange: &rules.Range{Lower: 0, Upper: 1}, Direction: rules.Below, MinDeviation: 100, Sensitivity: 0.01}
	for _, c := range []struct {
		name string
		at   map[int]float64
		want []int // starts
	}{
		{"within", map[int]float64{300: 1, 301: 0}, nil},
		{"above", map[int]float64{300: 1.001}, []int{300}},
		{"below", map[int]float64{300: -0.001}, []int{300}},
		{"in the warm-up", map[int]float64{0: 2, 60: 2}, []int{0, 60}},
		{"again", map[int]float64{300: 1.5, 350: 1.5}, []int{300, 350}},
	} {
		t.Run(c.name, func(t *testing.T) {
			values := noise(7, 0.5, 500)
			for i := range values {
				values[i] = 0.5 + (values[i]-0.5)/100
			}
			for i, v := range c.at {
				values[i] = v
			}
			all, changes := walk(ordinaryGrading, ratio, values)
			var starts []int
			for _, ch := range changes {
				if ch.phase == foreshock.Started {
					starts = append(starts, ch.i)
					if ch.score < 1 || all[ch.i].news {
						t.Errorf("sample %d scores %.2f, news %v", ch.i, ch.score, all[ch.i].news)
					}
				}
			}
			if len(starts) != len(c.want) {
				t.Fatalf("starts at %d, want %d", starts, c.want)
			}
			for i := range starts {
				if starts[i] != c.want[i] {
					t.Errorf("starts at %d, want %d", starts, c.want)
				}
			}
		})
	}
}

// What cannot be is not expected either, now or in a day.
func TestBandsEndAtTheRange(t *testing.T) {
	set := everything()
	set.Watches[0].DataRange = &rules.Range{Lower: 0, Upper: 100}
	set.Forecasts = []*rules.Forecast{{Name: "full", Select: selecting("disk"), Horizon: 24 * time.Hour, Limit: 99, Above: true}}
	b := run(t, Options{Rules: set})
	values := noise(8, 0, 600)
	for i, v := range values {
		v = min(max(float64(i)/6+v, 0), 100)
		b.append(foreshock.Sample{Series: series("disk"), T: start + int64(i)*minute, V: v})
	}
	b.stop()
	bands, cut := 0, 0
	for _, f := range b.found {
		var all []foreshock.Band
		for _, s := range f.Scores {
			all = append(all, s.Band)
		}
		for _, c := range f.Forecasts {
			all = append(all, c.Band)
			if c.Band.Expected == 100 {
				cut++
			}
		}
		for _, band := range all {
			if !band.Known() {
				continue
			}
			bands++
			if math.Min(band.Lower, band.Expected) < 0 || math.Max(band.Upper, band.Expected) > 100 {
				t.Fatalf("band %+v", band)
			}
		}
	}
	if bands == 0 || cut == 0 {
		t.Errorf("%d bands, %d forecasts cut: nothing was to be clipped", bands, cut)
	}
}
