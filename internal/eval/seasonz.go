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

// slot is the value of one time of one day.
type slot struct {
	day   int64 // since the epoch, plus one; 0: none
	value float64
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
	now := t / z.interval // slot, since the epoch
	z.near = z.near[:0]
	for d := int64(1); d <= seasonDays; d++ {
		for at := now - d*int64(z.slots) - 1; at <= now-d*int64(z.slots)+1; at++ {
			if s := z.at(at); s.day == z.dayOf(at) {
				z.near = append(z.near, s.value)
			}
		}
	}
	*z.at(now) = slot{z.dayOf(now), x}
	if len(z.near) < leastSeason {
		return 0
	}
	mean, sd := moments(z.near)
	return deviation(x, mean, sd)
}

func (z *seasonZ) dayOf(at int64) int64 { return at/int64(z.slots) + 1 }

func (z *seasonZ) at(at int64) *slot { return &z.past[at%int64(len(z.past))] }
