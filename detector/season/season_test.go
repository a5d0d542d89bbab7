package season

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"
)

// monday is 2026-01-05T00:00:00Z, in ms.
const monday = 1767571200000

// wave is a day's wave ten high from trough to crest.
func wave(t int64) float64 { return 5 * math.Sin(2*math.Pi*float64(t%day)/day) }

// office is a wave that rests on Saturdays and Sundays.
func office(t int64) float64 {
	if (t-monday)%(7*day) >= 5*day {
		return 0
	}
	return wave(t)
}

// taught is a profile that has seen so many days of shape and normal noise of one,
// around a level of 100.
func taught(interval time.Duration, days int, sigma float64, shape func(int64) float64) *Profile {
	r := rand.New(rand.NewPCG(1, uint64(interval)))
	p := New(100)
	for t := int64(monday); t < monday+int64(days)*day; t += interval.Milliseconds() {
		p.Learn(t, 100+shape(t)+sigma*r.NormFloat64())
	}
	return &p
}

// error is the mean absolute difference between what p expects on the day that begins
// at from, and shape, every step.
func (p *Profile) error(from, step int64, shape func(int64) float64) float64 {
	var sum float64
	n := 0
	for t := from; t < from+day; t += step {
		sum += math.Abs(p.Centre() + p.Expect(t) - 100 - shape(t))
		n++
	}
	return sum / float64(n)
}

// The same wave is the same wave whatever the interval it is sampled at.
func TestLearnsTheDayAtAnyInterval(t *testing.T) {
	for _, c := range []struct {
		interval time.Duration
		most     float64 // mean error, in σ
	}{
		{5 * time.Second, 0.1},
		{15 * time.Second, 0.15},
		{time.Minute, 0.2},
		{5 * time.Minute, 0.35},
		{time.Hour, 1},
	} {
		p := taught(c.interval, 6, 1, wave)
		miss := p.error(monday+6*day, max(c.interval, 7*time.Minute).Milliseconds(), wave)
		t.Logf("%v: off by %.2f σ, residual %.2f", c.interval, miss, p.Residual())
		if miss > c.most {
			t.Errorf("%v: off by %.2f σ on the seventh day, want at most %.2f", c.interval, miss, c.most)
		}
		if !p.Strong() {
			t.Errorf("%v: a wave of 10 σ is not strong", c.interval)
		}
	}
}

func TestStrengthIsEarned(t *testing.T) {
	still := func(int64) float64 { return 0 }
	for _, c := range []struct {
		name  string
		days  int
		sigma float64
		shape func(int64) float64
		want  bool
	}{
		{"a wave of one day", 1, 1, wave, false},
		{"a wave just before it is proved", 2, 1, func(t int64) float64 {
			if t >= monday+day {
				return 0 // the second day does not bear the first out
			}
			return wave(t)
		}, false},
		{"a wave of three days", 3, 1, wave, true},
		{"a wave that ceased", 9, 1, func(t int64) float64 {
			if t >= monday+4*day {
				return 0
			}
			return wave(t)
		}, false},
		{"noise", 10, 1, still, false},
		{"nothing", 10, 0, still, false},
		{"a drift", 10, 1, func(t int64) float64 { return float64(t-monday) / day }, false},
		{"a wave without noise", 3, 0, wave, true},
	} {
		if got := taught(time.Minute, c.days, c.sigma, c.shape).Strong(); got != c.want {
			t.Errorf("%s: strong %v, want %v", c.name, got, c.want)
		}
	}
}

// A shop that is closed at weekends must not alert on Saturday, nor forget its week.
func TestLearnsTheWeekend(t *testing.T) {
	const days = 35
	p := taught(time.Minute, days, 0.2, office)
	next := int64(monday + days*day)
	workday, weekend := p.error(next+2*day, quarter, office), p.error(next+6*day, quarter, office)
	t.Logf("off by %.2f on a Wednesday, %.2f on a Sunday", workday, weekend)
	if workday > 0.7 || weekend > 1.2 {
		t.Errorf("off by %.2f on a Wednesday, %.2f on a Sunday, want at most 0.7 and 1.2 of a wave 10 high", workday, weekend)
	}
}

