package detector

import (
	"math"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/constellation"
	"github.com/foreshock/foreshock/detector/window"
	"github.com/foreshock/foreshock/rules"
)

const (
	// gap is how many usual intervals may pass before a sample continues nothing.
	gap = 5

	// strayed is how far, in ms, a series' time must fall back to be taken for a
	// return from a time that was wrong, and strays how many samples must agree.
	// Less far, or with fewer, samples are late.
	strayed = leap
	strays  = 3

	// week is the most, in ms, that a model's time moves over an interruption, so
	// that no sample's time can make it extrapolate for a century; and what it is
	// moved by, so that it keeps the hour of the week.
	week = int64(7 * 24 * time.Hour / time.Millisecond)
)

// state is what a shard knows of one series. What every sample reads comes first.
type state struct {
	series  *foreshock.Series // nil: the slot is free
	slot    uint32
	next    uint32 // the chain of its fingerprint, or of the free slots
	version uint32 // of the shard's rules and types, when it was looked up last
	kind    kind
	native  bool // a native histogram, scored by its count

	heard    bool // last and bits are of a sample
	ended    bool // by a staleness marker
	counting bool // prev and prevT are of this stretch
	learned  bool // the model has had a sample, at modelTime
	warming  bool
	reported bool             // a score was handed out, and not taken back since
	reason   foreshock.Reason // of the model's last word

	live     bool // it is heard; else it ended, or fell silent
	quiet    bool // it left: unheard for longer than its wait
	enlisted bool // a rule wants it missed
	deprived bool // of the outlook that a rule wants it to have
	role     role
	strays   uint8  // samples in a row that fell back,
	young    class  // what it is of while it is young
	target   uint32 // its place among the shard's targets
	scope    uint32 // its alerts count against; the fleet's where no rule watches it
	namesake uint32 // its place among the series of its name

	last     int64  // ms: time of the newest sample
	bits     uint64 // its value's
	interval int64  // ms: usual time between samples; 0 unknown
	prev     float64
	prevT    int64

	shift     int64 // from sample time to the model's, ms: a multiple of a week
	modelTime int64 // of the model's newest sample, ms

	seen int64 // the detector's age when the series was heard last, ms
	due  int64 // the minute of that age at which to ask whether it is idle

	met   int64 // the detector's flow when the series was heard last, ms
	since int64 // and when it was heard first, or again after it had left

	strayT int64 // the newest of the strays

	piece   *piece // nil: of no histogram or summary
	watch   *rules.Watch
	member  membership            // of a group
	star    *constellation.Member `image:"own"` // nil until its group speaks
	outlook *outlook              `image:"own"` // nil where no forecast rule selects it
	diary   *diary                // nil where nothing was notable of late

	score float64 // the model's last word: for View
	x     float64
	band  foreshock.Band

	window window.Window
	mind   mind

	kin kinship // what every sample reads of it is its stage
}

// observe takes the sample into st.
func (s *shard) observe(st *state, sample *foreshock.Sample) {
	t, v := sample.T, sample.V
	bits := math.Float64bits(v)
	if st.heard && t <= st.last {
		switch {
		case t < st.last && st.returned(t):
			s.restart(st, t)
		case t < st.last:
			s.out.counts.late++
			return
		case bits == st.bits:
			s.out.counts.skipped[skipDuplicate]++
			return
		default:
			s.out.counts.skipped[skipConflict]++
			return
		}
	}
	st.strays = 0
	if st.heard {
		s.pace(st, t)
	}
	st.heard, st.last, st.bits = true, t, bits
	before := st.window.Bytes()
	st.window.Append(t, v, s.keeps(st))
	s.ledger.take(heldWindows, st.window.Bytes()-before)

	st.ended = false // before others may look for room: it is not this one's
	if sample.Stale() {
		s.out.counts.skipped[skipStale]++
		if st.piece != nil {
			s.silence(st.piece, t)
		}
		s.end(st)
		return
	}
	st.ended = false
	if st.native {
		s.readAs(st)
	}
	if st.counting && v < st.prev {
		s.targets.list[st.target].reset = s.flow
	}
	x, reason := st.read(t, v)
	if reason != scored {
		s.out.counts.skipped[reason]++
	} else {
		s.step(st, t, x)
	}
	if st.piece != nil && reason != skipNotFinite {
		s.listen(st.piece, t, v)
	}
}

