package remediation

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/foreshock/foreshock/journal"
)

// state is where a plan stands.
type state string

// The states of a plan. It ends in the one it starts with, or passes through
// waiting, approved and running to one of the rest.
const (
	stateSuggested state = "suggested" // mode suggest: what would have been done
	stateWaiting   state = "waiting"   // for a person's approval
	stateApproved  state = "approved"  // waits for its turn
	stateRunning   state = "running"
	stateSucceeded state = "succeeded"
	stateFailed    state = "failed"
	stateRefused   state = "refused"
	stateCancelled state = "cancelled" // resolved or denied before it started
	stateExpired   state = "expired"   // nobody approved in time
	stateUnknown   state = "unknown"   // the process died while it ran
)

var states = []state{
	stateSuggested, stateWaiting, stateApproved, stateRunning, stateSucceeded, stateFailed,
	stateRefused, stateCancelled, stateExpired, stateUnknown,
}

// waits reports whether the action may still come, and may still be stopped.
func (s state) waits() bool { return s == stateWaiting || s == stateApproved }

// settled reports whether nothing more can happen.
func (s state) settled() bool { return !s.waits() && s != stateRunning }

// entry is one plan and what became of it, as the ledger and the API have it.
type entry struct {
	ID    string `json:"id"`
	State state  `json:"state"`
	Plan  plan   `json:"plan"`
	// Hash is what an approval must name; "" where nothing could be planned.
	Hash string `json:"hash,omitempty"`
	// Reason says why it was refused, cancelled or failed.
	Reason string `json:"reason,omitempty"`
	// Approver is whoever said yes or no, in their own words.
	Approver string `json:"approver,omitempty"`
	// Output is what the action said.
	Output string `json:"output,omitempty"`
	// Rehearsal is what the dry run said, of an action that has one.
	Rehearsal string `json:"rehearsal,omitempty"`
	// Attempts is how often it started: more than once only where the process died
	// and the action may be repeated.
	Attempts int `json:"attempts,omitempty"`
	// Fencing is what it last started under, where there is a lease.
	Fencing fencing `json:"fencing,omitzero"`
	// Kind is what the action is: exec, webhook, …
	Kind string `json:"kind,omitempty"`
	// Incident is the ID of the one that the alert is of; "" where it is none of ours.
	Incident string `json:"incident,omitempty"`
	// RollbackOf is the ID of the plan that this one takes back.
	RollbackOf string `json:"rollbackOf,omitempty"`

	// Verify is what the action is held to once it ended; nil before, and where nobody
	// looks whether it helped.
	Verify *verification `json:"verify,omitempty"`
	// Outcome is whether it helped, and Verdict says so to people.
	Outcome string `json:"outcome,omitempty"`
	Verdict string `json:"verdict,omitempty"`

	CreatedAt  time.Time `json:"createdAt"`
	ExpiresAt  time.Time `json:"expiresAt,omitzero"`
	ApprovedAt time.Time `json:"approvedAt,omitzero"`
	StartedAt  time.Time `json:"startedAt,omitzero"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	OutcomeAt  time.Time `json:"outcomeAt,omitzero"`
	// RehearsedAt is when the dry run ended.
	RehearsedAt time.Time `json:"rehearsedAt,omitzero"`

	// up is when it entered its state, by the process's own clock; 0 in a former one.
	up time.Duration
	// door is the hash of the token it was delivered with; nil from a former process.
	door *[sha256.Size]byte
}

// failed reports whether the circuit breaker counts it. Of a rollback nobody expects that it
// mends what the action did not.
func (e entry) failed() bool {
	return e.State == stateFailed || e.Outcome == outcomeNotRecovered && e.RollbackOf == ""
}

// launch is the start that the entry tells of.
func (e entry) launch() launch {
	return launch{ID: e.ID, Rule: e.Plan.Rule, Action: e.Plan.Action, Target: e.Plan.Target, At: e.StartedAt, up: e.up}
}

// page is one record of the ledger: what one event changed, or a part of it.
type page struct {
	// N is the record's number, from 1. The oldest ledgers have none.
	N uint64 `json:"n,omitempty"`
	// Again says that the write before failed, and may have left a record that this
	// one stands in for.
	Again bool `json:"again,omitempty"`
	// Entries are whole; the last one with an ID counts.
	Entries []entry `json:"entries,omitempty"`
	// DamagedAt says that the ledger was found damaged then. Whatever began before
	// may have been treated already.
	DamagedAt time.Time `json:"damagedAt,omitzero"`

	// ForgottenTo says that the ledger was rewritten and knows nothing of what was
	// last planned up to then. What else it remembered then stands in Seen, Starts
	// and Entries.
	ForgottenTo time.Time              `json:"forgottenTo,omitzero"`
	Seen        map[identity]time.Time `json:"seen,omitempty"`
	Launches    []launch               `json:"launches,omitempty"`
	// Failures are the whole of what the circuit breakers count, by rule.
	Failures map[string][]string `json:"failures,omitzero"`
	// Continues is the head of the chain that the rewritten one took the place of.
	Continues *string `json:"continues,omitempty"`
	// Starts are what Launches was, in the oldest ledgers.
	Starts map[string][]time.Time `json:"starts,omitempty"`

	// Orders are what a person said about all remedies, or a rule's.
	Orders []order `json:"orders,omitempty"`
	// ClockSetBy is by how much the wall clock was set, in ns, after what is before.
	ClockSetBy time.Duration `json:"clockSetBy,omitempty"`
}

// history is how many settled plans are kept in memory for the API, beside those
// still open: 256 × (64 KiB of output + 16 KiB of labels) ≈ 20 MiB at the worst.
// The ledger on disk keeps all of them.
const history = 256

// ledger is the journal of plans and what follows from it. It is not safe for
// concurrent use: the Remediation's mutex is around it.
type ledger struct {
	log     *journal.Log
	metrics *metrics
	logger  *slog.Logger

	changed func() // told after a write; may be nil

	link  link // of the last record
	again bool // the last write failed
	head  *os.File
	// broken says that the records were not those that were written.
	broken bool

	entries []entry // by creation
	// seen is until when an alert is known: whatever episode of it began up to
	// then has been decided about. About 100 B for each rule and alert, for ever.
	seen map[identity]time.Time
	// launches are what was started, as far as the ceilings look back.
	launches launches
	// failures are the plans that failed, by rule, since a plan of the rule recovered or
	// a person closed its circuit breaker.
	failures map[string][]string
	paused   *order // the last order, where it is to pause
	resumed  bool   // ever
	heard    order  // the last one that all replicas hear of
	// damagedAt and forgottenTo are the latest of a page's.
	damagedAt, forgottenTo time.Time
}

// openLedger reads the ledger in dir.
func openLedger(dir string, m *metrics, o journal.Options) (*ledger, error) {
	if dir == "" {
		return nil, errors.New("open ledger: no directory to keep it in")
	}
	log, err := journal.Open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l := &ledger{log: log, metrics: m, logger: o.Logger, seen: map[identity]time.Time{}, failures: map[string][]string{}}
	if err := l.read(dir); err != nil {
		return nil, fmt.Errorf("read ledger: %w", errors.Join(err, log.Close()))
	}
	if l.head, err = os.OpenFile(filepath.Join(dir, headFile), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("open ledger: %w", errors.Join(err, log.Close()))
	}
	l.writeHead()
	return l, nil
}

// read takes in all records. Where they are not those that were written, it says so in
// broken, and goes on: a ledger that was tampered with is no reason to stop watching.
func (l *ledger) read(dir string) error {
	head, headErr := readHead(dir)
	w := walker{head: head}
	var wrong error
	err := l.log.Replay(func(record []byte) error {
		var p page
		if err := json.Unmarshal(record, &p); err != nil {
			return fmt.Errorf("decode record: %w", err)
		}
		wrong = cmp.Or(wrong, w.step(record, p))
		l.apply(p)
		return nil
	})
	if err != nil {
		return err
	}
	if head == nil && headErr == nil && w.sealed {
		headErr = errors.New("the ledger's head is missing")
	}
	wrong = cmp.Or(wrong, headErr, w.end())
	l.link, l.broken = w.link, wrong != nil
	if l.broken {
		l.logger.Error("the ledger is not what was written; see foreshock remediation verify-ledger", "err", wrong)
	}
	return nil
}

// writeHead follows the last record. Where it cannot, the old one stays, which is of some
// records ago.
func (l *ledger) writeHead() {
	if _, err := l.head.WriteAt([]byte(l.link.text()+"\n"), 0); err != nil {
		l.logger.Error("head of the ledger not written", "err", err)
	}
}

// pageEntries is how many entries one page may hold: 16 × (16 KiB of labels × 6, as
// JSON may write \u003c for a byte, + 64 KiB for their punctuation and the rest)
// ≈ 2.5 MiB, below journal.MaxRecord.
const pageEntries = 16

// record makes the entries durable and only then believes them. After an error the
// first of them may have been, which is no harm: each stands for itself.
func (l *ledger) record(entries ...entry) error {
	for chunk := range slices.Chunk(entries, pageEntries) {
		var entered []state
		for _, e := range chunk {
			if i := l.find(e.ID); i < 0 || l.entries[i].State != e.State {
				entered = append(entered, e.State)
			}
		}
		if err := l.write(page{Entries: chunk}); err != nil {
			return err
		}
		for _, s := range entered {
			l.metrics.transitions[s].Inc()
		}
	}
	return nil
}

// ended records until when alerts are over that nothing was planned for.
func (l *ledger) ended(ends map[identity]time.Time) error {
	if len(ends) == 0 {
		return nil
	}
	return l.write(page{Seen: ends})
}

func (l *ledger) write(p page) error {
	p.Again = l.again
	record, next, err := l.link.seal(p)
	if err != nil {
		return err
	}
	if err := l.log.Append(record); err != nil {
		l.metrics.ledgerFailures.Inc()
		l.again = true
		return err
	}
	l.link, l.again = next, false
	l.writeHead()
	l.apply(p)
	if l.changed != nil {
		l.changed()
	}
	return nil
}

func (l *ledger) apply(p page) {
	if p.DamagedAt.After(l.damagedAt) {
		l.damagedAt = p.DamagedAt
	}
	if p.ForgottenTo.After(l.forgottenTo) {
		l.forgottenTo = p.ForgottenTo
	}
	l.launches.shift(p.ClockSetBy)
	for key, until := range p.Seen {
		l.see(key, until)
	}
	for _, one := range p.Launches {
		l.launches.add(one)
	}
	for rule, starts := range p.Starts {
		for _, at := range starts {
			l.launches.add(launch{Rule: rule, At: at})
		}
	}
	for _, e := range p.Entries {
		l.believe(e)
	}
	if p.Failures != nil {
		l.failures = maps.Clone(p.Failures)
	}
	for _, o := range p.Orders {
		l.obey(o)
	}
	l.measure()
}

// obey takes an order into memory.
func (l *ledger) obey(o order) {
	if o.Shared {
		l.heard = o
	}
	switch o.Verb {
	case verbPause:
		l.paused = &o
	case verbResume:
		l.paused, l.resumed = nil, true
	case verbClose:
		delete(l.failures, o.Rule)
	}
}

// believe takes the entry into memory.
func (l *ledger) believe(e entry) {
	l.see(e.Plan.identity(), e.until())
	if e.State == stateRunning {
		l.launches.add(e.launch())
	}
	i := l.find(e.ID)
	if i < 0 {
		l.judge(entry{}, e)
		l.entries = append(l.entries, e)
		l.trim()
		return
	}
	l.judge(l.entries[i], e)
	l.entries[i] = e
}

// trim drops the oldest plan that is settled, where there are more than history.
func (l *ledger) trim() {
	if len(l.entries) <= history {
		return
	}
	if i := slices.IndexFunc(l.entries, func(e entry) bool { return e.State.settled() && !e.watched() }); i >= 0 {
		l.entries = slices.Delete(l.entries, i, i+1)
	}
}

// judge counts for the rule's circuit breaker, once a plan, that it failed. Only a recovery
// that was seen takes the count back: an action that merely ended well may have done nothing.
func (l *ledger) judge(before, e entry) {
	rule := e.Plan.Rule
	switch {
	case e.failed() && !before.failed() && !slices.Contains(l.failures[rule], e.ID):
		l.failures[rule] = append(l.failures[rule], e.ID)
	case e.Outcome == outcomeRecovered && before.Outcome != outcomeRecovered:
		if len(l.failures[rule]) < breakerLimit { // an open one waits for a person
			delete(l.failures, rule)
		}
	}
}

// measure keeps the gauges.
func (l *ledger) measure() {
	l.metrics.pending.Set(float64(l.pending()))
	open := 0
	for _, failed := range l.failures {
		if len(failed) >= breakerLimit {
			open++
		}
	}
	l.metrics.openBreakers.Set(float64(open))
}

// sameEpisode is how much later another Prometheus may have seen the alert begin: both
// evaluate the rule once a minute or more often.
const sameEpisode = time.Minute

// until is up to which beginning an episode of the alert is this one: whatever began before it
// was decided about, however our clock is set, and shortly after its own beginning.
func (e entry) until() time.Time {
	if same := e.Plan.StartsAt.Add(sameEpisode); same.After(e.CreatedAt) {
		return same
	}
	return e.CreatedAt
}

func (l *ledger) see(key identity, until time.Time) {
	if until.After(l.seen[key]) {
		l.seen[key] = until
	}
}

// find returns the place of the entry, or -1.
func (l *ledger) find(id string) int {
	return slices.IndexFunc(l.entries, func(e entry) bool { return e.ID == id })
}

// known reports whether this episode was decided about before. An alert that began
// before it was last planned is that same episode: two Prometheus servers that
// disagree about the beginning make Alertmanager move it back.
func (l *ledger) known(p plan) bool {
	until, ok := l.seen[p.identity()]
	return ok && !p.StartsAt.After(until)
}

// pending counts what waits.
func (l *ledger) pending() int {
	n := 0
	for _, e := range l.entries {
		if e.State.waits() {
			n++
		}
	}
	return n
}

func (l *ledger) close() error {
	err := l.head.Close()
	if errors.Is(err, os.ErrClosed) {
		err = nil
	}
	return errors.Join(l.log.Close(), err)
}
