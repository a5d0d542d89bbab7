package forecast

import (
	"math"
	"slices"
)

// kept is how many quarters of an hour the history holds: eight days.
const kept = 8 * day

// history is the means of the latest quarters of an hour; NaN where nothing was heard.
type history struct {
	means  [kept]float32
	newest int64 // number of the latest
}

// clear forgets everything before number q.
func (h *history) clear(q int64) {
	for i := range h.means {
		h.means[i] = float32(math.NaN())
	}
	h.newest = q - 1
}

// put makes v the mean of quarter q, the one after the latest.
func (h *history) put(q int64, v float64) {
	h.newest = q
	h.means[modulo(q, kept)] = float32(v)
}

// skip says that nothing was heard between the latest quarter and next.
func (h *history) skip(next int64) {
	if next-1-h.newest >= kept {
		h.clear(next)
		return
	}
	for h.newest+1 < next {
		h.put(h.newest+1, math.NaN())
	}
}

// mean is that of quarter q as it was known at the end of quarter known.
func (h *history) mean(q, known int64) float64 {
	if q > known || q > h.newest || q <= h.newest-kept {
		return math.NaN()
	}
	return float64(h.means[modulo(q, kept)])
}

// past is what earlier days say of a time.
type past struct {
	season float64 // the median of the last seven days at that time of day
	recent float64 // the latest of them
	week   float64 // a week before
}

// past is that of quarter q as it was known at the end of quarter known.
func (h *history) past(q, known int64) past {
	p := past{recent: math.NaN()}
	var values [week / day]float64
	days := values[:0]
	for d := int64(1); d <= week/day; d++ {
		p.week = h.mean(q-d*day, known)
		if math.IsNaN(p.week) {
			continue
		}
		if len(days) == 0 {
			p.recent = p.week
		}
		days = append(days, p.week)
	}
	p.season = median(days)
	return p
}

// at is the past of a time, ms, between the middles of the quarters it lies between.
func (h *history) at(t, known int64) past {
	q := floor(t-quarter/2, quarter)
	a, b := h.past(q, known), h.past(q+1, known)
	share := float64(t-quarter/2-q*quarter) / quarter
	return past{mix(a.season, b.season, share), mix(a.recent, b.recent, share), mix(a.week, b.week, share)}
}

// enough is how many quarters must be known of two days to tell how they differ.
const enough = day / 4

// slope is how much the stream rises per second: the median of how the latest days
// differ from the days before them, at the same times of day, so that no wave can look
// like a slope. While no two days are known, it is what the last hour rises by: an average lags
// behind a line by its memory.
func (f *Forecaster) slope() float64 {
	h := &f.history
	var values [kept/day - 1]float64
	days := values[:0]
	for d := range int64(len(values)) {
		sum, n := 0.0, 0
		for q := h.newest - d*day; q > h.newest-(d+1)*day; q-- {
			if v := h.mean(q, q) - h.mean(q-day, q); !math.IsNaN(v) {
				sum += v
				n++
			}
		}
		if n >= enough {
			days = append(days, sum/float64(n))
		}
	}
	if len(days) == 0 {
		return (f.now.fast - f.now.hour) / (anHour - atOnce)
	}
	return median(days) / aDay
}

// mix is a value between a and b, share of the way; where only one is known, that.
func mix(a, b, share float64) float64 {
	switch {
	case math.IsNaN(a):
		return b
	case math.IsNaN(b):
		return a
	}
	return a + share*(b-a)
}

// median sorts vs; NaN where there are none.
func median(vs []float64) float64 {
	n := len(vs)
	if n == 0 {
		return math.NaN()
	}
	slices.Sort(vs)
	if n%2 == 1 {
		return vs[n/2]
	}
	return (vs[n/2-1] + vs[n/2]) / 2
}

// floor is a/b, rounded down.
func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// modulo is the remainder of floor(a, b).
func modulo(a, b int64) int64 { return a - b*floor(a, b) }
