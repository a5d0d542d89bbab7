package remediation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// expiryInterval is how often plans that nobody approved are looked for. An
	// approval is checked against the deadline itself.
	expiryInterval = time.Second

	// clockSlack is what the two clocks may differ by within expiryInterval, other than by
	// somebody's setting one: an adjusted clock gains some milliseconds.
	clockSlack = time.Second

	// maxReason bounds a reason, in bytes.
	maxReason = 1 << 10
)

// work takes one plan after the other until Close.
func (r *Remediation) work() {
	for {
		select {
		case <-r.closing:
			return
		case <-r.wake:
		}
		for r.next() {
		}
	}
}

// next runs the oldest plan that is approved, and reports whether there was one.
func (r *Remediation) next() bool {
	e, d, ok := r.begin()
	if !ok {
		return false
	}
	defer r.release(e.ID)
	began := time.Now()
	output, err := d.do(r.act)
	r.metrics.seconds.Observe(time.Since(began).Seconds())
	r.end(e, d, output, err)
	return true
}

// begin takes the oldest approved plan past all guards and records that it starts. Whatever
// is refused on the way is recorded too.
func (r *Remediation) begin() (entry, deed, bool) {
	for {
		id, d, ok := r.pick()
		if !ok {
			return entry{}, deed{}, false
		}
		// Nothing is locked meanwhile: the target's owner and the lease may be slow to
		// answer.
		var f fencing
		verdict := d.askOwner(r.act)
		if verdict == nil {
			f, verdict = r.fence(id)
		}
		if e, d, ok := r.start(id, f, verdict); ok {
			return e, d, true
		}
		r.release(id)
	}
}

// fence claims the plan for this replica, of those that there are.
func (r *Remediation) fence(id string) (fencing, error) {
	r.mu.Lock()
	i := r.ledger.find(id)
	if i < 0 {
		r.mu.Unlock()
		return fencing{}, &refusal{refusedLedger, "the ledger does not know the plan any more"}
	}
	e := r.ledger.entries[i]
	r.mu.Unlock()
	return r.lease.fence(r.act, e, r.now())
}

// pick takes the oldest approved plan that no guard refuses, the target's owner aside, into
// the worker's hands.
func (r *Remediation) pick() (id string, d deed, ok bool) {
	r.heed()
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.closed {
		i := slices.IndexFunc(r.ledger.entries, func(e entry) bool { return e.State == stateApproved && !r.hands[e.ID] })
		if i < 0 {
			break
		}
		e := r.ledger.entries[i]
		q := r.question(e)
		switch err := q.answer(start); {
		case errors.Is(err, errLater):
			r.postpone(i, err)
			return "", deed{}, false
		case err != nil:
			r.refuse(e, err)
		default:
			r.hands[e.ID] = true
			r.metrics.running.Set(float64(len(r.hands)))
			r.signal() // another worker may have room for the next one
			return e.ID, q.deed, true
		}
	}
	return "", deed{}, false
}

// start asks all guards again, with what the target's owner said, and records that the plan
// starts. The kill switch is looked at last, after all that takes time.
func (r *Remediation) start(id string, f fencing, verdict error) (entry, deed, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.ledger.find(id)
	if i < 0 || r.closed || r.ledger.entries[i].State != stateApproved {
		return entry{}, deed{}, false
	}
	e := r.ledger.entries[i]
	q := r.question(e)
	q.asked, q.verdict = true, verdict
	switch err := q.answer(start); {
	case errors.Is(err, errLater):
		r.postpone(i, err)
		return entry{}, deed{}, false
	case err != nil:
		r.refuse(e, err)
		return entry{}, deed{}, false
	}
	e.State, e.StartedAt, e.Reason, e.up = stateRunning, q.now.wall, "", q.now.up
	e.Attempts++
	if r.lease != nil {
		e.Fencing, e.StartedAt = f, f.At // as the claim has it, or a ceiling would count it twice
	}
	if err := r.ledger.record(e); err != nil {
		// Not written, not done. If the disk comes back the ledger still has it
		// as approved, and by then it is stale.
		r.metrics.refuse(&e, &refusal{refusedLedger, "the ledger could not be written"}, q.now.wall)
		e.StartedAt = time.Time{}
		r.ledger.believe(e)
		r.logger.Error("remedy not started", "id", e.ID, "err", err)
		return entry{}, deed{}, false
	}
	if why := r.paused(q.settings); why != "" {
		r.refuse(e, &refusal{refusedPaused, why})
		return entry{}, deed{}, false
	}
	r.tell(e)
	return e, q.deed, true
}

// release takes the plan out of the worker's hands.
func (r *Remediation) release(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.hands, id)
	r.metrics.running.Set(float64(len(r.hands)))
	r.signal()
}

