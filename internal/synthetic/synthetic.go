// Package synthetic makes streams whose truth is known: noise of several kinds,
// with or without one thing wrong with it. A Generator makes them point by point; a
// Pattern in sample time, so that the same happens at any interval.
//
// A stream is a pure function of seed, interval and length: the same three give the
// same points on every machine, so that a rate measured on them can be a gate. Two
// seeds give independent streams. Nothing here reads a clock or allocates more than
// the points it returns.
package synthetic

import (
	"math"
	"math/rand/v2"
	"time"
)

// Point is one value at one time.
type Point struct {
	T int64 // ms since the epoch
	V float64
}

// Stream is a run of points and what is wrong with it.
type Stream struct {
	Points []Point // as they arrive: by time, strictly increasing, but for those of Missed
	// From and To bound the points that are abnormal, [From, To). Both are
	// len(Points) where nothing is.
	From, To int
}

// Generator makes the stream of a seed: length points, one an interval.
type Generator func(seed uint64, interval time.Duration, length int) Stream

const (
	// Level and Sigma are the mean and the standard deviation of the noise under
	// every stream that does not say otherwise.
	Level = 100.0
	Sigma = 1.0

	// Start is the time of the first point: 2026-01-05T00:00:00Z, a Monday.
	Start = 1767571200000
)

const day = 24 * time.Hour

// random is the source of the stream of a seed. The second word of the state keeps
// seeds that follow each other apart.
func random(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, seed*0x9e3779b97f4a7c15+1))
}

// stream calls value for each point in order.
func stream(interval time.Duration, length int, value func(i int) float64) Stream {
	points := make([]Point, length)
	for i := range points {
		points[i] = Point{T: Start + int64(i)*interval.Milliseconds(), V: value(i)}
	}
	return Stream{Points: points, From: length, To: length}
}

// event marks [from, to) as abnormal, bounded by the stream, and edits its points.
func (s Stream) event(from, to int, edit func(i int, v float64) float64) Stream {
	s.From, s.To = min(from, len(s.Points)), min(to, len(s.Points))
	for i := s.From; i < s.To; i++ {
		s.Points[i].V = edit(i, s.Points[i].V)
	}
	return s
}

// late is where the one event of a stream begins: somewhere in its last quarter but
// a sixteenth, which the event may need to show.
func late(r *rand.Rand, length int) int {
	return length*3/4 + r.IntN(max(length*3/16, 1))
}

// Noise is white and normal.
func Noise(seed uint64, interval time.Duration, length int) Stream {
	r := random(seed)
	return stream(interval, length, func(int) float64 { return Level + Sigma*r.NormFloat64() })
}

// Spike is Noise with sigmas × Sigma added to one late point.
func Spike(sigmas float64) Generator {
	return func(seed uint64, interval time.Duration, length int) Stream {
		at := late(random(^seed), length)
		return Noise(seed, interval, length).event(at, at+1, func(_ int, v float64) float64 {
			return v + sigmas*Sigma
		})
	}
}

// Shift is Noise with sigmas × Sigma added to every point from a late one on.
func Shift(sigmas float64) Generator {
	return func(seed uint64, interval time.Duration, length int) Stream {
		at := late(random(^seed), length)
		return Noise(seed, interval, length).event(at, length, func(_ int, v float64) float64 {
			return v + sigmas*Sigma
		})
	}
}

// Flatline is Noise that gets stuck at a late point.
func Flatline(seed uint64, interval time.Duration, length int) Stream {
	s := Noise(seed, interval, length)
	at := late(random(^seed), length)
	return s.event(at, length, func(int, float64) float64 { return s.Points[at].V })
}

// Wave is Noise on a daily wave ten Sigma high from trough to crest.
func Wave(seed uint64, interval time.Duration, length int) Stream {
	s := Noise(seed, interval, length)
	for i := range s.Points {
		s.Points[i].V += wave(i, interval)
	}
	return s
}

// MissingWave is Wave without its wave on one late day, midnight to midnight: only
// noise around what is then the mean. The stream is at least four days long.
func MissingWave(seed uint64, interval time.Duration, length int) Stream {
	perDay := int(day / interval)
	days := length / perDay
	at := (days*3/4 + random(^seed).IntN(max(days-days*3/4, 1))) * perDay
	return Wave(seed, interval, length).event(at, at+perDay, func(i int, v float64) float64 {
		return v - wave(i, interval)
	})
}

func wave(i int, interval time.Duration) float64 {
	return 5 * Sigma * math.Sin(2*math.Pi*float64(i)*interval.Hours()/24)
}

// Drift is Noise that climbs one Sigma a day from the start: normal for this stream.
func Drift(seed uint64, interval time.Duration, length int) Stream {
	s := Noise(seed, interval, length)
	for i := range s.Points {
		s.Points[i].V += Sigma * float64(i) * interval.Hours() / 24
	}
	return s
}

// HeavyTail has Student's t distribution with three degrees of freedom, scaled to a
// standard deviation of Sigma.
func HeavyTail(seed uint64, interval time.Duration, length int) Stream {
	const freedom = 3
	r := random(seed)
	return stream(interval, length, func(int) float64 {
		var chi2 float64
		for range freedom {
			z := r.NormFloat64()
			chi2 += z * z
		}
		// t has a variance of freedom/(freedom−2) = 3.
		return Level + Sigma*r.NormFloat64()/math.Sqrt(chi2/freedom)/math.Sqrt(freedom)
	})
}

// Constant is one value that never changes.
func Constant(seed uint64, interval time.Duration, length int) Stream {
	v := Level + float64(seed)
	return stream(interval, length, func(int) float64 { return v })
}

// Autoregressive is normal noise of which each point keeps 0.9 of the one before,
// with a standard deviation of Sigma.
func Autoregressive(seed uint64, interval time.Duration, length int) Stream {
	const keep = 0.9
	r := random(seed)
	x := r.NormFloat64()
	return stream(interval, length, func(int) float64 {
		v := Level + Sigma*x
		x = keep*x + math.Sqrt(1-keep*keep)*r.NormFloat64()
		return v
	})
}

// Counts are the events of a quiet minute: Poisson, one in five points not zero.
func Counts(seed uint64, interval time.Duration, length int) Stream {
	r := random(seed)
	return stream(interval, length, func(int) float64 { return float64(poisson(r, 0.22)) })
}

// Counter is a cumulative one that grows by about ten a point and starts again from
// zero, as after a restart, every thousand points or so.
func Counter(seed uint64, interval time.Duration, length int) Stream {
	r := random(seed)
	var total float64
	return stream(interval, length, func(int) float64 {
		if r.IntN(1000) == 0 {
			total = 0
		}
		total += float64(poisson(r, 10))
		return total
	})
}

// Gaps is Noise of which one point in a hundred is missing, and one stretch of up to
// an hour in a thousand: shorter than asked for, and irregular.
func Gaps(seed uint64, interval time.Duration, length int) Stream {
	s := Noise(seed, interval, length)
	r := random(^seed)
	kept := s.Points[:0]
	for i := 0; i < length; i++ {
		switch {
		case r.IntN(1000) == 0:
			i += r.IntN(max(int(time.Hour/interval), 1))
		case r.IntN(100) != 0:
			kept = append(kept, s.Points[i])
		}
	}
	return Stream{Points: kept, From: len(kept), To: len(kept)}
}

// poisson draws a count whose mean is small, by Knuth's product of uniforms.
func poisson(r *rand.Rand, mean float64) int {
	limit, k := math.Exp(-mean), 0
	for p := r.Float64(); p > limit; p *= r.Float64() {
		k++
	}
	return k
}
