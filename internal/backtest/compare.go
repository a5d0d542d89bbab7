package backtest

import (
	"math"

	"github.com/prometheus/common/model"
)

// Comparison is how the alerts of two configurations differ.
type Comparison struct {
	Other *Report // of the other configuration
	// OnlyHere and OnlyThere are alerts that the other configuration has no match for.
	OnlyHere, OnlyThere []Alert
	Both                []Pair
}

// Pair is one alert as each of both configurations raises it.
type Pair struct{ Here, There Alert }

// compare holds the report of another configuration against r.
func (r *Report) compare(other *Report) {
	c := &Comparison{Other: other}
	taken := make([]bool, len(other.Alerts))
	for _, here := range r.Alerts {
		k := -1
		for i := range other.Alerts {
			if !taken[i] && here.matches(&other.Alerts[i]) {
				k = i
				break
			}
		}
		if k < 0 {
			c.OnlyHere = append(c.OnlyHere, here)
			continue
		}
		taken[k] = true
		c.Both = append(c.Both, Pair{here, other.Alerts[k]})
	}
	for i, there := range other.Alerts {
		if !taken[i] {
			c.OnlyThere = append(c.OnlyThere, there)
		}
	}
	r.Comparison = c
}

// matches reports whether both tell of the same thing: by a rule of the same name, at
// times that overlap, of a series in common. Labels may differ, as what rules add and what
// members have in common does.
func (a *Alert) matches(b *Alert) bool {
	if a.Rule != b.Rule || a.Labels.Get(model.AlertNameLabel) != b.Labels.Get(model.AlertNameLabel) {
		return false
	}
	if a.StartsAt > b.end() || b.StartsAt > a.end() {
		return false
	}
	for series := range a.members {
		if b.members[series] {
			return true
		}
	}
	return false
}

// end is when it ended, for ever where it did not.
func (a *Alert) end() int64 {
	if a.EndsAt == 0 {
		return math.MaxInt64
	}
	return a.EndsAt
}