// question asks about the plan as it and the world are now. The mutex is held.
func (r *Remediation) question(e entry) *question {
	now := r.moment()
	r.compareClocks(now)
	r.ledger.launches.forget(now)
	underWay := len(r.hands)
	if r.hands[e.ID] {
		underWay--
	}
	return &question{
		settings: r.settings.Load(), entry: e, now: now, launches: &r.ledger.launches,
		ledger: r.ledger, blindness: r.blindness, paused: r.paused, self: r.self, underWay: underWay,
		undo: r.undo[e.RollbackOf], demand: r.demand, lease: r.lease,
	}
}

// refuse records the guards' no. What started once, and would have been repeated, stays
// unknown.
func (r *Remediation) refuse(e entry, err error) {
	refused := (*refusal)(nil)
	if !errors.As(err, &refused) {
		refused = &refusal{refusedRender, err.Error()}
	}
	repeated := e.State == stateApproved && e.Attempts > 0
	r.metrics.refuse(&e, refused, r.now())
	if repeated {
		e.State, e.Reason = stateUnknown, interruptedReason+"; it may be repeated, but "+refused.text
	}
	if err := r.ledger.record(e); err != nil {
		r.ledger.believe(e)
		r.logger.Error("refusal not recorded", "id", e.ID, "err", err)
		return
	}
	r.tell(e)
}

// postpone says, once and to who looks, why the plan has not started.
func (r *Remediation) postpone(i int, why error) {
	e := &r.ledger.entries[i]
	if e.Reason == "" {
		e.Reason = why.Error()
		if !errors.Is(why, errElsewhere) {
			r.metrics.refusals[refusedConcurrency].Inc()
		}
	}
}

// end records how it went. If that cannot be written the next process will call it
// unknown.
func (r *Remediation) end(e entry, d deed, output string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	hide := r.settings.Load().redact
	e.State, e.FinishedAt, e.Output = stateSucceeded, r.now(), hide(output)
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		r.metrics.refuse(&e, refused, e.FinishedAt)
	} else if err != nil {
		e.State, e.Reason = stateFailed, clip(hide(err.Error()), maxReason)
	}
	e.Verify = r.settings.Load().verification(e.Plan.Action)
	r.remember(e, d)
	if err := r.ledger.record(e); err != nil {
		r.ledger.believe(e)
		r.logger.Error("outcome of a remedy not recorded", "id", e.ID, "state", e.State, "err", err)
		return
	}
	r.tell(e)
}

// expire turns waiting into no, minds the kill switch's file and the clock, and has the ledger
// forget, until Close.
func (r *Remediation) expire() {
	tick, daily := time.NewTicker(expiryInterval), time.NewTicker(forgetInterval)
	defer tick.Stop()
	defer daily.Stop()
	for {
		select {
		case <-r.closing:
			return
		case <-tick.C:
			r.heed()
			r.watchClock()
			r.expireDue()
		case <-daily.C:
			r.forget()
		}
	}
}

// forget keeps the ledger from growing. Where it cannot, the ledger is as good as
// before.
func (r *Remediation) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	if err := r.ledger.forget(r.now()); err != nil {
		r.logger.Error("ledger not rewritten", "err", err)
	}
}

func (r *Remediation) expireDue() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	now := r.moment()
	var due []entry
	for _, e := range r.ledger.entries {
		if e.State == stateWaiting && r.isDue(e, now) {
			due = append(due, expired(e, now.wall))
		}
	}
	if err := r.ledger.record(due...); err != nil {
		r.logger.Error("expired plans not recorded", "err", err)
		return
	}
	for _, e := range due {
		r.tell(e)
	}
}

// isDue reports whether the time for approval is over by either clock.
func (r *Remediation) isDue(e entry, now moment) bool {
	return !now.wall.Before(e.ExpiresAt) || now.up-e.up >= time.Duration(r.settings.Load().config.ApprovalTTL)
}

// watchClock notices that somebody set the wall clock.
func (r *Remediation) watchClock() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.compareClocks(r.moment())
	}
}

// compareClocks tells the ledger that somebody set the wall clock, before anything is recorded
// by the new time, so that what it remembers ages as it would have. A setting in the second
// before a crash, or between two processes, goes unnoticed. The mutex is held.
func (r *Remediation) compareClocks(now moment) {
	set := now.wall.Sub(r.clock.wall) - (now.up - r.clock.up)
	if set.Abs() >= clockSlack {
		r.logger.Warn("the wall clock was set", "by", set)
		if err := r.ledger.write(page{ClockSetBy: set}); err != nil {
			r.logger.Error("setting of the clock not recorded", "err", err)
			return
		}
	}
	r.clock = now
}

func expired(e entry, now time.Time) entry {
	e.State, e.FinishedAt, e.Reason = stateExpired, now, "nobody approved it in time"
	return e
}

// interrupted explains why an action's context ended.
func interrupted(ctx context.Context, timeout time.Duration) error {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return fmt.Errorf("did not finish within %s", timeout)
	}
	return errors.New("foreshock stopped meanwhile")
}

// clip cuts s to n bytes of valid UTF-8. The replacement is one byte, so that
// nothing grows.
func clip(s string, n int) string {
	return strings.ToValidUTF8(s[:min(n, len(s))], "?")
}
