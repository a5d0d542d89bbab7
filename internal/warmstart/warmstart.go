// Package warmstart has a process that knows nothing learn from a Prometheus's memory
// before it judges what comes.
//
// The samples go the live way into the detector, so that what is learned is what would
// have been learned live. What is found in them is not for anyone: History tells which
// findings those are. What fails is tried again from where it was, within a time; when that
// is over, or all is read, the process is as ready as it gets.
package warmstart

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/history"
)

const (
	// firstContact is how long a server may take to answer at all: as long as a Prometheus
	// that is started beside us.
	firstContact = 30 * time.Second

	// The pause before trying again doubles from the least to the most.
	leastPause = time.Second
	mostPause  = 30 * time.Second

	// logEvery is how often the log tells of progress.
	logEvery = 10 * time.Second

	// maxBurst is how many samples may pass the rate limit at once, where that is no more
	// than a second's: a few batches.
	maxBurst = 10_000
)

// Options are what a WarmStart needs.
type Options struct {
	Config     Config
	Append     history.Append // the detector's
	Now        func() time.Time
	Registerer prometheus.Registerer // nil registers nothing
	Logger     *slog.Logger          // nil discards
}

// Evaluator makes samples of samples: what the expressions of rules result in.
type Evaluator interface {
	// Due reports whether something is to be evaluated by now, ms.
	Due(now int64) bool
	// Evaluate evaluates it, and appends what comes of it.
	Evaluate(ctx context.Context, now int64) error
}

// WarmStart reads history once, while Run runs.
type WarmStart struct {
	Options
	evaluator Evaluator      // nil: there are no expressions
	source    history.Source // nil once Run has returned, and where there is nothing to do
	limiter   *rate.Limiter
	metrics   *metrics

	share   atomic.Int64 // of the history that is learned, in thousandths
	running atomic.Bool

	mu      sync.Mutex
	heard   *sync.Cond // that findings of history were observed
	unheard int        // batches of history whose findings are still to come
	now     int64      // the time after those that came last, ms

	// Of Run:
	span     history.Span
	position int64 // ms: all before was learned
	learned  int   // samples
	told     time.Time
}

// New returns a WarmStart, which does nothing where the configuration names no URL.
func New(o Options) (*WarmStart, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	w := &WarmStart{Options: o, limiter: rate.NewLimiter(rate.Inf, maxBurst)}
	if n := o.Config.RateLimit; n > 0 {
		w.limiter = rate.NewLimiter(rate.Limit(n), min(n, maxBurst))
	}
	if o.Config.URL != "" {
		var err error
		if w.source, err = o.Config.source(o.Logger); err != nil {
			return nil, fmt.Errorf("set up the warm start: %w", err)
		}
	}
	w.heard = sync.NewCond(&w.mu)
	w.metrics = newMetrics(o.Registerer, w)
	return w, nil
}

// Needed reports whether there is something to do.
func (w *WarmStart) Needed() bool { return w.Config.URL != "" }

// Running reports whether history is being learned.
func (w *WarmStart) Running() bool { return w.running.Load() }

// Progress is how much of the history is learned, from 0 to 1.
func (w *WarmStart) Progress() float64 { return float64(w.share.Load()) / 1000 }

// Evaluate has e evaluate the expressions of rules on history too. It is called before Run,
// and e appends to Append.
func (w *WarmStart) Evaluate(e Evaluator) { w.evaluator = e }

// History reports whether the findings at hand, whose time is now, are of history. Whoever
// observes a detector asks once for each findings, in their order: as nothing is appended
// past this WarmStart while Run runs, those of history come first.
func (w *WarmStart) History(now int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unheard == 0 {
		return false
	}
	w.unheard--
	w.now = now
	w.heard.Broadcast()
	return true
}

// Append appends what is made of samples: of history while Run runs, later of live ones.
func (w *WarmStart) Append(ctx context.Context, b *foreshock.Batch) error {
	if !w.Running() {
		return w.Options.Append(ctx, b)
	}
	w.count(1)
	err := w.Options.Append(ctx, b)
	for errors.Is(err, foreshock.ErrOverloaded) && ctx.Err() == nil {
		err = w.Options.Append(ctx, b) // it has waited itself
	}
	if err != nil {
		w.count(-1)
	}
	return err
}

