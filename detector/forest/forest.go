// Package forest scores the points of one stream by how few cuts isolate them.
//
// A Forest holds one bitmap isolation tree for each of several projections of the
// stream: its value, its magnitude, its level over a short and a long while, the
// step between the two, its roughness; and, where the caller knows its season, what
// that leaves of it. A point is anomalous when it lies far from
// everything its stream has shown of late, relative to how wide that is, in any of
// them. What is new waits in quarantine before it counts as normal, and what has
// not been seen for two epochs is forgotten.
//
// A Forest is plain data of fixed size: no clock, no randomness, no pointer, no
// allocation; not safe for concurrent use. The same points give the same scores.
// Any finite number is a point. What a score means for an operator is for the
// caller to say.
//
// The tree is the one-dimensional case of Half-Space Trees (Tan, Ting and Liu,
// IJCAI 2011), with the forgetting of Online Isolation Forest (Leveni et al., ICML
// 2024).
package forest

import (
	"math"
	"math/bits"

	"github.com/foreshock/foreshock/detector/octave"
)

const (
	// epoch is the memory, in points: what was seen is remembered for one to two
	// of them. 4000 minutes ≈ 2.8 days.
	epoch = 4000

	// youth makes a young forest hard to surprise by little: a depth counts 1 + youth/n
	// times what it is, so that a score s becomes s^(1+youth/n). Everything is a little
	// new at first. Against s·n/(n+100) the first day of white noise raises a third of
	// the alerts, and what is far out is found as soon.
	youth = 150

	// huge bounds the magnitude of what is told apart, so that a tree's width stays
	// within a float32 (3.4e38) at any doubling.
	huge = 1e36
)

// Clearly is how many times what an earlier channel scores a later one must, to be named:
// less is a tie. Where both are all but 1, what is new is new to both, and the earlier is
// the more direct.
const Clearly = 1.02

// Gains of the levels and of the roughness: see Channel. Young means take 1/n.
const (
	stepGain  = 0.3
	fastGain  = 0.03
	slowGain  = 0.003
	roughGain = 0.1
)

// What is seen of a channel is taken for wider than it is by its spread, so that a
// tree that has seen little, or a narrow level, is not easily surprised. The unit is
// the mean absolute deviation of x, in white noise 0.8 σ, and the spread of a level
// seven times the level's own deviation, σ·√(α/(2−α)).
const (
	valueSpread = 0.3  // measured: more hides spikes, less helps nothing
	fastSpread  = 1    // × 0.8 σ ≈ 6.5 × 0.123 σ
	slowSpread  = 0.35 // × 0.8 σ ≈ 7 × 0.039 σ
	shiftSpread = 3.7  // × 0.8 σ ≈ 7 × 0.42 σ
	roughSpread = 1    // a doubling of the noise

	// wandering is how many mean absolute deviations of x its fast level must span
	// before it does: white noise spans 1.1, a wave half as high as its noise 3.
	wandering = 2.5

	// A stream whose fast level wanders takes its extremes along, a drift every day: what
	// that level spans beyond calm mean absolute deviations, which is what noise makes
	// of it, widens the spread of x by roam; not more than utmost of them, though, which
	// only an outlier spans.
	calm   = 1
	roam   = 0.7
	utmost = 10

	// still is the roughness that counts as none, in mean absolute deviations of x, and
	// fine the same relative to its magnitude: they bound the logarithm of a flat line.
	// A 220th of what neighbours differ by in white noise, 2/√π σ ≈ 1.4 deviations; a
	// sixteenth of the finest bin.
	still = 1.0 / 160
	fine  = 1.0 / 16
)

// The centre and the mean absolute deviation from it follow sample time, not the
// number of samples: at a short interval they would otherwise follow the daily wave.
const (
	centreGain = 0.001 / 300 // per second
	madGain    = 0.002 / 300 // per second
	clip       = 5           // in mean absolute deviations
)

// Point is what a Forest is told at a time. Samples may come faster than levels should
// follow: a Forest sees each of them, and makes its levels of points, which are the
// means of the samples since the point before.
type Point struct {
	T      int64   // of the sample, ms; must not fall from call to call
	X      float64 // the sample: finite, and counts as ±1e36 beyond that
	Mean   float64 // of the samples since the point before, X among them
	Closed bool    // the sample completes a point
	Deaf   uint8   // channels, a bit each, that have no say: to measure what they are worth
}

// Alone is the point of a sample that is one by itself.
func Alone(t int64, x float64) Point { return Point{T: t, X: x, Mean: x, Closed: true} }

