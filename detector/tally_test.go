package detector

import (
	"math"
	"testing"
)

// A sample says what is its scope's in the minute it was taken, however it came: a
// replay's batch may span days.
func TestTallyIsBoundedAndByTheMinute(t *testing.T) {
	var p scopeTally
	for _, c := range []struct{ age, want int64 }{
		{0, 0}, {minute - 1, 0}, {minute, 1}, {-5 * minute, 0}, {10 * minute, 10}, {math.MaxInt64 / 2, maxMinutes - 1},
	} {
		*p.at(c.age, 0) = minuteTally{peak: 7}
		if p.minutes[c.want].peak != 7 {
			t.Errorf("age %d is not in minute %d", c.age, c.want)
		}
		p.minutes[c.want] = minuteTally{}
	}
	if n := int64(len(p.minutes)); n != maxMinutes {
		t.Errorf("%d minutes", n)
	}
}

// What comes within five minutes is one incident, and what comes all the time is one
// every five minutes.
func TestABurstIsOneAlert(t *testing.T) {
	for _, c := range []struct {
		name    string
		minutes []int
		want    float64
	}{
		{"one", []int{3}, 1},
		{"a burst", []int{3, 4, 5, 7}, 1},
		{"a burst across two blocks", []int{4, 5}, 1},
		{"two", []int{3, 8}, 2},
		{"all the time", []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 2},
	} {
		var y scopeTally
		for _, m := range c.minutes {
			a := y.at(int64(m)*minute, 0)
			a.heard, a.onset = true, true
		}
		sc := &scope{}
		sc.hear(&y, 0, period)
		if got := sc.controller.Realised() * sc.controller.Weeks(); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v alerts, want %v", c.name, got, c.want)
		}
	}
}

// An hourly scrape is no twelfth of a budget, and an outage is not time to catch up on.
func TestTimeHeard(t *testing.T) {
	hour := int64(60)
	for _, c := range []struct {
		name  string
		heard []int64 // minutes
		want  int64   // minutes
	}{
		{"never", nil, 0},
		{"by the minute", []int64{0, 1, 2, 3, 4, 5}, 5 + 2*hour},
		{"by the hour", []int64{0, 60, 120, 180}, 3*hour + 2*hour},
		{"with an outage", []int64{0, 10 * hour}, 2*hour + 2*hour},
	} {
		sc := &scope{}
		const of = 1000 * minute
		var y scopeTally
		for _, m := range c.heard {
			y.at(m*minute, 0).heard = true
		}
		sc.hear(&y, 0, of)
		got := sc.controller.Weeks()
		if want := float64(c.want*minute) / float64(week); math.Abs(got-want) > 1e-12 {
			t.Errorf("%s: %v minutes, want %d", c.name, got*float64(week)/float64(minute), c.want)
		}
		// What is left of the last two hours counts in the next period.
		sc.hear(&scopeTally{}, of, 2*of)
	}
}

func TestClassOf(t *testing.T) {
	for name, want := range map[string]class{
		"load": youngGauge, "requests_total": youngRate, "wait_seconds": youngLatency,
		"wait_seconds_sum": youngRate, "wait_milliseconds": youngLatency, "seconds": youngGauge,
	} {
		st := &state{series: series(name), kind: types{}.kind(series(name).Labels)}
		if got := classOf(st); got != want {
			t.Errorf("%s is a %s, want %s", name, got, want)
		}
		st.young = classOf(st)
		if got := st.class(); got != want {
			t.Errorf("%s unheard is a %s", name, got)
		}
	}
}
