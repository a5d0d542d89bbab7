package incident

import (
	"maps"
	"slices"
)

// lore holds values by key, so many and no more: when it is full, the half that was
// used longest ago is forgotten, so that a new key costs no more than the logarithm of
// their number in the mean.
type lore[V any] struct {
	limit     int
	of        map[string]*remembered[V]
	uses      uint64
	forgotten uint64 // keys
}

type remembered[V any] struct {
	value V
	used  uint64 // the use of the lore that was the last of this
}

func newLore[V any](limit int) lore[V] {
	return lore[V]{limit: limit, of: map[string]*remembered[V]{}}
}

// recall returns the value under a key, or nil.
func (l *lore[V]) recall(key []byte) *V {
	r := l.of[string(key)]
	if r == nil {
		return nil
	}
	l.uses++
	r.used = l.uses
	return &r.value
}

// at returns the value under a key, which is new where there was none.
func (l *lore[V]) at(key []byte) *V {
	if v := l.recall(key); v != nil {
		return v
	}
	if len(l.of) >= l.limit {
		l.forget()
	}
	l.uses++
	r := &remembered[V]{used: l.uses}
	l.of[string(key)] = r
	return &r.value
}

// forget drops the half that was used longest ago.
func (l *lore[V]) forget() {
	var uses []uint64
	for r := range maps.Values(l.of) {
		uses = append(uses, r.used)
	}
	slices.Sort(uses)
	median := uses[len(uses)/2]
	before := len(l.of)
	maps.DeleteFunc(l.of, func(_ string, r *remembered[V]) bool { return r.used <= median })
	l.forgotten += uint64(before - len(l.of))
}
