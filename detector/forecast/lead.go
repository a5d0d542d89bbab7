package forecast

import "math"

const (
	// rate is how fast weights are learned, per mean absolute error, and early by what
	// it is more at first, which falls with the root of what came due; steep bounds
	// what one sample may teach. A weight keeps its share of its logarithm: what was
	// learned ten days ago counts a third.
	rate  = 0.03
	early = 0.3
	steep = 3
	keep  = 0.999

	// miss is the share of values the interval may miss where nobody says, half of it on
	// either side.
	miss = 0.05

	// pace is by how much of itself the interval's edge moves outwards on a miss, but
	// no farther than ample times that error: many may be missed before the first wider
	// interval comes due. doubt is where it begins, in mean absolute errors: 2.5 would
	// hold 95 % of normal noise, but forecasts err with heavier tails.
	pace  = 0.05
	ample = 10
	doubt = 3

	// scaleGain is the gain of the mean absolute error, a memory of three days, and
	// outlier bounds what one error may do to it.
	scaleGain = 0.003
	outlier   = 10

	// fewest forecasts must have come due before a lead is relied on, and so many that
	// the last of them was made after the first came due.
	fewest = 4

	// The least mean absolute error, relative to the value and where that is zero: a
	// stream that was constant for long can still learn to move.
	quantum = 1e-6
	grain   = 1e-9
)

// reach is how far ahead a lead looks.
type reach struct {
	quarters int64
	step     int64 // a forecast is made once in so many quarters
	from     int64 // its place among the edges that wait
}

func (r reach) waiting() int64 { return r.quarters / r.step }

// reaches are those of the leads: up to a day and, more coarsely, up to a week.
var reaches = [...]reach{
	{1, 1, 0},
	{4, 1, 1},
	{12, 1, 5},
	{24, 1, 17},
	{48, 1, 41},
	{day, 1, 89},
	{3 * day, farStep, 185},
	{week, farStep, 197},
}

// waiting is how many edges wait to come due: from and waiting of the last, summed.
const waiting = 197 + week/farStep

// edges are how far an interval reaches to either side of its point. Zero is none.
type edges struct{ up, down float32 }

// The experts, by what they expect.
const (
	bySeason    = iota
	byFast      // the season, and what the stream lies beside it by at once,
	byHour      // over an hour
	byDay       // and over a day
	byLine      // at once, and rising on
	byYesterday // the curve of the latest day
	byWeek      // last week's
	byLevel     // the level at once
	byMean      // and over a week

	experts
)

// experts is what each expects so many seconds after the moment, p being the past of
// that time. Where no day was heard there is no season to lie beside: it is zero.
func (m *moment) experts(p past, seconds float64) (said [experts]float64) {
	season, recent, before := p.season, p.recent, p.week
	if math.IsNaN(season) {
		season, recent = 0, m.level
	}
	if math.IsNaN(before) {
		before = season
	}
	said[bySeason] = season
	said[byFast] = season + m.fast
	said[byHour] = season + m.hour
	said[byDay] = season + m.daily
	said[byLine] = season + m.fast + m.slope*seconds
	said[byYesterday] = recent
	said[byWeek] = before
	said[byLevel] = m.level
	said[byMean] = m.week
	return said
}

// lead is how forecasts so far ahead are made, and how well they did.
type lead struct {
	weights  [experts]float32 // logarithms, but for what they have in common
	scale    float64          // mean absolute error
	up, down float64          // the interval's edges, in scales
	settled  uint32           // forecasts that came due
	tally    Tally
}

// Tally counts forecasts whose interval came due, and of them those that held the
// value.
type Tally struct{ Due, Held uint32 }

// reliable reports whether the lead, which looks ahead by r, has learned enough to be
// asked.
func (l *lead) reliable(r reach) bool { return int64(l.settled) >= max(fewest, r.waiting()) }

// blend is what the experts expect together.
func (l *lead) blend(said *[experts]float64) float64 {
	top := l.weights[0]
	for _, w := range l.weights {
		top = max(top, w)
	}
	var sum, all float64
	for i, w := range l.weights {
		e := math.Exp(float64(w - top))
		sum += e * said[i]
		all += e
	}
	return sum / all
}

// settle learns from x, of which the experts had said what, in an interval whose edges
// were e. The interval may miss that share of values.
func (l *lead) settle(said *[experts]float64, x float64, e edges, r reach, misses float64) {
	point := l.blend(said)
	err := x - point
	size := math.Abs(err)
	if l.settled == 0 {
		l.up = doubt * Relative(1-misses)
		l.down = l.up
	} else {
		size = min(size, outlier*l.scale)
	}
	if e != (edges{}) {
		l.calibrate(err, e, r, misses)
	}
	l.settled = min(l.settled, math.MaxUint32-1) + 1
	l.scale += max(scaleGain, 1/float64(l.settled)) * (size - l.scale)
	l.scale = max(l.scale, quantum*math.Abs(x)+grain)

	toward := max(rate, early/math.Sqrt(float64(l.settled)))
	switch {
	case err == 0:
		toward = 0
	case err < 0:
		toward = -toward
	}
	for i, s := range said {
		pull := min(max((s-point)/l.scale, -steep), steep)
		l.weights[i] = keep*l.weights[i] + float32(toward*pull)
	}
}

// calibrate moves the interval's edges: out by a step where e, made when the forecast
// was, was missed, in by very little where it was not, so that in the long run miss/2
// of the values lie beyond either. Against the edges of today a stretch of errors
// would count as one miss: the first of it would have widened them.
//
// Forecasts that overlap err together. Of n that do not, the interval has to hold
// (n+1)/n times the share for the next to be held with that share (Vovk, Gammerman and
// Shafer, Algorithmic Learning in a Random World, 2005); but only some err wholly
// together, so that the share of misses is never cut by more than a quarter.
func (l *lead) calibrate(err float64, e edges, r reach, misses float64) {
	apart := max(float64(l.settled)*float64(r.step)/float64(r.quarters), 1)
	may := max(misses-(1-misses)/apart, cautious*misses)
	above, below := err > float64(e.up), -err > float64(e.down)
	l.up, l.down = moved(l.up, above, may, err/l.scale), moved(l.down, below, may, -err/l.scale)
	l.tally.Due++
	if !above && !below {
		l.tally.Held++
	}
}

// moved is the edge after one error, in scales, of which a share of may/2 may miss it.
func moved(edge float64, missed bool, may, err float64) float64 {
	if missed {
		return min(edge*(1+pace*(1-may/2)), max(edge, ample*err), widest)
	}
	return max(edge*(1-pace*may/2), narrowest)
}

// cautious is the least part of miss that an interval few forecasts have tried is held
// to.
const cautious = 0.75

// An edge stays between these, in scales: a stream that errs by leaps alone would
// otherwise have none for long.
const (
	narrowest = 0.01
	widest    = 1e4
)
