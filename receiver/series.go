package receiver

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// known is what a key stands for: a series, or why there is none.
type known struct {
	series  *foreshock.Series
	refused refusal
}

// node is one key of a table and what it stands for. follower is the node that was
// asked for next when this one was last asked for: senders keep their order, so it
// is nearly always the next one again, and comparing its key costs a tenth of
// hashing and finding it among a million.
type node[V any] struct {
	key        string
	value      V
	generation uint32
	chain      *node[V] // next node of the same hash
	follower   atomic.Pointer[node[V]]
}

// table finds nodes by the bytes of their key. Two keys of one hash are two nodes:
// the hash only says where to look.
type table[V any] struct {
	hash       func([]byte) uint64
	nodes      map[uint64]*node[V]
	len        int
	generation uint32
}

// guess returns the node that followed after last time, or nil. The caller must
// compare its key.
func (t *table[V]) guess(after *node[V]) *node[V] {
	if after == nil {
		return nil
	}
	if f := after.follower.Load(); f != nil && f.generation == t.generation {
		return f
	}
	return nil
}

// find returns the node of a key, or nil, and remembers that it followed after.
func (t *table[V]) find(after *node[V], key []byte) *node[V] {
	n := find(t.nodes, t.hash(key), key)
	if n != nil && after != nil {
		after.follower.Store(n)
	}
	return n
}

func find[V any](nodes map[uint64]*node[V], hash uint64, key []byte) *node[V] {
	n := nodes[hash]
	for n != nil && n.key != string(key) {
		n = n.chain
	}
	return n
}

func (t *table[V]) add(key string, v V) *node[V] {
	h := t.hash([]byte(key))
	n := &node[V]{key: key, value: v, generation: t.generation, chain: t.nodes[h]}
	t.nodes[h] = n
	t.len++
	return n
}

// turn empties the table. A follower from before is not followed any more, so
// nothing keeps the old nodes alive.
func (t *table[V]) turn() {
	t.nodes = map[uint64]*node[V]{}
	t.len = 0
	t.generation++
}

// cache remembers series by the bytes in which senders name them, for as long as
// they keep doing so. It is safe for concurrent use: a request holds mu for
// reading while it decodes, and gives it up for the moment of learning a series.
//
// One label set is one *foreshock.Series, whichever protocol version, label order
// or encoding named it, because every key leads to the canonical one. When the
// cache is full it starts a new generation with empty tables, and canonical keys
// seen again are fetched back from the previous one; a series loses its identity
// only after a whole generation in which nobody sent it.
type cache struct {
	mu sync.RWMutex
	v1 table[known] // by label bytes; every accepted series is here canonically
	// v2 is by the sequence of symbol ids, eight bytes each. Ids are never used
	// twice, so a key of a forgotten symbol cannot come to mean another series.
	v2       table[known]
	symbols  table[uint64]
	previous map[uint64]*node[known] // v1 of the generation before

	lastSymbol uint64
	bytes      int // of this generation, by the costs below
	limits     Config

	builder   labels.ScratchBuilder
	canonical []byte // scratch
}

// What remembering costs beside the bytes of keys and labels, in bytes.
const (
	nodeCost   = 64 + 32 // node and its slot in a map that is two thirds full
	seriesCost = 48      // foreshock.Series
)

// learningCost bounds what learn may allocate for a key and a label set of these
// sizes: the key, the canonical key, and the labels.
func learningCost(key, labels int) int {
	return 2*nodeCost + seriesCost + key + 2*labels
}

func newCache(hash func([]byte) uint64) *cache {
	c := &cache{}
	c.v1.hash, c.v2.hash, c.symbols.hash = hash, hash, hash
	c.forget()
	return c
}

// limit sets the limits, and forgets what was judged under others.
func (c *cache) limit(cfg Config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cfg != c.limits {
		c.limits = cfg
		c.forget()
	}
}

func (c *cache) forget() {
	c.previous = c.v1.nodes
	c.v1.turn()
	c.v2.turn()
	c.symbols.turn()
	c.bytes = 0
}

func (c *cache) makeRoom() {
	// Two generations share the memory.
	if max(c.v1.len, c.v2.len) >= c.limits.MaxCachedSeries || c.bytes >= int(c.limits.MaxCachedBytes)/2 {
		c.forget()
	}
}

// learn remembers what key stands for in t, which is c.v1 or c.v2: a refusal, or
// the series that ps names. ps must be judged. It returns whether the series itself
// was new to the cache.
func (c *cache) learn(t *table[known], key []byte, ps []pair, why refusal) (n *node[known], isNew bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := t.find(nil, key); n != nil { // another request was faster
		return n, false
	}
	c.makeRoom()
	v := known{refused: why}
	if why == accepted {
		var home *node[known]
		home, isNew = c.intern(ps)
		if t == &c.v1 && home.key == string(key) {
			return home, isNew
		}
		v = home.value
	}
	c.bytes += nodeCost + len(key)
	return t.add(string(key), v), isNew
}

// intern returns the canonical node of a label set.
func (c *cache) intern(ps []pair) (n *node[known], isNew bool) {
	c.canonical = appendCanonical(c.canonical[:0], ps)
	if n := c.v1.find(nil, c.canonical); n != nil {
		return n, false
	}
	var v known
	// A refusal was under other limits, or ps would be refused now.
	if old := find(c.previous, c.v1.hash(c.canonical), c.canonical); old != nil && old.value.series != nil {
		v = old.value
	} else {
		isNew = true
		ls := buildLabels(&c.builder, ps)
		if foreshock.OwnOutput(ls) {
			v.refused = ownOutput
		} else {
			v.series = foreshock.NewSeries(ls)
		}
	}
	c.bytes += nodeCost + seriesCost + 2*len(c.canonical)
	return c.v1.add(string(c.canonical), v), isNew
}

// learnSymbol gives a symbol its id.
func (c *cache) learnSymbol(s []byte) *node[uint64] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.symbols.find(nil, s); n != nil {
		return n
	}
	c.makeRoom()
	c.lastSymbol++
	c.bytes += nodeCost + len(s)
	return c.symbols.add(string(s), c.lastSymbol)
}

// size is how many keys the cache holds and what they cost, in bytes, in this
// generation.
func (c *cache) size() (keys, bytes int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.v1.len + c.v2.len, c.bytes
}
