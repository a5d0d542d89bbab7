package eval

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// Each baseline must see what it is known to see in a week of minutes, and little
// else: a baseline that is broken would make the detector look good.
func TestBaselinesFindWhatTheyAreKnownFor(t *testing.T) {
	const rows, at = 7 * 1440, 6*1440 + 700
	noise := func(r *rand.Rand, _ int) float64 { return 100 + r.NormFloat64() }
	wave := func(r *rand.Rand, i int) float64 {
		return 100 + 50*math.Sin(2*math.Pi*float64(i)/1440) + r.NormFloat64()
	}
	smooth := func(r *rand.Rand, i int) float64 {
		return 100 + 50*math.Sin(2*math.Pi*float64(i)/60) + r.NormFloat64()/10
	}
	for _, c := range []struct {
		name  string
		start func(time.Duration) scorer
		value func(*rand.Rand, int) float64
		event float64 // what the value at the event is off by
		most  float64 // share of ordinary rows above 1
	}{
		// Of a normal distribution 0.27 % lie beyond 3 σ.
		{"rolling z-score", newRollingZ, noise, 6, 0.004},
		// A standard deviation of 21 values is rough; so is the wave within ± 1 minute.
		{"season z-score", newSeasonZ, wave, 10, 0.02},
		{"linear prediction", newPrediction, smooth, 2, 0.004},
		// One model is exceeded by one row in 360, two half overlapping by fewer.
		{"k-means consensus", newConsensus, noise, 20, 0.005},
		// A twentieth by contamination, and what the day before has not seen.
		{"isolation forest", newIsolation, noise, 8, 0.08},
	} {
		r := rand.New(rand.NewPCG(3, 4))
		judge := c.start(time.Minute)
		wrong := 0
		for i := range rows {
			x := c.value(r, i)
			if i == at {
				x += c.event
			}
			s := judge.score(int64(i)*60_000, x)
			switch {
			case i == at && s < above1:
				t.Errorf("%s: the event scores %.2f", c.name, s)
			case i != at && s >= above1:
				wrong++
			}
		}
		if share := float64(wrong) / rows; share > c.most {
			t.Errorf("%s: %.4f of ordinary rows above 1, want at most %.4f", c.name, share, c.most)
		}
	}
}

// A series that never changes, and one of two values, must not divide by zero.
func TestBaselinesBearAConstant(t *testing.T) {
	for _, m := range baselines() {
		s := &stream{interval: time.Minute, values: [][]float64{make([]float64, 5000)}}
		for i := range s.values[0] {
			s.times = append(s.times, int64(i)*60_000)
			s.values[0][i] = 1e9
		}
		s.values[0][4990] = math.NaN()
		tracks, _, err := m.watch(t.Context(), []*stream{s})
		if err != nil {
			t.Fatal(err)
		}
		for row, score := range tracks[0].top {
			if math.IsNaN(score) || score >= above1 {
				t.Errorf("%s: row %d of a constant scores %v", m.name, row, score)
				break
			}
		}
	}
}

func TestLevinsonFindsTheAutoregression(t *testing.T) {
	// x = 0.5 x₋₁ + 0.3 x₋₂ + noise of variance 1 has, by Yule and Walker, ρ₁ = 5/7,
	// ρₖ = 0.5 ρₖ₋₁ + 0.3 ρₖ₋₂ and the variance 1 ÷ (1 − 0.5 ρ₁ − 0.3 ρ₂).
	var r [predictionOrder + 1]float64
	r[0], r[1] = 1, 5.0/7
	for k := 2; k < len(r); k++ {
		r[k] = 0.5*r[k-1] + 0.3*r[k-2]
	}
	variance := 1 / (1 - 0.5*r[1] - 0.3*r[2])
	for k := range r {
		r[k] *= variance
	}
	c, power := levinson(r)
	for i, got := range c {
		want := 0.0
		switch i {
		case 0:
			want = 0.5
		case 1:
			want = 0.3
		}
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("coefficient %d: %f, want %f", i, got, want)
		}
	}
	if math.Abs(power-1) > 1e-9 {
		t.Errorf("unexplained %f, want 1", power)
	}
}

func TestRollingMomentsDoNotDrift(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	z := newRollingZ(time.Hour).(*rollingZ)
	for i := range 1000 {
		z.score(0, 1e6+r.NormFloat64())
		if i < 24 {
			continue
		}
		mean, sd := moments(z.past.values)
		if got := math.Sqrt(z.squares / 24); math.Abs(z.mean-mean) > 1e-6 || math.Abs(got-sd) > 1e-6 {
			t.Fatalf("after %d values mean %f, sd %f; want %f, %f", i+1, z.mean, got, mean, sd)
		}
	}
}
