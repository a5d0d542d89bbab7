package incident

import (
	"maps"
	"slices"
)

// memory holds values by key, so many and no more: when it is full, the half that was
// used longest ago is forgotten, so that a new key costs no more than the logarithm of
// their number in the mean.
type memory[V any] struct {
	limit     int
	of        map[string]*remembered[V]
	uses      uint64
	forgotten uint64 // keys
}

type remembered[V any] struct {
	value V
	used  uint64 // the use of the memory that was the last of this
}

func newMemory[V any](limit int) memory[V] {
	return memory[V]{limit: limit, of: map[string]*remembered[V]{}}
}

// recall returns the value under a key, or nil.
func (m *memory[V]) recall(key []byte) *V {
	r := m.of[string(key)]
	if r == nil {
		return nil
	}
	m.uses++
	r.used = m.uses
	return &r.value
}

// at returns the value under a key, which is new where there was none.
func (m *memory[V]) at(key []byte) *V {
	if v := m.recall(key); v != nil {
		return v
	}
	if len(m.of) >= m.limit {
		m.forget()
	}
	m.uses++
	r := &remembered[V]{used: m.uses}
	m.of[string(key)] = r
	return &r.value
}

// forget drops the half that was used longest ago.
func (m *memory[V]) forget() {
	var uses []uint64
	for r := range maps.Values(m.of) {
		uses = append(uses, r.used)
	}
	slices.Sort(uses)
	median := uses[len(uses)/2]
	before := len(m.of)
	maps.DeleteFunc(m.of, func(_ string, r *remembered[V]) bool { return r.used <= median })
	m.forgotten += uint64(before - len(m.of))
}
