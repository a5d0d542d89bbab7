package remediation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

const (
	// verifyInterval is how often it is looked at whether what was done helped.
	verifyInterval = 2 * time.Second

	// lookTimeout bounds one look at the series of one alert.
	lookTimeout = 10 * time.Second

	// patience is how much later than the samples' own times their word may come: as
	// long as a silence may last that is no blindness yet.
	patience = time.Minute

	// maxSeriesWords bounds a series in a verdict, in bytes.
	maxSeriesWords = 200
)

// VerifyConfig says how the series that fired are watched after the action. That it
// exited with 0 or answered 2xx says nothing: they recover, or it did not help.
type VerifyConfig struct {
	// Within is how long they may take to recover, counted from the start of the action
	// by the times of their samples. 0s has nobody look. Up to 1h.
	Within model.Duration `yaml:"within"`

	// Stay is how long they must then have been normal. Up to 1h.
	Stay model.Duration `yaml:"stay"`

	// Rollback takes back once what did not help, where the action can. Whoever approves
	// an action approves of that, too.
	Rollback bool `yaml:"rollback"`
}

// DefaultVerifyConfig is how an action is verified that does not say.
func DefaultVerifyConfig() VerifyConfig {
	return VerifyConfig{
		Within:   model.Duration(5 * time.Minute),
		Stay:     model.Duration(time.Minute),
		Rollback: true,
	}
}

// UnmarshalYAML decodes over the defaults.
func (c *VerifyConfig) UnmarshalYAML(unmarshal func(any) error) error {
	type plain VerifyConfig
	*c = DefaultVerifyConfig()
	return unmarshal((*plain)(c))
}

const longestVerification = time.Hour

func (c VerifyConfig) validate(path string) error {
	var errs []error
	for _, d := range []struct {
		key   string
		value model.Duration
	}{{"within", c.Within}, {"stay", c.Stay}} {
		if v := time.Duration(d.value); v < 0 || v > longestVerification {
			errs = append(errs, fmt.Errorf("%s.%s: must be from 0s to 1h, got %s", path, d.key, d.value))
		}
	}
	return errors.Join(errs...)
}

// Sight is what the stream shows of one series that made an alert.
type Sight struct {
	Series string // as people read it
	// Heard is when its newest sample was taken; zero where none is held. Of a series
	// that is amiss by its silence it is up to when it was listened for.
	Heard time.Time
	// Normal is since when it is normal; zero while it is not.
	Normal time.Time
	// Accepted says that it is called normal only because it was odd for so long.
	Accepted bool
}

// Watch looks at the series that made the alert of an incident. None are seen where
// nothing is known of it. The error is ErrNotYet while the process takes up what it knew.
type Watch func(ctx context.Context, incident string) ([]Sight, error)

// ErrNotYet is that nothing can be seen yet, but will be.
var ErrNotYet = errors.New("what was known is being taken up")

// The outcomes: whether a remedy helped. "" is that it is open, or that nobody looks.
const (
	outcomeRecovered    = "recovered"     // the series that fired are normal and stayed so
	outcomeNotRecovered = "not recovered" // they are not, as their samples say
	outcomeCannotTell   = "cannot tell"   // for want of samples, or of knowing which series
)

var outcomes = []string{outcomeRecovered, outcomeNotRecovered, outcomeCannotTell}

// verification is what an action is held to: its configuration when it ended, so that
// a restart or a reload changes nothing for it.
type verification struct {
	Within time.Duration `json:"within"` // ns, as Stay
	Stay   time.Duration `json:"stay"`
	// Rollback says that what did not help is taken back.
	Rollback bool `json:"rollback,omitempty"`
}

// verdict is an outcome and why.
type verdict struct {
	outcome string
	text    string
}

// watched reports whether it is still open whether e helped.
func (e entry) watched() bool { return e.Verify != nil && e.Outcome == "" && e.State.settled() }

// judge says of what began to act at started, and is called by what it is, whether the
// series that fired recovered. The outcome is "" while that is open. Only samples make a
// recovery or the want of one; that it is due, by the wall clock, only tells that none
// came.
func (v verification) judge(started time.Time, kind string, seen []Sight, due bool) verdict {
	by := started.Add(v.Within)
	var since time.Time // when the last of them became normal
	open := verdict{outcomeCannotTell, "cannot tell whether " + kind + " helped: nothing is known of the series that fired"}
	stayed := len(seen) > 0
	for _, s := range seen {
		normal := !s.Normal.IsZero() && !s.Normal.After(by) && !s.Accepted
		if !normal && !s.Heard.Before(by) {
			return verdict{outcomeNotRecovered, fmt.Sprintf("not recovered within %s of %s: %s is not back to normal",
				spell(v.Within), kind, clip(s.Series, maxSeriesWords))}
		}
		if s.Normal.After(since) {
			since = s.Normal
		}
		if until := later(s.Normal, started).Add(v.Stay); !normal || s.Heard.Before(until) {
			if stayed {
				open.text = fmt.Sprintf("cannot tell whether %s helped: %s", kind, unheard(s))
			}
			stayed = false
		}
	}
	switch {
	case stayed && since.Before(started):
		return verdict{outcomeRecovered, "recovered before " + kind}
	case stayed:
		return verdict{outcomeRecovered, fmt.Sprintf("recovered %s after %s", spell(since.Sub(started)), kind)}
	case due:
		return open
	}
	return verdict{}
}

