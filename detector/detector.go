// Package detector learns every series as it arrives and says which behave unlike
// themselves and which will cross a limit.
//
// A Detector takes Batches in through Append and hands Findings out through
// Observe, one for each batch and in the same order. Between the two, shards share
// the series by where they are: one goroutine owns the windows, models and forecasts of
// a place and weighs its series together, so there is no lock below it. A shard makes
// rates of counters, means and quantiles of histograms, finds gaps, duplicates and late
// samples, and steps the model with what is left.
//
// Only sample time counts, and every batch passes through every shard, so the same
// batches give the same Findings whatever the number of shards or of processors.
// The exception is a detector at max_series or memory_limit, where each shard refuses by its own
// share. How much may wait and how long is bounded, and so is the number of series;
// every sample that is not scored is counted by the reason.
package detector

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// Options are what a Detector needs.
type Options struct {
	Config Config

	// Rules select what is watched and forecast; nil selects nothing. A series no
	// rule selects is learned and scored as well, at the fleet's threshold.
	Rules *rules.Set

	// Observe takes what was found in a batch and owns it. One goroutine calls it,
	// once for each Append that was taken and in their order; while it runs nothing
	// else is handed out. Nil means nobody is interested.
	Observe func(foreshock.Findings)

	// Taken is told of every batch that is taken, in the order that they are, before
	// Append returns. Nothing else is taken while it runs; b stays the caller's.
	Taken func(b *foreshock.Batch)

	// Newborn grades series that are still warming up by the rule for short series:
	// foreshock score sets it, because a file of ten points has nothing else to offer.
	Newborn bool

	// Without leaves parts of the detector out: foreshock eval says what each is worth.
	Without Parts

	// Shards is the number of goroutines that score; 0 means one per processor.
	Shards int

	Registerer prometheus.Registerer // nil registers nothing
	Logger     *slog.Logger          // nil discards
}

// batchCost is what a batch takes of the queue besides its samples, so that
// countless small ones are bounded too: 64 × 24 B ≈ the job that carries it.
const batchCost = 64

// Detector is the shards and the way in and out of them. Its methods may be called
// from any goroutine.
type Detector struct {
	options Options // Config and Rules as of the latest change; mu is held
	observe func(foreshock.Findings)
	logger  *slog.Logger
	metrics *metrics

	shards       []*shard
	roll         roll          // of Run
	asking       chan struct{} // holds a token while a Select has the shards search
	capacity     int64
	queueSamples int                 // as configured
	queue        *semaphore.Weighted // of capacity: samples and metadata waiting, plus batchCost for each batch
	jobs         sync.Pool
	finished     chan struct{} // closed when Run returns

	calibrator *calibrator // its meetings hand it on

	mu      sync.Mutex // held to pass a batch to all shards: it is what orders batches
	clock   clock
	timeout time.Duration
	closed  bool
	order   chan *job // the batches under way, as they were appended

	standingMu sync.Mutex
	standing   standing
}

// New returns a Detector that takes batches at once and scores them while Run runs.
func New(o Options) *Detector {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = func(foreshock.Findings) {}
	}
	if o.Rules == nil {
		o.Rules = &rules.Set{}
	}
	if o.Shards <= 0 {
		o.Shards = runtime.GOMAXPROCS(0)
	}
	// A batch of one sample costs the least, so no more than this many can be under
	// way, and sending to a shard never blocks.
	capacity := max(int64(o.Config.QueueSamples), batchCost+1)
	depth := int(capacity/batchCost) + 1
	d := &Detector{
		options:      o,
		observe:      o.Observe,
		logger:       o.Logger,
		asking:       make(chan struct{}, 1),
		capacity:     capacity,
		queueSamples: o.Config.QueueSamples,
		queue:        semaphore.NewWeighted(capacity),
		finished:     make(chan struct{}),
		timeout:      time.Duration(o.Config.QueueTimeout),
		order:        make(chan *job, depth),
		metrics:      newMetrics(o.Registerer, capacity),
		standing:     standing{shards: make([]levels, o.Shards), foretold: newForetold(o.Registerer, o.Rules)},
		calibrator:   newCalibrator(o.Config, o.Rules),
	}
	for i := range o.Shards {
		d.shards = append(d.shards, d.newShard(i, depth))
	}
	d.jobs.New = func() any { return newJob(o.Shards) }
	d.limit(o.Config)
	d.show(d.calibrator.choose())
	return d
}

func (d *Detector) newShard(i, depth int) *shard {
	o := &d.options
	s := newShard(i, depth, share(o.Config, i, o.Shards), o.Rules, o.Newborn)
	s.grading.without = o.Without
	s.diaries.room = portion(maxDiaries, i, o.Shards)
	return s
}

// Shards is how many goroutines score.
func (d *Detector) Shards() int { return len(d.shards) }

// limit notes how many series may be known, and how much may be held for them.
func (d *Detector) limit(c Config) {
	d.standingMu.Lock()
	defer d.standingMu.Unlock()
	d.standing.limit, d.standing.memory = c.MaxSeries, int(c.MemoryLimit)
	d.metrics.limit.Set(float64(c.MaxSeries))
	d.metrics.memoryLimit.Set(float64(c.MemoryLimit))
}

// share is what shard i of n gets of c: max_series in equal parts, the remainder one
// by one, so that the shards together never hold more, and so of memory_limit.
func share(c Config, i, n int) Config {
	c.MaxSeries = portion(c.MaxSeries, i, n)
	c.MemoryLimit = units.Base2Bytes(portion(int(c.MemoryLimit), i, n))
	return c
}