// A step below half a quantum would be lost if it were rounded to the nearest: a
// profile that once saw a large day could never learn a small one again.
func TestSmallStepsAreNotLost(t *testing.T) {
	for _, v := range []float64{0.01, 0.3, -0.2} {
		sum := 0.0
		for i := range 100_000 {
			sum += round(v, hash(uint64(i)*60_000))
		}
		if got := sum / 100_000; math.Abs(got-v) > 0.01 {
			t.Errorf("%v rounds to %v on average", v, got)
		}
	}
}

// An hour without samples is not an hour of the sample that ends it.
func TestAGapTeachesNothing(t *testing.T) {
	p := taught(time.Minute, 4, 1, wave)
	at := p.at + 6*hour
	before := p.Expect(at)
	p.Learn(at, 200)
	if moved := math.Abs(p.Expect(at) - before); moved > 0.5 {
		t.Errorf("one sample after a gap moved the season by %.2f", moved)
	}
}

func TestRebase(t *testing.T) {
	p := taught(time.Minute, 4, 1, wave)
	season := p.Expect(monday)
	p.Rebase(120)
	if p.Centre() != 120 || p.Expect(monday) != season || !p.Strong() {
		t.Errorf("centre %v, season %v, strong %v; want 120, %v and true", p.Centre(), p.Expect(monday), p.Strong(), season)
	}
}

// Times before 1970 and in a zone west of it have a time of day, too.
func TestTimesBelowZero(t *testing.T) {
	var p Profile
	for at := int64(-3 * day); at < 0; at += 60 * second {
		p.Learn(at, 100+wave(at+3*day))
	}
	if got := p.Centre() + p.Expect(-day+day/4); math.Abs(got-105) > 0.1 {
		t.Errorf("the crest is expected at %.2f, want 105", got)
	}
}

// The size is a promise: it is spent on every stream that has a season.
func TestSize(t *testing.T) {
	if size := unsafe.Sizeof(Profile{}); size > 512 {
		t.Errorf("a profile takes %d B, want at most 512", size)
	}
}

func FuzzLearn(f *testing.F) {
	seed := func(values ...float64) {
		var b []byte
		for _, v := range values {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
		f.Add(b)
	}
	seed(50, 51, 52, 53, 200, 55)
	seed(0, 5e-324, -5e-324, math.MaxFloat64, -math.MaxFloat64, 0)
	seed(1, 1e36, -1e36, 1e36, 3)
	f.Fuzz(func(t *testing.T, b []byte) {
		var p, twin Profile
		at := int64(math.MinInt64)
		for i := 0; len(b) >= 8 && i < 10_000; i++ {
			x := math.Float64frombits(binary.LittleEndian.Uint64(b))
			b = b[8:]
			if math.IsNaN(x) || math.IsInf(x, 0) {
				continue
			}
			at += 1 + int64(math.Float64bits(x)>>2)>>(i%62)
			p.Learn(at, x)
			twin.Learn(at, x)
			for _, v := range []float64{p.Expect(at), p.Centre(), p.Residual()} {
				if math.IsNaN(v) || math.Abs(v) > 1e38 {
					t.Fatalf("after %v: expects %v about %v, residual %v", x, p.Expect(at), p.Centre(), p.Residual())
				}
			}
			if p != twin {
				t.Fatal("the same samples taught two things")
			}
		}
	})
}

func BenchmarkLearn(b *testing.B) {
	p := taught(time.Minute, 3, 1, wave)
	at := p.at
	b.ReportAllocs()
	for b.Loop() {
		at += 60 * second
		p.Learn(at, 100+float64(at%1021)/1021)
	}
}

// What is shown of a profile is what it expects, but for what lies between the middles.
func TestDayAndWeekAreWhatIsExpected(t *testing.T) {
	p := taught(5*time.Minute, 14, 0.1, office)
	days, weeks := p.Day(), p.Week()
	if len(days) != quarters || len(weeks) != hours {
		t.Fatal(len(days), len(weeks))
	}
	for _, h := range []int{3, 30, 77, 130, 150} { // hours from Monday
		at := monday + int64(h)*hour + hour/2
		q := h % 24 * 4
		want := p.Expect(at)
		if got := (days[q+1]+days[q+2])/2 + weeks[h]; math.Abs(got-want) > 1e-6 {
			t.Errorf("hour %d: %g, expected %g", h, got, want)
		}
	}
}
