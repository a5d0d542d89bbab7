package remediation

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// batch collects what one notification changes, so that it is recorded together. The
// Remediation's mutex is held while it lives.
type batch struct {
	settings *settings
	ledger   *ledger
	metrics  *metrics
	now      time.Time
	entries  []entry
	changed  map[string]bool   // the IDs of entries
	planned  map[identity]bool // an alert can be in a body twice
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
		p, d, err := b.settings.plan(rule, a.Labels, a.StartsAt)
		e := entry{ID: p.id(), Plan: p, Kind: b.settings.actions[rule.Action].kind, Incident: a.incident(), CreatedAt: b.now}
		if b.ledger.known(p) || b.planned[p.identity()] {
			b.metrics.repeats.Inc()
			continue
		}
		b.planned[p.identity()] = true
		if err == nil {
			e.Hash = p.hash(d)
			err = b.admit(p)
		}
		if refused := (*refusal)(nil); errors.As(err, &refused) {
			b.metrics.refuse(&e, refused, b.now)
		} else {
			b.advance(&e)
		}
		b.add(e)
	}
}

// admit refuses what the ledger may have forgotten, and what would wait behind too
// much else.
func (b *batch) admit(p plan) error {
	if at := b.ledger.damagedAt; !p.StartsAt.After(at) {
		return &refusal{refusedLedger, fmt.Sprintf("the ledger was found damaged at %s: this alert began before and may have been treated", at.Format(time.RFC3339))}
	}
	if at := b.ledger.forgottenTo; !p.StartsAt.After(at) {
		return &refusal{refusedLedger, fmt.Sprintf("the ledger has forgotten what was before %s: this alert began then and may have been treated", at.Format(time.RFC3339))}
	}
	queued := b.ledger.pending()
	for _, e := range b.entries {
		if e.State.waits() {
			queued++
		}
	}
	if limit := b.settings.config.QueueSize; queued >= limit && b.settings.config.Mode.acts() {
		return &refusal{refusedQueue, fmt.Sprintf("%d plans wait already", queued)}
	}
	return nil
}

// advance takes a new plan as far as the mode allows.
func (b *batch) advance(e *entry) {
	switch c := b.settings.config; c.Mode {
	case Auto:
		e.State, e.ApprovedAt = stateApproved, b.now
	case Approve:
		e.State, e.ExpiresAt = stateWaiting, b.now.Add(time.Duration(c.ApprovalTTL))
	default:
		e.State, e.FinishedAt = stateSuggested, b.now
	}
}

// resolved cancels what waits for an episode that is over. An episode that began
// after this end is another one: a late repetition of its predecessor's end does
// not touch it.
func (b *batch) resolved(a alert) {
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

func (b *batch) cancelled(e entry) entry {
	e.State, e.FinishedAt, e.Reason = stateCancelled, b.now, "the alert resolved before it started"
	return e
}
