package synthetic

import (
	"math/rand/v2"
	"time"
)

// Event is what happens to a Pattern once, late in it.
type Event struct {
	Lasts    time.Duration // 0: to the end
	Midnight bool          // it begins with a day
	Edit     func(Moment) float64
}

// Moment is one look at a Pattern while its event lasts.
type Moment struct {
	V     float64       // what would be read without the event
	Stuck float64       // what was read last before it
	At    time.Duration // since the stream began
	Age   time.Duration // since the event began
}

// when is from when to when the event lasts in a stream of so many minutes: it begins
// in the last quarter but a sixteenth, at midnight on one of the days of that quarter.
func (e Event) when(r *rand.Rand, minutes int) (onset, end time.Duration) {
	end = time.Duration(minutes) * time.Minute
	switch {
	case e.Edit == nil:
		return end, end
	case e.Midnight:
		days := int(end / day)
		onset = day * time.Duration(days*3/4+r.IntN(max(days-days*3/4, 1)))
	default:
		onset = time.Minute * time.Duration(late(r, minutes))
	}
	if e.Lasts > 0 {
		end = min(end, onset+e.Lasts)
	}
	return onset, end
}

// Raised is sigmas × Sigma more for as long as it lasts: a spike, or a shift to the end.
func Raised(sigmas float64, lasts time.Duration) Event {
	return Event{Lasts: lasts, Edit: func(m Moment) float64 { return m.V + sigmas*Sigma }}
}

// Stuck is a value that does not change any more.
func Stuck(lasts time.Duration) Event {
	return Event{Lasts: lasts, Edit: func(m Moment) float64 { return m.Stuck }}
}

// Louder is times the noise about Level: less of it below 1.
func Louder(times float64, lasts time.Duration) Event {
	return Event{Lasts: lasts, Edit: func(m Moment) float64 { return Level + times*(m.V-Level) }}
}

// Leaking is a climb by so many Sigma an hour that does not end.
func Leaking(sigmas float64) Event {
	return Event{Edit: func(m Moment) float64 { return m.V + sigmas*Sigma*m.Age.Hours() }}
}

// Becalmed is a day without the wave of Wave, midnight to midnight.
func Becalmed() Event {
	return Event{Lasts: day, Midnight: true, Edit: func(m Moment) float64 {
		return m.V - wave(int(m.At/time.Minute), time.Minute)
	}}
}
