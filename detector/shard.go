package detector

import (
	"math"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/quantile"
	"github.com/foreshock/foreshock/rules"
)

// shard owns a share of the series. Everything below it belongs to the one goroutine
// that runs it, so nothing there takes a lock; whoever wants something sends it.
type shard struct {
	number int        `image:"-"` // among the detector's shards
	in     chan task  `image:"-"`
	asks   chan query `image:"-"`

	rules    *rules.Set `image:"-"`
	types    types
	grading  grading   `image:"-"`
	grace    grading   `image:"-"` // of a pod that starts
	settings *settings `image:"-"`
	tally    tally
	limit    int                `image:"-"` // series
	reserve  float64            `image:"-"` // part of the room that is for small jobs
	keep     int64              `image:"-"` // ms of samples in a window
	reaches  []rules.Reach      `image:"-"` // beyond that
	bounds   map[uint32]*bounds // slot → the limits of its series, where a rule has one
	longer   map[uint32]int64   // slot → ms of samples in its window, where a reach wants more
	idle     int64              `image:"-"` // ms of age after which a series is forgotten

	search   searching `image:"-"` // under way, or nil
	saving   *saving   `image:"-"` // under way, or nil
	series   registry
	groups   map[groupKey]*group
	families map[uint64]*family // by the hash of their labels
	owners   owners
	siblings siblings
	diaries  library
	targets  targets
	wheel    map[int64][]uint32 // minute of the detector's age → slots to ask then
	minute   int64              // all before were asked
	version  uint32             // of rules and types: a series of another version looks itself up again

	buckets          quantile.Cumulative  `image:"-"` // scratch
	histogram        *foreshock.Histogram `image:"-"` // at hand, while a native one is taken in
	current, between quantile.Native      `image:"-"` // scratch: it, and what it observed since the one before

	verdict verdict `image:"-"` // scratch: on the sample at hand

	out     *part `image:"-"` // of the batch at hand: where findings go
	now     int64 // the detector's clock after that batch, ms
	awake   int64 // the detector's age after that batch, ms
	flow    int64 // and its flow: see clock
	warming int   // series
	ledger  ledger
}

func newShard(number, depth int, c Config, r *rules.Set, newborn bool) *shard {
	s := &shard{
		number:   number,
		in:       make(chan task, depth),
		asks:     make(chan query),
		rules:    r,
		grading:  grading{newborn: newborn},
		types:    types{},
		groups:   map[groupKey]*group{},
		families: map[uint64]*family{},
		wheel:    map[int64][]uint32{},
		diaries:  library{room: maxDiaries},
		version:  1, // a new series is of version 0
	}
	s.settings = newCalibrator(c, r).choose()
	s.tally.begin(0, len(s.settings.thresholds))
	s.setConfig(c)
	return s
}

func (s *shard) setConfig(c Config) {
	s.limit, s.reserve = c.MaxSeries, c.JobReserve
	s.ledger.limit = int(c.MemoryLimit)
	s.grading.warmUp, s.grading.ledger = c.WarmUp, &s.ledger
	s.grace = grading{threshold: c.Threshold, warmUp: math.MaxInt, ledger: &s.ledger}
	s.keep = time.Duration(c.Window).Milliseconds()
	s.reach()
	s.idle = time.Duration(c.IdleAfter).Milliseconds()
}

func (s *shard) setRules(r *rules.Set) {
	s.rules = r
	s.reach()
}

// run serves batches until in is closed and empty, and questions one after the other:
// a stretch of the search at a time, a batch between two stretches where one waits.
func (s *shard) run() {
	for {
		asks, goOn := s.asks, (<-chan struct{})(nil)
		if s.search != nil {
			asks, goOn = nil, always
		}
		if s.saving != nil {
			goOn = always
		}
		select {
		case t, ok := <-s.in:
			if !ok {
				s.saveRest()
				return
			}
			s.work(t)
		case q := <-asks:
			switch {
			case q.look != nil:
				q.look()
			case q.read != nil:
				s.search = q.read
			default:
				s.search = &search{query: q}
			}
		case <-goOn:
			if s.search != nil && s.search.stretch(&s.series) {
				s.search = nil
			}
			if s.saving != nil {
				s.saveNext()
			}
		}
	}
}

