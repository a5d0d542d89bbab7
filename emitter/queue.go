package emitter

import (
	"slices"
	"sync"
)

// queue is a bounded first-in, first-out between goroutines. Putting never blocks:
// when there is no room the oldest go.
type queue[T any] struct {
	weigh func(T) int

	// changed holds a token after put and close, for a reader to wait on.
	changed chan struct{}

	mu       sync.Mutex
	capacity int
	items    []T
	weight   int
	closed   bool
}

// newQueue returns a queue for items that together weigh up to capacity. A nil
// weigh says that each weighs one.
func newQueue[T any](capacity int, weigh func(T) int) *queue[T] {
	if weigh == nil {
		weigh = func(T) int { return 1 }
	}
	return &queue[T]{capacity: capacity, weigh: weigh, changed: make(chan struct{}, 1)}
}

// put appends the items and returns the weight of those that had to go for them.
// One item heavier than the whole queue is taken when alone, so that a queue can
// always pass something on. After close everything goes.
func (q *queue[T]) put(items ...T) (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.signal()
	for _, item := range items {
		w := q.weigh(item)
		if q.closed {
			dropped += w
			continue
		}
		for len(q.items) > 0 && q.weight+w > q.capacity {
			dropped += q.drop()
		}
		q.items = append(q.items, item)
		q.weight += w
	}
	return dropped
}

// resize changes the capacity and returns the weight of those that had to go.
func (q *queue[T]) resize(capacity int) (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.capacity = capacity
	for len(q.items) > 1 && q.weight > capacity {
		dropped += q.drop()
	}
	return dropped
}

// drop removes the oldest item and returns its weight.
func (q *queue[T]) drop() int {
	var none T
	w := q.weigh(q.items[0])
	q.items[0] = none // for the garbage collector
	q.items = q.items[1:]
	q.weight -= w
	return w
}

// take removes and returns up to n items, the oldest first, without waiting.
func (q *queue[T]) take(n int) []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := slices.Clone(q.items[:min(n, len(q.items))])
	for range taken {
		q.drop()
	}
	return taken
}

// state returns how many items wait and whether more may come.
func (q *queue[T]) state() (waiting int, open bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items), !q.closed
}

// close ends the input; what waits can still be taken.
func (q *queue[T]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

func (q *queue[T]) signal() {
	select {
	case q.changed <- struct{}{}:
	default:
	}
}
