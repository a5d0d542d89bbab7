package detector

import (
	"math"
	"testing"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/season"
	"github.com/foreshock/foreshock/internal/synthetic"
)

// wave is a model that has followed a daily wave of 10 about 100 for a week, sampled
// every five minutes, and when that was.
func wave(g *grading) (m mind, at int64) {
	m = moving()
	at = synthetic.Start
	for range 7 * 288 {
		at += 5 * minute
		stepped(&m, g, nil, at, waving(at, 100))
	}
	return m, at
}

func waving(t int64, level float64) float64 {
	day := float64(t%(24*60*minute)) / float64(24*60*minute)
	noise := math.Sin(float64(t/minute)*1.7) + math.Sin(float64(t/minute)*0.9)
	return level + 10*math.Sin(2*math.Pi*day) + 0.5*noise
}

// A new pod need not see three days to know the day of its workload.
func TestSeasonIsInherited(t *testing.T) {
	g := grading{threshold: defaultThreshold, warmUp: 100}
	teacher, at := wave(&g)
	if !teacher.seasonal.profile.Strong() {
		t.Fatal("the teacher has no season")
	}
	m := moving()
	for range 6 {
		at += 5 * minute
		stepped(&m, &g, nil, at, waving(at, 102))
	}
	before := *teacher.seasonal
	level := teacher.forest.Level()
	from := &state{mind: teacher, modelTime: at}
	if !m.inherit(at, peers{from, level, level, level}, nil) {
		t.Fatal("nothing inherited")
	}
	if got, want := at-m.born, 7*24*time.Hour.Milliseconds(); got < want {
		t.Errorf("knows its stream for %d ms, want at least %d", got, want)
	}
	alerts := 0
	for range 288 {
		at += 5 * minute
		if b, _ := m.expect(at + 6*60*minute); math.Abs(b.Expected-waving(at+6*60*minute, 102)) > 5 {
			t.Fatalf("%s: expects %.1f six hours later, where %.1f comes", foreshock.Time(at), b.Expected, waving(at+6*60*minute, 102))
		}
		if v := stepped(&m, &g, nil, at, waving(at, 102)); v.warming {
			t.Fatal("warming up")
		} else if v.changed && v.phase == foreshock.Started {
			alerts++
		}
	}
	if alerts > 0 {
		t.Errorf("%d anomalies on the first day", alerts)
	}
	if *teacher.seasonal != before {
		t.Error("the heir taught its teacher")
	}
	var none season.Profile
	if m.seasonal.profile == none {
		t.Error("no season of its own")
	}
}

// An hour off its siblings' wave is unlike them, though the level is one of the day's.
func TestUnlikeAtThisHour(t *testing.T) {
	g := grading{threshold: defaultThreshold, warmUp: 100}
	teacher, at := wave(&g)
	at += 18 * 60 * minute // the trough, at 90
	level := waving(at, 100)
	for _, tc := range []struct {
		level float64
		like  bool
	}{{level, true}, {level * 1.2, true}, {level * 1.4, false}} {
		m := moving()
		for i := range 6 {
			stepped(&m, &g, nil, at+int64(i)*5*minute, tc.level)
		}
		from := &state{mind: teacher, modelTime: at}
		if like := m.resembles(&teacher, peers{from, level, level, level}); like != tc.like {
			t.Errorf("%.0f where siblings are at %.0f: like %v, want %v", tc.level, level, like, tc.like)
		}
	}
}

// What a teacher holds in quarantine, its anomaly and its alarm stay with it.
func TestHeirBeginsCalm(t *testing.T) {
	g := grading{threshold: defaultThreshold, warmUp: 100}
	teacher := moving()
	at := int64(synthetic.Start)
	step := func(m *mind, x float64) verdict { at += minute; return stepped(m, &g, nil, at, x) }
	noise := func() float64 { return 100 + math.Sin(float64(at/minute)*1.7) + math.Sin(float64(at/minute)*0.9) }
	for range 1000 {
		step(&teacher, noise())
	}
	step(&teacher, 200)
	if !teacher.alarm.active {
		t.Fatal("no anomaly")
	}
	m := moving()
	for range 6 {
		step(&m, noise())
	}
	from := &state{mind: teacher, modelTime: at}
	level := teacher.forest.Level()
	if !m.inherit(at, peers{from, level, level, level}, nil) {
		t.Fatal("nothing inherited")
	}
	if m.alarm != (alarm{}) {
		t.Errorf("alarm %+v", m.alarm)
	}
	if v := step(&m, noise()); v.active || v.warming {
		t.Errorf("an ordinary sample: %+v", v)
	}
	if v := step(&m, 200); !v.active {
		t.Error("what is odd on the teacher is not odd on the heir")
	}
}
