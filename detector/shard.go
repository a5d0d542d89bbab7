package detector

import (
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// shard owns a share of the series. Everything below it belongs to the one goroutine
// that runs it, so nothing there takes a lock; whoever wants something sends it.
type shard struct {
	number int // among the detector's shards
	in     chan task
	asks   chan query

	rules   *rules.Set
	types   types
	grading grading
	limit   int   // series
	keep    int64 // ms of samples in a window
	idle    int64 // ms of age after which a series is forgotten

	search  *search // under way, or nil
	series  registry
	wheel   map[int64][]uint32 // minute of the detector's age → slots to ask then
	minute  int64              // all before were asked
	targets targets
	version uint32 // of rules and types: a series of another version looks itself up again

	out     *part // of the batch at hand: where findings go
	awake   int64 // the detector's age after that batch, ms
	flow    int64 // and its flow: see clock
	warming int   // series
	windows int   // bytes
}

func newShard(number, depth int, c Config, r *rules.Set, newborn bool) *shard {
	s := &shard{
		number:  number,
		in:      make(chan task, depth),
		asks:    make(chan query),
		rules:   r,
		grading: grading{newborn: newborn},
		types:   types{},
		wheel:   map[int64][]uint32{},
		version: 1, // a new series is of version 0
	}
	s.setConfig(c)
	return s
}

func (s *shard) setConfig(c Config) {
	s.limit = c.MaxSeries
	s.grading.threshold, s.grading.warmUp = c.Threshold, c.WarmUp
	s.keep = time.Duration(c.Window).Milliseconds()
	s.idle = time.Duration(c.IdleAfter).Milliseconds()
}

func (s *shard) setRules(r *rules.Set) {
	s.rules = r
	s.version++
}

// run serves batches until in is closed and empty, and questions one after the other:
// a stretch of the search at a time, a batch between two stretches where one waits.
func (s *shard) run() {
	for {
		asks, goOn := s.asks, (<-chan struct{})(nil)
		if s.search != nil {
			asks, goOn = nil, always
		}
		select {
		case t, ok := <-s.in:
			if !ok {
				return
			}
			s.work(t)
		case q := <-asks:
			s.search = &search{query: q}
		case <-goOn:
			if s.search.stretch(&s.series) {
				s.search = nil
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
	s.out, s.awake, s.flow = t.part, t.job.awake, t.job.flow
	if t.job.change != nil {
		t.job.change(s)
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
	s.series.newBatch()
	for i := range t.part.samples {
		s.take(&t.part.samples[i], false)
	}
	for i := range t.part.natives {
		s.take(&t.part.natives[i], true)
	}
	s.age()
	s.out.levels = levels{series: s.series.len(), warming: s.warming, windows: s.windows}
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
		s.out.counts.refused++
		return
	}
	st.seen, st.met = s.awake, s.flow
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
	for s.series.len() >= s.limit {
		st := s.series.idle(s.awake, s.keep)
		if st == nil {
			return nil
		}
		s.evict(st, evictRoom)
	}
	st := s.series.add(x)
	st.native = native
	st.seen, st.met = s.awake, s.flow
	s.settleIn(st)
	s.expect(st)
	return st
}

// resolve looks up what the metadata and the rules say of st.
func (s *shard) resolve(st *state) {
	ls := st.series.Labels
	if k := s.types.kind(ls); k != st.kind && !st.native {
		s.relearn(st)
		st.kind = k
	}
	st.watch = s.rules.Watch(ls)
	s.setForecast(st, s.rules.Forecast(ls))
	s.enlist(st)
	st.version = s.version
}
