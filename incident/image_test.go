package incident

import (
	"reflect"
	"testing"

	"github.com/foreshock/foreshock"
)

// An incident that was open when the process died goes on as the same one, and what
// follows is told as if nothing had happened.
func TestIncidentsGoOnAfterARestart(t *testing.T) {
	all := weather(7, 500)
	c := New(DefaultConfig())
	var told [][]foreshock.Incident
	images := map[int][]byte{}
	for i, f := range all {
		if i%50 == 0 {
			images[i] = c.Image()
		}
		told = append(told, c.Observe(f))
	}
	for at, b := range images {
		r := New(DefaultConfig())
		if err := r.Restore(b); err != nil {
			t.Fatal(err)
		}
		for i, f := range all[at:] {
			if got := r.Observe(f); !reflect.DeepEqual(got, told[at+i]) {
				t.Fatalf("restored at %d, findings %d: told\n%+v\nwant\n%+v", at, at+i, got, told[at+i])
			}
		}
		if !reflect.DeepEqual(r.Incidents(), c.Incidents()) {
			t.Errorf("restored at %d: other incidents are open in the end", at)
		}
	}
}

func TestDamagedIncidentsAreRefused(t *testing.T) {
	c := New(DefaultConfig())
	for _, f := range weather(7, 50) {
		c.Observe(f)
	}
	b := c.Image()
	for cut := range b {
		r := New(DefaultConfig())
		if r.Restore(b[:cut]) == nil {
			t.Fatalf("%d bytes of %d were taken for an image", cut, len(b))
		}
		if len(r.Incidents()) != 0 {
			t.Fatal("a damaged image left incidents")
		}
	}
}
