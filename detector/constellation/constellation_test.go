package constellation

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

const (
	hour = 60 * minute
	day  = 24 * hour
)

// sky is a place whose members follow the same day, half of them upwards and half
// downwards, each with its own height and noise.
type sky struct {
	place   Place
	members []Member
	random  *rand.Rand
	night   int // so many of the members are twelve hours behind
	bound   bool
}

func newSky(members int) *sky {
	return &sky{members: make([]Member, members), random: rand.New(rand.NewPCG(1, 2)), bound: true}
}

func (s *sky) value(k int, t int64) float64 {
	if k < s.night {
		t += day / 2
	}
	wave := math.Sin(2 * math.Pi * float64(t%day) / float64(day))
	if k%2 == 1 {
		wave = -wave
	}
	return float64(k+1) * (100 + 10*wave + s.random.NormFloat64())
}

// pass has the members looked at from one time to another, once a minute.
func (s *sky) pass(from, to int64) {
	for t := from; t < to; t += minute {
		s.place.Begin(t, len(s.members))
		for k := range s.members {
			s.place.Look(&s.members[k], t, s.value(k, t), s.bound)
		}
		s.place.Judge()
	}
}

// A machine half of which behaves as if it were night is odd by day, though each of its
// series is where it often is.
func TestWhatNeverWasTogetherIsNew(t *testing.T) {
	s := newSky(20)
	alarms := 0
	for at := int64(0); at < 5*day; at += minute {
		s.pass(at, at+minute)
		if s.place.Novelty() > 0.1 {
			alarms++
		}
	}
	if alarms > 0 {
		t.Errorf("five ordinary days are new in %d minutes", alarms)
	}
	s.pass(5*day, 5*day+6*hour)
	if e := s.place.Excess(); e > 0.1 {
		t.Errorf("an ordinary noon exceeds the usual by %v", e)
	}
	s.night = 10
	s.pass(5*day+6*hour, 5*day+7*hour)
	if n := s.place.Novelty(); n < 0.2 {
		t.Errorf("half of the series at night by day: novelty %v, want 0.2", n)
	}
	if last, first := s.place.Moved(&s.members[19]), s.place.Moved(&s.members[0]); first <= last && first < 0.3 {
		t.Errorf("one that moved is said to have by %v, one that did not by %v", first, last)
	}
	s.bound = false
	s.pass(5*day+7*hour, 5*day+8*hour)
	if n, e := s.place.Novelty(), s.place.Excess(); n != 0 || e < 0.2 {
		t.Errorf("where no rule lets them alert: novelty %v, want 0; excess %v", n, e)
	}
}

// What lasts is new for six hours; then it is known.
func TestWhatLastsDoesNotHideItself(t *testing.T) {
	s := newSky(20)
	s.pass(0, 5*day)
	s.night = 10
	s.pass(5*day, 5*day+5*hour)
	late := s.place.Excess()
	s.night = 0
	s.pass(5*day+5*hour, 6*day)
	s.night = 10
	s.pass(6*day, 6*day+5*hour)
	if again := s.place.Excess(); late < 0.2 || again > late/2 {
		t.Errorf("after five hours it exceeds by %v, at that time of the next day by %v", late, again)
	}
}

func TestSaysNothingForTwoDays(t *testing.T) {
	s := newSky(5)
	s.pass(0, 2*day)
	if s.place.Heard() != 0 {
		t.Errorf("%d are heard on the second day", s.place.Heard())
	}
	s.pass(2*day, 3*day)
	if s.place.Heard() != 5 {
		t.Errorf("%d are heard on the third day, want 5", s.place.Heard())
	}
}

// Sums are the same in whatever order members are heard, and each is heard once a minute.
func TestTheOrderOfMembersChangesNothing(t *testing.T) {
	a, b := newSky(7), newSky(7)
	r := rand.New(rand.NewPCG(3, 4))
	for at := int64(-2 * day); at < 3*day; at += 15_000 {
		for _, s := range []*sky{a, b} {
			s.place.Begin(at, 7)
		}
		order := r.Perm(7)
		var values [7]float64
		for k := range values {
			values[k] = r.NormFloat64()
			a.place.Look(&a.members[k], at, values[k], true)
		}
		for _, k := range order {
			b.place.Look(&b.members[k], at, values[k], true)
		}
		if at%(2*minute) == 0 { // the other minutes are judged when the next begins
			a.place.Judge()
			b.place.Judge()
		}
		if a.place != b.place {
			t.Fatalf("at %d min: %+v, in another order %+v", at/minute, a.place, b.place)
		}
	}
	if a.place.looks < float64(day/minute)/2 {
		t.Errorf("it was judged %v times only", a.place.looks)
	}
}

// Nothing is said by fewer than half of the members, nor goes on being said.
func TestFewSayNothing(t *testing.T) {
	s := newSky(4)
	s.pass(0, 5*day)
	s.night = 2
	s.pass(5*day+6*hour, 5*day+6*hour+minute)
	if s.place.Excess() == 0 {
		t.Fatal("nothing is new when half of the series are at night by day")
	}
	for at := int64(5*day + 6*hour + minute); at < 5*day+6*hour+4*minute; at += minute {
		s.place.Begin(at, 4)
		s.place.Look(&s.members[0], at, 1e6, true)
	}
	if e, n := s.place.Excess(), s.place.Novelty(); e != 0 || n != 0 {
		t.Errorf("one of four is heard: excess %v, novelty %v", e, n)
	}
}

// A clock that was wrong for a while, a pause and absurd values leave it usable.
func TestNothingUnsettlesIt(t *testing.T) {
	s := newSky(4)
	s.pass(0, 3*day)
	for k := range s.members {
		s.place.Begin(1<<52, 4)
		s.place.Look(&s.members[k], 1<<52, math.MaxFloat64, true)
	}
	s.pass(3*day, 4*day)
	s.pass(40*day, 50*day)
	for k := range s.members {
		if m := &s.members[k]; math.IsNaN(m.mean) || math.IsInf(m.variance, 0) || m.at != 50*day-minute {
			t.Errorf("member %d: %+v", k, m)
		}
	}
	if e := s.place.Excess(); math.IsNaN(e) || e > 1 {
		t.Errorf("an ordinary minute exceeds the usual by %v", e)
	}
}

func TestSize(t *testing.T) {
	if m, p := unsafe.Sizeof(Member{}), unsafe.Sizeof(Place{}); m > 104 || p > 352 {
		t.Errorf("a member takes %d bytes, a place %d", m, p)
	}
}

// BenchmarkLook is what one sample of a member costs, its share of the judgement included.
func BenchmarkLook(b *testing.B) {
	s := newSky(38)
	s.pass(0, 4*day)
	values := make([]float64, 4096)
	for i := range values {
		values[i] = s.value(i%38, 0)
	}
	b.ReportAllocs()
	at := int64(4 * day)
	for n := 0; b.Loop(); n++ {
		if n%38 == 0 {
			s.place.Judge()
			at += minute
			s.place.Begin(at, 38)
		}
		s.place.Look(&s.members[n%38], at, values[n%4096], true)
	}
}
