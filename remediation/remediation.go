// Package remediation does something about an alert, if a person allowed it.
//
// Alertmanager posts its alerts to Webhook. A firing alert that a remedy rule
// matches becomes a plan: this action on this target, for this episode of this
// alert. Depending on the mode the plan is only written down, waits for a person's
// approval, or runs at once. Silences, inhibitions and routes of Alertmanager thus
// govern remedies as they govern pages.
//
// Alertmanager delivers at least once; an episode is treated at most once, for
// ever. The intent is on disk in the ledger before Alertmanager is answered, and
// the start before the action. What was running when the process died is unknown,
// and is never run again. A resolved alert cancels what has not started. The ledger
// remembers for a month, and then refuses what began before.
//
// That an action succeeded says nothing. It helped if the very series that fired recover
// and stay so, by their samples; without samples nobody can tell, which is no success.
// What did not help is taken back once, where it can be, and a person is told.
//
// Labels are other people's input: they select among the configured targets and
// fill values in, and never choose an executable, a URL or the shape of a request.
// Doubt is a refusal, and a refusal is final for its episode. Every time here is
// the wall clock's.
package remediation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/journal"
	"github.com/foreshock/foreshock/rules"
)

// Options are what a Remediation needs.
type Options struct {
	Config   Config
	Remedies []*rules.Remedy
	// Dir holds the ledger. One process at a time may have it.
	Dir string
	// VerifiedClients says that the listener in front of Webhook demands client
	// certificates and verifies them: where nothing can act, that lets in.
	VerifiedClients bool
	// Blindness says whether Foreshock sees anything: while it does not, nothing is done.
	// Nil means that it does.
	Blindness func() foreshock.Blindness
	// Watch looks at the series that fired, to see whether what was done helped. Nil
	// sees none: then nobody can tell.
	Watch Watch
	// Noteworthy is told the ID of an incident when what was done about it, or what
	// became of that, has changed: see Attach. It must not wait, nor call back, and is not
	// called before Run.
	Noteworthy func(incident string)
	Now        func() time.Time
	Registerer prometheus.Registerer
	Logger     *slog.Logger
}

// Remediation turns alerts into plans, and plans into actions one at a time, and watches
// whether they help. Its
// methods and handlers are safe for concurrent use.
type Remediation struct {
	verifiedClients bool
	blindness       func() foreshock.Blindness
	watch           Watch
	noteworthy      func(incident string) // or nil
	now             func() time.Time
	logger          *slog.Logger
	metrics         *metrics

	wake    chan struct{} // holds one token when there may be work
	closing chan struct{} // closed by Close
	stopped chan struct{} // closed when Run has returned
	act     context.Context
	abandon context.CancelFunc // ends the action under way

	settings atomic.Pointer[settings]
	words    atomic.Pointer[told]

	mu      sync.Mutex // over all below, held while the ledger is written
	ledger  *ledger
	seeing  time.Time       // since when Watch can look: not long after a start
	undo    map[string]undo // of what may have to be taken back, by the plan's ID
	running bool
	closed  bool
}

// New opens the ledger and settles what the last process left behind. It refuses a
// configuration that could act for anybody who asks.
func New(o Options) (*Remediation, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Blindness == nil {
		o.Blindness = func() foreshock.Blindness { return foreshock.Blindness{} }
	}
	if o.Watch == nil {
		o.Watch = func(context.Context, string) ([]Sight, error) { return nil, nil }
	}
	s, err := newSettings(o.Config, o.Remedies)
	if err != nil {
		return nil, err
	}
	r := &Remediation{
		verifiedClients: o.VerifiedClients,
		blindness:       o.Blindness,
		watch:           o.Watch,
		noteworthy:      o.Noteworthy,
		undo:            map[string]undo{},
		now:             func() time.Time { return o.Now().UTC() },
		logger:          o.Logger,
		metrics:         newMetrics(o.Registerer),
		wake:            make(chan struct{}, 1),
		closing:         make(chan struct{}),
		stopped:         make(chan struct{}),
	}
	r.settings.Store(s)
	if r.ledger, err = openLedger(o.Dir, r.metrics, journal.Options{Registerer: o.Registerer, Logger: o.Logger}); err != nil {
		return nil, err
	}
	if err := r.settle(); err != nil {
		return nil, errors.Join(err, r.ledger.close())
	}
	r.forget()
	r.metrics.remedies(s.remedies, r.ledger.entries)
	r.words.Store(telling(r.ledger.entries))
	r.act, r.abandon = context.WithCancel(context.Background())
	r.warn(s)
	r.signal()
	return r, nil
}

