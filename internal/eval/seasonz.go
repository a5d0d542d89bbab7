package eval

import "time"

// seasonZ is the z-score against the same time of the last seven days, give or take
// one interval.
type seasonZ struct {
	interval int64 // ms
	slots    int   // of a day
	past     []slot
	near     []float64 // the values compared with, kept to be used again
}

// slot is the value at one time.
type slot struct {
	at    int64 // intervals since the epoch
	value float64
	known bool
}

const (
	seasonDays  = 7
	leastSeason = 6 // values: two days of three slots
)

func newSeasonZ(interval time.Duration) scorer {
	slots := lasting(day, interval, 1)
	return &seasonZ{
		interval: interval.Milliseconds(),
		slots:    slots,
		past:     make([]slot, (seasonDays+1)*slots),
	}
}

func (z *seasonZ) score(t int64, x float64) float64 {
	now := t / z.interval
	z.near = z.near[:0]
	for d := int64(1); d <= seasonDays; d++ {
		for at := now - d*int64(z.slots) - 1; at <= now-d*int64(z.slots)+1; at++ {
			if s := z.slot(at); s.known && s.at == at {
				z.near = append(z.near, s.value)
			}
		}
	}
	*z.slot(now) = slot{at: now, value: x, known: true}
	if len(z.near) < leastSeason {
		return 0
	}
	mean, sd := moments(z.near)
	return deviation(x, mean, sd)
}

// slot is where the value of that time is kept, or of one eight days apart.
func (z *seasonZ) slot(at int64) *slot {
	n := int64(len(z.past))
	return &z.past[(at%n+n)%n]
}
