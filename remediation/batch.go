package remediation

import (
	"errors"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// batch collects what one notification changes, so that it is recorded together. The
// Remediation's mutex is held while it lives.
type batch struct {
	settings *settings
	ledger   *ledger
	metrics  *metrics
	now      moment
	ask      func(entry) *question
	demand   func(incident string) (Demand, error)
	entries  []entry
	changed  map[string]bool   // the IDs of entries
	planned  map[identity]bool // an alert can be in a body twice
	ended    map[identity]time.Time
}

func (b *batch) add(e entry) {
	b.changed[e.ID] = true
	b.entries = append(b.entries, e)
}

// firing plans every remedy that matches the alert, on the first sight of its
// episode.
func (b *batch) firing(a alert) {
	ls := labels.FromMap(a.Labels)
	for _, rule := range b.settings.remedies {
		if !rule.Match.Matches(ls) {
			continue
		}
		value, unforeseen := b.settings.valueFor(rule.Action, a.incident(), b.demand, b.now.wall)
		p, d, err := b.settings.plan(rule, a.Labels, a.StartsAt, value)
		if unforeseen != nil {
			err = unforeseen
		}
		e := entry{ID: p.id(), Plan: p, Kind: b.settings.actions[rule.Action].kind, Incident: a.incident(), CreatedAt: b.now.wall, up: b.now.up}
		if b.settings.hasToken {
			e.door = &b.settings.token
		}
		if at, ok := b.ended[p.identity()]; b.ledger.known(p) || ok && !p.StartsAt.After(at) || b.planned[p.identity()] {
			b.metrics.repeats.Inc()
			continue
		}
		b.planned[p.identity()] = true
		if err == nil {
			e.Hash = p.hash(d)
			err = b.admit(e, a.EndsAt)
		}
		if refused := (*refusal)(nil); errors.As(err, &refused) {
			b.metrics.refuse(&e, refused, b.now.wall)
		} else {
			b.advance(&e)
		}
		b.add(e)
	}
}

// admit asks the guards of the admission.
func (b *batch) admit(e entry, endsAt time.Time) error {
	q := b.ask(e)
	q.endsAt = endsAt
	q.queued = b.ledger.pending()
	for _, e := range b.entries {
		if e.State.waits() {
			q.queued++
		}
	}
	return q.answer(admission)
}

// advance takes a new plan as far as the mode allows.
func (b *batch) advance(e *entry) {
	switch c := b.settings.config; c.Mode {
	case Auto:
		e.State, e.ApprovedAt = stateApproved, b.now.wall
	case Approve:
		e.State, e.ExpiresAt = stateWaiting, b.now.wall.Add(time.Duration(c.ApprovalTTL))
	default:
		e.State, e.FinishedAt = stateSuggested, b.now.wall
	}
}

// resolved cancels what waits for an episode that is over, and remembers that it is: another
// Alertmanager may tell of its beginning later. An episode that began after this end is
// another one: a late repetition of its predecessor's end does not touch it.
func (b *batch) resolved(a alert) {
	b.over(a)
	fp := fingerprint(a.Labels)
	over := func(e *entry) bool {
		return e.State.waits() && e.Plan.Fingerprint == fp && !e.Plan.StartsAt.After(a.EndsAt)
	}
	for i := range b.ledger.entries {
		e := &b.ledger.entries[i]
		if !b.changed[e.ID] && over(e) {
			b.add(b.cancelled(*e))
		}
	}
	for i := range b.entries {
		if e := &b.entries[i]; over(e) {
			*e = b.cancelled(*e)
		}
	}
}

// over notes the end of the episode for every remedy that would have matched it and was not
// planned.
func (b *batch) over(a alert) {
	ls := labels.FromMap(a.Labels)
	end := a.EndsAt
	if end.After(b.now.wall) {
		end = b.now.wall // a sender's clock must not hide episodes to come
	}
	for _, rule := range b.settings.remedies {
		if !rule.Match.Matches(ls) {
			continue
		}
		p, _, _ := b.settings.plan(rule, a.Labels, a.StartsAt, "") // as far as it gets is who it is
		if key := p.identity(); !b.ledger.known(p) && !b.planned[key] && !a.StartsAt.After(end) {
			b.ended[key] = end.UTC()
		}
	}
}

func (b *batch) cancelled(e entry) entry {
	e.State, e.FinishedAt, e.Reason = stateCancelled, b.now.wall, "the alert resolved before it started"
	return e
}
