package detector

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/forest"
	"github.com/foreshock/foreshock/internal/synthetic"
	"github.com/foreshock/foreshock/rules"
)

// change is a verdict that changed something, with the index of its sample.
type change struct {
	i int
	verdict
}

// walk steps a new model through values a minute apart and returns every verdict and
// the changes among them.
func walk(g grading, w *rules.Watch, values []float64) (all []verdict, changes []change) {
	m := moving()
	for i, x := range values {
		v := stepped(&m, &g, w, synthetic.Start+int64(i)*60_000, x)
		all = append(all, v)
		if v.changed {
			changes = append(changes, change{i, v})
		}
	}
	return all, changes
}

// noise is n values of standard normal noise around level.
func noise(seed uint64, level float64, n int) []float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	values := make([]float64, n)
	for i := range values {
		values[i] = level + r.NormFloat64()
	}
	return values
}

// add adds d to values[from:to].
func add(values []float64, from, to int, d float64) []float64 {
	for i := from; i < to; i++ {
		values[i] += d
	}
	return values
}

// strict is a grading that noise of a day does not disturb.
var strict = grading{threshold: 0.3, warmUp: 100}

// A host burns CPU for twenty minutes. Whoever is on call wants one anomaly that lasts
// as long as the burn, not one alert at either edge.
func TestBurnIsOneAnomaly(t *testing.T) {
	const from, to = 600, 620
	all, changes := walk(strict, nil, add(noise(1, 20, 800), from, to, 60))
	if len(changes) != 2 {
		t.Fatalf("%d changes, want a start and an end: %+v", len(changes), changes)
	}
	start, end := changes[0], changes[1]
	if start.i != from || start.phase != foreshock.Started || start.onset != synthetic.Start+from*60_000 {
		t.Errorf("first change %+v, want a start at %d", start, from)
	}
	if end.phase != foreshock.Ended || end.i < to || end.i > to+30 || end.onset != start.onset || end.channel != start.channel {
		t.Errorf("last change %+v, want the end of the same anomaly soon after %d", end, to)
	}
	for i, v := range all {
		if inside := i >= start.i && i < end.i; v.active != inside || (v.score > 1) != inside {
			t.Errorf("sample %d: active %v at score %.2f, want active and above 1 exactly while it lasts", i, v.active, v.score)
		}
	}
	if !all[from].band.Known() || all[from].band.Contains(80) || !all[from].band.Contains(20) {
		t.Errorf("band at the onset %+v, want what was expected before it", all[from].band)
	}
}

// A deploy that doubles memory for good alerts once; an hour without a further
// surprise later it is how things are, and the band is around the new level.
func TestLevelIsAcceptedAfterAnHour(t *testing.T) {
	const from = 600
	all, changes := walk(strict, nil, add(noise(2, 20, 900), from, 900, 60))
	var last change
	for _, c := range changes {
		if c.phase == foreshock.Ended {
			last = c
		}
	}
	if changes[0].i != from || last.i < from+60 || last.i > from+120 {
		t.Errorf("changes %+v, want a start at %d and the last end an hour or two later", changes, from)
	}
	if b := all[899].band; !b.Contains(80) || b.Contains(20) {
		t.Errorf("band %+v, want one around the new level of 80", b)
	}
}

// A value in its usual range that stops moving is odd all the same, and its end is up
// to the score alone: there is no band to come back to.
func TestFlatLineEndsByItsScore(t *testing.T) {
	values := noise(3, 20, 3000)
	for i := 2000; i < len(values); i++ {
		values[i] = 20
	}
	_, changes := walk(grading{threshold: defaultThreshold, warmUp: 100}, ungated, values)
	i := slices.IndexFunc(changes, func(c change) bool { return c.i >= 2000 })
	if i < 0 || changes[i].phase != foreshock.Started || changes[i].channel != forest.Roughness {
		t.Fatalf("changes %+v, want a start by roughness after 2000", changes)
	}
	if end := changes[len(changes)-1]; end.phase != foreshock.Ended || end.i > 2200 {
		t.Errorf("last change %+v, want an end within 200 samples", end)
	}
}

// What outdoes an alert sinks from half as much again to as much.
func TestEscalationSinks(t *testing.T) {
	for _, c := range []struct {
		bars  int // since an alert of 2
		score float64
		want  bool
	}{
		{1, 2.9, false},
		{1, 3, true},
		{50, 2.4, false},
		{50, 2.5, true},
		{99, 2, false},
		{99, 2.02, true},
		{100, 1, true},
	} {
		var a alarm
		a.hear(0, 1, 0, 2, 1, &verdict{})
		for range c.bars - 1 {
			a.hear(0, 1, 0, 0, 1, &verdict{})
		}
		if told := c.score >= a.needed(1); told != c.want {
			t.Errorf("%d bars after an alert it takes %v", c.bars, a.needed(1))
		}
		var v verdict
		if a.hear(0, 1, 0, c.score, 1, &v); v.changed != c.want {
			t.Errorf("%d bars after an alert of 2 a score of %v alerts: %v, want %v", c.bars, c.score, v.changed, c.want)
		}
	}
}

