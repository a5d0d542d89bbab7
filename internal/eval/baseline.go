package eval

import (
	"context"
	"math"
	"time"
)

// scorer is a baseline that has heard the past of one series. It scores the value x
// at t (ms) against it, then learns it; 1 is the threshold its users set. It scores 0
// until it has heard enough.
type scorer interface {
	score(t int64, x float64) float64
}

const (
	day = 24 * time.Hour

	// sigmas is the usual threshold on a deviation, in standard deviations.
	sigmas = 3

	// highest is the most a baseline scores, where the past did not vary at all.
	highest = 1e6
)

// baselines are what people use instead, each as its own documentation has it.
func baselines() []method {
	named := func(name string, start func(interval time.Duration) scorer) method {
		return method{name, func(ctx context.Context, streams []*stream) ([]track, Cost, error) {
			return each(ctx, streams, start)
		}}
	}
	return []method{
		named("rolling z-score", newRollingZ),
		named("season z-score", newSeasonZ),
		named("linear prediction", newPrediction),
		named("k-means consensus", newConsensus),
		named("isolation forest", newIsolation),
		named("fluctuation", newFluctuation),
		{"vector distance", distances},
	}
}

// each scores every series by a scorer of its own.
func each(ctx context.Context, streams []*stream, start func(time.Duration) scorer) ([]track, Cost, error) {
	tracks := make([]track, len(streams))
	samples := 0
	used := processorTime()
	for i, s := range streams {
		tracks[i] = newTrack(len(s.times))
		scores := make([]float64, len(s.times))
		for _, values := range s.values {
			judge := start(s.interval)
			last := 0.0
			for row, x := range values {
				if !math.IsNaN(x) {
					last = min(judge.score(s.times[row], x), highest)
				}
				scores[row] = last
			}
			tracks[i].add(scores, len(s.values))
			if err := ctx.Err(); err != nil {
				return nil, Cost{}, err
			}
		}
		tracks[i].alerts = news(tracks[i].top)
		samples += s.samples()
	}
	return tracks, costOf(used, samples), nil
}

// deviation is how far x lies from what was expected of it, relative to sigmas
// standard deviations. One smaller than a billionth of the value is rounding.
func deviation(x, expected, sd float64) float64 {
	return math.Abs(x-expected) / (sigmas * max(sd, 1e-9*math.Abs(expected), math.SmallestNonzeroFloat64))
}

// lasting is how many rows a span takes, but no fewer than least.
func lasting(span, interval time.Duration, least int) int {
	return max(int(span/interval), least)
}

// ring holds the latest values.
type ring struct {
	values []float64
	n      int // heard
}

func newRing(size int) *ring { return &ring{values: make([]float64, size)} }

func (r *ring) add(x float64) {
	r.values[r.n%len(r.values)] = x
	r.n++
}

func (r *ring) full() bool { return r.n >= len(r.values) }

// ago is the value heard i values before the latest.
func (r *ring) ago(i int) float64 { return r.values[(r.n-1-i)%len(r.values)] }

// inOrder writes the values into into, the oldest first. The ring must be full.
func (r *ring) inOrder(into []float64) {
	at := r.n % len(r.values)
	copy(into[copy(into, r.values[at:]):], r.values[:at])
}

// moments are the mean and the standard deviation of the values.
func moments(values []float64) (mean, sd float64) {
	mean = average(values)
	sum := 0.0
	for _, v := range values {
		sum += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(sum / float64(len(values)))
}
