package cause

import (
	"math"
	"slices"
	"sort"

	"gonum.org/v1/gonum/stat"
)

// How a series is looked at.
const (
	leastPast   = 10  // samples; of fewer nobody knows what is usual
	mostPast    = 600 // samples; 10 h at a minute, 2.5 h at 15 s
	mostAfter   = 240 // samples; 1 h at 15 s
	typical     = 3   // samples that must agree: one alone is an accident
	mostWindows = 512 // of the past that are looked at as the incident is, each an eighth earlier
	tail        = .05 // beyond these quantiles it is the tail
	relative    = .02 // of the median; a constant series has no spread of its own
	lastWords   = 3   // samples just before: what was so already did not begin now
	gap         = 5   // intervals without a sample, after which what was before is not known
	dense       = .9  // of the usual samples; a series that speaks less may well be silent
)

// look finds out how the candidate's series changed.
func (q *Question) look(c *Candidate) place {
	p := place{candidate: c}
	var ups, downs [aspects][]float64
	var silent, heard int
	for i := range c.Series[:min(len(c.Series), MaxSeries)] {
		s := &c.Series[i]
		if c.Host && isOfExporter(s.Name) {
			continue
		}
		a := s.Aspect
		if a == Unknown {
			a = AspectOf(s.Name, c.Host)
		}
		w, ok := q.split(s)
		if !ok {
			continue
		}
		if w.quiet {
			silent++
		}
		if w.quiet || len(w.after) == 0 {
			continue
		}
		heard++
		up, down := w.compare()
		up.series, down.series = s.title(), s.title()
		f := &p.finds[a]
		f.known = true
		ups[a], downs[a] = append(ups[a], up.surprise), append(downs[a], down.surprise)
		if up.surprise > f.most.surprise || f.most.series == "" {
			f.most = up
		}
		if down.surprise > f.least.surprise || f.least.series == "" {
			f.least = down
		}
	}
	for a := range aspects {
		p.finds[a].up, p.finds[a].down = agreed(ups[a]), agreed(downs[a])
	}
	if silent > heard {
		p.silent = mostNats
	}
	return p
}

func (s *Series) title() string {
	if s.Title != "" {
		return s.Title
	}
	return s.Name
}

// agreed is what series of one aspect say together. They are often quantiles of one
// thing: of three and more the loudest needs a second that agrees.
func agreed(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	loudest := all[len(all)-1]
	if len(all) < 3 {
		return loudest
	}
	return (loudest + all[len(all)-2]) / 2
}

// stretch is a series around the onset.
type stretch struct {
	past   []float64 // before the earliest onset, in order of time
	after  []float64 // from then on
	times  []int64   // of after
	sorted []float64 // past
	torn   bool      // nothing was heard for long before after begins
	quiet  bool      // it spoke all the time and says nothing now
	every  int64     // ms between samples
}

// split cuts the series at the earliest moment the incident may have begun; false where
// its past is too short to tell what is usual. How late the onset was assumed is then of
// no consequence, as long as it is within the uncertainty.
func (q *Question) split(s *Series) (stretch, bool) {
	n := min(len(s.T), len(s.V))
	from := q.Onset - q.Uncertainty.Milliseconds()
	cut := sort.Search(n, func(i int) bool { return s.T[i] >= from })
	end := sort.Search(n, func(i int) bool { return s.T[i] > q.Until })
	end = max(cut, min(end, cut+mostAfter))
	first := max(0, cut-mostPast)
	if cut-first < leastPast {
		return stretch{}, false
	}
	w := stretch{}
	for _, v := range s.V[first:cut] {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			w.past = append(w.past, v)
		}
	}
	for i := cut; i < end; i++ {
		if v := s.V[i]; !math.IsNaN(v) && !math.IsInf(v, 0) {
			w.after, w.times = append(w.after, v), append(w.times, s.T[i])
		}
	}
	if len(w.past) < leastPast {
		return stretch{}, false
	}
	w.sorted = slices.Sorted(slices.Values(w.past))
	w.every = max(1, (s.T[cut-1]-s.T[first])/int64(max(1, cut-first-1)))
	if end > cut {
		w.torn = s.T[cut]-s.T[cut-1] > gap*w.every
	}
	w.quiet = len(w.past) >= int(dense*float64(cut-first)) && q.Until-s.T[end-1] > gap*w.every
	return w, true
}

