package synthetic

import (
	"math"
	"time"
)

// Disk is a file system in percent full, ending at 50: a steady slope, percent a day,
// under a daily wave of up to 3 %, noise, one sample in fifty far off, a nightly
// clean-up that comes back, and for half of them one large clean-up that does not.
func Disk(slope float64) Generator {
	return func(seed uint64, interval time.Duration, length int) Stream {
		r := random(seed)
		days := float64(length) * interval.Hours() / 24
		wave, phase := 0.5+2.5*r.Float64(), 2*math.Pi*r.Float64()
		cleaned, freed := days*r.Float64(), float64(r.IntN(2))*(3+5*r.Float64())
		return stream(interval, length, func(i int) float64 {
			at := float64(i) * interval.Hours() / 24
			v := 50 - slope*(days-at) + wave*math.Sin(2*math.Pi*at+phase) + 0.5*r.NormFloat64()
			if at < cleaned {
				v += freed
			}
			if math.Mod(at+phase/7, 1.7) < 0.1 {
				v -= 3
			}
			if r.IntN(50) == 0 {
				v += 20 * r.NormFloat64()
			}
			return v
		})
	}
}