func (w *WarmStart) count(batches int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unheard += batches
}

// evaluate evaluates what is due once all before was observed, as it is where a recording
// is played.
func (w *WarmStart) evaluate(ctx context.Context) error {
	if w.evaluator == nil || !w.evaluator.Due(w.position) {
		return nil
	}
	w.mu.Lock()
	for w.unheard > 0 {
		w.heard.Wait()
	}
	now := w.now
	w.mu.Unlock()
	return w.evaluator.Evaluate(ctx, now)
}

// Run learns from what was up to now, and returns when that is done, when it has to be
// given up, or when ctx ends. What was learned is kept however it ends.
func (w *WarmStart) Run(ctx context.Context) {
	if !w.Needed() {
		return
	}
	began := w.Now()
	w.span = history.Span{From: began.Add(-time.Duration(w.Config.Lookback)).UnixMilli(), To: began.UnixMilli()}
	w.position, w.told = w.span.From, began
	w.running.Store(true)
	defer w.running.Store(false)
	defer func() { w.source = nil }() // it knows the labels of every series
	w.Logger.Info("warm start: learning from history; senders are asked to wait", "from", foreshock.Time(w.span.From), "to", foreshock.Time(w.span.To))

	err := w.persist(ctx)
	took := w.Now().Sub(began).Round(time.Millisecond)
	w.metrics.seconds.Set(took.Seconds())
	switch {
	case err == nil:
		w.share.Store(1000)
		w.Logger.Info("warm start: done, going live", "samples", w.learned, "took", took)
	case ctx.Err() != nil:
		w.Logger.Info("warm start: stopped", "samples", w.learned)
	default:
		w.metrics.gaveUp.Inc()
		w.Logger.Error("warm start: given up; going live with what was learned", "samples", w.learned, "up_to", foreshock.Time(w.position), "took", took, "err", err)
	}
}

// persist reads on, whatever fails, until all is read or it takes too long. Its error is
// the last reason why it is not.
func (w *WarmStart) persist(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(w.Config.GiveUpAfter))
	defer cancel()
	contact := time.NewTimer(firstContact)
	defer contact.Stop()
	pause := leastPause
	for {
		before := w.learned
		err := w.source.Read(ctx, history.Span{From: w.position, To: w.span.To}, w.learn)
		if err == nil || errors.Is(err, foreshock.ErrClosed) || ctx.Err() != nil {
			return err
		}
		w.metrics.retries.Inc()
		if w.learned > before {
			pause = leastPause
		}
		w.Logger.Warn("warm start: history could not be read; trying again from there", "from", foreshock.Time(w.position), "in", pause, "err", err)
		giveUp := contact.C
		if w.learned > 0 {
			giveUp = nil
		}
		select {
		case <-time.After(pause):
		case <-giveUp:
			return err
		case <-ctx.Done():
			return err
		}
		pause = min(2*pause, mostPause)
	}
}

// learn hands a batch to the detector, as soon as both the rate limit and the detector have
// room for it.
func (w *WarmStart) learn(ctx context.Context, b *foreshock.Batch) error {
	burst := w.limiter.Burst()
	for n := b.Len(); n > 0; n -= burst {
		if err := w.limiter.WaitN(ctx, min(n, burst)); err != nil {
			return err
		}
	}
	samples, latest := b.Len(), history.Latest(b)
	if err := w.Append(ctx, b); err != nil {
		return err
	}
	if samples == 0 {
		return nil // types only
	}
	w.learned += samples
	w.metrics.samples.Add(float64(samples))
	w.position = max(w.position, latest)
	w.share.Store(1000 * (w.position - w.span.From) / max(w.span.To-w.span.From, 1))
	w.metrics.position.Set(float64(w.position) / 1000)
	if now := w.Now(); now.Sub(w.told) >= logEvery {
		w.told = now
		w.Logger.Info("warm start: learning", "percent", w.share.Load()/10, "up_to", foreshock.Time(w.position), "samples", w.learned)
	}
	return w.evaluate(ctx)
}
