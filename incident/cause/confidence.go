package cause

import "math"

// confidence is how often a cause was it that had this rank and this share of all scores:
// a logistic curve of the logit of the share, fitted on the labelled sets and the shipped
// scenarios together (`foreshock eval-rca`), which docs/causes.md shows beside what was
// seen. Only the ranks told have one.
func confidence(rank int, share float64) float64 {
	share = min(max(share, .01), .99)
	x := confidenceAt + confidenceSlope*math.Log(share/(1-share))
	if rank > 0 {
		x += confidenceLater
	}
	return min(max(1/(1+math.Exp(-x)), leastConfidence), mostConfidence)
}

const (
	confidenceAt    = 2.2
	confidenceSlope = 1.7
	confidenceLater = -1.8
	// Of some hundred cases no rate nearer to 0 or 1 than this can be known: 3/100.
	leastConfidence = .03
	mostConfidence  = .97
)
