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
	"path/filepath"
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
	// Damaged says that something in place of the ledger, or of a part of it, was none of
	// ours: what it held is not known, and remedies start paused.
	Damaged bool
	// PauseFile is the kill switch's file: while there is one, nothing starts. "" is
	// paused in Dir.
	PauseFile string
	// VerifiedClients says that the listener in front of Webhook demands client
	// certificates and verifies them: where nothing can act, that lets in.
	VerifiedClients bool
	// Blindness says whether Foreshock sees anything: while it does not, nothing is done.
	// Nil means that it does.
	Blindness func() foreshock.Blindness
	// Watch looks at the series that fired, to see whether what was done helped. Nil
	// sees none: then nobody can tell.
	Watch Watch
	// Demand is what is foreseen for the series of an incident, or why that is not known. Nil
	// foresees nothing. It must not call back.
	Demand func(incident string) (Demand, error)
	// Noteworthy is told the ID of an incident when what was done about it, or what
	// became of that, has changed: see Attach. It must not wait, nor call back, and is not
	// called before Run.
	Noteworthy func(incident string)
	// Changed is told when any plan has changed, or a person said something about all of
	// them. It must not wait, nor call back. Nil tells nobody.
	Changed func()
	Now     func() time.Time
	// Uptime is a clock that nobody can set; nil is the process's own. What must not
	// happen too often is measured by it, so that setting the other allows nothing.
	Uptime     func() time.Duration
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
	demand          func(incident string) (Demand, error)
	noteworthy      func(incident string) // or nil
	now             func() time.Time
	uptime          func() time.Duration
	logger          *slog.Logger
	metrics         *metrics
	self            *self
	killSwitch      killSwitch
	damaged         bool

	wake    chan struct{} // holds one token when there may be work
	show    chan struct{} // holds one when there may be a plan to rehearse
	closing chan struct{} // closed by Close
	stopped chan struct{} // closed when Run has returned
	act     context.Context
	abandon context.CancelFunc // ends the action under way

	settings atomic.Pointer[settings]
	lease    *elector
	words    atomic.Pointer[told]

	mu      sync.Mutex // over all below, held while the ledger is written
	ledger  *ledger
	seeing  time.Time       // since when Watch can look: not long after a start
	undo    map[string]undo // of what may have to be taken back, by the plan's ID
	hands   map[string]bool // the plans that workers have in hand
	clock   moment          // when the clocks were compared
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
	if o.Demand == nil {
		o.Demand = func(string) (Demand, error) { return Demand{}, errors.New("nothing is foreseen") }
	}
	if o.Uptime == nil {
		born := time.Now()
		o.Uptime = func() time.Duration { return time.Since(born) }
	}
	if o.PauseFile == "" {
		o.PauseFile = filepath.Join(o.Dir, "paused")
	}
	s, err := newSettings(o.Config, o.Remedies)
	if err != nil {
		return nil, err
	}
	r := &Remediation{
		verifiedClients: o.VerifiedClients,
		blindness:       o.Blindness,
		watch:           o.Watch,
		demand:          o.Demand,
		noteworthy:      o.Noteworthy,
		undo:            map[string]undo{},
		now:             func() time.Time { return o.Now().UTC() },
		uptime:          o.Uptime,
		self:            findSelf(),
		killSwitch:      killSwitch{file: o.PauseFile},
		damaged:         o.Damaged,
		hands:           map[string]bool{},
		logger:          o.Logger,
		metrics:         newMetrics(o.Registerer),
		wake:            make(chan struct{}, 1),
		show:            make(chan struct{}, 1),
		closing:         make(chan struct{}),
		stopped:         make(chan struct{}),
	}
	r.settings.Store(s)
	r.clock = r.moment()
	r.metrics.leaseHeld.Set(1)
	if o.Config.Lease != nil {
		if r.lease, err = newElector(*o.Config.Lease, r.now, r.metrics, r.learn, r.logger); err != nil {
			return nil, err
		}
		r.metrics.leaseHeld.Set(0)
	}
	if r.ledger, err = openLedger(o.Dir, r.metrics, journal.Options{Registerer: o.Registerer, Logger: o.Logger}); err != nil {
		return nil, err
	}
	r.ledger.changed = o.Changed
	r.ledger.launches.age(r.clock)
	if err := r.settle(); err != nil {
		return nil, errors.Join(err, r.ledger.close())
	}
	r.forget()
	r.heed()
	r.metrics.remedies(s.remedies, r.ledger.entries)
	r.words.Store(telling(r.ledger.entries))
	r.act, r.abandon = context.WithCancel(context.Background())
	r.warn(s)
	r.signal()
	return r, nil
}

