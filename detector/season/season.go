// Package season learns how one stream differs from its own level by the time of
// day and by the hour of the week, and says how much of the stream's movement that
// explains.
//
// A Profile holds 96 quarters of an hour of a day and, on top of them, what the 168
// hours of a week add. It is small enough to keep for every stream that earns one:
// integers instead of floats, moved by stochastic rounding (Gupta et al., ICML
// 2015), since steps rounded to the nearest would stall as soon as they are smaller
// than half a quantum. The randomness is a hash of the sample's time, so that the
// same samples teach the same.
//
// A Profile is plain data of fixed size: no clock, no pointer, no allocation; not
// safe for concurrent use. Times are milliseconds since the epoch by the clock the
// stream lives by: whoever lives in a time zone adds its offset. They need not be
// regular, but grow. Values are finite; beyond ±1e36 they count as that.
package season

import "math"

const (
	second  = 1000 // ms
	hour    = 3600 * second
	day     = 24 * hour
	quarter = day / quarters

	quarters = 96  // of an hour, in a day
	hours    = 168 // in a week

	// thursday is the hour of the week, from Monday on, at the epoch.
	thursday = 3 * 24

	// memory is how many minutes of samples a quarter averages over: seven days of
	// its fifteen.
	memory = 100

	// weeklyGain is the gain of an hour of the week, per second: what a week's hour
	// teaches counts 1 − e^(−0.0001·3600) = 30 %.
	weeklyGain = 0.03 / 300

	// clip bounds what one sample may teach, in mean absolute deviations, and outlier
	// what it may on the first day.
	clip    = 3
	outlier = 30

	// centreGain and scaleGain are those of the level and of the mean absolute
	// deviations, per second: memories of 0.9 and 1.7 days. The level is the quicker,
	// or the quarters would take a drift for a season.
	centreGain = 0.004 / 300
	scaleGain  = 0.002 / 300

	// A profile is strong once it has learned for a day, was held against the next,
	// and explained 35 % of the mean absolute deviation; and weak again below 25 %.
	proof  = day
	strong = 0.35
	weak   = 0.25

	// huge keeps what is learned within a float32.
	huge = 1e36

	// grain is the first quantum of a profile around zero, quantum that of any other,
	// relative to its level. Quanta double where they must.
	grain   = 1e-12
	quantum = 1e-9
)

// Profile is the season of one stream. The zero value is ready, but learns its first
// day better from New.
type Profile struct {
	at      int64   // time of the newest sample, ms
	centre  float64 // the level the season moves about
	learned uint32  // seconds, without the gaps; stays at two proofs
	every   uint32  // ms between samples
	n       uint32  // samples the scales were taken over
	started bool
	strong  bool

	sx, sr float32 // mean |x − centre|, and mean |x − centre − season|

	unit, weekUnit float32 // the quanta of the quarters and of the hours
	quarter        [quarters]int16
	minutes        [quarters]uint8 // taught to each quarter
	hour           [hours]int8
}

// New is the profile of a stream whose level is known.
func New(centre float64) Profile {
	var p Profile
	p.start(centre)
	return p
}

func (p *Profile) start(centre float64) {
	p.centre = min(max(centre, -huge), huge)
	p.unit = float32(math.Abs(p.centre)*quantum + grain)
	p.weekUnit = p.unit
	p.started = true
}

// Strong reports whether the profile has proved to explain enough of the stream to be
// counted on.
func (p *Profile) Strong() bool { return p.strong }

// Residual is the mean absolute deviation of the stream from its level and its
// season.
func (p *Profile) Residual() float64 { return float64(p.sr) }

// Centre is the level the season moves about.
func (p *Profile) Centre() float64 { return p.centre }

// Rebase has the season move about another level from now on.
func (p *Profile) Rebase(centre float64) { p.centre = min(max(centre, -huge), huge) }

// Expect is by how much the stream should lie above its level at t: 0 where nothing
// was learned about that time of day.
func (p *Profile) Expect(t int64) float64 {
	return p.daily(t) + p.weekly(t)
}

// daily interpolates between the middles of the quarters, which a wave needs. A
// quarter never seen is like its neighbour.
func (p *Profile) daily(t int64) float64 {
	i, j, share := between(t, quarter, quarters)
	a, b := float64(p.quarter[i]), float64(p.quarter[j])
	switch {
	case p.minutes[i] == 0:
		a = b
	case p.minutes[j] == 0:
		b = a
	}
	return (a + share*(b-a)) * float64(p.unit)
}

func (p *Profile) weekly(t int64) float64 {
	i, j, share := between(t+thursday*hour, hour, hours)
	a, b := float64(p.hour[i]), float64(p.hour[j])
	return (a + share*(b-a)) * float64(p.weekUnit)
}

// between is the two of n slots, each width ms long, between whose middles t lies, and
// what share of the way it is.
func between(t, width, n int64) (i, j int, share float64) {
	t = mod(t-width/2, n*width)
	k := t / width
	return int(k), int((k + 1) % n), float64(t%width) / float64(width)
}

// mod is the remainder of t by n, never negative.
func mod(t, n int64) int64 {
	t %= n
	if t < 0 {
		t += n
	}
	return t
}

// floor is t/n rounded down.
func floor(t, n int64) int64 { return (t - mod(t, n)) / n }

