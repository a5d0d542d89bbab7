package eval

import (
	"math"
	"slices"
)

const (
	spotLeast = 500  // values that a threshold is begun with, at least
	spotLevel = 0.98 // of them lie below what counts as a peak
	spotPeaks = 10   // fewer have no tail
)

// spot is the threshold that a share risk of a stream's values exceeds, by the tail of
// its peaks: a generalised Pareto distribution fitted to all excesses over a high
// quantile of its first values, by the method of moments. A value beyond the threshold
// teaches nothing, as its authors want it; that cuts the tail, and some four times the
// risk exceeds the threshold.
//
// Source: Siffer, Fouque, Termier and Largouët, "Anomaly Detection in Streams with
// Extreme Value Theory" (KDD 2017); the moments, for speed, as FluxEV has them.
type spot struct {
	risk         float64
	first        []float64 // values, until there are as many as its room
	base         float64   // what a peak exceeds
	n            float64   // values heard, but those beyond the threshold
	peaks        float64   // of them
	sum, squares float64   // of the excesses
	limit        float64   // infinite until there is a tail
}

// newSpot begins with so many values.
func newSpot(risk float64, begin int) *spot {
	return &spot{risk: risk, first: make([]float64, 0, max(begin, spotLeast)), limit: math.Inf(1)}
}

// score is x relative to the threshold, which then hears it; 0 until there is one.
func (p *spot) score(x float64) float64 {
	if p.first != nil {
		if p.first = append(p.first, x); len(p.first) == cap(p.first) {
			p.begin()
		}
		return 0
	}
	s := x / max(p.limit, math.SmallestNonzeroFloat64)
	if x <= p.limit {
		p.hear(x)
	}
	return s
}

func (p *spot) begin() {
	sorted := slices.Clone(p.first)
	slices.Sort(sorted)
	p.base = sorted[int(spotLevel*float64(len(sorted)))]
	for _, x := range p.first {
		p.hear(x)
	}
	p.first = nil
}

func (p *spot) hear(x float64) {
	p.n++
	if x <= p.base {
		return
	}
	p.peaks++
	p.sum += x - p.base
	p.squares += (x - p.base) * (x - p.base)
	if p.peaks < spotPeaks {
		return
	}
	mean := p.sum / p.peaks
	variance := (p.squares - mean*p.sum) / (p.peaks - 1)
	beyond := min(p.n*p.risk/p.peaks, 1) // the share of peaks that may be
	ratio := mean * mean / variance
	if shape := (1 - ratio) / 2; variance > 0 && math.Abs(shape) > 1e-6 && !math.IsInf(ratio, 0) {
		scale := mean * (1 + ratio) / 2
		p.limit = p.base + scale/shape*(math.Pow(beyond, -shape)-1)
	} else {
		p.limit = p.base - mean*math.Log(beyond)
	}
}
