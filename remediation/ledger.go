package remediation

import (
	"encoding/json"
	"errors"
	"fmt"
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
	Outcome outcome `json:"outcome,omitempty"`
	Verdict string  `json:"verdict,omitempty"`

	CreatedAt  time.Time `json:"createdAt"`
	ExpiresAt  time.Time `json:"expiresAt,omitzero"`
	ApprovedAt time.Time `json:"approvedAt,omitzero"`
	StartedAt  time.Time `json:"startedAt,omitzero"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	OutcomeAt  time.Time `json:"outcomeAt,omitzero"`
}

// page is one record of the ledger: what one event changed, or a part of it.
type page struct {
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
	Starts      map[string][]time.Time `json:"starts,omitempty"`
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

	entries []entry // by creation
	// seen is until when an alert is known: whatever episode of it began up to
	// then has been decided about. About 100 B for each rule and alert, for ever.
	seen map[identity]time.Time
	// starts are when a rule acted, as far as the ceiling looks back.
	starts map[string][]time.Time
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
	l := &ledger{log: log, metrics: m, seen: map[identity]time.Time{}, starts: map[string][]time.Time{}}
	err = log.Replay(func(record []byte) error {
		var p page
		if err := json.Unmarshal(record, &p); err != nil {
			return fmt.Errorf("decode record: %w", err)
		}
		l.apply(p)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", errors.Join(err, log.Close()))
	}
	return l, nil
}

// pageEntries is how many entries one page may hold: 16 × (16 KiB of labels × 6, as
// JSON may write \u003c for a byte, + 64 KiB for their punctuation and the rest)
// ≈ 2.5 MiB, below journal.MaxRecord.
const pageEntries = 16

// record makes the entries durable and only then believes them. After an error the
// first of them may have been, which is no harm: each stands for itself.
func (l *ledger) record(entries ...entry) error {
	for chunk := range slices.Chunk(entries, pageEntries) {
		if err := l.write(page{Entries: chunk}); err != nil {
			return err
		}
		for _, e := range chunk {
			l.metrics.transitions[e.State].Inc()
		}
	}
	return nil
}

func (l *ledger) write(p page) error {
	b, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode record: %w", err)
	}
	if err := l.log.Append(b); err != nil {
		l.metrics.ledgerFailures.Inc()
		return err
	}
	l.apply(p)
	return nil
}

func (l *ledger) apply(p page) {
	if p.DamagedAt.After(l.damagedAt) {
		l.damagedAt = p.DamagedAt
	}
	if p.ForgottenTo.After(l.forgottenTo) {
		l.forgottenTo = p.ForgottenTo
	}
	for key, until := range p.Seen {
		l.see(key, until)
	}
	for rule, starts := range p.Starts {
		for _, at := range starts {
			l.acted(rule, at)
		}
	}
	for _, e := range p.Entries {
		l.believe(e)
	}
	l.metrics.pending.Set(float64(l.pending()))
}

// believe takes the entry into memory.
func (l *ledger) believe(e entry) {
	l.see(e.Plan.identity(), e.until())
	if e.State == stateRunning {
		l.acted(e.Plan.Rule, e.StartedAt)
	}
	if i := l.find(e.ID); i >= 0 {
		l.entries[i] = e
		return
	}
	l.entries = append(l.entries, e)
	if len(l.entries) <= history {
		return
	}
	if i := slices.IndexFunc(l.entries, func(e entry) bool { return e.State.settled() && !e.watched() }); i >= 0 {
		l.entries = slices.Delete(l.entries, i, i+1)
	}
}

// until is up to which beginning an episode of the alert is this one.
func (e entry) until() time.Time {
	if e.Plan.StartsAt.After(e.CreatedAt) {
		return e.Plan.StartsAt
	}
	return e.CreatedAt
}

func (l *ledger) see(key identity, until time.Time) {
	if until.After(l.seen[key]) {
		l.seen[key] = until
	}
}

// acted notes when the rule did, once: a rewritten ledger may say it twice.
func (l *ledger) acted(rule string, at time.Time) {
	if !slices.ContainsFunc(l.starts[rule], at.Equal) {
		l.starts[rule] = append(l.starts[rule], at)
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

// actedSince counts how often the rule acted after t, and forgets what was before.
// A clock that was put back makes it count too many rather than too few.
func (l *ledger) actedSince(rule string, t time.Time) int {
	l.starts[rule] = slices.DeleteFunc(l.starts[rule], func(s time.Time) bool { return !s.After(t) })
	return len(l.starts[rule])
}

func (l *ledger) close() error { return l.log.Close() }