// Learn takes the sample (t, x) in.
func (p *Profile) Learn(t int64, x float64) {
	x = min(max(x, -huge), huge)
	if !p.started {
		p.start(x)
	}
	first := !p.known()
	turned := floor(t, day) > floor(p.at, day)
	dt := p.pace(t)
	dev := x - p.centre
	rest := dev - p.Expect(t)
	most := p.bound()
	p.judge(dt, dev, rest, most)

	p.teachQuarter(t, dt, dev, most)
	switch {
	case !p.known():
		return // the level of the first day is that of its quarters
	case first || turned:
		p.level()
	}
	step := min(max(rest, -most), most)
	p.teachHour(t, dt, step)
	p.centre += min(centreGain*dt, 1) * step
}

// bound is what one sample may deviate by. On the first day little is known of that:
// a stream may rise for hours before it says how far it goes.
func (p *Profile) bound() float64 {
	switch {
	case p.n == 0:
		return huge
	case !p.known():
		return outlier*float64(p.sx) + float64(p.unit)
	}
	return clip*float64(p.sx) + float64(p.unit)
}

// teachQuarter moves the quarter of t toward dev: as the mean of its first hundred
// minutes would, then as one that forgets them.
func (p *Profile) teachQuarter(t int64, dt, dev, most float64) {
	i := mod(t, day) / quarter
	u := hash(uint64(t))
	v := float64(p.quarter[i]) * float64(p.unit)
	v += dt / (60*float64(p.minutes[i]) + dt) * min(max(dev-v, -most), most)
	for math.Abs(v) > float64(p.unit)*math.MaxInt16 {
		p.unit *= 2
		for k := range p.quarter {
			p.quarter[k] /= 2
		}
	}
	p.quarter[i] = int16(min(round(v/float64(p.unit), u), math.MaxInt16))
	p.minutes[i] = uint8(min(max(round(float64(p.minutes[i])+dt/60, u), 1), memory))
}

// teachHour moves the hour of the week of t by what the season left of its sample.
func (p *Profile) teachHour(t int64, dt, rest float64) {
	i := mod(t+thursday*hour, hours*hour) / hour
	v := float64(p.hour[i])*float64(p.weekUnit) + min(weeklyGain*dt, 1)*rest
	for math.Abs(v) > float64(p.weekUnit)*math.MaxInt8 {
		p.weekUnit *= 2
		for k := range p.hour {
			p.hour[k] /= 2
		}
	}
	p.hour[i] = int8(min(round(v/float64(p.weekUnit), hash(^uint64(t))), math.MaxInt8))
}

// level moves what all quarters have in common to the centre, where it belongs: a
// season that took a drift in would seem to explain it.
func (p *Profile) level() {
	sum, n := 0, 0
	for i, v := range p.quarter {
		if p.minutes[i] > 0 {
			sum += int(v)
			n++
		}
	}
	mean := sum / n
	for i, v := range p.quarter {
		if p.minutes[i] > 0 {
			p.quarter[i] = int16(min(max(int(v)-mean, -math.MaxInt16), math.MaxInt16))
		}
	}
	p.centre += float64(mean) * float64(p.unit)
}

// pace is how many seconds the sample at t stands for: those since the one before,
// but never more than twice what that one stood for, so that none stands for a gap.
// The first stands for one.
func (p *Profile) pace(t int64) float64 {
	d := uint32(min(max(float64(t)-float64(p.at), 1), hour))
	switch {
	case p.n == 0:
		p.at = t
		return 1
	case p.every > 0:
		d = min(d, 2*p.every)
	}
	p.at, p.every = t, d
	return float64(d) / second
}

// judge takes the deviations of a sample from the level, without and with the season,
// both bounded by most, into the scales, and decides whether the profile is strong.
// What it knew after its first day is first held against the second.
func (p *Profile) judge(dt, dev, rest, most float64) {
	fresh := !p.known()
	p.learned = min(p.learned+uint32(math.Ceil(dt)), 2*proof/second)
	if fresh && p.known() {
		p.n, p.sr = 1, p.sx // nothing is explained yet
	}
	p.n++
	gain := min(max(scaleGain*dt, 1/float64(p.n)), 1)
	toward := func(mean *float32, v float64) {
		*mean += float32(gain * (min(math.Abs(v), most) - float64(*mean)))
	}
	toward(&p.sx, dev)
	toward(&p.sr, rest)
	explained := 1 - p.sr/p.sx
	switch {
	case !(explained >= weak):
		p.strong = false
	case explained >= strong && p.learned >= 2*proof/second:
		p.strong = true
	}
}

// known reports whether the profile has seen a whole day.
func (p *Profile) known() bool { return p.learned >= proof/second }

// round rounds v up or down, up with the probability of its fraction: u is uniform in
// [0, 1).
func round(v, u float64) float64 { return math.Floor(v + u) }

// hash makes a number in [0, 1) of a time (Steele, Lea and Flood's SplitMix, 2014).
func hash(t uint64) float64 {
	t += 0x9e3779b97f4a7c15
	t = (t ^ t>>30) * 0xbf58476d1ce4e5b9
	t = (t ^ t>>27) * 0x94d049bb133111eb
	t ^= t >> 31
	return float64(t>>11) / (1 << 53)
}

// Day is by how much the stream lies above its level in each quarter of an hour of the day.
func (p *Profile) Day() []float64 {
	day := make([]float64, quarters)
	for i, q := range p.quarter {
		day[i] = float64(q) * float64(p.unit)
	}
	return day
}

// Week is what each hour of the week, from Monday, adds to that.
func (p *Profile) Week() []float64 {
	week := make([]float64, hours)
	for i, h := range p.hour {
		week[i] = float64(h) * float64(p.weekUnit)
	}
	return week
}