// Scores are what every channel said of a sample; 0 of one that is too young to say.
type Scores [Channels]float32

// Word is what a Forest says of a sample.
type Word struct {
	Score   float64 // 0 for nothing new, 1 for unheard of
	Channel Channel // the one that isolated it most
	Each    Scores
}

// Forest is what one stream has taught. The zero value is ready.
type Forest struct {
	trees [own]tree

	at               int64   // time of the last sample, ms
	last             float64 // the last point
	step, fast, slow float64 // levels
	rough            float64 // mean |Δ|
	centre, mad      float64 // of x
	margin           float64 // by which the next extreme of x may exceed those seen
	tail             tail    // of x
	beyond           room    // what that tail adds to the spread

	levels [own]float32 // what the channels said of the last point that are made of points

	n      uint32 // points seen
	coarse uint32 // of them, before points stood for as long as they do: see Coarsen
	lived  uint32 // of them, by this stream: fewer than n where a sibling taught it
}

// verdict gathers what trees say of a point.
type verdict struct {
	ordinary float64 // the product of 1 − score
	top      float64 // the highest score but for ties, and whose it is
	channel  Channel
	each     Scores
	deaf     uint8
}

func (v *verdict) add(s float64, c Channel) {
	if s == 0 || v.deaf>>c&1 == 1 {
		return
	}
	v.ordinary *= 1 - s
	v.each[c] = float32(s)
	if s > v.top*Clearly {
		v.top, v.channel = s, c
	}
}

// Len is the number of points seen.
func (f *Forest) Len() int { return int(f.n) }

// Centre is the level of the stream over days.
func (f *Forest) Centre() float64 { return f.centre }

// Level is the level of the stream over the last 33 points.
func (f *Forest) Level() float64 { return f.fast }

// Wanders reports whether that level has moved by more than noise moves it, as a wave
// or a drift does.
func (f *Forest) Wanders() bool {
	return f.trees[Fast].span() > wandering*f.mad
}

// LeastIsolating is how many values must be told apart before another can lie far from
// them: fewer do not have a width worth the name.
const LeastIsolating = 4

// Isolation is how far x lies from every value seen, quarantined ones too, in units
// of how wide those are; 0 until LeastIsolating of them can be told apart. Nothing is
// learned.
func (f *Forest) Isolation(x float64) float64 {
	t := &f.trees[Value]
	seen := t.cur | t.prev | t.pend
	if bits.OnesCount64(seen) < LeastIsolating {
		return 0
	}
	x = min(max(x, -huge), huge)
	return isolation(seen, (x-float64(t.base))/float64(t.width), float64(t.width), 0, room{})
}

// Score says how isolated p is among what was seen before; then p is learned.
func (f *Forest) Score(p Point) Word {
	v := verdict{ordinary: 1, deaf: p.Deaf}
	f.isolate(&p, &v)
	return f.word(&v)
}

// ScoreSeasonal is Score for a stream whose season is known: rest is what level and
// season leave of p's mean, scale its usual magnitude, and r has learned what is ordinary
// of it.
func (f *Forest) ScoreSeasonal(p Point, r *Rest, rest, scale float64) Word {
	v := verdict{ordinary: 1, deaf: p.Deaf}
	f.isolate(&p, &v)
	if p.Closed {
		r.score = r.isolate(p.T, rest, scale, f.beyond)
	}
	v.add(r.score, Season)
	return f.word(&v)
}

// word is the score of a sample: a young forest is harder to surprise.
func (f *Forest) word(v *verdict) Word {
	w := Word{Channel: v.channel, Each: v.each}
	if v.ordinary != 1 {
		w.Score = octave.Pow(1-v.ordinary, 1+youth/float64(f.n))
	}
	return w
}

// Coarsen says that from now on points stand for a longer time than those before. How
// much such points differ is another thing: it is learned anew, and judged once its mean
// is no longer that of a few.
func (f *Forest) Coarsen() {
	f.trees[Roughness] = tree{}
	f.coarse, f.rough = f.n, 0
}