// Within the refractory period more of the same is silent, and much more is not.
func TestEscalation(t *testing.T) {
	values := add(noise(4, 20, 700), 600, 601, 5)
	add(values, 603, 604, 6)
	add(values, 606, 607, 500)
	_, changes := walk(grading{threshold: defaultThreshold, warmUp: 100}, ungated, values)
	var after []change
	for _, c := range changes {
		if c.i >= 600 && c.phase != foreshock.Ended {
			after = append(after, c)
		}
	}
	if len(after) < 2 || after[0].phase != foreshock.Started || after[0].i != 600 ||
		!slices.ContainsFunc(after, func(c change) bool { return c.i == 606 && c.phase == foreshock.Escalated && c.onset == after[0].onset }) {
		t.Errorf("changes %+v, want a start at 600 and an escalation of it at 606", after)
	}
}

func TestGates(t *testing.T) {
	for _, c := range []struct {
		name    string
		rule    *rules.Watch
		d       float64
		started bool
	}{
		{"no rule", nil, 60, true},
		{"no rule, under a fifth", nil, 19, false},
		{"no gate", &rules.Watch{}, -60, true},
		{"above, upwards", &rules.Watch{Direction: rules.Above}, 60, true},
		{"above, downwards", &rules.Watch{Direction: rules.Above}, -60, false},
		{"below, upwards", &rules.Watch{Direction: rules.Below}, 60, false},
		{"below, downwards", &rules.Watch{Direction: rules.Below}, -60, true},
		{"deviates enough", &rules.Watch{MinDeviation: 50}, 60, true},
		{"deviates too little", &rules.Watch{MinDeviation: 70}, 60, false},
		{"deviates enough of the expected", &rules.Watch{MinRelative: 0.5}, 60, true},
		{"deviates too little of the expected", &rules.Watch{MinRelative: 0.7}, 60, false},
		{"sensitive", &rules.Watch{Sensitivity: 2}, 60, true},
		{"insensitive", &rules.Watch{Sensitivity: 0.1}, 60, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			const spike = 500
			all, changes := walk(strict, c.rule, add(noise(5, 100, 600), spike, spike+1, c.d))
			started := slices.ContainsFunc(changes, func(c change) bool { return c.i == spike && c.phase == foreshock.Started })
			if started != c.started {
				t.Errorf("started %v, want %v", started, c.started)
			}
			for i, v := range all {
				if v.score > 1 && !v.active {
					t.Errorf("sample %d scores %.3f without an anomaly", i, v.score)
				}
			}
		})
	}
}

func TestWarmUpIsSilent(t *testing.T) {
	all, changes := walk(strict, nil, add(noise(6, 20, 150), 50, 51, 1e6))
	for i, v := range all {
		if v.warming != (i < 100) || v.warming && v.score != 0 {
			t.Errorf("sample %d: warming %v, score %v", i, v.warming, v.score)
		}
	}
	if len(changes) != 0 {
		t.Errorf("changes %+v, want none", changes)
	}
}

// What happened while nobody looked is learned and not held against the series.
func TestResumeForgivesOneSample(t *testing.T) {
	run := func(interrupted bool) bool {
		m := moving()
		values := add(noise(7, 20, 301), 300, 301, 60)
		for i, x := range values {
			if interrupted && i == 300 {
				m.resume()
			}
			if v := stepped(&m, &strict, nil, synthetic.Start+int64(i)*60_000, x); v.active {
				return true
			}
		}
		return false
	}
	if run(true) || !run(false) {
		t.Errorf("active after an interruption %v, without one %v; want false and true", run(true), run(false))
	}
}

func TestEndOfASeries(t *testing.T) {
	m := moving()
	for i, x := range add(noise(8, 20, 301), 300, 301, 60) {
		stepped(&m, &strict, nil, synthetic.Start+int64(i)*60_000, x)
	}
	at := synthetic.Start + int64(301)*60_000
	v, ended := m.end()
	if !ended || v.phase != foreshock.Ended || v.onset != at-60_000 || v.active {
		t.Errorf("end = %+v, %v; want the end of the anomaly begun a minute before", v, ended)
	}
	if _, again := m.end(); again {
		t.Error("the anomaly ended twice")
	}
}

