package detector

import "github.com/foreshock/foreshock/detector/calibration"

// Often is how often the rules of one scope would have alerted of late, were they more or less
// sensitive: what their budget is kept by. Alerts of places are among them, and those within
// five minutes count as one.
type Often struct {
	threshold float64
	peaks     *calibration.Peaks
}

// Often returns that of the scope by that name, as of the latest ten minutes, and whether
// there is one.
func (d *Detector) Often(scope string) (Often, bool) {
	d.standingMu.Lock()
	defer d.standingMu.Unlock()
	for i, b := range d.standing.budgets {
		if b.Scope == scope {
			return Often{b.Threshold, d.standing.peaks[i]}, true
		}
	}
	return Often{}, false
}

// PerWeek is how many alerts a week there would have been at so many times the sensitivity.
// NaN where nothing was heard.
func (o Often) PerWeek(factor float64) float64 { return o.peaks.PerWeek(o.threshold / factor) }

// Weeks is the time behind it, of which the past counts less.
func (o Often) Weeks() float64 { return o.peaks.Weeks() }
