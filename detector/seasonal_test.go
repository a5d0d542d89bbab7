package detector

import (
	"testing"
	"time"
	"unsafe"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/forest"
	"github.com/foreshock/foreshock/internal/synthetic"
)

// A season is as large as the rest of a model: noise must not be given one.
func TestSeasonIsEarned(t *testing.T) {
	for _, c := range []struct {
		name         string
		stream       synthetic.Generator
		interval     time.Duration
		earns, shown bool
	}{
		{"noise", synthetic.Noise, time.Minute, false, false},
		{"daily wave", synthetic.Wave, time.Minute, true, true},
		{"daily wave every 15 s", synthetic.Wave, 15 * time.Second, true, true},
		{"daily wave every 5 min", synthetic.Wave, 5 * time.Minute, true, true},
		{"daily wave every hour", synthetic.Wave, time.Hour, true, true},
		{"drift", synthetic.Drift, time.Minute, true, false},
		{"autoregressive", synthetic.Autoregressive, time.Minute, true, false},
	} {
		m := moving()
		for _, p := range c.stream(1, c.interval, int(6*24*time.Hour/c.interval)).Points {
			stepped(&m, &ordinaryGrading, ungated, p.T, p.V)
		}
		if earned := m.seasonal != nil; earned != c.earns {
			t.Errorf("%s: was given a season %v, want %v", c.name, earned, c.earns)
		}
		if shown := m.seasonal != nil && m.seasonal.profile.Strong(); shown != c.shown {
			t.Errorf("%s: has shown a season %v, want %v", c.name, shown, c.shown)
		}
	}
}

// The night before, fewer people than ever order at noon. What gives it away is not the
// value, which every night knows, but the hour.
func TestMissingWaveIsToldByItsSeason(t *testing.T) {
	s := synthetic.MissingWave(1, time.Minute, 8*perDay)
	m := moving()
	var named []forest.Channel
	for i, p := range s.Points {
		v := stepped(&m, &ordinaryGrading, ungated, p.T, p.V)
		if i >= s.From && v.changed && v.phase != foreshock.Ended {
			named = append(named, v.channel)
		}
	}
	if len(named) == 0 || named[0] != forest.Season {
		t.Errorf("alerts by %v, want the first by %v", named, forest.Season)
	}
}

// After an outage of four hours the band must be as narrow as before, or the next one
// would hide in it.
func TestIncidentDoesNotWidenTheBand(t *testing.T) {
	const from, to = 2000, 2240
	values := add(noise(1, 100, 2600), from, to, -100)
	all, _ := walk(ordinaryGrading, ungated, values)
	width := func(i int) float64 { return all[i].band.Upper - all[i].band.Lower }
	for _, i := range []int{from + 30, to + 130, len(values) - 1} {
		if w := width(i); w > 2*width(from) {
			t.Errorf("the band is %.1f wide at sample %d, want no more than twice the %.1f before the incident", w, i, width(from))
		}
	}
}

// A level accepted at the crest must not be expected to fall below what it fell to ever
// before.
func TestAcceptedLevelKeepsItsSeason(t *testing.T) {
	s := synthetic.Wave(2, time.Minute, 9*perDay)
	from := 5*perDay + perDay/4
	m := moving()
	alerted, held, of := 0, 0, 0
	for i, p := range s.Points {
		if i >= from {
			p.V += 40
		}
		v := stepped(&m, &ordinaryGrading, ungated, p.T, p.V)
		if v.changed && v.phase != foreshock.Ended && i >= from {
			alerted++
		}
		if i >= from+perDay/4 {
			of++
			if v.band.Contains(p.V) {
				held++
			}
		}
	}
	if alerted == 0 || alerted > 2 {
		t.Errorf("%d alerts after a step, want one or two", alerted)
	}
	if share := float64(held) / float64(of); share < 0.93 || share > 0.97 || !m.seasonal.profile.Strong() {
		t.Errorf("from six hours after the step on the band holds %.1f %%, want 93 to 97 %%", 100*share)
	}
}

func BenchmarkSeasonalStep(b *testing.B) {
	points := synthetic.Wave(1, time.Minute, 8*perDay).Points
	m := moving()
	for _, p := range points {
		stepped(&m, &ordinaryGrading, ungated, p.T, p.V)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		stepped(&m, &ordinaryGrading, ungated, points[0].T+int64(len(points)+i)*60_000, points[i%len(points)].V)
		i++
	}
	b.ReportMetric(float64(unsafe.Sizeof(m)+unsafe.Sizeof(*m.model)+unsafe.Sizeof(*m.seasonal)), "B/model")
}