// returned reports whether a sample at t, earlier than the newest, shows that the
// newest was not: it is the third in a row to be far behind it, and they are in order.
func (st *state) returned(t int64) bool {
	if st.last-t <= strayed {
		return false
	}
	if t <= st.strayT {
		st.strays = 0
	}
	st.strays++
	st.strayT = t
	return st.strays >= strays
}

// pace learns the time between samples and interrupts the stretch where it is far
// beyond usual. The usual interval follows by no more than half of itself up and a
// quarter down, so that a single odd one leaves it within reach.
func (s *shard) pace(st *state, t int64) {
	d := t - st.last
	if st.interval == 0 {
		st.interval = d
		return
	}
	if d/gap > st.interval {
		s.interrupt(st, t)
	}
	st.interval = min(max(d, st.interval-st.interval/4), st.interval+st.interval/2+1)
}

// read makes of v what the model learns: itself, or a counter's rate per second
// since the sample before. Deltas are taken in float64, as a counter beyond 2^24 has
// no float32; one that fell started again, nobody knows when, and has no rate yet.
func (st *state) read(t int64, v float64) (x float64, reason skip) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, skipNotFinite
	}
	if st.kind == bucket {
		return 0, skipBucket
	}
	if st.kind == gauge || st.kind == derived {
		return v, scored
	}
	prev, prevT, counting := st.prev, st.prevT, st.counting
	st.prev, st.prevT, st.counting = v, t, true
	if st.piece.replaced() {
		return 0, skipSum
	}
	if !counting || v < prev {
		return 0, skipFirst
	}
	x = (v - prev) / (float64(t-prevT) / 1000)
	if math.IsInf(x, 0) {
		return 0, skipNotFinite
	}
	return x, scored
}

// end closes a stretch: st's staleness marker came. What it learned stays. The anomalies that
// end by it are lost: whether they are over nobody knows.
func (s *shard) end(st *state) {
	told := len(s.out.anomalies)
	s.retire(st)
	s.endAnomalies(st, st.last)
	s.leave(st, st.last)
	for i := range s.out.anomalies[told:] {
		a := &s.out.anomalies[told+i]
		a.Lost = a.Phase == foreshock.Ended
	}
	st.mind.resume()
	st.ended, st.counting = true, false
	s.fall(st)
	if st.role == scrape {
		s.targets.list[st.target].upEnded = s.flow
	}
	s.endReporting(st)
}

// interrupt says that the sample at t does not continue what came before.
func (s *shard) interrupt(st *state, t int64) {
	st.mind.resume()
	if st.learned && t+st.shift-st.modelTime > week {
		s.align(st, t)
	}
}

// restart has st, whose newest samples proved to be from a time that is not, go on
// at t. Its window empties; what it learned stays.
func (s *shard) restart(st *state, t int64) {
	s.empty(st)
	s.discard(st) // its times are not to be compared with those to come
	st.heard, st.counting, st.interval = false, false, 0
	st.mind.resume()
	if st.learned {
		s.align(st, t)
	}
	if st.piece != nil {
		s.rewind(st.piece, t)
	}
}

// align sets the shift so that the model's time goes on from where it stood to the
// next hour of the week like t's. An anomaly does not outlast it.
func (s *shard) align(st *state, t int64) {
	s.endAnomalies(st, t)
	behind := st.modelTime - t
	weeks := behind / week
	if behind%week < 0 {
		weeks-- // rounded down, not towards zero
	}
	st.shift = (weeks + 1) * week
}

// relearn makes st forget what it learned, as its samples turn out to mean
// something else.
func (s *shard) relearn(st *state) {
	s.endAnomalies(st, st.last)
	s.leave(st, st.last)
	s.setWarming(st, false)
	s.orphan(st)
	st.mind.drop(&s.ledger)
	s.dropStar(st)
	st.shift = 0
	st.learned, st.counting = false, false
	if st.outlook != nil {
		s.ledger.take(heldForecasts, -st.outlook.bytes())
		st.outlook.forget()
		s.ledger.take(heldForecasts, st.outlook.bytes())
	}
}
