package forecast

import "math"

const (
	// pending bounds the forecasts that wait to come due: one a minute for horizons of up
	// to half an hour, 32 for longer ones.
	pending = 32

	// memory is how long the errors are remembered, in horizons: eight hours where that is
	// a quarter of one. What is hard to foresee, such as the minute at which a load begins
	// to rise, must not outweigh that it is foreseen; with a memory of two hours it did.
	memory = 32

	// judged is how many forecasts must have come due before they are judged.
	judged = 8

	// A forecast is held against the first sample that comes no sooner than a share of the
	// horizon before its time, if that is no later than another share after it: scrapes
	// are not on the dot, and some are missed.
	soon, late = 1. / 8, 1. / 4

	// above is the share of values that may be above High.
	above = 0.1
)

// Ahead follows the forecasts of one stream for a fixed time ahead, for whoever has to be
// ready then: how high the value may come, and whether the forecasts are worth more than
// the present value, which anybody has without them. The zero value is ready. It is plain
// data of little more than 1 KiB, as a Forecaster is; the horizon, in ms, is the same in
// all calls.
type Ahead struct {
	waiting  [pending]promise // a ring
	first, n int              // the oldest, and how many

	high     float64 // of the latest forecast
	foreseen bool
	stretch  float64 // of what High adds to the point; 0 is 1, before any came due

	settled      int64  // time of the sample that the latest was held against, ms
	due          uint32 // forecasts that were
	wrong, still float64
}

// promise is a forecast that waits to come due.
type promise struct {
	due              int64   // ms
	point, high, now float64 // now is the value when it was made
}

// Learn holds the sample against the forecasts that came due.
func (a *Ahead) Learn(at int64, x float64, horizon int64) {
	x = min(max(x, -huge), huge)
	for a.n > 0 {
		p := &a.waiting[a.first]
		wait := float64(p.due - at)
		if wait > soon*float64(horizon) {
			return
		}
		a.first, a.n = (a.first+1)%pending, a.n-1
		if -wait <= late*float64(horizon) {
			a.settle(p, at, x, float64(horizon))
		}
	}
}

// settle learns from x, which came when p was due. The means forget by time, and while
// they are young they are those of all that came due.
func (a *Ahead) settle(p *promise, at int64, x, horizon float64) {
	since := min(float64(at-a.settled), horizon)
	if a.due == 0 {
		since, a.stretch = horizon, 1
	}
	a.due = min(a.due, math.MaxUint32-1) + 1
	a.settled = at
	gain := max(since/(since+memory*horizon), 1/float64(a.due))
	a.wrong += gain * (math.Abs(x-p.point) - a.wrong)
	a.still += gain * (math.Abs(x-p.now) - a.still)

	// As the edges of a lead, but by time: forecasts within one horizon err together.
	step := pace * since / horizon
	if x > p.high {
		a.stretch *= 1 + step*(1-above)
	} else {
		a.stretch *= 1 - step*above
	}
	a.stretch = min(max(a.stretch, narrowest), 1/narrowest)
}

// Promise takes in what f says of the time ahead, the newest sample being x at the time
// at. It says nothing before f is Known.
func (a *Ahead) Promise(f *Forecaster, at int64, x float64, horizon int64) {
	if !f.Known() {
		return
	}
	point, _, upper := f.Expect(at + horizon)
	stretch := a.stretch
	if a.due == 0 {
		stretch = 1
	}
	// By normal errors, as far as those that came due do not say otherwise.
	a.high = point + stretch*(upper-point)*Relative(1-2*above)/Relative(f.share())
	a.foreseen = true
	if a.n == pending {
		return
	}
	if a.n > 0 {
		newest := a.waiting[(a.first+a.n-1)%pending].due
		if at+horizon-newest < max(minute, horizon/pending) {
			return
		}
	}
	a.waiting[(a.first+a.n)%pending] = promise{at + horizon, point, a.high, min(max(x, -huge), huge)}
	a.n++
}

// High is what nine in ten values are not above the horizon after the newest sample; not
// ok while nothing is foreseen.
func (a *Ahead) High() (high float64, ok bool) { return a.high, a.foreseen }

// Error is how far the forecasts were off, beside how far off the values were at which
// they were made: the mean absolute scaled error, of late. Below 1 they were worth more
// than the present value. NaN while too few came due.
func (a *Ahead) Error() float64 {
	if a.due < judged {
		return math.NaN()
	}
	return a.wrong / max(a.still, quantum*math.Abs(a.high)+grain)
}
