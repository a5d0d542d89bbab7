package calibration

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestBins(t *testing.T) {
	for i := range bins {
		if lower := edge(i); bin(lower) != i {
			t.Fatalf("bin %d begins at %g, which is in bin %d", i, lower, bin(lower))
		}
		if below := math.Nextafter(edge(i+1), 0); bin(below) != i {
			t.Fatalf("bin %d ends below %g, which is in bin %d", i, edge(i+1), bin(below))
		}
	}
	for _, c := range []struct {
		score float64
		want  int
	}{
		{0, 0},
		{-1, 0},
		{math.NaN(), 0},
		{math.SmallestNonzeroFloat64, 0},
		{math.Ldexp(1, lowest-1), 0},
		{math.Ldexp(1, lowest), 0},
		{math.Nextafter(0.5, 0), toHalf - 1},
		{0.5, toHalf},
		{0.75, toHalf + perOctave},
		{math.Nextafter(1, 0), toOne - 1},
		{1, toOne},
		{2, toOne + perOctave},
		{math.Ldexp(1, highest), bins - 1},
		{math.MaxFloat64, bins - 1},
		{math.Inf(1), bins - 1},
	} {
		if got := bin(c.score); got != c.want {
			t.Errorf("%g is in bin %d, want %d", c.score, got, c.want)
		}
	}
}

// pooled are n scores drawn from draw.
func pooled(n int, draw func(r *rand.Rand) float64) *Pool {
	r := rand.New(rand.NewPCG(1, 2))
	var c Counts
	for range n {
		c.Add(draw(r))
	}
	var p Pool
	p.Add(&c)
	p.Fit()
	return &p
}

// A probability must be right where the table tells it, and to a factor where only the
// tail does: for scores with an end, scores that fall off, and scores that hardly do.
func TestRarity(t *testing.T) {
	for _, c := range []struct {
		name  string
		draw  func(r *rand.Rand) float64
		score func(p float64) float64 // of which a share p are as high
	}{
		{"exponential", (*rand.Rand).ExpFloat64, func(p float64) float64 { return -math.Log(p) }},
		{"Pareto, α = 3", func(r *rand.Rand) float64 { return math.Pow(1-r.Float64(), -1./3) }, func(p float64) float64 { return math.Pow(p, -1./3) }},
		{"below 1", (*rand.Rand).Float64, func(p float64) float64 { return 1 - p }},
	} {
		table := pooled(1_000_000, c.draw).Table()
		for _, level := range []struct{ p, factor float64 }{
			{0.5, 1.1}, {1e-2, 1.1}, {1e-3, 1.15}, {1e-4, 1.4}, {1e-5, 2}, {1e-6, 4}, {1e-7, 12},
		} {
			got := table.P(c.score(level.p))
			if off := got / level.p; !(off < level.factor && off > 1/level.factor) {
				t.Errorf("%s: %g is seen as %.3g", c.name, level.p, got)
			}
		}
	}
}

// Whoever compares two scores must find the higher one no less rare, across the seam of
// table and tail too.
func TestRarityFallsWithTheScore(t *testing.T) {
	for name, p := range map[string]*Pool{
		"nothing":   {},
		"few":       pooled(30, (*rand.Rand).ExpFloat64),
		"many":      pooled(200_000, (*rand.Rand).ExpFloat64),
		"one value": pooled(200_000, func(*rand.Rand) float64 { return 0.3 }),
		"all zero":  pooled(200_000, func(*rand.Rand) float64 { return 0 }),
		"bounded":   pooled(200_000, (*rand.Rand).Float64),
	} {
		table := p.Table()
		last := table.P(0)
		if last != 1 {
			t.Errorf("%s: a score of 0 has probability %g", name, last)
		}
		for s := 1e-7; s < 1e13; s *= 1.001 {
			got := table.P(s)
			if !(got >= 0 && got <= last) || last > 1e-3 && got < last/3 && name == "many" {
				t.Fatalf("%s: probability %g at a score of %g, %g just below", name, got, s, last)
			}
			last = got
		}
	}
}

func TestPoolForgets(t *testing.T) {
	p := pooled(100_000, func(r *rand.Rand) float64 { return 10 * r.Float64() })
	before := p.Table().P(5)
	for range 20 {
		p.Fade(0.5)
	}
	var c Counts
	for range 1000 {
		c.Add(0.1)
	}
	p.Add(&c)
	if after := p.Table().P(5); !(before > 0.49 && after < 0.002) {
		t.Errorf("probability %g, then %g of what is no more", before, after)
	}
}

// plant is a scope whose incidents come by chance, as often as the threshold lets them.
type plant struct {
	draw func(r *rand.Rand) float64 // the score of a block
}

