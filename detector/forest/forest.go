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
)

const (
	// epoch is the memory, in samples: what was seen is remembered for one to two
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
	valueSpread = 0.5  // measured: more hides spikes, less helps nothing
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

	// stillness is how many times finer than a bin of the values the noise may be
	// before it counts as none: it bounds the logarithm of a flat line.
	stillness = 16
)

// The centre and the mean absolute deviation from it follow sample time, not the
// number of samples: at a short interval they would otherwise follow the daily wave.
const (
	centreGain = 0.001 / 300 // per second
	madGain    = 0.002 / 300 // per second
	clip       = 5           // in mean absolute deviations
)

// Forest is what one stream has taught. The zero value is ready.
type Forest struct {
	trees [own]tree

	at               int64   // time of the last sample, ms
	last             float64 // its value
	step, fast, slow float64 // levels
	rough            float64 // mean |Δx|
	centre, mad      float64 // of x
	margin           float64 // by which the next extreme of x may exceed those seen

	n uint32 // samples seen
}

// Len is the number of samples seen.
func (f *Forest) Len() int { return int(f.n) }

// Centre is the level of the stream over days.
func (f *Forest) Centre() float64 { return f.centre }

// Level is the level of the stream over the last 33 samples.
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
	return isolation(seen, (x-float64(t.base))/float64(t.width), float64(t.width), 0)
}

// Score says how isolated x, seen at t (ms), is among what was seen before: 0 for
// nothing new, 1 for unheard of. ch is the channel that isolated it most.
// Then x is learned. t must not fall from call to call; x must be finite, and
// counts as ±1e36 beyond that.
func (f *Forest) Score(t int64, x float64) (s float64, ch Channel) {
	var each Scores
	return f.ScoreEach(t, x, &each)
}

// Scores are what every channel said of a point; 0 of one that is too young to say.
type Scores [Channels]float32

// ScoreEach is Score that says in each what every channel found.
func (f *Forest) ScoreEach(t int64, x float64, each *Scores) (s float64, ch Channel) {
	ordinary, _, ch := f.isolate(t, x, each)
	return f.total(ordinary), ch
}

// ScoreSeasonal is ScoreEach for a stream whose season is known: rest is what level
// and season leave of x, scale its usual magnitude, and r has learned what is ordinary
// of it.
func (f *Forest) ScoreSeasonal(t int64, x float64, r *Rest, rest, scale float64, each *Scores) (s float64, ch Channel) {
	ordinary, top, ch := f.isolate(t, x, each)
	sc := r.isolate(rest, scale)
	each[Season] = float32(sc)
	if sc > top {
		ch = Season
	}
	return f.total(ordinary * (1 - sc)), ch
}

// total is the score of a point that is ordinary by so much.
func (f *Forest) total(ordinary float64) float64 {
	if ordinary == 1 {
		return 0
	}
	return math.Pow(1-ordinary, 1+youth/float64(f.n))
}

// isolate has every tree score x, then learn it: ordinary is what they leave of 1, top
// the highest score and ch whose it is, each what every one of them said.
func (f *Forest) isolate(t int64, x float64, each *Scores) (ordinary, top float64, ch Channel) {
	x = min(max(x, -huge), huge)
	mad := f.mad // before x
	f.learn(t, x)

	// What a magnitude deviates where x deviates by mad.
	inLog := math.Log2E / (1 + math.Abs(f.centre))
	spread := valueSpread*mad + f.margin
	points := [own]struct{ f, spread float64 }{
		Value:     {x, spread},
		Log:       {math.Copysign(math.Log2(1+math.Abs(x)), x), spread * inLog},
		Fast:      {f.fast, fastSpread*mad + fastGain*f.margin},
		Slow:      {f.slow, slowSpread * mad},
		Shift:     {f.step - f.slow, shiftSpread*mad + stepGain*f.margin},
		Roughness: {math.Log2(f.rough + float64(f.trees[Value].width)/stillness), roughSpread},
	}
	ordinary = 1
	for c := range points {
		if f.n < first[c] {
			continue
		}
		tr := &f.trees[c]
		sc := tr.score(points[c].f, points[c].spread)
		each[c] = float32(sc)
		if sc > top {
			top, ch = sc, Channel(c)
		}
		ordinary *= 1 - sc
		if f.n%quarantine[c] == 0 {
			tr.release()
			if c == int(Value) {
				f.foresee()
			}
		}
		if f.n%epoch == 0 {
			tr.forget(points[c].f)
		}
	}
	return ordinary, top, ch
}

// foresee says by how much the next extreme may exceed those seen.
func (f *Forest) foresee() {
	f.margin = roam * min(max(f.trees[Fast].span()-calm*f.mad, 0), utmost*f.mad)
}

// learn takes x into the moments the channels are made of.
func (f *Forest) learn(t int64, x float64) {
	if f.n == 0 {
		f.step, f.fast, f.slow, f.centre = x, x, x, x
	}
	f.n++
	young := 1 / float64(f.n)
	f.step += max(stepGain, young) * (x - f.step)
	f.fast += max(fastGain, young) * (x - f.fast)
	f.slow += max(slowGain, young) * (x - f.slow)
	if f.n > 1 {
		f.rough += max(roughGain, 1/float64(f.n-1)) * (math.Abs(x-f.last) - f.rough)

		dt := (float64(t) - float64(f.at)) / 1000
		dev := x - f.centre
		// A bin's width keeps the clip open where nothing has deviated yet.
		most := max(clip*f.mad, float64(f.trees[Value].width))
		dev = min(max(dev, -most), most)
		f.centre += min(max(centreGain*dt, young), 1) * dev
		f.mad += min(max(madGain*dt, young), 1) * (math.Abs(dev) - f.mad)
	}
	f.at, f.last = t, x
}
