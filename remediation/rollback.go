package remediation

import (
	"context"
	"encoding/hex"
)

// undo is how an action of this process is taken back.
type undo func(ctx context.Context) (output string, err error)

// rollback is the plan to take back what e did, where e did not help and can be. It is
// a plan like another: its start is on disk before it runs, the guards hold it back, and
// it counts against the ceilings. There is one for an action, and none for itself.
func (r *Remediation) rollback(e entry) (entry, bool) {
	if e.Outcome != outcomeNotRecovered || e.State != stateSucceeded || e.RollbackOf != "" || !e.Verify.Rollback || r.undo[e.ID] == nil {
		return entry{}, false
	}
	id := digest("rollback", e.ID)
	back := entry{
		ID: hex.EncodeToString(id[:16]), RollbackOf: e.ID, State: stateApproved,
		Plan: e.Plan, Hash: e.Hash, Kind: e.Kind, Incident: e.Incident, Approver: e.Approver,
		CreatedAt: e.OutcomeAt, ApprovedAt: e.OutcomeAt, up: r.moment().up,
	}
	return back, r.ledger.find(back.ID) < 0
}

// takenBack turns what would be done into taking back what the plan is a rollback of, if
// it is one. Only the process that acted knows how.
func (q *question) takenBack(d deed) (deed, error) {
	if q.entry.RollbackOf == "" {
		return d, nil
	}
	if q.undo == nil {
		return deed{}, &refusal{refusedChanged, "foreshock was started anew and does not know any more how to take it back"}
	}
	return deed{digest: d.digest, check: d.check, do: q.undo}, nil
}

// remember keeps how to take back what e did, until it is known whether it helped or, if
// it did not, what became of the rollback.
func (r *Remediation) remember(e entry, d deed) {
	if e.watched() && e.State == stateSucceeded && e.RollbackOf == "" && d.undo != nil {
		r.undo[e.ID] = d.undo
	}
}

// deedName is what e did, in a word.
func (e entry) deedName() string {
	name := e.Kind
	if name == "" {
		name = e.Plan.Action
	}
	if e.RollbackOf != "" {
		return "rollback of " + name
	}
	return name
}
