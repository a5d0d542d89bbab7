package calibration

import "math"

// sparse is how many scores at least as high the table must hold to be believed: ten,
// of which chance moves a third. Beyond, the tail fitted to the highest of all says more.
const sparse = 10

// Table is how often scores were as high as any, when it was made.
type Table struct {
	above cumulative
	high  float64
	tail  tail
	knee  float64 // from here on the tail speaks
	atK   float64 // what the tail says there
}

// Table returns what the pool holds now.
func (p *Pool) Table() *Table {
	t := &Table{above: accumulate(&p.weight), tail: p.tail, high: p.high}
	t.knee = math.Inf(1)
	if t.tail.fitted() {
		t.knee = max(reach(&p.weight, sparse), t.tail.from)
		t.atK = t.tail.survival(t.knee)
		if t.atK == 0 {
			t.knee = math.Inf(1)
		}
	}
	return t
}

// Len is the weight of all scores.
func (t *Table) Len() float64 { return t.above[0] }

// High is how high scores went of late; 0 when there are none.
func (t *Table) High() float64 { return t.high }

// P is how likely a score is at least as high as this one: (1 + n) / (N + 1) where n of N
// were, and where hardly any was what the fitted tail says. It falls as the score rises
// and is 1 while nothing is known; it can be 0 only where the tail has an end.
func (t *Table) P(score float64) float64 {
	if score > t.knee {
		return t.counted(t.knee) * t.tail.survival(score) / t.atK
	}
	return t.counted(score)
}

// counted is P by the table alone.
func (t *Table) counted(score float64) float64 {
	return min((1+t.atLeast(score))/(t.above[0]+1), 1)
}

// atLeast is the weight of the scores at or above score.
func (t *Table) atLeast(score float64) float64 { return t.above.atLeast(score) }

// cumulative is the weight at or above the lower edge of each bin.
type cumulative [bins + 1]float64

func accumulate(weight *[bins]float64) (above cumulative) {
	for i := bins - 1; i >= 0; i-- {
		above[i] = above[i+1] + weight[i]
	}
	return above
}

// atLeast is the weight at or above score: what is in a bin is spread evenly.
func (a *cumulative) atLeast(score float64) float64 {
	i := bin(score)
	lower, upper := edge(i), edge(i+1)
	part := min(max((score-lower)/(upper-lower), 0), 1)
	return a[i] + part*(a[i+1]-a[i])
}
