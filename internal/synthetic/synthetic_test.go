package synthetic

import (
	"math"
	"slices"
	"testing"
	"time"
)

var all = map[string]Generator{
	"noise": Noise, "spike": Spike(6), "shift": Shift(2), "flatline": Flatline, "wave": Wave,
	"missing wave": MissingWave, "drift": Drift, "heavy tail": HeavyTail,
	"autoregressive": Autoregressive, "counts": Counts, "counter": Counter, "gaps": Gaps,
	"constant": Constant, "disk": Disk(5),
}

const days = 14

func TestStreamsArePureFunctions(t *testing.T) {
	for name, g := range all {
		a, b, other := g(1, time.Minute, days*1440), g(1, time.Minute, days*1440), g(2, time.Minute, days*1440)
		if !slices.Equal(a.Points, b.Points) || a.From != b.From || a.To != b.To {
			t.Errorf("%s: the same seed gave two streams", name)
		}
		if slices.Equal(a.Points, other.Points) {
			t.Errorf("%s: two seeds gave the same stream", name)
		}
		for i, p := range a.Points {
			if math.IsNaN(p.V) || math.IsInf(p.V, 0) || i > 0 && p.T <= a.Points[i-1].T {
				t.Fatalf("%s: point %d is %+v, after %+v", name, i, p, a.Points[i-1])
			}
		}
		if len(a.Points) > days*1440 || name != "gaps" && len(a.Points) != days*1440 {
			t.Errorf("%s: %d points, want %d", name, len(a.Points), days*1440)
		}
	}
}

// Rates measured against a truth that is not there are worth nothing.
func TestEventsAreWhereTheySay(t *testing.T) {
	for _, c := range []struct {
		name        string
		with        Generator
		without     Generator
		inside, max int // points of the event, at least and at most
	}{
		{"spike", Spike(6), Noise, 1, 1},
		{"shift", Shift(2), Noise, 1000, days * 1440 / 4},
		{"flatline", Flatline, Noise, 1000, days * 1440 / 4},
		{"missing wave", MissingWave, Wave, 1440, 1440},
	} {
		for seed := range uint64(20) {
			s, plain := c.with(seed, time.Minute, days*1440), c.without(seed, time.Minute, days*1440)
			if n := s.To - s.From; n < c.inside || n > c.max {
				t.Errorf("%s: event of %d points, want %d to %d", c.name, n, c.inside, c.max)
			}
			differing := 0
			for i := range s.Points {
				if same := s.Points[i] == plain.Points[i]; !same {
					differing++
					if i < s.From || i >= s.To {
						t.Fatalf("%s: point %d differs outside of [%d, %d)", c.name, i, s.From, s.To)
					}
				}
			}
			if differing < (s.To-s.From)*9/10 {
				t.Errorf("%s: %d points differ in an event of %d", c.name, differing, s.To-s.From)
			}
		}
	}
}

func TestMoments(t *testing.T) {
	for _, c := range []struct {
		name        string
		g           Generator
		mean, sigma float64
	}{
		{"noise", Noise, Level, Sigma},
		{"autoregressive", Autoregressive, Level, Sigma},
		{"heavy tail", HeavyTail, Level, Sigma},
		{"counts", Counts, 0.22, math.Sqrt(0.22)},
	} {
		points := c.g(1, time.Minute, 200_000).Points
		var sum, squares float64
		for _, p := range points {
			sum += p.V
		}
		mean := sum / float64(len(points))
		for _, p := range points {
			squares += (p.V - mean) * (p.V - mean)
		}
		sigma := math.Sqrt(squares / float64(len(points)))
		if math.Abs(mean-c.mean) > 0.03 || math.Abs(sigma/c.sigma-1) > 0.05 {
			t.Errorf("%s: mean %.3f, σ %.3f; want %.3f and %.3f", c.name, mean, sigma, c.mean, c.sigma)
		}
	}
}

func TestCounterIsResetNowAndThen(t *testing.T) {
	points := Counter(1, time.Minute, 100_000).Points
	resets := 0
	for i, p := range points[1:] {
		if p.V < points[i].V {
			resets++
		}
	}
	if resets < 50 || resets > 150 {
		t.Errorf("%d resets in 100 000 points, want about 100", resets)
	}
}
