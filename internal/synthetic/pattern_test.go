package synthetic

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/value"
)

var intervals = []time.Duration{time.Second, 15 * time.Second, time.Minute, 5 * time.Minute}

// Whoever looks more often must see the same process, not another one.
func TestAPatternIsTheSameAtEveryInterval(t *testing.T) {
	const span = 4 * day
	for name, p := range map[string]Pattern{
		"noise":    {Ground: Noise},
		"spike":    {Ground: Noise, Event: Raised(6, 10*time.Minute)},
		"flatline": {Ground: Noise, Event: Stuck(2 * time.Hour)},
		"leak":     {Ground: Noise, Event: Leaking(1)},
		"louder":   {Ground: Noise, Event: Louder(3, time.Hour)},
		"becalmed": {Ground: Wave, Event: Becalmed()},
		"constant": {Ground: Constant, Exact: true},
		"counter":  {Ground: Noise, Event: Raised(6, time.Hour), Counter: true},
		"gaps":     {Ground: Noise, Scrape: Gapped},
		"ended":    {Ground: Noise, Scrape: Ended},
	} {
		reference := p.Stream(3, time.Minute, span)
		at := map[int64]float64{}
		for _, q := range reference.Points {
			at[q.T] = q.V
		}
		for _, interval := range intervals {
			s := p.Stream(3, interval, span)
			again := p.Stream(3, interval, span)
			// The bits, as a staleness marker is a NaN.
			if !slices.EqualFunc(s.Points, again.Points, func(a, b Point) bool {
				return a.T == b.T && math.Float64bits(a.V) == math.Float64bits(b.V)
			}) {
				t.Errorf("%s every %v: the same seed gave two streams", name, interval)
			}
			shared, apart := 0, 0
			var off float64
			for _, q := range s.Points {
				v, ok := at[q.T]
				if !ok || p.Counter || value.IsStaleNaN(v) != value.IsStaleNaN(q.V) {
					apart++
					continue
				}
				if shared++; !value.IsStaleNaN(v) {
					off = max(off, math.Abs(v-q.V))
				}
			}
			if most := 12 * blur; off > most {
				t.Errorf("%s every %v: a reading is %.2f off that of the minute, want at most %.2f", name, interval, off, most)
			}
			if want := int(span/max(interval, time.Minute)) * 9 / 10; !p.Counter && shared < want {
				t.Errorf("%s every %v: %d readings at a minute's time, want %d or more", name, interval, shared, want)
			}
			if p.Event.Edit == nil {
				if s.From != len(s.Points) || s.To != len(s.Points) {
					t.Errorf("%s every %v: an event of [%d, %d) where there is none", name, interval, s.From, s.To)
				}
				continue
			}
			step := interval.Milliseconds()
			if d := s.Points[s.From].T - reference.Points[reference.From].T; d < 0 || d >= max(step, 60_000) {
				t.Errorf("%s every %v: the event begins %d ms after that of the minute", name, interval, d)
			}
		}
	}
}

func TestACounterCountsItsRate(t *testing.T) {
	for _, interval := range intervals {
		s := Pattern{Ground: Constant, Exact: true, Counter: true}.Stream(7, interval, 10*day)
		resets := 0
		for i, p := range s.Points[1:] {
			rate := (p.V - s.Points[i].V) / interval.Seconds()
			if rate < 0 {
				resets++
			} else if math.Abs(rate-(Level+7)) > 1e-6 && p.V > s.Points[i].V {
				if r := p.V / interval.Seconds(); r > Level+7 { // not a reset that a rise hides
					t.Fatalf("every %v: a rate of %v, want %v", interval, rate, Level+7.0)
				}
			}
		}
		if resets < 5 || resets > 30 {
			t.Errorf("every %v: %d resets in ten days, want about 14", interval, resets)
		}
	}
}

func TestReadingsAreLostAsAScrapeLosesThem(t *testing.T) {
	noise := func(scrape Scrape) []Point {
		return Pattern{Ground: Noise, Scrape: scrape}.Stream(1, 15*time.Second, 14*day).Points
	}
	all := len(noise(nil))

	swapped := 0
	missed := noise(Missed)
	for i := 1; i < len(missed); i++ {
		if missed[i].T < missed[i-1].T {
			swapped++
			if d := missed[i-1].T - missed[i].T; d != 15_000 {
				t.Fatalf("a reading is %d ms late, want one interval", d)
			}
		}
	}
	if lost := all - len(missed); math.Abs(float64(lost)/float64(all)-0.02) > 0.002 || math.Abs(float64(swapped)/float64(all)-0.02) > 0.002 {
		t.Errorf("%d of %d readings lost and %d late, want one in fifty of each", lost, all, swapped)
	}

	gapped, ended := noise(Gapped), noise(Ended)
	gaps, markers := 0, 0
	for i := 1; i < len(gapped); i++ {
		if gapped[i].T-gapped[i-1].T > 15_000 {
			gaps++
		}
	}
	for _, p := range ended {
		if value.IsStaleNaN(p.V) {
			markers++
		}
	}
	if gaps < 10 || gaps > 40 || markers != gaps || len(ended) != len(gapped)+markers {
		t.Errorf("%d gaps in two weeks, want about 20; %d markers, want one each", gaps, markers)
	}
}
