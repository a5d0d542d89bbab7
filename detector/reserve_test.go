package detector

import (
	"fmt"
	"testing"

	"github.com/foreshock/foreshock"
)

// TestAFloodLeavesRoom: a job floods the detector with new series. Those that are known go
// on to be scored, the flood ends at nine tenths of the room, and a job that comes after it
// is learned all the same; what is refused is counted.
func TestAFloodLeavesRoom(t *testing.T) {
	c := DefaultConfig()
	c.MaxSeries, c.WarmUp = 100, 5
	b := run(t, Options{Config: c, Shards: 1})
	at := int64(start)
	scrape := func(job string, from, n int) {
		batch := &foreshock.Batch{}
		for i := range n {
			batch.Samples = append(batch.Samples, foreshock.Sample{Series: series("load", "instance", fmt.Sprint(from+i), "job", job), T: at, V: float64(at/1000%7 + int64(i))})
		}
		b.batch(batch)
	}
	known := func(job string) (n int) {
		b.settle()
		return b.shards[0].series.jobs[job]
	}
	for range 20 {
		at += 15_000
		scrape("old", 0, 40)
	}
	for i := range 50 {
		at += 15_000
		scrape("flood", i*100, 100)
		scrape("old", 0, 40)
	}
	if n := known("flood"); n != 50 {
		t.Errorf("the flood has %d series, want the 50 that are left of 90", n)
	}
	at += 15_000
	scrape("late", 0, 20)
	if n := known("late"); n != 10 {
		t.Errorf("who came late has %d series, want 10", n)
	}
	s := b.Status()
	if s.Series != 100 || s.Refused != 50*100-50+10 {
		t.Errorf("%d series are known, %d samples refused", s.Series, s.Refused)
	}
	if want := 70*40 + 50 + 10; s.Scored != want {
		t.Errorf("%d samples scored, want %d: of known series all are", s.Scored, want)
	}
}
