package synthetic

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/prometheus/prometheus/model/value"
)

// Pattern is a stream in sample time. What it does, it does by the minute and for so
// long, so the same pattern can be looked at every second or every five minutes: a
// Generator draws anew at each point, a Pattern shows more or less of one process.
type Pattern struct {
	// Ground is what is ordinary, made by the minute. A value holds for its minute.
	Ground Generator

	// Exact says that looking at the same value twice reads the same, as of a count or
	// a constant. Otherwise each look adds noise of a twentieth of Sigma.
	Exact bool

	// Event is what happens late in the stream; the zero Event is nothing.
	Event Event

	// Counter has the stream be a counter that grows by the values, each a rate per
	// second, and starts again from zero every thousand minutes or so.
	Counter bool

	// Scrape is what becomes of the readings on their way; nil: they all arrive in time.
	Scrape Scrape
}

// blur is the noise of a look, for streams that are not Exact.
const blur = Sigma / 20

// restarts is how many minutes a counter lasts, on average.
const restarts = 1000

// Stream looks at the pattern of a seed every interval, for span. Seed and span give
// the same process whatever the interval, and the same event at the same time.
func (p Pattern) Stream(seed uint64, interval, span time.Duration) Stream {
	minutes := int(span / time.Minute)
	ground := p.Ground(seed, time.Minute, minutes).Points
	onset, end := p.Event.when(random(^seed), minutes)
	looks, fate := random(seed^0x5bd1e995), random(^seed^0x5bd1e995)
	sharp := blur
	if p.Exact {
		sharp = 0
	}

	var stuck, total float64
	read := func(at time.Duration) float64 {
		v := ground[at/time.Minute].V
		if sharp > 0 {
			v += sharp * looks.NormFloat64()
		}
		if at < onset || at >= end {
			stuck = v
			return v
		}
		return p.Event.Edit(Moment{V: v, Stuck: stuck, At: at, Age: at - onset})
	}
	counted := time.Duration(0) // up to here the counter stands for
	s := stream(interval, int(span/interval), func(i int) float64 {
		at := time.Duration(i) * interval
		if !p.Counter {
			return read(at)
		}
		for ; counted <= at; counted += min(interval, time.Minute) {
			if counted%time.Minute == 0 && fate.IntN(restarts) == 0 {
				total = 0
			}
			total += read(counted) * min(interval, time.Minute).Seconds()
		}
		return total
	})
	if p.Scrape != nil {
		s.Points = p.Scrape(random(seed^0xc2b2ae35), interval, s.Points)
	}
	for i := len(s.Points) - 1; i >= 0; i-- {
		at := time.Duration(s.Points[i].T-Start) * time.Millisecond
		if at >= end {
			s.To = i
		}
		if at >= onset {
			s.From = i
		}
	}
	s.From, s.To = min(s.From, len(s.Points)), min(s.To, len(s.Points))
	return s
}

// Scrape is what becomes of readings taken every interval: some may not arrive, or not
// in their order. It may reuse points.
type Scrape func(r *rand.Rand, interval time.Duration, points []Point) []Point

// Missed loses one reading in fifty and delivers as many late by one interval: after
// the reading that follows.
func Missed(r *rand.Rand, _ time.Duration, points []Point) []Point {
	kept := points[:0]
	for i := 0; i < len(points); i++ {
		switch fate := r.IntN(50); {
		case fate == 0:
		case fate == 1 && i+1 < len(points):
			kept = append(kept, points[i+1], points[i])
			i++
		default:
			kept = append(kept, points[i])
		}
	}
	return kept
}

// Gapped loses what was read in stretches of up to an hour, one in a thousand minutes.
func Gapped(r *rand.Rand, _ time.Duration, points []Point) []Point {
	return gapped(r, points, nil)
}

// Ended is Gapped where the stream says that it ends: the first reading that is lost
// arrives as Prometheus's staleness marker.
func Ended(r *rand.Rand, _ time.Duration, points []Point) []Point {
	marker := math.Float64frombits(value.StaleNaN)
	return gapped(r, points, &marker)
}

func gapped(r *rand.Rand, points []Point, marker *float64) []Point {
	const minute = int64(time.Minute / time.Millisecond)
	kept := points[:0]
	until := int64(Start) // nothing arrives before
	told := true          // that the stream ended
	for at, i := int64(Start), 0; i < len(points); at += minute {
		if r.IntN(1000) == 0 {
			until = max(until, at+(1+r.Int64N(60))*minute)
			told = marker == nil
		}
		for ; i < len(points) && points[i].T < at+minute; i++ {
			switch {
			case points[i].T >= until:
				kept = append(kept, points[i])
			case !told:
				kept = append(kept, Point{T: points[i].T, V: *marker})
				told = true
			}
		}
	}
	return kept
}
