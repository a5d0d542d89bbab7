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
		// Its risk, and what follows the event: its window must forget it.
		{"fluctuation", newFluctuation, wave, 30, 0.001},
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

// What no metric shows alone: two that always move together, apart. And what lasts must
// not hide itself.
func TestVectorDistanceSeesMetricsApart(t *testing.T) {
	const rows, from, to = 7 * 1440, 6 * 1440, 6*1440 + 120
	r := rand.New(rand.NewPCG(3, 4))
	s := &stream{name: "m", interval: time.Minute, values: make([][]float64, 3)}
	for i := range rows {
		x := 50 * math.Sin(2*math.Pi*float64(i)/1440)
		y := x
		if i >= from && i < to {
			y = x - 100
		}
		for j, v := range []float64{x + r.NormFloat64(), 2*y + r.NormFloat64(), r.NormFloat64()} {
			s.values[j] = append(s.values[j], v)
		}
		s.times = append(s.times, int64(i)*60_000)
	}
	s.values[2][from+10] = math.NaN()
	tracks, _, err := distances(t.Context(), []*stream{s})
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i, score := range tracks[0].top {
		switch inside := i >= from && i < to; {
		case inside && score < above1:
			t.Fatalf("row %d of the event scores %.2f", i-from, score)
		case !inside && score >= above1:
			wrong++
		}
	}
	if share := float64(wrong) / rows; share > 0.003 {
		t.Errorf("%.4f of ordinary rows above 1, want at most 0.003", share)
	}
}

func TestSPOTHoldsItsRiskAsFarAsItDoes(t *testing.T) {
	for name, draw := range map[string]func(*rand.Rand) float64{
		"normal":      func(r *rand.Rand) float64 { return math.Abs(r.NormFloat64()) },
		"exponential": func(r *rand.Rand) float64 { return r.ExpFloat64() },
		"uniform":     func(r *rand.Rand) float64 { return r.Float64() },
	} {
		const risk, n = 1e-3, 200_000
		r := rand.New(rand.NewPCG(11, 12))
		p := newSpot(risk, 2000)
		above := 0
		for range n {
			if p.score(draw(r)) >= above1 {
				above++
			}
		}
		// What exceeds the threshold is not learned, so its tail is cut, and the method
		// of moments takes it for a short one: see spot.
		if share := float64(above) / n; share < risk || share > 5*risk {
			t.Errorf("%s: %.5f beyond the threshold, want %v to five times that", name, share, risk)
		}
	}
	// Without a tail nothing is beyond it.
	p := newSpot(1e-3, 500)
	for i := range 1000 {
		if s := p.score(float64(i / 999)); s >= above1 || math.IsNaN(s) {
			t.Fatalf("value %d of a constant scores %v", i, s)
		}
	}
}
