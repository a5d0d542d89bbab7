package eval

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	distancePast    = 1000          // vectors kept
	distanceShingle = 10            // values of a vector, where there is one series
	distanceWait    = 6 * time.Hour // until a vector is past: what lasts must not hide itself
	distanceClip    = 100           // what a coordinate may be off by, in deviations
	distanceRisk    = 1e-3          // of SPOT
)

// distance is how far the vector of a machine's metrics lies from the nearest of those
// kept of its past: a uniform sample of all older than six hours, each metric
// relative to its median and its median absolute deviation in that sample. Of a lone series the
// vector is its last ten values. The threshold is SPOT's.
//
// Source: Ramaswamy, Rastogi and Shim, "Efficient Algorithms for Mining Outliers from
// Large Data Sets" (SIGMOD 2000), of one neighbour, on a sample by Vitter, "Random
// Sampling with a Reservoir" (TOMS 1985).
type distance struct {
	past    [][]float64 // as they were
	scaled  [][]float64 // the same, relative to the metrics' own
	waiting [][]float64 // until they are past, a ring
	heard   int         // vectors
	seen    int         // of them old enough to be past
	stale   int         // taken into the past since it was scaled

	centre, scale []float64 // by metric
	now           []float64 // the vector at hand, scaled
	column        []float64 // room to sort
	random        *rand.Rand
	limit         *spot
}

func newDistance(metrics int, interval time.Duration) *distance {
	d := &distance{
		waiting: make([][]float64, lasting(distanceWait, interval, 1)),
		centre:  make([]float64, metrics),
		scale:   make([]float64, metrics),
		now:     make([]float64, metrics),
		random:  rand.New(rand.NewPCG(1, 2)),
		limit:   newSpot(distanceRisk, lasting(day, interval, 1)),
	}
	return d
}

// score is how far the vector v lies from the past, relative to the threshold; v is
// kept.
func (d *distance) score(v []float64) float64 {
	s := 0.0
	if len(d.past) == distancePast {
		if d.stale >= distancePast/10 {
			d.rescale()
		}
		d.relate(v, d.now)
		s = d.limit.score(d.nearest())
	}
	at := d.heard % len(d.waiting)
	if old := d.waiting[at]; old != nil {
		d.take(old)
	}
	d.waiting[at] = slices.Clone(v)
	d.heard++
	return s
}

// take has v be one of the past by Vitter's algorithm R.
func (d *distance) take(v []float64) {
	d.seen++
	if len(d.past) < distancePast {
		d.past = append(d.past, v)
		d.scaled = append(d.scaled, make([]float64, len(v)))
		d.stale = distancePast
		return
	}
	if i := d.random.IntN(d.seen); i < distancePast {
		d.past[i] = v
		d.relate(v, d.scaled[i])
		d.stale++
	}
}

// rescale takes the metrics' medians and deviations anew.
func (d *distance) rescale() {
	d.stale = 0
	d.column = slices.Grow(d.column[:0], len(d.past))[:len(d.past)]
	for k := range d.centre {
		for i, v := range d.past {
			d.column[i] = v[k]
		}
		d.centre[k] = median(d.column)
		mean := 0.0
		for i, v := range d.past {
			d.column[i] = math.Abs(v[k] - d.centre[k])
			mean += d.column[i] / float64(len(d.past))
		}
		// Of normal noise both are its standard deviation. What is the same most of the
		// time has no median deviation, but may have a mean one.
		d.scale[k] = max(1.4826*median(d.column), 1.2533*mean, 1e-9*math.Abs(d.centre[k]), math.SmallestNonzeroFloat64)
	}
	for i, v := range d.past {
		d.relate(v, d.scaled[i])
	}
}

func (d *distance) relate(v, into []float64) {
	for k, x := range v {
		into[k] = min(max((x-d.centre[k])/d.scale[k], -distanceClip), distanceClip)
	}
}

// nearest is the distance per metric from the nearest of the past.
func (d *distance) nearest() float64 {
	const stride = 8 // coordinates between two looks at whether it is worth going on
	best := math.Inf(1)
	for _, v := range d.scaled {
		sum := 0.0
		for from := 0; from < len(v) && sum < best; from += stride {
			a, b := v[from:min(from+stride, len(v))], d.now[from:min(from+stride, len(v))]
			for k := range a {
				off := a[k] - b[k]
				sum += off * off
			}
		}
		best = min(best, sum)
	}
	return math.Sqrt(best / float64(len(d.now)))
}

// median is that of values, which it sorts.
func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// distances scores every stream by a distance of its own.
func distances(ctx context.Context, streams []*stream) ([]track, Cost, error) {
	tracks := make([]track, len(streams))
	samples := 0
	used := processorTime()
	for i, s := range streams {
		size := len(s.values)
		if size == 1 {
			size = distanceShingle
		}
		judge := newDistance(size, s.interval)
		scores := make([]float64, len(s.times))
		vector := make([]float64, size)
		for row := range s.times {
			if len(s.values) == 1 {
				copy(vector, vector[1:])
			}
			for j, values := range s.values {
				if x := values[row]; !math.IsNaN(x) { // a missing one is what it was before
					vector[size-len(s.values)+j] = x
				}
			}
			scores[row] = min(judge.score(vector), highest)
			if row%chunk == 0 && ctx.Err() != nil {
				return nil, Cost{}, ctx.Err()
			}
		}
		tracks[i] = newTrack(len(s.times))
		tracks[i].add(scores, 1)
		tracks[i].alerts = news(tracks[i].top)
		samples += s.samples()
	}
	return tracks, costOf(used, samples), nil
}
