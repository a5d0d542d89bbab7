package incident

import (
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// What fell ill together before a restart is known to do so after it.
func TestHistorySurvivesARestart(t *testing.T) {
	c := New(DefaultConfig())
	for hour := range int64(3) {
		if hour == 2 {
			next := New(DefaultConfig())
			if err := next.Restore(c.Image()); err != nil {
				t.Fatal(err)
			}
			c = next
		}
		for _, phase := range []foreshock.Phase{foreshock.Started, foreshock.Ended} {
			now := hour*time.Hour.Milliseconds() + int64(phase)*60_000
			var f foreshock.Findings
			f.Now = now
			for _, service := range []string{"shop", "bank"} {
				s := foreshock.NewSeries(labels.FromStrings("__name__", service, "service", service))
				f.Anomalies = append(f.Anomalies, foreshock.Anomaly{Series: s, Rule: service, Phase: phase, T: now, Onset: now})
			}
			told := c.Observe(f)
			if together := len(told) > 0 && len(told[len(told)-1].Members) == 2; phase == foreshock.Started && together != (hour == 2) {
				t.Errorf("time %d: together %t: %+v", hour+1, together, told)
			}
		}
	}
}
