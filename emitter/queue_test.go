package emitter

import (
	"slices"
	"testing"
)

func TestQueueDropsTheOldest(t *testing.T) {
	q := newQueue(10, func(v int) int { return v })
	if dropped := q.put(1, 2, 3, 4); dropped != 0 {
		t.Errorf("dropped %d with room for all", dropped)
	}
	if dropped := q.put(5); dropped != 1+2+3 {
		t.Errorf("dropped %d, want the weight of the three oldest, 6", dropped)
	}
	if got := q.take(9); !slices.Equal(got, []int{4, 5}) {
		t.Errorf("took %v, want what is left in order", got)
	}
	if dropped := q.put(50); dropped != 0 {
		t.Errorf("an item heavier than the queue was not taken alone")
	}
	if dropped := q.put(1); dropped != 50 {
		t.Errorf("dropped %d, want the heavy one", dropped)
	}
	q.close()
	if dropped := q.put(7); dropped != 7 {
		t.Errorf("took an item after close")
	}
	if waiting, open := q.state(); waiting != 1 || open {
		t.Errorf("after close: %d waiting, open %t; what waits must stay", waiting, open)
	}
}
