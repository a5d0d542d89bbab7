package eval

import (
	"math"
	"time"
)

// Netdata's settings, which are for a sample a second: a model is fitted to the last
// six hours every three, and eighteen are kept. Here a window is never shorter than
// consensusLeast rows.
const (
	consensusSpan   = 6 * time.Hour
	consensusLeast  = 120
	consensusModels = 18
	consensusSmooth = 3    // differences averaged
	consensusLags   = 6    // of them are a point
	consensusLimit  = 0.99 // of a model's scale: at and beyond, it calls a point anomalous
	consensusRounds = 100  // of Lloyd's iteration, at most
)

// consensus is how Netdata finds anomalies: k-means with two centres over points of
// the last smoothed differences. A model's scale runs from the least to the largest
// mean distance to its centres that it was fitted to; a point is anomalous when all
// models say so, so the least of their scores counts.
//
// Source: the Netdata Agent's documentation of its machine learning, and its k-means.
type consensus struct {
	last        float64
	heard       int
	differences *ring
	smoothed    *ring
	points      []point // the window's, a ring
	made        int     // points
	models      []clusters
}

type point [consensusLags]float64

// clusters is one model.
type clusters struct {
	centres     [2]point
	least, most float64 // mean distance to the centres
}

func newConsensus(interval time.Duration) scorer {
	return &consensus{
		differences: newRing(consensusSmooth),
		smoothed:    newRing(consensusLags),
		points:      make([]point, lasting(consensusSpan, interval, consensusLeast)),
	}
}

func (c *consensus) score(_ int64, x float64) float64 {
	c.heard++
	c.differences.add(x - c.last)
	c.last = x
	if c.heard == 1 {
		c.differences.n = 0 // of the first value there is none
		return 0
	}
	if !c.differences.full() {
		return 0
	}
	c.smoothed.add(average(c.differences.values))
	if !c.smoothed.full() {
		return 0
	}
	var p point
	c.smoothed.inOrder(p[:])
	s := 0.0
	if len(c.models) > 0 {
		s = math.Inf(1)
		for i := range c.models {
			s = min(s, c.models[i].score(p)/consensusLimit)
		}
	}
	c.points[c.made%len(c.points)] = p
	c.made++
	if c.made >= len(c.points) && c.made%(len(c.points)/2) == 0 {
		if len(c.models) == consensusModels {
			c.models = append(c.models[:0], c.models[1:]...)
		}
		c.models = append(c.models, fitClusters(c.points))
	}
	return s
}

func (m *clusters) score(p point) float64 {
	if m.most == m.least {
		return 0
	}
	return math.Abs((m.meanDistance(p) - m.least) / (m.most - m.least))
}

func (m *clusters) meanDistance(p point) float64 {
	return (p.distance(m.centres[0]) + p.distance(m.centres[1])) / 2
}

// fitClusters begins with the point farthest from the mean and the one farthest from
// that, and ends when no point changes its centre.
func fitClusters(points []point) clusters {
	m := clusters{least: math.Inf(1)}
	m.centres[0] = farthest(points, centre(points, func(int) bool { return true }))
	m.centres[1] = farthest(points, m.centres[0])
	nearer := make([]int, len(points))
	for range consensusRounds {
		moved := false
		for i, p := range points {
			k := 0
			if p.distance(m.centres[1]) < p.distance(m.centres[0]) {
				k = 1
			}
			moved = moved || k != nearer[i]
			nearer[i] = k
		}
		if !moved {
			break
		}
		for k := range m.centres {
			m.centres[k] = centre(points, func(i int) bool { return nearer[i] == k })
		}
	}
	for _, p := range points {
		d := m.meanDistance(p)
		m.least, m.most = min(m.least, d), max(m.most, d)
	}
	return m
}

func farthest(points []point, from point) point {
	best := from
	for _, p := range points {
		if p.distance(from) > best.distance(from) {
			best = p
		}
	}
	return best
}

// centre is the mean of the points that belong; that none does cannot happen, as
// each centre begins as a point.
func centre(points []point, belongs func(i int) bool) point {
	var sum point
	n := 0.0
	for i, p := range points {
		if belongs(i) {
			n++
			for k, v := range p {
				sum[k] += v
			}
		}
	}
	for k := range sum {
		sum[k] /= max(n, 1)
	}
	return sum
}

func (p point) distance(q point) float64 {
	sum := 0.0
	for k := range p {
		sum += (p[k] - q[k]) * (p[k] - q[k])
	}
	return math.Sqrt(sum)
}