// compare is how surprising what came is, upwards and downwards: the mean of the samples
// that say most, less what the series' own past has shown in stretches as long, and less
// what was so already just before.
func (w *stretch) compare() (up, down told) {
	after, past := w.surprises(w.after), w.surprises(w.past)
	long := max(len(after), typical)
	median := stat.Quantile(.5, stat.LinInterp, w.sorted, nil)
	for _, dir := range [...]float64{1, -1} {
		t := told{surprise: loudest(after, dir), before: median, after: median, at: w.times[0], interval: w.every}
		k := 0
		for i := range after {
			if after[i]*dir > after[k]*dir {
				k = i
			}
		}
		t.after = w.after[k]
		t.surprise = max(0, t.surprise-max(usual(past, long, dir), w.already(past, after, dir)))
		for i, v := range after {
			next := after[min(i+1, len(after)-1)]
			if half := after[k] * dir / 2; v*dir > half && next*dir > half {
				t.at = w.times[i]
				break
			}
		}
		if dir > 0 {
			up = t
		} else {
			down = t
		}
	}
	return up, down
}

// surprises are −log of the two-sided rank of each value in the past, and of how many
// times the tail's width it lies beyond the tail, logarithmically, so that a series whose
// past has such values is not surprised by more. Positive above the median, else
// negative. In nats.
func (w *stretch) surprises(values []float64) []float64 {
	n := float64(len(w.sorted))
	low := stat.Quantile(tail, stat.LinInterp, w.sorted, nil)
	median := stat.Quantile(.5, stat.LinInterp, w.sorted, nil)
	high := stat.Quantile(1-tail, stat.LinInterp, w.sorted, nil)
	floor := relative*math.Abs(median) + 1e-12
	above, below := max(high-median, floor), max(median-low, floor)
	all := make([]float64, len(values))
	for i, v := range values {
		switch {
		case v > median:
			as := float64(len(w.sorted) - sort.SearchFloat64s(w.sorted, v))
			all[i] = -math.Log(min(1, 2*(as+1)/(n+1))) + math.Log1p(max(0, (v-median)/above-1))
		case v < median:
			as := float64(sort.Search(len(w.sorted), func(k int) bool { return w.sorted[k] > v }))
			all[i] = math.Log(min(1, 2*(as+1)/(n+1))) - math.Log1p(max(0, (median-v)/below-1))
		}
	}
	return all
}

// loudest is the mean of the samples that say most in a direction, half of them and at
// most typical.
func loudest(surprises []float64, dir float64) float64 {
	k := min((len(surprises)+1)/2, typical)
	var top [typical]float64 // falling
	for _, v := range surprises {
		v = max(0, v*dir)
		for i := range k {
			if v > top[i] {
				v, top[i] = top[i], v
			}
		}
	}
	sum := 0.
	for _, v := range top[:k] {
		sum += v
	}
	return sum / float64(max(k, 1))
}

// usual is what the loudest of a stretch of the past say when nothing is wrong: their
// median and twice the way from there to the third quartile, the latest stretches first.
// Incidents of the past do not move it as they would a mean.
func usual(past []float64, long int, dir float64) float64 {
	var all [mostWindows]float64
	n := 0
	for end := len(past); end >= long && n < mostWindows; end -= max(1, long/8) {
		all[n] = loudest(past[end-long:end], dir)
		n++
	}
	if n <= typical {
		return 0
	}
	slices.Sort(all[:n])
	median := stat.Quantile(.5, stat.LinInterp, all[:n], nil)
	return median + 2*(stat.Quantile(.75, stat.LinInterp, all[:n], nil)-median)
}

// already is how surprising the last words before were. After a gap those are not
// known, and the first of what came stands for them.
func (w *stretch) already(past, after []float64, dir float64) float64 {
	if w.torn {
		return max(0, after[0]*dir)
	}
	if len(past) < lastWords {
		return 0
	}
	var last [lastWords]float64
	copy(last[:], past[len(past)-lastWords:])
	slices.Sort(last[:])
	return max(0, last[lastWords/2]*dir)
}