// portion is the part of all that is shard i's of n.
func portion(all, i, n int) int {
	if i < all%n {
		return all/n + 1
	}
	return all / n
}

// Append takes in all of b or nothing, and keeps no reference to b's slices. It
// waits while the queue is full: no longer than ctx and queue_timeout allow, then it
// returns foreshock.ErrOverloaded. After Close it returns foreshock.ErrClosed.
func (d *Detector) Append(ctx context.Context, b *foreshock.Batch) error {
	// A batch beyond the whole queue passes when it is alone in it.
	cost := min(weight(b)+batchCost, d.capacity)
	if err := d.reserve(ctx, cost); err != nil {
		return err
	}
	j := d.jobs.Get().(*job)
	j.cost = cost
	j.split(b)
	return d.pass(j, b)
}

// reserve waits for room in the queue.
func (d *Detector) reserve(ctx context.Context, cost int64) error {
	if d.queue.TryAcquire(cost) {
		return nil
	}
	d.mu.Lock()
	timeout, closed := d.timeout, d.closed
	d.mu.Unlock()
	if closed {
		return foreshock.ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if d.queue.Acquire(ctx, cost) != nil {
		d.metrics.overloaded.Inc()
		return foreshock.ErrOverloaded
	}
	return nil
}

// pass hands j, which has its room in the queue, to every shard: with the samples of
// b, and the time to which they move the clock, or without where b is nil. Every shard
// sees every batch, even one that brings it nothing: that is how a series ages at the
// same batch however many shards there are. pass does not block.
func (d *Detector) pass(j *job, b *foreshock.Batch) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		d.queue.Release(j.cost)
		d.recycle(j)
		return foreshock.ErrClosed
	}
	before := d.clock.awake
	if b != nil {
		d.clock.advance(b)
		if d.options.Taken != nil {
			d.options.Taken(b)
		}
	}
	j.now, j.awake, j.flow, j.leaps = d.clock.now, d.clock.awake, d.clock.flow, d.clock.leaps
	j.meeting = d.convene(before, j)
	j.working.Add(len(d.shards))
	d.metrics.queue.Add(float64(j.cost))
	if j.note != nil {
		j.note()
	}
	if j.save != nil {
		j.save.clock, j.save.judged = d.clock, judgedBy(d.options.Config, d.options.Rules)
		j.save.Cut()
	}
	d.order <- j
	for i, s := range d.shards {
		s.in <- task{job: j, part: &j.parts[i]}
	}
	return nil
}

// change has every shard apply f, and the calibrator k, after the batches appended before and ahead of those
// appended later. It waits for its turn in the queue, however long; a closed detector
// changes no more.
func (d *Detector) change(f func(*shard), k func(*calibrator), note func()) {
	if d.queue.Acquire(context.Background(), batchCost) != nil {
		return // never: the background does not end
	}
	j := d.jobs.Get().(*job)
	j.cost, j.change, j.recalibrate, j.note = batchCost, f, k, note
	_ = d.pass(j, nil) // ErrClosed: nothing is left to judge
}

// SetRules replaces the rules. Batches appended afterwards are judged by them; what
// the series taught stays.
func (d *Detector) SetRules(s *rules.Set) {
	if s == nil {
		s = &rules.Set{}
	}
	d.standingMu.Lock()
	d.standing.foretold.follow(s)
	d.standingMu.Unlock()
	d.change(func(sh *shard) { sh.setRules(s) }, func(k *calibrator) { k.setRules(s) },
		func() { d.options.Rules = s })
}

// SetConfig replaces the configuration, but for the size of the queue: where that would
// change it warns. Batches appended afterwards are judged by c.
func (d *Detector) SetConfig(c Config) {
	if c.QueueSamples != d.queueSamples {
		d.logger.Warn("detector.queue_samples needs a restart to change", "now", d.queueSamples, "configured", c.QueueSamples)
	}
	d.mu.Lock()
	d.timeout = time.Duration(c.QueueTimeout)
	d.mu.Unlock()
	d.limit(c)
	d.change(func(sh *shard) { sh.setConfig(share(c, sh.number, len(d.shards))) }, func(k *calibrator) { k.setConfig(c) },
		func() { d.options.Config = c })
}

// Close ends the intake. Batches already taken are still scored and observed.
func (d *Detector) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.closed = true
	close(d.order)
	for _, s := range d.shards {
		close(s.in)
	}
}

// Run scores what is appended. It returns once Close was called and the findings of
// the last batch were observed. It must be called once.
func (d *Detector) Run() {
	defer close(d.finished)
	var shards sync.WaitGroup
	for _, s := range d.shards {
		shards.Go(s.run)
	}
	for j := range d.order {
		j.working.Wait()
		j.absences = d.roll.call(j)
		d.metrics.departed(&d.roll)
		d.account(j)
		switch {
		case j.save != nil:
			d.saveFleet(j)
		case j.change == nil:
			d.observe(j.findings())
		}
		d.metrics.queue.Sub(float64(j.cost))
		d.queue.Release(j.cost)
		d.recycle(j)
	}
	shards.Wait()
}

// recycle keeps j's memory for another batch.
func (d *Detector) recycle(j *job) {
	j.reset()
	d.jobs.Put(j)
}
