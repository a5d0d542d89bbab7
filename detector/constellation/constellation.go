// Package constellation says how new it is that the series of a place stand to each other
// as they do.
//
// A place is compared with its own past: with how its members stood every hour and a half
// of the last four days, but for the last six hours, so that what lasts does not hide
// itself. How far it lies from the nearest of those is how new it is. It is never written
// down as a whole: each Member keeps where it stood itself and adds how far it has moved
// since to the sums of its Place, one for each column of the past. Sums are of integers,
// so that the order of members changes nothing.
//
// Both are plain data of fixed size: no clock, no randomness, no pointer, no allocation;
// not safe for concurrent use.
//
// Sources: Ramaswamy, Rastogi and Shim, "Efficient Algorithms for Mining Outliers from
// Large Data Sets" (SIGMOD 2000), for the distance from the nearest; Aggarwal, Hinneburg
// and Keim, "On the Surprising Behavior of Distance Metrics in High Dimensional Space"
// (ICDT 2001), for the sum of magnitudes.
package constellation

import "math"

const (
	minute = 60 * 1000 // ms

	// The past has columns of 90 minutes, 16 a day, so that each time of day is in it four
	// times. What is younger than recent of them, six hours, is no past yet; a Member has
	// a say when it knows half of the rest: two days.
	columns = 64
	column  = 90 * minute
	recent  = 6 * 60 * minute / column
	known   = recent + (columns-recent)/2

	// Where a member stands is sign(z)·ln(1+|z|), with z its distance from its mean in
	// standard deviations, both of memory days, in steps of 1/unit: an int8 reaches
	// e^(127/16) ≈ 2 800 standard deviations.
	unit   = 16
	memory = 7 * 24 * 60 * minute

	// Novelty is what exceeds the usual distance and three times its mean absolute deviation,
	// after as many looks as make these known.
	margin   = 3
	familiar = 100
	clip     = 5 // mean absolute deviations that a look may teach
)

// Member is where one series of a place stands, and where it stood: 104 bytes.
type Member struct {
	past           [columns]int8 // by number of the column modulo their number
	mean, variance float64
	at             int64 // time of the last look, ms
	n              uint32
	columns        uint8 // of the past that it has written
	stands         int8
}

// Place is what its members say together: about 300 bytes. The zero value is ready.
type Place struct {
	sums   [columns]int32 // how far the members are from where they stood, by column
	minute int64          // that is looked at,
	heard  int            // members that have a say in it,
	free   int            // those of them whose rules let them alert,
	oldest int            // columns that the one that knows most knows,
	closed bool           // and whether it was judged

	nearest int     // column
	usual   float64 // distance from the nearest, a mean of days,
	spread  float64 // and the mean absolute deviation from that
	looks   float64
	excess  float64
	novelty float64
}

// Begin has p look at the time t, ms, by the minute. What was heard of the minute before
// is judged, if that was not done, as long as half of the members had a say; of fewer
// nothing is known.
func (p *Place) Begin(t int64, members int) {
	m := floor(t, minute)
	if m == p.minute {
		return
	}
	if 2*p.heard >= members {
		p.Judge()
	} else if !p.closed {
		p.excess, p.novelty = 0, 0
	}
	clear(p.sums[:])
	p.minute, p.heard, p.free, p.oldest, p.closed = m, 0, 0, 0, false
}

// Look has m, whose value is x at the time t, say where it stands in the minute that p
// looks at, once; free says that its rule lets it alert. x is finite.
func (p *Place) Look(m *Member, t int64, x float64, free bool) {
	if floor(t, minute) != p.minute || m.n > 0 && floor(m.at, minute) == p.minute {
		return
	}
	number := floor(t, column)
	fresh := m.n == 0 || floor(m.at, column) != number
	m.place(t, x)
	if m.columns >= known && !p.closed {
		p.heard++
		if free {
			p.free++
		}
		p.oldest = max(p.oldest, int(m.columns))
		stands, sums, past := int32(m.stands), &p.sums, &m.past
		for i := range sums {
			off := stands - int32(past[i])
			sums[i] += max(off, -off)
		}
	}
	if fresh {
		m.past[modulo(number)] = m.stands
		m.columns = min(m.columns+1, columns)
	}
}

// place says where x, of the time t, stands, and learns it.
func (m *Member) place(t int64, x float64) {
	x = min(max(x, -1e150), 1e150)
	dev := x - m.mean
	z := dev / max(math.Sqrt(m.variance), 1e-9*math.Abs(m.mean), math.SmallestNonzeroFloat64)
	stands := min(unit*math.Log1p(math.Abs(z)), math.MaxInt8)
	if m.n == 0 {
		stands, m.at = 0, t
	}
	m.stands = int8(math.Copysign(math.Round(stands), z))
	m.n++
	gain := min(max(float64(t-m.at)/memory, 1/float64(m.n)), 1)
	m.mean += gain * dev
	m.variance = (1 - gain) * (m.variance + gain*dev*dev)
	m.at = t
}

// Heard is how many members have had a say in the minute looked at.
func (p *Place) Heard() int { return p.heard }

// Judge says how new what was heard is, once a minute, and learns how new it usually is.
func (p *Place) Judge() {
	if p.closed || p.heard == 0 {
		return
	}
	p.closed = true
	now := floor(p.minute*minute, column)
	least := int32(math.MaxInt32)
	for age := int64(recent); age < int64(p.oldest); age++ {
		if i := modulo(now - age); p.sums[i] < least {
			least, p.nearest = p.sums[i], i
		}
	}
	p.weigh(float64(least) / unit / float64(p.heard))
}

// weigh judges and learns the distance, per member.
func (p *Place) weigh(distance float64) {
	p.looks++
	dev := distance - p.usual
	p.excess, p.novelty = 0, 0
	if p.looks > familiar {
		p.excess = max(dev, 0)
		p.novelty = max(dev-margin*p.spread, 0) * float64(p.free) / float64(p.heard)
		dev = min(max(dev, -clip*p.spread), clip*p.spread)
	}
	gain := max(float64(minute)/memory, 1/p.looks)
	p.usual += gain * dev
	p.spread += gain * (math.Abs(dev) - p.spread)
}

// Excess is how much farther from its past than usual the place was in the minute judged
// last, as the mean of its members: 1 where each is e times as far out.
func (p *Place) Excess() float64 { return p.excess }

// Novelty is what of that is no chance, by the share of members that may alert.
func (p *Place) Novelty() float64 { return p.novelty }

// Moved is how far m stands from where it stood when the place was most like now.
func (p *Place) Moved(m *Member) float64 {
	if m == nil || m.columns < known {
		return 0
	}
	return math.Abs(float64(m.stands)-float64(m.past[p.nearest])) / unit
}

// floor is in which span of so many ms the time t lies.
func floor(t, span int64) int64 {
	if t%span < 0 {
		return t/span - 1
	}
	return t / span
}

// modulo is where the column of that number is kept.
func modulo(number int64) int { return int(uint64(number) % columns) }
