package remediation

import (
	"time"

	"github.com/foreshock/foreshock"
)

// troubleFor is how long a person is told of a remedy that did not help. After that the
// alert about what it was for has to be enough.
const troubleFor = time.Hour

// told is what others are told of the plans, ready to be read without waiting for a
// disk: they stand in the flow of samples.
type told struct {
	remedies map[string][]foreshock.Remedy // by incident, oldest first
	troubles []foreshock.Trouble           // oldest first
}

// publish has others be told what became of e.
func (r *Remediation) publish(e entry) {
	if e.StartedAt.IsZero() && e.RollbackOf == "" {
		return // nothing was done
	}
	r.words.Store(telling(r.ledger.entries))
	if e.Incident != "" && r.running && r.noteworthy != nil {
		r.noteworthy(e.Incident)
	}
}

// telling is what there is to tell of the entries.
func telling(entries []entry) *told {
	t := &told{remedies: map[string][]foreshock.Remedy{}}
	backs := map[string]entry{}
	for _, e := range entries {
		if e.RollbackOf != "" {
			backs[e.RollbackOf] = e
		}
	}
	for _, e := range entries {
		if e.StartedAt.IsZero() && e.RollbackOf == "" {
			continue
		}
		if e.Incident != "" {
			t.remedies[e.Incident] = append(t.remedies[e.Incident], e.remedy())
		}
		if since, ok := e.troubled(); ok {
			text := e.words()
			if back, ok := backs[e.ID]; ok {
				text += "; " + back.words()
			}
			t.troubles = append(t.troubles, foreshock.Trouble{
				Rule: e.Plan.Rule, Action: e.Plan.Action, Target: e.Plan.Target,
				Incident: e.Incident, Since: since, Text: text,
			})
		}
	}
	return t
}

func (e entry) remedy() foreshock.Remedy {
	at := later(e.StartedAt, e.CreatedAt) // a rollback may have been refused
	return foreshock.Remedy{
		Rule: e.Plan.Rule, Action: e.Plan.Action, Target: e.Plan.Target,
		At: at.UnixMilli(), Outcome: e.Outcome, Text: e.words(),
	}
}

// troubled is since when a person must look after e, if so.
func (e entry) troubled() (since time.Time, ok bool) {
	switch {
	case e.RollbackOf != "" || e.Outcome == outcomeRecovered:
		return time.Time{}, false
	case e.State == stateFailed || e.State == stateUnknown:
		return later(e.FinishedAt, e.StartedAt), true
	}
	return e.OutcomeAt, e.Outcome != ""
}

// words say what became of e, to people.
func (e entry) words() string {
	name := e.deedName()
	text := ""
	switch {
	case e.State == stateApproved:
		return name + " waits for its turn"
	case e.State == stateRunning:
		return name + " runs"
	case e.State == stateUnknown:
		return name + " may or may not have run: foreshock stopped meanwhile"
	case e.State != stateSucceeded:
		text = name + " " + string(e.State) + ": " + e.Reason
	case e.watched():
		return name + " ran; it is watched whether it helps"
	case e.Verdict == "":
		return name + " ran; nobody looks whether it helped"
	}
	if text != "" && e.Verdict != "" {
		text += "; "
	}
	return text + e.Verdict
}

// Attach gives each of the incidents what was done about it. It never waits.
func (r *Remediation) Attach(incidents []foreshock.Incident) {
	remedies := r.words.Load().remedies
	for i := range incidents {
		incidents[i].Remedies = remedies[incidents[i].ID]
	}
}

// Troubles are the remedies that a person must look after now, oldest first; of one rule,
// action and target there may be several. It never waits.
func (r *Remediation) Troubles() (now []foreshock.Trouble) {
	since := r.now().Add(-troubleFor)
	for _, t := range r.words.Load().troubles {
		if t.Since.After(since) {
			now = append(now, t)
		}
	}
	return now
}