// run has c control the plant for so many weeks and returns the alerts of each.
func (p plant) run(c *Controller, budget, floor float64, weeks int) (alerts []int, threshold float64) {
	r := rand.New(rand.NewPCG(3, 4))
	const blocks = 7 * 24 * 12
	var pool Pool
	threshold = floor
	for range weeks {
		n := 0
		for range blocks / 2 {
			period := Period{Weeks: 2. / blocks}
			var all Counts
			for range 2 {
				s := p.draw(r)
				period.Peaks.Add(s)
				all.Add(s)
				if s >= threshold {
					period.Alerts++
				}
			}
			n += period.Alerts
			c.Observe(&period, budget)
			pool.Add(&all)
			table := pool.Table()
			threshold = c.Threshold(budget, floor, table.High(), func(s float64) float64 { return blocks * table.P(s) })
		}
		alerts = append(alerts, n)
	}
	return alerts, threshold
}

func sum(ns []int) (s int) {
	for _, n := range ns {
		s += n
	}
	return s
}

func TestControllerKeepsToItsBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("a simulation, run without -short: it has one goroutine, and the race detector would take minutes")
	}
	tails := map[string]func(r *rand.Rand) float64{
		"exponential": (*rand.Rand).ExpFloat64,
		"heavy":       func(r *rand.Rand) float64 { return math.Pow(1-r.Float64(), -1) },
		"bounded":     (*rand.Rand).Float64,
	}
	for name, draw := range tails {
		for _, budget := range []float64{2, 20, 200} {
			var c Controller
			alerts, threshold := plant{draw: draw}.run(&c, budget, 0.01, 16)
			if got := float64(sum(alerts[2:])) / 14 / budget; !(got > 0.75 && got < 1.25) {
				t.Errorf("%s: %.2f of a budget of %g, threshold %g, by week %d", name, got, budget, threshold, alerts)
			}
		}
	}
}

// Scores with an end reach it again and again, and a threshold there would let all of
// them alert or none; those that are one minus a product of chances crowd below 1, where
// what differs is how many nines they have.
func TestControllerKeepsToItsBudgetWhereScoresCrowd(t *testing.T) {
	if testing.Short() {
		t.Skip("a simulation, run without -short: it has one goroutine, and the race detector would take minutes")
	}
	for name, draw := range map[string]func(r *rand.Rand) float64{
		"at the end": func(r *rand.Rand) float64 {
			if r.IntN(5) == 0 {
				return 5.8
			}
			return r.Float64()
		},
		"below 1": func(r *rand.Rand) float64 { return 1 - math.Exp(-2*r.ExpFloat64()) },
	} {
		for _, budget := range []float64{2, 20, 200} {
			var c Controller
			alerts, threshold := plant{draw: draw}.run(&c, budget, 0.01, 16)
			if got := float64(sum(alerts[2:])) / 14 / budget; !(got > 0.75 && got < 1.25) {
				t.Errorf("%s: %.2f of a budget of %g, threshold %g, by week %d", name, got, budget, threshold, alerts)
			}
		}
	}
}

// When scores begin that are all higher than any before, as of an instrument that takes
// days to speak, a hundred a week, most are kept back at once: no more are heard in the
// first week than two and a half budgets.
func TestANewSourceOfScoresIsBounded(t *testing.T) {
	const budget, before = 14, 2016 * 2
	n := 0
	draw := func(r *rand.Rand) float64 {
		if n++; n > before && r.IntN(20) == 0 {
			return 2 + min(r.ExpFloat64(), 3)
		}
		return r.Float64()
	}
	var c Controller
	alerts, _ := plant{draw: draw}.run(&c, budget, 0.01, 8)
	if first, then := alerts[2], float64(sum(alerts[3:]))/5/budget; first > budget*5/2 || then > 1.25 || then < 0.75 {
		t.Errorf("%d alerts in the week it began, %.2f of the budget afterwards: %d", first, then, alerts)
	}
}

// A budget is a ceiling: where little happens the threshold stays where it was put, and a
// quiet past earns no credit for a storm.
func TestControllerIsNoQuota(t *testing.T) {
	var c Controller
	quiet := func(r *rand.Rand) float64 { return r.Float64() / 10 }
	alerts, threshold := plant{draw: quiet}.run(&c, 20, 0.5, 8)
	if threshold != 0.5 || sum(alerts) != 0 {
		t.Errorf("threshold %g and alerts %d of a scope without any", threshold, alerts)
	}
	if c.offset != 0 {
		t.Errorf("a credit of %g", c.offset)
	}
}

// Where the same is said in bursts too short for the peaks to tell, the correction does.
func TestControllerCorrectsWhatPeaksDoNotTell(t *testing.T) {
	var c Controller
	r := rand.New(rand.NewPCG(5, 6))
	threshold, alerts := 0.01, 0
	const weeks, blocks = 30, 2016
	for i := range weeks * blocks {
		p := Period{Weeks: 1. / blocks}
		s := r.ExpFloat64()
		p.Peaks.Add(s)
		if s >= threshold && r.IntN(3) == 0 { // two in three do not alert
			p.Alerts++
			if i > 10*blocks {
				alerts++
			}
		}
		c.Observe(&p, 20)
		threshold = c.Threshold(20, 0.01, 100, func(s float64) float64 { return blocks * math.Exp(-s) })
	}
	if got := float64(alerts) / 20 / 20; !(got > 0.9 && got < 1.1) {
		t.Errorf("%.2f of the budget", got)
	}
}