// isolate has every tree score what it is made of, then learn it: the value and its
// magnitude at each sample, the levels at each point.
func (f *Forest) isolate(p *Point, v *verdict) {
	x := min(max(p.X, -huge), huge)
	mad := f.mad // before x
	f.learn(p, x)

	// What a magnitude deviates where x deviates by mad.
	inLog := math.Log2E / (1 + math.Abs(f.centre))
	spread := valueSpread*mad + f.margin
	f.ask(Value, x, spread, f.beyond, p.Closed, v)
	f.ask(Log, magnitude(x), spread*inLog, f.beyond.times(float32(inLog)), p.Closed, v)
	if !p.Closed {
		for c := Fast; c <= Roughness; c++ {
			v.add(float64(f.levels[c]), c)
		}
		return
	}
	f.ask(Fast, f.fast, fastSpread*mad+fastGain*f.margin, f.beyond.times(fastGain), true, v)
	f.ask(Slow, f.slow, slowSpread*mad, room{}, true, v)
	f.ask(Shift, f.step-f.slow, shiftSpread*mad+stepGain*f.margin, f.beyond.times(stepGain), true, v)
	f.ask(Roughness, f.roughness(mad), roughSpread, room{}, true, v)
	copy(f.levels[:], v.each[:own])
	if f.n%quarantine[Value] == 0 {
		f.foresee()
	}
}

// ask has the tree of channel c score the value at, and keep time with the points.
func (f *Forest) ask(c Channel, at, spread float64, beyond room, closed bool, v *verdict) {
	if !f.begun(c) {
		return
	}
	t := &f.trees[c]
	s := t.score(at, spread, beyond)
	if s > 0 && youths[c] > 0 {
		s = octave.Pow(s, 1+youths[c]/float64(f.n))
	}
	if s > 0 && c == Roughness && f.coarse > 0 {
		s = octave.Pow(s, 1+youth/float64(f.n-f.coarse)) // it is only as old as that
	}
	if s > 0 && f.lived < f.n {
		s = f.temper(c, s)
	}
	v.add(s, c)
	if !closed {
		return
	}
	if f.n%quarantine[c] == 0 {
		t.release()
	}
	if f.n%epoch == 0 {
		t.forget(at)
	}
}

// begun reports whether what channel c is made of is known by now.
func (f *Forest) begun(c Channel) bool {
	return f.lived >= first[c] && (c != Roughness || f.coarse == 0 || f.n-f.coarse > 1/roughGain)
}

// magnitude is the value of x in the channel Log.
func magnitude(x float64) float64 { return math.Copysign(octave.Log2(1+math.Abs(x)), x) }

// roughness is the value of the channel of that name, where x deviates by mad.
func (f *Forest) roughness(mad float64) float64 {
	none := still*mad + fine*(finest*math.Abs(f.centre)+grain)
	return octave.Log2(f.rough + none)
}

// foresee says by how much the next extreme may exceed those seen, in a stream that
// wanders and in one with a tail.
func (f *Forest) foresee() {
	f.margin = roam * min(max(f.trees[Fast].span()-calm*f.mad, 0), utmost*f.mad)
	f.beyond = room{}
	if f.n > tailKnown {
		lo, hi := f.trees[Value].ends()
		f.beyond = f.tail.room(f.centre-lo, hi-f.centre)
	}
}

// learn takes p, whose value is x, into the moments the channels are made of.
func (f *Forest) learn(p *Point, x float64) {
	m := min(max(p.Mean, -huge), huge)
	if f.n == 0 {
		f.step, f.fast, f.slow, f.centre, f.at, f.last = m, m, m, x, p.T, m
	}
	if p.Closed {
		f.n++
		f.lived++
		fresh := 0.
		if f.lived <= first[Slow] {
			fresh = 1 / float64(f.lived)
		}
		f.step += max(stepGain, fresh) * (m - f.step)
		f.fast += max(fastGain, fresh) * (m - f.fast)
		f.slow += max(slowGain, fresh) * (m - f.slow)
		if f.n > f.coarse+1 {
			f.rough += max(roughGain, 1/float64(f.n-f.coarse-1)) * (math.Abs(m-f.last) - f.rough)
		}
		f.last = m
	}
	if f.n > 1 {
		young := 1 / float64(f.n)
		dt := (float64(p.T) - float64(f.at)) / 1000
		dev := x - f.centre
		// A bin's width keeps the clip open where nothing has deviated yet.
		most := max(clip*f.mad, float64(f.trees[Value].width))
		if a := math.Abs(dev); a > most && f.n > infancy {
			f.tail.exceed(p.T, a/most, dev > 0)
		}
		dev = min(max(dev, -most), most)
		f.centre += min(max(centreGain*dt, young), 1) * dev
		f.mad += min(max(madGain*dt, young), 1) * (math.Abs(dev) - f.mad)
	}
	f.at = p.T
}