// always is a channel that is always ready.
var always = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// work does one job's share.
func (s *shard) work(t task) {
	defer t.job.working.Done()
	if t.job.meeting != nil {
		s.meet(t.job.meeting)
	}
	s.out, s.now, s.awake, s.flow = t.part, t.job.now, t.job.awake, t.job.flow
	if t.job.change != nil {
		t.job.change(s)
	}
	if t.job.save != nil {
		s.save(t.job.save)
	}
	for _, m := range t.job.metadata {
		changed, full := s.types.learn(m)
		if changed {
			s.version++
		}
		if full {
			s.out.counts.families++
		}
	}
	for i := range t.job.owners {
		if full := s.owners.learn(&t.job.owners[i], s.awake, s.idle); full && s.number == 0 {
			s.out.counts.owners++
		}
	}
	s.series.newBatch()
	for i := range t.part.samples {
		s.take(&t.part.samples[i], false)
	}
	for i := range t.part.natives {
		s.takeNative(&t.part.natives[i])
	}
	s.age()
	s.clearShelves()
	s.hold()
	s.out.counts.withheld, s.ledger.withheld = s.ledger.withheld, [holdings]int{}
	s.out.levels = levels{
		series: s.series.len(), warming: s.warming, held: s.ledger.held,
		owners: len(s.owners.known), diaries: s.diaries.len(),
	}
	s.out = nil
}

// take brings one sample to its series. native says that it is a native histogram's
// count.
func (s *shard) take(x *foreshock.Sample, native bool) {
	s.out.counts.samples++
	if !plausible(x.T) {
		s.out.counts.skipped[skipTime]++
		return
	}
	st := s.lookup(x.Series, native)
	if st == nil {
		s.refuse()
		return
	}
	st.seen, st.met = s.awake, s.flow
	if st.kind == derived {
		s.disown(st, native)
	}
	if !x.Stale() {
		s.hear(st, x.T)
	}
	if st.native != native {
		s.out.counts.skipped[skipMixed]++
		return
	}
	if st.version != s.version {
		s.resolve(st)
	}
	s.observe(st, x)
}

// lookup is the state of x, which it makes where x is new; nil where there is no
// room for it.
func (s *shard) lookup(x *foreshock.Series, native bool) *state {
	if st := s.series.find(x); st != nil {
		return st
	}
	for job := jobOf(x); s.full() || s.crowds(job); {
		st := s.series.idle(s.awake, s.keep)
		if st == nil {
			return nil
		}
		s.evict(st, evictRoom)
	}
	st := s.series.add(x)
	st.native = native
	if native {
		st.kind = counter
	}
	st.seen, st.met = s.awake, s.flow
	s.settleIn(st)
	s.expect(st)
	s.hold()
	return st
}

// refuse counts a sample for whose series there is no room.
func (s *shard) refuse() {
	s.out.counts.refused++
	if s.ledger.full() {
		s.out.counts.short++
	}
}

// resolve looks up what the metadata and the rules say of st.
func (s *shard) resolve(st *state) {
	ls := st.series.Labels
	if k := s.types.kind(ls); k != st.kind && !st.native && st.kind != derived {
		s.leaveFamily(st)
		s.relearn(st)
		st.kind = k
	}
	if st.piece == nil {
		s.joinFamily(st)
	}
	s.out.links = foreshock.AppendLinks(s.out.links, ls)
	if w := s.rules.Watch(ls); w != st.watch {
		s.rewatch(st, w)
	}
	s.lengthen(st)
	st.scope, st.young = s.settings.scopes[st.watch], classOf(st)
	s.setForecast(st, s.rules.Forecast(ls))
	s.setBounds(st, s.rules.LimitsOf(ls))
	s.enlist(st)
	st.version = s.version
	if st.kin.stage == unplaced {
		s.place(st)
	}
}
