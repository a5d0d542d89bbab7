package incident

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// fault is one of a host's load, which lasts for five minutes from a time on and is so
// many half-widths of its band off.
type fault struct {
	metric, instance, rule string
	at                     time.Duration
	off                    float64
}

// suffer tells c of the fault, calls during in its midst and returns the incidents as told.
func suffer(c *Correlator, f fault, during func(id string)) (told []foreshock.Incident) {
	a := foreshock.Anomaly{
		Series: foreshock.NewSeries(labels.FromStrings("__name__", f.metric, "instance", f.instance)),
		Rule:   f.rule, Onset: f.at.Milliseconds(), T: f.at.Milliseconds(),
		Value: 10 + f.off, Band: foreshock.Band{Expected: 10, Lower: 9, Upper: 11}, Score: 1.5, Channel: "value",
	}
	told = c.Observe(foreshock.Findings{Now: a.T, Anomalies: []foreshock.Anomaly{a}})
	if during != nil {
		during(told[0].ID)
	}
	a.Phase, a.T = foreshock.Ended, a.T+(5*time.Minute).Milliseconds()
	told = append(told, c.Observe(foreshock.Findings{Now: a.T, Anomalies: []foreshock.Anomaly{a}})...)
	return append(told, c.Tick(a.T+time.Minute.Milliseconds())...)
}

// woke reports whether anyone was told.
func woke(told []foreshock.Incident) bool {
	for _, in := range told {
		if in.State == foreshock.Firing {
			return true
		}
	}
	return false
}

const day = 24 * time.Hour

// Somebody is woken twice by the same modest fault and says both times that it is none. The
// third time they sleep, until it is much worse; who is elsewhere is woken as ever.
func TestWhatWasDismissedMustBeStrongerToWake(t *testing.T) {
	load := fault{"node_load1", "a", "load", 0, 4}
	c := New(DefaultConfig())
	at := func(d time.Duration, off float64) fault { f := load; f.at, f.off = d, off; return f }
	for n, d := range []time.Duration{day, 20 * day} { // the first is half forgotten by then
		told := suffer(c, at(d, 4), func(id string) {
			if _, err := c.Dismiss(id, "kim", "backup"); err != nil {
				t.Fatal(err)
			}
		})
		if !woke(told) {
			t.Fatalf("fault %d wakes nobody", n)
		}
		last := told[len(told)-1]
		if last.State != foreshock.Resolved || last.Dismissal == nil || last.Dismissal.By != "kim" || last.EndsAt != d.Milliseconds() {
			t.Errorf("after the dismissal: %s %+v, ends %d", last.State, last.Dismissal, last.EndsAt)
		}
	}
	if woke(suffer(c, at(20*day+time.Hour, 4), nil)) {
		t.Error("the same modest fault, dismissed twice, wakes again")
	}
	if c.Withheld() == 0 {
		t.Error("what was withheld is not counted")
	}
	if !woke(suffer(c, at(20*day+2*time.Hour, 16), nil)) {
		t.Error("one four times as strong wakes nobody")
	}
	for _, other := range []fault{
		{"node_load1", "b", "load", 20*day + 3*time.Hour, 4},
		{"node_disk", "a", "disk", 20*day + 4*time.Hour, 4},
	} {
		if !woke(suffer(c, other, nil)) {
			t.Errorf("%+v, which nobody dismissed, wakes nobody", other)
		}
	}
	if woke(suffer(c, fault{"node_load1", "a", "other", 20*day + 5*time.Hour, 4}, nil)) {
		t.Error("another rule tells of the same metric in the same place")
	}
	if !woke(suffer(c, at(90*day, 4), nil)) {
		t.Error("what was dismissed ten weeks ago is not forgiven")
	}
	if got, want := fmt.Sprint(c.Tallies()), "map[disk:{1 0} load:{5 2}]"; got != want {
		t.Errorf("tallies %s, want %s", got, want)
	}
}

// A fault goes on after it was dismissed: it is not told again unless it gets much worse,
// and then under an ID of its own.
func TestDismissedFaultThatGoesOn(t *testing.T) {
	c := New(DefaultConfig())
	a := foreshock.Anomaly{
		Series: foreshock.NewSeries(labels.FromStrings("__name__", "up", "instance", "a")), Rule: "r",
		Onset: 1000, T: 1000, Value: 5, Band: foreshock.Band{Expected: 0, Lower: -1, Upper: 1}, Score: 1.5,
	}
	first := c.Observe(foreshock.Findings{Now: a.T, Anomalies: []foreshock.Anomaly{a}})[0]
	if _, err := c.Dismiss(first.ID, "kim", ""); err != nil {
		t.Fatal(err)
	}
	a.Phase = foreshock.Escalated
	escalate := func(at int64, value float64) []foreshock.Incident {
		a.T, a.Value = at, value
		return c.Observe(foreshock.Findings{Now: at, Anomalies: []foreshock.Anomaly{a}})
	}
	if told := escalate(60_000, 6); woke(told) {
		t.Errorf("told again: %+v", told)
	}
	told := escalate(120_000, 50)
	if !woke(told) {
		t.Fatalf("ten times as strong, and nobody is told: %+v", told)
	}
	if told[len(told)-1].ID == first.ID {
		t.Error("the new incident has the ID of the dismissed one")
	}
}

func TestDismissalsThatMakeNoSense(t *testing.T) {
	c := New(DefaultConfig())
	quiet := suffer(c, fault{"m", "a", "", time.Hour, 4}, nil)
	loud := suffer(c, fault{"m", "b", "r", 2 * time.Hour, 4}, nil)
	for _, d := range []struct {
		id   string
		want error
	}{
		{"0123", ErrUnknown},
		{quiet[0].ID, ErrUntold},
		{loud[0].ID, nil}, // over, but it did fire
		{loud[0].ID, ErrDismissed},
	} {
		if _, err := c.Dismiss(d.id, "kim", ""); !errors.Is(err, d.want) {
			t.Errorf("%s: %v, want %v", d.id, err, d.want)
		}
	}
	for _, in := range c.Incidents() {
		if (in.Dismissal != nil) != (in.ID == loud[0].ID) {
			t.Errorf("%s: dismissed %v", in.ID, in.Dismissal)
		}
	}
}

// What was learned survives as JSON, and never takes more room than it may.
func TestLessonsAreKept(t *testing.T) {
	before, after := New(DefaultConfig()), New(DefaultConfig())
	for n := range 2 {
		at := time.Duration(n+1) * 10 * day
		suffer(before, fault{"m", "a", "r", at, 4}, func(id string) {
			lesson, err := before.Dismiss(id, "kim", "known")
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(lesson)
			if err != nil {
				t.Fatal(err)
			}
			var read Lesson
			if err := json.Unmarshal(text, &read); err != nil {
				t.Fatal(err)
			}
			after.Learn(read)
		})
	}
	if woke(suffer(after, fault{"m", "a", "r", 21 * day, 4}, nil)) {
		t.Error("a restart forgets what was dismissed")
	}
	for i := range maxPrecedents + 10 {
		after.Learn(Lesson{Dismissal: foreshock.Dismissal{At: 1}, Strengths: map[string]float64{fmt.Sprint(i): 1}})
	}
	if n := len(after.precedents); n > maxPrecedents {
		t.Errorf("%d precedents", n)
	}
}
