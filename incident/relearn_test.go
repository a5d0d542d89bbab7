package incident

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/foreshock/foreshock"
)

// A dismissal outlasts a crash: what was saved before it knows nothing of it, and what is
// replayed is told as it was, the end of the incident among it.
func TestADismissalOutlastsACrash(t *testing.T) {
	all := weather(7, 500)
	c := New(DefaultConfig())
	images := [][]byte{c.Image()}
	saved := []int{0}
	var told [][]foreshock.Incident
	var journal [][]byte
	for i, f := range all {
		told = append(told, c.Observe(f))
		if i%50 == 25 {
			images, saved = append(images, c.Image()), append(saved, i+1)
		}
		if i%60 != 59 {
			continue
		}
		for _, in := range c.Incidents() {
			lesson, err := c.Dismiss(in.ID, "kim", "backup")
			if err != nil {
				continue // nobody was told of it, or it was dismissed
			}
			text, err := json.Marshal(lesson)
			if err != nil {
				t.Fatal(err)
			}
			journal = append(journal, text)
			break
		}
	}
	if len(journal) < 5 {
		t.Fatalf("%d dismissals", len(journal))
	}
	for k, from := range saved {
		r := New(DefaultConfig())
		var lessons []Lesson
		for _, text := range journal {
			var l Lesson
			if err := json.Unmarshal(text, &l); err != nil {
				t.Fatal(err)
			}
			lessons = append(lessons, l)
		}
		r.Relearn(lessons)
		if err := r.Restore(images[k]); err != nil {
			t.Fatal(err)
		}
		for _, in := range r.Incidents() {
			later := false
			for _, l := range lessons {
				later = later || l.Incident == in.ID && l.Dismissal.At > r.now
			}
			if later != r.ToBeDismissed(in.ID) {
				t.Errorf("restored at %d: of %s it knows that it is to be dismissed: %v, want %v", from, in.ID, !later, later)
			}
		}
		for i, f := range all[from:] {
			if got := r.Observe(f); !reflect.DeepEqual(got, told[from+i]) {
				t.Fatalf("restored at %d, findings %d: told\n%+v\nwant\n%+v", from, from+i, got, told[from+i])
			}
		}
		if !reflect.DeepEqual(r.Incidents(), c.Incidents()) {
			t.Errorf("restored at %d: others are known in the end", from)
		}
	}
}

// What was dismissed before the start counts as one that fired.
func TestPrecisionOfWhatFiredBeforeTheStart(t *testing.T) {
	c := New(DefaultConfig())
	var id string
	suffer(c, fault{"node_load1", "a", "load", day, 4}, func(firing string) { id = firing })
	r := New(DefaultConfig())
	if err := r.Restore(c.Image()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Dismiss(id, "kim", ""); err != nil {
		t.Fatal(err)
	}
	if got := r.Tallies()["load"]; got != (Tally{Fired: 1, Dismissed: 1}) {
		t.Errorf("%+v", got)
	}
}