// moment is now.
func (r *Remediation) moment() moment { return moment{r.now(), r.uptime()} }

// interruptedReason is what is known of a plan whose process died.
const interruptedReason = "foreshock stopped while it ran: it may or may not have acted"

// mostAttempts is how often a plan starts at most whose action may be repeated.
const mostAttempts = 2

// settle decides about what the last process had begun: nobody saw how it ended. It takes over
// a pause, and begins one where the ledger may have lost an order to.
func (r *Remediation) settle() error {
	now := r.now()
	if r.ledger.log.Damaged() || r.ledger.broken || r.damaged {
		o := order{Verb: verbPause, By: "foreshock", Reason: "the ledger was found damaged", At: now}
		if err := r.ledger.write(page{DamagedAt: now, Orders: []order{o}}); err != nil {
			return err
		}
	}
	if o := r.ledger.paused; o != nil {
		r.killSwitch.thrown.Store(o)
		r.metrics.paused.Set(1)
	}
	var settled []entry
	for _, e := range r.ledger.entries {
		if e.State == stateRunning {
			settled = append(settled, r.interrupted(e))
		}
	}
	if err := r.ledger.record(settled...); err != nil {
		return err
	}
	for _, e := range settled {
		r.tell(e)
	}
	return nil
}

// interrupted decides about a plan that ran when the process died. It is run again only if
// doing it twice is doing it once, only once more, and only past all guards.
func (r *Remediation) interrupted(e entry) entry {
	q := r.question(e)
	if err := isStillWhatWasPlanned(q); err == nil && q.deed.idempotent && e.Attempts < mostAttempts {
		e.State, e.Reason, e.up = stateApproved, interruptedReason+", and is repeated", r.uptime()
		return e
	}
	e.State, e.Reason = stateUnknown, interruptedReason+", and is not run again"
	return e
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
	if !r.lease.keeps(c.Lease) {
		return nil, errors.New("remediation.lease: must not change in a reload; restart")
	}
	return func() {
		r.settings.Store(s)
		r.warn(s)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.metrics.remedies(s.remedies, r.ledger.entries)
	}, nil
}

// Run acts on what was planned, no more at a time than may, and watches what became of it,
// until Close. It may be called once.
func (r *Remediation) Run() {
	r.mu.Lock()
	r.running, r.seeing = true, r.now()
	r.mu.Unlock()
	defer close(r.stopped)

	var all sync.WaitGroup
	for range highestConcurrent { // most have nothing to do: max_concurrent is a guard
		all.Go(r.work)
	}
	all.Go(r.rehearse)
	all.Go(r.expire)
	all.Go(func() { r.lease.run(r.closing, r.listen) })
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
	r.lease.close() // which may wait for who gives an order, and wants the mutex
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.ledger.close(); err != nil {
		return fmt.Errorf("close remediation: %w", err)
	}
	return nil
}

// learn counts what the other replicas did against the ceilings.
func (r *Remediation) learn(claims []claim) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.moment()
	for _, c := range claims {
		for _, at := range c.Starts {
			r.ledger.launches.add(launch{
				Rule: c.Rule, Action: c.Action, Target: c.Target, At: at, up: now.up - max(0, now.wall.Sub(at)),
			})
		}
	}
}

// listen takes in what the lease says, once it was read.
func (r *Remediation) listen() {
	r.heed()
	if err := r.share(); err != nil {
		r.logger.Debug("pause not shared yet", "err", err) // the lease being out of reach is logged once
	}
	r.signal()
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
	for _, c := range []chan struct{}{r.wake, r.show} {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
