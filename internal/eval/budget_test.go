package eval

import (
	"strings"
	"testing"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/synthetic"
)

// What one who is on call hears: a burst once, nothing of what ends, absences apart.
func TestPagesAreCountedAsTheBudgetCountsThem(t *testing.T) {
	const minute = 60_000
	begun := int64(synthetic.Start) + freshDays*day.Milliseconds()
	var p pages
	for _, a := range []foreshock.Anomaly{
		{T: begun - 4*minute, Phase: foreshock.Started},
		{T: begun - 2*minute, Phase: foreshock.Escalated},
		{T: begun, Phase: foreshock.Started}, // of the burst
		{T: begun + minute, Phase: foreshock.Started},
		{T: begun + 5*minute, Phase: foreshock.Started, Kind: foreshock.Absence},
		{T: begun + 6*minute, Phase: foreshock.Ended},
		{T: begun + 7*minute, Phase: foreshock.Escalated},
	} {
		p.hear(&a)
	}
	if p.fresh != 1 || p.later != 2 || p.absences != 1 {
		t.Errorf("%+v", p)
	}
}

func TestABudgetRowHolds(t *testing.T) {
	for _, c := range []struct {
		realised figure
		holds    bool
	}{{0.69, false}, {0.71, true}, {1.29, true}, {1.31, false}} {
		r := BudgetRow{Daily: 20, Realised: c.realised, Least: 0.7, Most: 1.3}
		if err := r.Holds(); (err == nil) != c.holds || err != nil && !strings.Contains(err.Error(), "a budget of 20 a day") {
			t.Errorf("%v: %v", c.realised, err)
		}
	}
	for _, c := range []struct{ daily, want float64 }{{2, 0.447}, {20, 0.3}} {
		if got := gate(c.daily); got < c.want-0.001 || got > c.want+0.001 {
			t.Errorf("%v a day may be off by %v, want %v", c.daily, got, c.want)
		}
	}
}
