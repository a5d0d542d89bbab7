package remediation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

const (
	// freshness is how old a plan may be when its turn comes, since it was made or
	// approved. Acting on an old picture of the world is how automation breaks it.
	freshness = time.Minute

	// ceilingWindow is the hour of max_per_hour.
	ceilingWindow = time.Hour

	// expiryInterval is how often plans that nobody approved are looked for. An
	// approval is checked against the deadline itself.
	expiryInterval = time.Second

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
	began := time.Now()
	output, err := d.do(r.act)
	r.metrics.seconds.Observe(time.Since(began).Seconds())
	r.end(e, d, output, err)
	return true
}

// begin records that the oldest approved plan starts. Whatever it refuses on the
// way is recorded too.
func (r *Remediation) begin() (entry, deed, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.closed {
		i := slices.IndexFunc(r.ledger.entries, func(e entry) bool { return e.State == stateApproved })
		if i < 0 {
			break
		}
		e := r.ledger.entries[i]
		now := r.now()
		d, err := r.settings.Load().recheck(r.ledger, e, now)
		if b := r.blindness(); err == nil && b.Blind() {
			err = &refusal{refusedBlind, fmt.Sprintf("blind since %s: %s", b.Since.UTC().Format(time.RFC3339), b.Why)}
		}
		if err == nil {
			d, err = r.takeBack(e, d)
		}
		refused := (*refusal)(nil)
		if errors.As(err, &refused) {
			r.metrics.refuse(&e, refused, now)
		} else {
			e.State, e.StartedAt = stateRunning, now
		}
		if err := r.ledger.record(e); err != nil {
			// Not written, not done. If the disk comes back the ledger still has it
			// as approved, and by then it is stale.
			r.metrics.refuse(&e, &refusal{refusedLedger, "the ledger could not be written"}, now)
			e.StartedAt = time.Time{}
			r.ledger.believe(e)
			r.logger.Error("remedy not started", "id", e.ID, "err", err)
			continue
		}
		r.tell(e)
		if refused == nil {
			return e, d, true
		}
	}
	return entry{}, deed{}, false
}

// recheck holds the plan against the world as it is now, immediately before acting.
func (s *settings) recheck(l *ledger, e entry, now time.Time) (deed, error) {
	c := s.config
	if !c.Mode.acts() || c.Mode == Approve && e.Approver == "" {
		return deed{}, &refusal{refusedChanged, fmt.Sprintf("the mode is now %s", c.Mode)}
	}
	rule := s.remedy(e.Plan.Rule)
	if rule == nil || !rule.Match.Matches(labels.FromMap(e.Plan.Labels)) {
		return deed{}, &refusal{refusedChanged, "the rule is gone or matches the alert no more"}
	}
	p, d, err := s.plan(rule, e.Plan.Labels, e.Plan.StartsAt)
	if err != nil {
		return deed{}, err
	}
	if p.hash(d) != e.Hash {
		return deed{}, &refusal{refusedChanged, "the configuration would now do something else than was planned"}
	}
	if age := now.Sub(e.ApprovedAt).Abs(); age > freshness {
		return deed{}, &refusal{refusedStale, fmt.Sprintf("its turn came %s after it was planned, which is above %s", age.Round(time.Second), freshness)}
	}
	if n := l.actedSince(p.Rule, now.Add(-ceilingWindow)); n >= c.MaxPerHour {
		return deed{}, tooOften(n)
	}
	return d, nil
}

// tooOften refuses a rule that acted n times within the hour.
func tooOften(n int) *refusal {
	return &refusal{refusedCeiling, fmt.Sprintf("the rule acted %d times within the hour", n)}
}

// end records how it went. If that cannot be written the next process will call it
// unknown.
func (r *Remediation) end(e entry, d deed, output string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.State, e.FinishedAt, e.Output = stateSucceeded, r.now(), output
	if err != nil {
		e.State, e.Reason = stateFailed, clip(err.Error(), maxReason)
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

// expire turns waiting into no, and has the ledger forget, until Close.
func (r *Remediation) expire() {
	tick, daily := time.NewTicker(expiryInterval), time.NewTicker(forgetInterval)
	defer tick.Stop()
	defer daily.Stop()
	for {
		select {
		case <-r.closing:
			return
		case <-tick.C:
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
	now := r.now()
	var due []entry
	for _, e := range r.ledger.entries {
		if e.State == stateWaiting && !now.Before(e.ExpiresAt) {
			due = append(due, expired(e, now))
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
