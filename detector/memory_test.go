package detector

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// checkLedger holds what s counted, one by one, against what is there.
func checkLedger(t *testing.T, s *shard) {
	t.Helper()
	var want [holdings]int
	for slot := uint32(1); slot <= s.series.used; slot++ {
		st := s.series.at(slot)
		want[heldWindows] += st.window.Bytes()
		if st.mind.model != nil {
			want[heldModels] += modelBytes
		}
		if st.mind.seasonal != nil {
			want[heldSeasons] += seasonalBytes
		}
		want[heldForecasts] += s.bounds[st.slot].bytes()
		if st.outlook != nil {
			want[heldForecasts] += st.outlook.bytes()
		}
		if st.star != nil {
			want[heldConstellations] += starBytes
		}
		if st.diary != nil {
			want[heldDiaries] += st.diary.bytes()
		}
		if st.piece != nil {
			want[heldHistograms] += pieceBytes
		}
	}
	for _, g := range s.groups {
		want[heldGroups] += g.bytes() + len(g.slots)*memberBytes
	}
	for _, f := range s.families {
		for ; f != nil; f = f.next {
			want[heldHistograms] += f.bytes()
			if f.native != nil {
				want[heldHistograms] += nativeBytes
			}
		}
	}
	want[heldStates], want[heldIndexes] = s.ledger.held[heldStates], s.ledger.held[heldIndexes] // by their number
	if s.ledger.held != want {
		t.Fatalf("counted %v, want %v", s.ledger.held, want)
	}
}

// The table of blocks is the allocator's.
func TestBlocks(t *testing.T) {
	for n := 1; n <= 33<<10; n++ {
		if got, want := sized(uintptr(n)), cap(slices.Grow([]byte(nil), n)); got != want {
			t.Fatalf("%d B take %d, want %d", n, got, want)
		}
	}
}

// crowd is a fleet of everything that takes memory: series that rest, that move, that
// have a season, that a group speaks for, that are foreseen, and histograms. A round is a
// quarter of an hour.
type crowd struct {
	from [][]*foreshock.Series // by the round in which they come: the first, and lateness
	move map[*foreshock.Series]bool
	hist []*classic
	r    *rand.Rand
}

const lateness = 80 // rounds

func newCrowd(scale int) *crowd {
	c := &crowd{from: make([][]*foreshock.Series, 2), move: map[*foreshock.Series]bool{}, r: rand.New(rand.NewPCG(1, 1))}
	add := func(from, n int, name string, moves bool) {
		for i := range n {
			x := series(name, "instance", fmt.Sprintf("host-%d", i/20), "number", fmt.Sprint(i%20))
			c.from[from] = append(c.from[from], x)
			c.move[x] = moves
		}
	}
	add(0, 30*scale, "rests", false)
	add(0, 4*scale, "has_a_season", true)
	add(1, 12*scale, "moves", true)
	add(0, 2*scale, "watched", true)
	add(0, scale, "foreseen", true)
	for i := range scale / 20 {
		c.hist = append(c.hist, newClassic("latency_seconds", latencyBounds, "instance", fmt.Sprint("host-", i)))
	}
	return c
}

// rules are those that the names of the crowd speak of.
func (*crowd) rules() *rules.Set {
	return &rules.Set{
		Watches:   []*rules.Watch{{Name: "w", Select: selecting("watched"), Sensitivity: 1}},
		Forecasts: []*rules.Forecast{{Name: "f", Select: selecting("foreseen"), Horizon: time.Hour, Limit: 1e6, Above: true}},
	}
}

// round is what the crowd sends in a round.
func (c *crowd) round(n int) *foreshock.Batch {
	b := &foreshock.Batch{}
	at := start + int64(n)*15*minute
	for i, xs := range c.from {
		if n < i*lateness {
			continue
		}
		for _, x := range xs {
			v := 1.0
			if c.move[x] {
				v = c.r.NormFloat64()
			}
			b.Samples = append(b.Samples, foreshock.Sample{Series: x, T: at, V: v})
		}
	}
	for _, h := range c.hist {
		h.observe(c.r.ExpFloat64())
		b.Samples = append(b.Samples, h.scrape(at)...)
	}
	return b
}

// What is exported as memory is what the detector takes of the heap.
func TestMemoryIsTrue(t *testing.T) {
	if testing.Short() {
		t.Skip("a day of 60 000 series")
	}
	c := newCrowd(1200)
	queue := DefaultConfig()
	queue.QueueSamples = 1 << 20
	bare := heap()
	b := run(t, Options{Config: queue, Rules: c.rules(), Shards: 2, Observe: func(foreshock.Findings) {}})
	for n := range lateness + 25 {
		b.batch(c.round(n))
	}
	b.settle()
	for range 2 {
		runtime.GC() // a pool lets go of what batches need on their way with the second
	}
	used := int(heap() - bare)
	st := b.Status()
	held := b.standing.levels.held
	for h, n := range held {
		t.Logf("%14s %9d B, %5d a series", holding(h), n, n/st.Series)
		if n == 0 && holding(h) != heldDiaries {
			t.Errorf("nothing is held for %s: it proves nothing of them", holding(h))
		}
	}
	off := float64(st.MemoryBytes)/float64(used) - 1
	t.Logf("%d series hold %d B, the heap grew by %d: %+.1f %%", st.Series, st.MemoryBytes, used, 100*off)
	if off < -0.15 || off > 0.15 {
		t.Errorf("%d B are counted and %d used: %+.1f %%, want at most 15", st.MemoryBytes, used, 100*off)
	}
	b.stop()
	for _, s := range b.shards {
		checkLedger(t, s)
	}
	runtime.KeepAlive(c)
}

