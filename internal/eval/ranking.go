package eval

import (
	"math"
	"slices"
	"sort"
)

const (
	// vusBuffer is the longest buffer around an event, in rows, and vusThresholds how
	// many thresholds a curve has: both are TSB-AD's defaults.
	vusBuffer     = 100
	vusThresholds = 250
)

// aucPR is the area under the precision-recall curve as average precision: the sum
// over thresholds of precision times what recall gained. Rows of equal scores share a
// threshold. NaN where there is no event.
func aucPR(scores []float64, events []span) float64 {
	labels := make([]bool, len(scores))
	positives := 0.0
	for _, e := range events {
		for i := e.first; i <= e.last; i++ {
			labels[i] = true
			positives++
		}
	}
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return compareDown(scores[a], scores[b]) })
	var area, hits, before float64
	for k, i := range order {
		if labels[i] {
			hits++
		}
		if k+1 < len(order) && scores[order[k+1]] == scores[i] {
			continue
		}
		area += (hits - before) / positives * hits / float64(k+1)
		before = hits
	}
	if positives == 0 {
		return math.NaN()
	}
	return area
}

func compareDown(a, b float64) int {
	switch {
	case a > b:
		return -1
	case a < b:
		return 1
	}
	return 0
}

// vusPR is the volume under the surface of Paparrizos et al., "Volume Under the
// Surface" (PVLDB 15(11), 2022), as TSB-AD (NeurIPS 2024) computes it: the mean, over
// buffers ℓ of 0 to longest rows, of the area under the range-based precision-recall
// curve. A row d ≤ ℓ/2 away from an event is one to the degree √(1−d/ℓ); recall is
// multiplied by the share of events found at all. NaN where there is no event.
func vusPR(scores []float64, events []span, longest int) float64 {
	if len(events) == 0 {
		return math.NaN()
	}
	r := rank(scores, events)
	var volume float64
	soft := make([]float64, len(scores))
	for buffer := 0; buffer <= longest; buffer++ {
		touched := soften(soft, events, buffer)
		volume += r.area(soft, touched)
		for _, e := range touched {
			clear(soft[e.first : e.last+1])
		}
	}
	return volume / float64(longest+1)
}

// soften writes into soft, which is 0, to what degree each row belongs to an event,
// and returns where they do at all: a span for each event, or one for several whose
// buffers overlap.
func soften(soft []float64, events []span, buffer int) []span {
	var touched []span
	for _, e := range events {
		reach := span{max(e.first-buffer/2, 0), min(e.last+buffer/2, len(soft)-1)}
		for i := reach.first; i <= reach.last; i++ {
			switch d := float64(max(e.first-i, i-e.last, 0)); d {
			case 0:
				soft[i] = 1
			default:
				soft[i] = min(soft[i]+math.Sqrt(1-d/float64(buffer)), 1)
			}
		}
		if n := len(touched); n > 0 && touched[n-1].last >= reach.first {
			touched[n-1].last = reach.last
		} else {
			touched = append(touched, reach)
		}
	}
	return touched
}

// ranking is at which of a curve's thresholds each row is first called anomalous.
type ranking struct {
	first     []int                  // threshold, by row
	called    [vusThresholds]float64 // rows at or above each threshold
	sharp     []bool                 // the row is labelled
	positives float64                // rows that are
}

// rank spreads the thresholds evenly over the sorted scores.
func rank(scores []float64, events []span) *ranking {
	sorted := slices.Clone(scores)
	slices.SortFunc(sorted, compareDown)
	var thresholds [vusThresholds]float64
	for k := range thresholds {
		thresholds[k] = sorted[k*(len(sorted)-1)/(vusThresholds-1)]
	}
	r := &ranking{first: make([]int, len(scores)), sharp: make([]bool, len(scores))}
	for i, s := range scores {
		r.first[i] = sort.Search(vusThresholds, func(k int) bool { return thresholds[k] <= s })
		r.called[r.first[i]]++
	}
	for k := 1; k < vusThresholds; k++ {
		r.called[k] += r.called[k-1]
	}
	for _, e := range events {
		for i := e.first; i <= e.last; i++ {
			r.sharp[i] = true
			r.positives++
		}
	}
	return r
}

// area is that under the curve for the degrees in soft, which are above 0 in the
// spans touched alone.
func (r *ranking) area(soft []float64, touched []span) float64 {
	var hits, around, found [vusThresholds]float64 // what each threshold adds
	for _, e := range touched {
		earliest := vusThresholds - 1
		for i := e.first; i <= e.last; i++ {
			k := r.first[i]
			hits[k] += soft[i]
			if !r.sharp[i] {
				around[k] += soft[i]
			}
			earliest = min(earliest, k)
		}
		found[earliest]++
	}
	var area, hit, near, existence, before float64
	for k := range hits {
		hit += hits[k]
		near += around[k]
		existence += found[k]
		// A buffer's row that is hit counts half in what there was to hit, one that is
		// not hit does not count: nobody is asked to alert there.
		recall := min(hit/(r.positives+near/2), 1) * existence / float64(len(touched))
		area += (recall - before) * hit / r.called[k]
		before = recall
	}
	return area
}