// due reports whether the samples that tell whether e helped should have come by now.
func (r *Remediation) due(e entry, now time.Time) bool {
	return now.Sub(e.StartedAt) >= e.Verify.Within+e.Verify.Stay+patience && now.Sub(r.seeing) >= patience
}

func unheard(s Sight) string {
	if s.Heard.IsZero() {
		return "no samples of " + clip(s.Series, maxSeriesWords)
	}
	return fmt.Sprintf("no samples of %s since %s", clip(s.Series, maxSeriesWords), s.Heard.UTC().Format("15:04:05 UTC"))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// spell writes d to the second, as people say it.
func spell(d time.Duration) string {
	d = d.Round(time.Second)
	if d < 2*time.Minute {
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return model.Duration(d).String()
}

// verify watches what was done until Close.
func (r *Remediation) verify() {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	tick := time.NewTicker(verifyInterval)
	defer tick.Stop()
	go func() {
		<-r.closing
		end() // a look under way is broken off
	}()
	for {
		select {
		case <-r.closing:
			return
		case <-tick.C:
		}
		for _, e := range r.watched() {
			if v := r.look(ctx, e); v.outcome != "" && ctx.Err() == nil {
				r.conclude(e.ID, v)
			}
		}
	}
}

// watched are the plans of which it is open whether they helped.
func (r *Remediation) watched() (open []entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.ledger.entries {
		if e := &r.ledger.entries[i]; e.watched() {
			open = append(open, *e)
		}
	}
	return open
}

// look holds the plan against the stream as it is now. Who is blind or cannot look sees
// nothing, and nothing is success.
func (r *Remediation) look(ctx context.Context, e entry) verdict {
	kind, now := e.deedName(), r.now()
	due := r.due(e, now)
	if b := r.blindness(); b.Blind() {
		v := e.Verify.judge(e.StartedAt, kind, nil, due)
		if v.outcome != "" {
			v.text = fmt.Sprintf("cannot tell whether %s helped: blind since %s", kind, b.Since.UTC().Format("15:04:05 UTC"))
		}
		return v
	}
	if e.Incident == "" {
		return verdict{outcomeCannotTell, "cannot tell whether " + kind + " helped: the alert is of no incident of Foreshock's"}
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	seen, err := r.watch(ctx, e.Incident)
	if errors.Is(err, ErrNotYet) {
		r.seeing = now
		return verdict{}
	}
	v := e.Verify.judge(e.StartedAt, kind, seen, due)
	if err != nil {
		r.logger.Warn("the series that fired could not be looked at", "id", e.ID, "err", err)
		if v.outcome != "" {
			v = verdict{outcomeCannotTell, fmt.Sprintf("cannot tell whether %s helped: %v", kind, err)}
		}
	}
	return v
}

// conclude records the verdict and, with it, that what did not help is taken back. What
// cannot be written is looked at again.
func (r *Remediation) conclude(id string, v verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.ledger.find(id)
	if r.closed || i < 0 {
		return
	}
	e := r.ledger.entries[i]
	e.Outcome, e.OutcomeAt, e.Verdict = v.outcome, r.now(), clip(v.text, maxReason)
	changed := []entry{e}
	back, ok := r.rollback(e)
	if ok {
		changed = append(changed, back)
	}
	if err := r.ledger.write(page{Entries: changed}); err != nil {
		r.logger.Error("verdict on a remedy not recorded", "id", e.ID, "outcome", e.Outcome, "err", err)
		return
	}
	r.metrics.outcome(e)
	r.metrics.rate(e.Plan, r.ledger.entries)
	r.logger.Info("remedy verified", "id", e.ID, "rule", e.Plan.Rule, "action", e.Plan.Action, "target", e.Plan.Target,
		"outcome", e.Outcome, "verdict", e.Verdict)
	if !ok {
		delete(r.undo, e.ID)
		r.publish(e)
		return
	}
	r.metrics.transitions[back.State].Inc()
	r.tell(back)
	r.signal()
}
