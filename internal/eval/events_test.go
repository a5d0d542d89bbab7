package eval

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// An alert finds an event by where it begins: from five rows before the event to five
// after its end.
func TestEventsAreFoundByTheOnset(t *testing.T) {
	event := []span{{50, 59}}
	for _, c := range []struct {
		name   string
		alerts []span // rows with a score of 2
		events []span
		want   string // events, found, wrong, delay
	}{
		{"in time", []span{{50, 52}}, event, "1 1 0 0"},
		{"five rows early", []span{{45, 46}}, event, "1 1 0 -5"},
		{"six rows early", []span{{44, 59}}, event, "1 0 1 0"},
		{"five rows after the end", []span{{64, 64}}, event, "1 1 0 14"},
		{"six rows after the end", []span{{65, 65}}, event, "1 0 1 0"},
		{"always", []span{{0, 99}}, event, "1 0 0 0"},
		{"from when it counts", []span{{20, 99}}, event, "1 0 1 0"},
		{"begun before it counts", []span{{19, 25}}, event, "1 0 0 0"},
		{"four rows apart are one", []span{{30, 30}, {34, 34}, {38, 38}, {42, 42}, {46, 46}, {50, 50}}, event, "1 0 1 0"},
		{"five rows apart are two", []span{{40, 41}, {46, 47}}, event, "1 1 1 -4"},
		{"twice in one event", []span{{50, 50}, {57, 57}}, event, "1 1 0 0"},
		{"one onset within reach of two", []span{{55, 55}}, []span{{48, 51}, {58, 60}}, "2 2 0 4"},
		{"no event", []span{{50, 50}, {70, 70}}, nil, "0 0 2 0"},
		{"nothing said", nil, event, "1 0 0 0"},
	} {
		s := &stream{times: make([]int64, 100), from: 20, events: c.events, interval: time.Hour}
		scores := make([]float64, 100)
		for _, a := range c.alerts {
			for i := a.first; i <= a.last; i++ {
				scores[i] = 2
			}
		}
		var got tally
		got.count(s, scores, above1)
		if text := fmt.Sprint(got.events, got.found, got.wrong, got.delay); text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
	}
}

// Two sets of a stream each, 14 days by the hour: at 1 the first has a false alert,
// at 3 none; the second finds its event at 2 only.
func TestOneThresholdServesAllSets(t *testing.T) {
	of := func(set string, scores map[int]float64) *trial {
		s := &stream{name: set, interval: time.Hour, times: make([]int64, 14*24), from: 0, events: []span{{100, 101}}}
		tr := newTrack(len(s.times))
		all := make([]float64, len(s.times))
		for row, score := range scores {
			all[row] = score
		}
		tr.add(all, 1)
		return newTrial(set, []*stream{s}, []track{tr}, Cost{Nanoseconds: 7, Bytes: unknown})
	}
	rows := judge("m", []*trial{
		of("a", map[int]float64{20: 1.5, 30: 1.2, 40: 1.2, 100: 3}),
		of("b", map[int]float64{100: 2, 200: 1.1}),
	})
	a, b := rows[0], rows[1]
	if a.Shipped.F1 != 2.0/5 || a.Shipped.Precision != 1.0/4 || a.Shipped.Recall != 1 || a.Shipped.FalseDaily != 3.0/14 {
		t.Errorf("a at the shipped threshold: %+v", a.Shipped)
	}
	if a.Tuned.Threshold != 2 || a.Tuned.F1 != 1 || b.Tuned.F1 != 1 {
		t.Errorf("tuned: %+v and %+v, want both perfect at 2", a.Tuned, b.Tuned)
	}
	// Two false alerts in 14 days are one a week.
	if a.WeekRecall != 1 || b.WeekRecall != 1 {
		t.Errorf("recall at one a week: %v and %v, want 1 and 1", a.WeekRecall, b.WeekRecall)
	}
	// Row 100 comes first, row 101 with the 331 others that score nothing.
	if want := 1.0/2 + 1.0/2*2/336; a.AUCPR != figure(want) {
		t.Errorf("AUC-PR %v, want %v", a.AUCPR, want)
	}
	m := mean(rows)
	if m.Shipped.F1 != (a.Shipped.F1+b.Shipped.F1)/2 || m.Cost.Nanoseconds != 7 || !math.IsNaN(float64(m.Cost.Bytes)) {
		t.Errorf("mean: %+v", m)
	}
}