// At memory_limit new series are refused and known ones go on, but are given no season,
// forecast or place among others any more; what ended makes room.
func TestMemoryLimit(t *testing.T) {
	const limit = 14 << 17 // what the first are about to take
	c := newCrowd(50)
	cfg := DefaultConfig()
	cfg.MemoryLimit = limit
	b := run(t, Options{Config: cfg, Rules: c.rules(), Shards: 1})
	for n := range lateness + 25 {
		b.batch(c.round(n))
	}
	b.settle()
	st := b.Status()
	t.Logf("%d series hold %d B, %d samples refused", st.Series, st.MemoryBytes, st.Refused)
	if st.Refused == 0 || st.MemoryLimit != limit || st.MemoryBytes < limit || st.MemoryBytes > limit+limit/5 {
		t.Errorf("%d series hold %d B of %d, %d samples refused", st.Series, st.MemoryBytes, limit, st.Refused)
	}
	if st.Evicted != 0 {
		t.Errorf("%d were evicted", st.Evicted)
	}
	if n := testutil.ToFloat64(b.metrics.withheld[heldSeasons]); n == 0 {
		t.Error("no season was withheld")
	}

	at := start + int64(lateness+25)*15*minute
	for _, x := range c.from[0][:1000] {
		b.append(foreshock.Sample{Series: x, T: at, V: staleMarker})
	}
	batch := &foreshock.Batch{}
	for i := range 100 {
		batch.Samples = append(batch.Samples, foreshock.Sample{Series: series("new", "i", fmt.Sprint(i)), T: at, V: 1})
	}
	b.batch(batch)
	if n := len(b.views("new")); n != 100 {
		t.Errorf("%d of 100 new series took the places of 1000 that ended", n)
	}
	if got := b.Status(); got.Series > st.Series || got.MemoryBytes > st.MemoryBytes {
		t.Errorf("%d series hold %d B; before some ended %d held %d", got.Series, got.MemoryBytes, st.Series, st.MemoryBytes)
	}

	// Without the limit everything is given.
	withheld := testutil.ToFloat64(b.metrics.withheld[heldSeasons])
	cfg.MemoryLimit = 0
	b.SetConfig(cfg)
	for n := range 10 {
		b.batch(c.round(lateness + 26 + n))
	}
	b.settle()
	if got := testutil.ToFloat64(b.metrics.withheld[heldSeasons]); got != withheld {
		t.Errorf("without a limit %v seasons are withheld", got-withheld)
	}
	if held := b.standing.levels.held[heldSeasons]; held < 350*seasonalBytes {
		t.Errorf("without a limit seasons take %d B, want at least the %d of 350", held, 350*seasonalBytes)
	}
	b.stop()
	checkLedger(t, b.shards[0])
}

// Rules that are loaded at the limit give no series a forecast; once there is room it has
// one.
func TestForecastsComeWithTheRoom(t *testing.T) {
	c := newCrowd(20)
	cfg := DefaultConfig()
	b := run(t, Options{Config: cfg, Shards: 1})
	n := 0
	rounds := func(more int) int {
		for range more {
			b.batch(c.round(n))
			n++
		}
		b.settle()
		return b.standing.levels.held[heldForecasts]
	}
	rounds(10)
	cfg.MemoryLimit = 256 << 10
	b.SetConfig(cfg)
	b.SetRules(c.rules())
	if held := rounds(10); held != 0 {
		t.Errorf("at the limit forecasts take %d B", held)
	}
	if testutil.ToFloat64(b.metrics.withheld[heldForecasts]) == 0 {
		t.Error("no forecast was withheld")
	}
	cfg.MemoryLimit = 0
	b.SetConfig(cfg)
	if held := rounds(10); held == 0 {
		t.Error("there are no forecasts where there is room")
	}
}

// What is refused and withheld depends on the batches and the number of shards alone.
func TestMemoryLimitDependsOnTheBatchesAlone(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MemoryLimit = 13 << 17
	var want Status
	for procs := range 2 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs + 1))
		c := newCrowd(50)
		b := run(t, Options{Config: cfg, Rules: c.rules(), Shards: 3})
		for n := range lateness + 5 {
			b.batch(c.round(n))
		}
		b.stop()
		got := b.Status()
		if procs > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("with %d processors %+v, with one %+v", procs+1, got, want)
		}
		if want = got; want.Refused == 0 {
			t.Error("nothing was refused: it proves nothing")
		}
	}
}
