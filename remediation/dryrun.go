package remediation

import (
	"context"
	"slices"
	"time"
)

// rehearse has the dry run of every plan that waits for approval, one after the other until
// Close, so that a person sees what they say yes to. Those that have none are left alone.
func (r *Remediation) rehearse() {
	for {
		select {
		case <-r.closing:
			return
		case <-r.show:
		}
		for r.rehearseNext() {
		}
	}
}

// rehearseNext reports whether there was a plan to rehearse.
func (r *Remediation) rehearseNext() bool {
	id, d, until, ok := r.unrehearsed()
	if !ok {
		return false
	}
	ctx, cancel := context.WithTimeout(r.act, until)
	defer cancel()
	output, err := d.rehearse(ctx)
	r.rehearsed(id, output, err)
	return true
}

// unrehearsed finds the oldest plan that waits and has a dry run to come, which may take as
// long as an action.
func (r *Remediation) unrehearsed() (id string, d deed, within time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return "", deed{}, 0, false
	}
	for _, e := range r.ledger.entries {
		if e.State != stateWaiting || !e.RehearsedAt.IsZero() {
			continue
		}
		q := r.question(e)
		if err := isStillWhatWasPlanned(q); err == nil && q.deed.rehearse != nil {
			return e.ID, q.deed, longestAction, true
		}
	}
	return "", deed{}, 0, false
}

// rehearsed records what the dry run said, if the plan still waits.
func (r *Remediation) rehearsed(id, output string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.ledger.entries, func(e entry) bool { return e.ID == id && e.State == stateWaiting })
	if i < 0 || r.closed {
		return
	}
	e := r.ledger.entries[i]
	hide := r.settings.Load().redact
	e.RehearsedAt, e.Rehearsal = r.now(), clip(hide(output), maxRehearsal)
	if err != nil {
		e.Rehearsal = clip("failed: "+hide(err.Error())+"\n"+e.Rehearsal, maxRehearsal)
	}
	if err := r.ledger.record(e); err != nil {
		r.ledger.believe(e) // or it would be rehearsed again at once
		r.logger.Error("dry run not recorded", "id", id, "err", err)
	}
}

// maxRehearsal bounds what is kept of a dry run, in bytes: sixteen entries are a record of the
// ledger, and JSON may write six for one of them.
const maxRehearsal = 4 << 10
