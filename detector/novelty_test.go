package detector

import (
	"math"
	"testing"

	"github.com/foreshock/foreshock/rules"
)

// A machine half of which behaves as if it were night alerts by day, though none of its
// series is where it never was; those of them that are calm say that their place is not.
func TestAPlaceKnowsHowItsSeriesStand(t *testing.T) {
	const days, event, of = 6, 5*24*60 + 6*60, 20
	for _, c := range []struct {
		name  string
		parts Parts
		want  bool
	}{
		{"all parts", 0, true},
		{"without constellations", Constellations, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(of, days*perDay)
			for i, values := range h.values {
				for k := range values {
					values[k] += 10 * math.Sin(2*math.Pi*float64(phase(k, i, event))/float64(perDay))
				}
			}
			rule := watched(rules.GroupPlace)
			rule.Watches[0].Emit = rules.EmitAll
			b := run(t, Options{Rules: rule, Without: c.parts | Seasons | Bursts | Deviations})
			for k := range event + 180 {
				b.batch(h.scrape(k))
			}
			b.stop()
			found := false
			groups, _ := b.ofGroups(start + event*minute)
			for _, a := range groups {
				found = found || a.Channel == kindNames[novel]
			}
			if found != c.want {
				t.Errorf("an alert of the constellation: %v, want %v", found, c.want)
			}
			before, after := b.calm(event-60, event), b.calm(event+120, event+180)
			if c.want && after < before+0.2 || after >= 1 {
				t.Errorf("series that are not anomalous score %v in the hour before, %v in the third", before, after)
			}
		})
	}
}

// phase is the minute of the day that series i takes k for: every second one is half a day
// behind from the event on, to which it comes within two hours.
func phase(k, i, event int) int {
	if i%2 == 1 {
		return k
	}
	return k + min(max(k-event, 0)*6, perDay/2)
}

// calm is the mean score, between two minutes, of series that are not anomalous.
func (b *bench) calm(from, to int64) float64 {
	sum, n := 0.0, 0.0
	for _, f := range b.found {
		for _, s := range f.Scores {
			if s.T >= start+from*minute && s.T < start+to*minute && !s.Series.IsGroup() && s.Score < 1 {
				sum += s.Score
				n++
			}
		}
	}
	return sum / n
}