// settle decides about what the last process had begun: nobody saw how it ended.
func (r *Remediation) settle() error {
	if r.ledger.log.Damaged() {
		if err := r.ledger.write(page{DamagedAt: r.now()}); err != nil {
			return err
		}
	}
	var unknown []entry
	for _, e := range r.ledger.entries {
		if e.State == stateRunning {
			e.State = stateUnknown
			e.Reason = "foreshock stopped while it ran: it may or may not have acted, and is not run again"
			unknown = append(unknown, e)
		}
	}
	if err := r.ledger.record(unknown...); err != nil {
		return err
	}
	for _, e := range unknown {
		r.tell(e)
	}
	return nil
}

// warn tells the operator what the configuration leaves shut.
func (r *Remediation) warn(s *settings) {
	if s.config.Mode != Off && len(s.remedies) > 0 && !s.hasToken && !r.verifiedClients {
		r.logger.Warn("webhook closed until remediation.webhook_token is set")
	}
}

// Prepare makes a configuration and its rules ready, or says why it cannot; commit,
// which cannot fail, puts them to work. What waits or is queued keeps its place, and
// is refused in its turn if it would now do anything else than was planned.
func (r *Remediation) Prepare(c Config, remedies []*rules.Remedy) (commit func(), err error) {
	s, err := newSettings(c, remedies)
	if err != nil {
		return nil, err
	}
	return func() {
		r.settings.Store(s)
		r.warn(s)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.metrics.remedies(s.remedies, r.ledger.entries)
	}, nil
}

// Run acts on what was planned, one action at a time, and watches what became of it,
// until Close. It may be called once.
func (r *Remediation) Run() {
	r.mu.Lock()
	r.running, r.seeing = true, r.now()
	r.mu.Unlock()
	defer close(r.stopped)

	var all sync.WaitGroup
	all.Go(r.work)
	all.Go(r.expire)
	all.Go(r.verify)
	all.Wait()
}

// Close takes no more alerts, lets the action under way finish within ctx, ends it
// then, which can take killDelay and drainDelay more, and closes the ledger. What had not started
// is decided about by the next process.
func (r *Remediation) Close(ctx context.Context) error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	running := r.running
	r.mu.Unlock()

	close(r.closing)
	if running {
		select {
		case <-r.stopped:
		case <-ctx.Done():
		}
	}
	r.abandon()
	if running {
		<-r.stopped
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.ledger.close(); err != nil {
		return fmt.Errorf("close remediation: %w", err)
	}
	return nil
}

// tell logs the state that a plan has entered, and has those be told who are to know.
func (r *Remediation) tell(e entry) {
	level := slog.LevelInfo
	if e.State == stateFailed || e.State == stateRefused || e.State == stateUnknown {
		level = slog.LevelWarn
	}
	r.logger.Log(context.Background(), level, "remedy", "state", e.State, "id", e.ID, "rule", e.Plan.Rule,
		"action", e.Plan.Action, "target", e.Plan.Target, "reason", e.Reason, "approver", e.Approver)
	if e.RollbackOf != "" && e.State.settled() {
		delete(r.undo, e.RollbackOf) // once is all
	}
	r.publish(e)
}

// signal says that there may be work; it never blocks.
func (r *Remediation) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