func TestNewborn(t *testing.T) {
	g := grading{threshold: defaultThreshold, warmUp: 100, newborn: true}
	_, changes := walk(g, nil, []float64{50, 51, 52, 53, 200, 55, 56, 57, 58, 60})
	if len(changes) != 2 || changes[0].i != 4 || changes[0].phase != foreshock.Started ||
		changes[1].i != 5 || changes[1].phase != foreshock.Ended {
		t.Errorf("changes %+v, want the 200 and nothing else", changes)
	}

	r := rand.New(rand.NewPCG(9, 1))
	series := func(value func(i int) float64) []float64 {
		values := make([]float64, 10+r.IntN(90))
		for i := range values {
			values[i] = value(i)
		}
		return values
	}
	normal := map[string]func(i int) float64{
		"noise":                     func(int) float64 { return 50 + r.NormFloat64() },
		"uniform":                   func(int) float64 { return r.Float64() },
		"small integers":            func(int) float64 { return float64(r.IntN(10)) },
		"ramp":                      func(i int) float64 { return float64(i) },
		"noisy ramp":                func(i int) float64 { return 3*float64(i) + r.NormFloat64() },
		"random walk":               func() func(int) float64 { x := 0.0; return func(int) float64 { x += r.NormFloat64(); return x } }(),
		"geometric growth":          func(i int) float64 { return math.Pow(1.1, float64(i)) },
		"sine":                      func(i int) float64 { return math.Sin(float64(i) / 5) },
		"steps of a counter":        func(i int) float64 { return float64(i / 7 * 1000) },
		"constant":                  func(int) float64 { return 42 },
		"zero":                      func(int) float64 { return 0 },
		"constant, then a tick":     func(i int) float64 { return 42 + float64(i/8)*1e-6 },
		"constant, then another":    func(i int) float64 { return float64(i / 8) },
		"on and off":                func(i int) float64 { return float64(i / 4 % 2) },
		"exponential":               func(int) float64 { return 1 + r.ExpFloat64() },
		"square of noise":           func(int) float64 { z := r.NormFloat64(); return 10 + z*z },
		"huge":                      func(int) float64 { return 1e30 * (1 + r.Float64()) },
		"around zero":               func(int) float64 { return r.NormFloat64() * 1e-12 },
		"large counter":             func(i int) float64 { return 1e15 + float64(i*1000+r.IntN(100)) },
		"quantised to five percent": func(int) float64 { return math.Round(r.NormFloat64()*20) / 20 },
	}
	names := make([]string, 0, len(normal))
	for name := range normal {
		names = append(names, name)
	}
	slices.Sort(names) // r is shared
	for _, name := range names {
		for range 20 {
			if _, changes := walk(g, nil, series(normal[name])); len(changes) != 0 {
				t.Errorf("%s: %+v, want nothing", name, changes)
			}
		}
	}
}

// Whatever is sent, a score is a number of at least 0, and above 1 exactly while an
// anomaly is active.
func FuzzModel(f *testing.F) {
	f.Add(uint64(1), 1.0, 1.0, false)
	f.Add(uint64(2), math.MaxFloat64, -math.MaxFloat64, true)
	f.Add(uint64(3), 5e-324, 0.0, false)
	f.Fuzz(func(t *testing.T, seed uint64, a, b float64, newborn bool) {
		if math.IsNaN(a) || math.IsInf(a, 0) || math.IsNaN(b) || math.IsInf(b, 0) {
			return // the shard counts these, and never learns them
		}
		r := rand.New(rand.NewPCG(seed, 1))
		g := grading{threshold: defaultThreshold, warmUp: 20, newborn: newborn}
		m := moving()
		at := int64(math.MinInt64)
		for range 300 {
			if r.IntN(20) == 0 {
				m.resume()
			}
			x := [...]float64{a, b, a/2 + b/2, a * r.Float64(), r.NormFloat64()}[r.IntN(5)]
			v := stepped(&m, &g, nil, at, x)
			at += 1 + r.Int64N(1<<(1+r.IntN(54)))
			if !(v.score >= 0) || math.IsInf(v.score, 0) || !newborn && (v.score > 1) != v.active {
				t.Fatalf("score %v, active %v", v.score, v.active)
			}
		}
	})
}

// A model that learned 4000 samples, hot in the cache, and 100 000 of them in turn.
func BenchmarkStep(b *testing.B) {
	points := synthetic.Noise(1, time.Minute, 8192).Points
	learned := moving()
	for _, p := range points[:4000] {
		stepped(&learned, &strict, nil, p.T, p.V)
	}
	for _, c := range []struct {
		name   string
		models int
	}{{"one", 1}, {"100k", 100_000}, {"1M", 1_000_000}} {
		b.Run(c.name, func(b *testing.B) {
			models := slices.Repeat([]model{*learned.model}, c.models)
			minds := slices.Repeat([]mind{learned}, c.models)
			for i := range minds {
				minds[i].model = &models[i]
			}
			b.ReportAllocs()
			t, i := learned.forest.Len(), 0
			for b.Loop() {
				stepped(&minds[i], &strict, nil, synthetic.Start+int64(t)*60_000, points[t%len(points)].V)
				if i++; i == len(minds) {
					i = 0
					t++
				}
			}
			b.ReportMetric(float64(unsafe.Sizeof(learned)+unsafe.Sizeof(*learned.model)), "B/model")
		})
	}
}
