package eval

import (
	"cmp"
	"math"
	"slices"
)

// profile is what the Numenta Anomaly Benchmark makes of a window found (tp), of a
// false detection (fp) and of a window missed (fn). The rule is that of Lavin and
// Ahmad, "Evaluating Real-Time Anomaly Detection Algorithms" (ICMLA 2015).
type profile struct{ tp, fp, fn float64 }

// profiles are the standard one, reward low FP and reward low FN.
var profiles = [3]profile{{1, 0.11, 1}, {1, 0.22, 1}, {1, 0.11, 2}}

// refractory is how many rows after one of its kind, or higher, a score is no news:
// most of what exceeds a threshold has just done so.
const refractory = 100

// detection is a row at which a detector spoke up.
type detection struct {
	score  float64
	window int     // among those of all files; −1 outside
	worth  float64 // (0, 1] within a window, [−1, 0) outside
}

func nabRow(name string, streams []*stream, tracks []track, cost Cost) NABRow {
	var raised, all []detection
	windows := 0
	for i, s := range streams {
		raised = append(raised, detections(s, tracks[i].alerts, windows)...)
		all = append(all, detections(s, news(tracks[i].top), windows)...)
		windows += len(s.events)
	}
	row := NABRow{Method: name, Cost: cost}
	for i, p := range profiles {
		row.Shipped[i] = figure(p.score(raised, windows, above1))
		best, at := p.best(raised, windows)
		if b, a := p.best(all, windows); b > best {
			best, at = b, a
		}
		row.Best[i], row.At[i] = figure(best), figure(at)
	}
	return row
}

// news keeps a score only where it exceeds those of the rows before it.
func news(scores []float64) []float64 {
	kept := make([]float64, len(scores))
	var highest []int // rows of the last refractory, scores falling
	for i, s := range scores {
		if len(highest) > 0 && highest[0] < i-refractory {
			highest = highest[1:]
		}
		if len(highest) == 0 || s > scores[highest[0]] {
			kept[i] = s
		}
		for len(highest) > 0 && scores[highest[len(highest)-1]] <= s {
			highest = highest[:len(highest)-1]
		}
		highest = append(highest, i)
	}
	return kept
}

// detections lists the rows of one file at which a score is above 0, but those of the
// probationary period. Windows are numbered from first.
func detections(s *stream, scores []float64, first int) []detection {
	var found []detection
	next := 0 // window: the first that does not lie before the row
	for row := s.from; row < len(scores); row++ {
		for next < len(s.events) && s.events[next].last < row {
			next++
		}
		if scores[row] <= 0 {
			continue
		}
		d := detection{score: scores[row], window: -1, worth: -1}
		switch {
		case next < len(s.events) && s.events[next].first <= row:
			w := s.events[next]
			width := float64(w.last - w.first + 1)
			d.window = first + next
			d.worth = sigmoid(-float64(w.last-row+1)/width) / sigmoid(-1)
		case next > 0:
			w := s.events[next-1]
			d.worth = sigmoid(float64(row-w.last) / float64(w.last-w.first))
		}
		found = append(found, d)
	}
	return found
}

// sigmoid is what a detection is worth by its place relative to a window's end, in
// widths of the window: 0 at the end, towards 1 before it, towards −1 after.
func sigmoid(place float64) float64 {
	if place > 3 {
		return -1
	}
	return 2/(1+math.Exp(5*place)) - 1
}

// score is the normalised score of the detections at or above threshold: 0 for a
// detector that says nothing, 100 for one that finds each window at its first row
// and says nothing else.
func (p profile) score(found []detection, windows int, threshold float64) float64 {
	t := p.newTally(windows)
	for _, d := range found {
		if d.score >= threshold {
			t.add(d)
		}
	}
	return t.normalised()
}

// best is the highest score at any one threshold, and that threshold.
func (p profile) best(found []detection, windows int) (score, threshold float64) {
	found = slices.Clone(found)
	slices.SortStableFunc(found, func(a, b detection) int { return cmp.Compare(b.score, a.score) })
	t := p.newTally(windows)
	threshold = math.Inf(1)
	for i, d := range found {
		t.add(d)
		if i+1 < len(found) && found[i+1].score == d.score {
			continue
		}
		if s := t.normalised(); s > score {
			score, threshold = s, d.score
		}
	}
	return score, threshold
}

// nabTally adds up what detections are worth. Of those in one window the worthiest
// counts, which is the earliest.
type nabTally struct {
	profile
	found []float64 // worth, by window; 0: missed
	sum   float64
}

func (p profile) newTally(windows int) *nabTally {
	return &nabTally{profile: p, found: make([]float64, windows), sum: -p.fn * float64(windows)}
}

func (t *nabTally) add(d detection) {
	if d.window < 0 {
		t.sum += t.fp * d.worth
		return
	}
	before := t.found[d.window]
	if before == 0 {
		t.sum += t.fn
	}
	t.found[d.window] = max(before, d.worth)
	t.sum += t.tp * (t.found[d.window] - before)
}

func (t *nabTally) normalised() float64 {
	null, perfect := -t.fn*float64(len(t.found)), t.tp*float64(len(t.found))
	return 100 * (t.sum - null) / (perfect - null)
}
