package receiver

import (
	"bytes"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// identity is what a key is known by, in place of its bytes: two hashes of it, each
// under a seed of this process's own.
//
// That two of a million keys ever share an identity has a probability of 10^12 ÷ 2^129,
// less than 10^-26. Nobody outside can look for such keys, not knowing the seeds, and
// nobody would gain by it: who may send a series under another's identity may as well
// send it under the other's name. In return a key, a quarter of a kilobyte, is neither
// kept nor read again: with many series it is in none of the processor's caches, and
// comparing its bytes was the dearest step of all here.
type identity struct{ name, check uint64 }

// hashes make identities.
type hashes struct{ byName, byCheck maphash.Seed }

func newHashes() hashes { return hashes{maphash.MakeSeed(), maphash.MakeSeed()} }

func (h *hashes) name(b []byte) uint64  { return maphash.Bytes(h.byName, b) }
func (h *hashes) check(b []byte) uint64 { return maphash.Bytes(h.byCheck, b) }

func (h *hashes) identity(b []byte) identity { return identity{h.name(b), h.check(b)} }

// known is one key of a table and what it stands for: a series, or why there is none.
//
// follower is the node that was asked for next when this one was last asked for:
// senders keep their order, so it is nearly always the next one again, and a look at
// its name costs a tenth of finding it among a million. Where the series is another
// one after all, that look is wrong once in 2^64.
//
// All that a known series needs is in here, 40 bytes beside those of the series that
// was learned next.
type known struct {
	name       uint64 // of its identity
	follower   atomic.Pointer[known]
	series     *foreshock.Series
	generation uint32
	size       uint32        // of the key, in bytes
	told       atomic.Uint32 // the type the Appender was told last, and the epoch
	refused    refusal
}

// learns notes that the Appender is told a type, and reports whether that is news to
// it.
func (n *known) learns(told uint32) bool {
	if n.told.Load() == told {
		return false
	}
	n.told.Store(told)
	return true
}

// pageSize is how many nodes are made at a time: 128 × 40 B = 5 KiB.
const pageSize = 128

// table finds nodes by the identity of their key.
type table struct {
	nodes      map[identity]*known
	page       []known // the nodes to come
	generation uint32
}

// guess returns the node that followed after last time, or nil. The caller must
// compare its name.
func (t *table) guess(after *known) *known {
	if after == nil {
		return nil
	}
	if f := after.follower.Load(); f != nil && f.generation == t.generation {
		return f
	}
	return nil
}

// find returns the node of a key, or nil, and remembers that it followed after.
func (t *table) find(after *known, id identity) *known {
	n := t.nodes[id]
	if n != nil && after != nil {
		after.follower.Store(n)
	}
	return n
}

// add makes the node of a key that has none.
func (t *table) add(id identity, size int, s *foreshock.Series, why refusal) *known {
	if len(t.page) == 0 {
		t.page = make([]known, pageSize)
	}
	n := &t.page[0]
	t.page = t.page[1:]
	n.name, n.size, n.generation, n.series, n.refused = id.name, uint32(size), t.generation, s, why
	t.nodes[id] = n
	return n
}

// turn empties the table. A follower from before is not followed any more, so
// nothing keeps the old nodes alive.
func (t *table) turn() {
	t.nodes, t.page = map[identity]*known{}, nil
	t.generation++
}

// cache remembers series by what senders call them, for as long as they keep doing
// so. It is safe for concurrent use: a request holds mu for reading while it decodes,
// and gives it up for the moment of learning a series.
//
// One label set is one *foreshock.Series, whichever protocol version, label order
// or encoding named it, because every key leads to the canonical one. When the
// cache is full it starts a new generation with empty tables, and canonical keys
// seen again are fetched back from the previous one; a series loses its identity
// only after a whole generation in which nobody sent it.
type cache struct {
	hashes
	mu       sync.RWMutex
	v1       table // by label bytes; every accepted series is here canonically
	v2       table // by the hashes of the symbols referred to, eight bytes each
	families map[string]string
	previous map[identity]*known // v1 of the generation before

	bytes  int // of this generation, by the costs below
	limits Config

	// epoch ends when what the Appender was told of types may be lost to it: then all
	// is told again.
	epoch atomic.Uint32

	builder   labels.ScratchBuilder
	canonical []byte // scratch
}

// What remembering costs beside the bytes of labels, in bytes.
const (
	nodeCost   = 40 + 40 // node and its slot in a map that is two thirds full
	seriesCost = 48      // foreshock.Series
)

// learningCost is what learning a key and a label set of these sizes takes of what one
// request may claim. It is more than the cache keeps, which is no key and the labels
// once, for it bounds what the series costs behind the receiver as well.
func learningCost(key, labels int) int {
	return 2*nodeCost + seriesCost + key + 2*labels
}

func newCache() *cache {
	c := &cache{hashes: newHashes()}
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
	c.families = map[string]string{}
	c.bytes = 0
}

func (c *cache) makeRoom() {
	// Two generations share the memory.
	if max(len(c.v1.nodes), len(c.v2.nodes)) >= c.limits.MaxCachedSeries || c.bytes >= int(c.limits.MaxCachedBytes)/2 {
		c.forget()
	}
}

// learn remembers what key stands for in t, which is c.v1 or c.v2: a refusal, or
// the series that ps names. ps must be judged. It returns whether the series itself
// was new to the cache.
func (c *cache) learn(t *table, id identity, key []byte, ps []pair, why refusal) (n *known, isNew bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := t.find(nil, id); n != nil { // another request was faster
		return n, false
	}
	c.makeRoom()
	var s *foreshock.Series
	if why == accepted {
		c.canonical = appendCanonical(c.canonical[:0], ps)
		if t == &c.v1 && bytes.Equal(c.canonical, key) {
			return c.intern(id, ps)
		}
		home := c.v1.find(nil, c.identity(c.canonical))
		if home == nil {
			home, isNew = c.intern(c.identity(c.canonical), ps)
		}
		s, why = home.series, home.refused
	}
	c.bytes += nodeCost
	return t.add(id, len(key), s, why), isNew
}

// intern adds the canonical node of a label set that has none, whose key is in
// c.canonical.
func (c *cache) intern(id identity, ps []pair) (n *known, isNew bool) {
	why := accepted
	var s *foreshock.Series
	// A refusal was under other limits, or ps would be refused now.
	if old := c.previous[id]; old != nil && old.series != nil {
		s = old.series
	} else {
		isNew = true
		ls := buildLabels(&c.builder, ps)
		if foreshock.OwnOutput(ls) {
			why = ownOutput
		} else {
			s = foreshock.NewSeries(ls)
		}
	}
	c.bytes += nodeCost + seriesCost + labelsSize(ps)
	return c.v1.add(id, len(c.canonical), s, why), isNew
}

// learnFamily keeps the name of a metric family.
func (c *cache) learnFamily(name []byte) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.families[string(name)]; ok {
		return s
	}
	c.makeRoom()
	c.bytes += nodeCost + len(name)
	s := string(name)
	c.families[s] = s
	return s
}

// size is how many keys the cache holds and what they cost, in bytes, in this
// generation.
func (c *cache) size() (keys, bytes int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.v1.nodes) + len(c.v2.nodes), c.bytes
}
