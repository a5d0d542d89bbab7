package remediation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

const (
	// freshness is how old a plan may be when its turn comes, since it was made or
	// approved. Acting on an old picture of the world is how automation breaks it.
	freshness = time.Minute

	// ceilingWindow is the hour of max_per_hour.
	ceilingWindow = time.Hour

	// breakerLimit is how many failures open a rule's circuit breaker.
	breakerLimit = 2

	// ownerPatience is how long a target's owner may take to be found.
	ownerPatience = 10 * time.Second
)

// stage says when a guard is asked.
type stage uint8

const (
	admission stage = 1 << iota // when the alert comes
	start                       // immediately before acting
	rehearsed                   // by who only wants to know what would be done
)

// guard is one reason not to launch.
type guard struct {
	class string // the reason's label on the metric
	at    stage
	// no returns why not. Any error is a no: a guard that cannot tell does not let
	// through. A *refusal keeps its own class, and errLater postpones.
	no func(*question) error
}

// guards are asked in this order, and the first no is the answer.
var guards = []guard{
	{refusedMode, start, modeActs},
	{refusedAuthentication, start, senderIsStillTrusted},
	{refusedStale, admission | start, isFresh},
	{refusedBlind, admission | start, inputIsGood},
	{refusedForecast, start, forecastIsBelieved},
	{refusedTarget, start, isStillWhatWasPlanned},
	{refusedProtected, admission | start, isNotOurselves},
	{refusedOwner, start, ownerAgrees},
	{refusedLedger, admission | start, ledgerRemembers},
	{refusedOnce, start, isTheEpisodesOnly},
	{refusedCooldown, start | rehearsed, hasCooledDown},
	{refusedCeiling, start | rehearsed, isBelowCeilings},
	{refusedBlast, start | rehearsed, staysSmall},
	{refusedBreaker, admission | start, breakerIsClosed},
	{refusedQueue, admission, queueHasRoom},
	{refusedConcurrency, start, isItsTurn},
	{refusedWindow, start | rehearsed, isWithinWindow},
	{refusedPaused, admission | start, isNotPaused},
}

// question is what the guards are asked: may this plan act now? Each reads what it needs.
type question struct {
	settings *settings
	entry    entry
	now      moment
	launches *launches

	// Where the stage is rehearsed, all below is missing.
	ledger    *ledger
	blindness func() foreshock.Blindness
	demand    func(incident string) (Demand, error)
	paused    func(*settings) (why string)
	self      *self
	endsAt    time.Time // the alert's, at admission
	queued    int       // plans that wait already, at admission
	underWay  int       // other plans in a worker's hands, at the start

	undo undo // of what the plan is a rollback of; nil where it is none or nobody knows
	deed deed
	// asked says that the target's owner was, and what came of it.
	asked   bool
	verdict error
}

// answer asks every guard of the stage and returns nil, the first *refusal, or errLater.
func (q *question) answer(at stage) error {
	for _, g := range guards {
		if g.at&at == 0 {
			continue
		}
		err := g.no(q)
		if refused := (*refusal)(nil); err == nil || errors.As(err, &refused) || errors.Is(err, errLater) {
			if err != nil {
				return err
			}
			continue
		}
		return &refusal{g.class, clip(err.Error(), maxReason)}
	}
	return nil
}

// errLater is no refusal: the plan keeps its place and is asked about again.
var errLater = errors.New("waits for its turn")

func modeActs(q *question) error {
	c := q.settings.config
	if !c.Mode.acts() || c.Mode == Approve && q.entry.Approver == "" {
		return fmt.Errorf("the mode is now %s", c.Mode)
	}
	return nil
}

// senderIsStillTrusted refuses what was delivered with a token that was since replaced: it
// may have leaked. What a former process let in has its ledger's word.
func senderIsStillTrusted(q *question) error {
	if q.entry.door != nil && *q.entry.door != q.settings.token {
		return errors.New("the alert came with a webhook token that has been replaced since")
	}
	return nil
}

func isFresh(q *question) error {
	e, now := &q.entry, q.now
	if !q.endsAt.IsZero() && q.endsAt.Before(now.wall) {
		return fmt.Errorf("the alert ended at %s", q.endsAt.UTC().Format(time.RFC3339))
	}
	if e.ApprovedAt.IsZero() {
		return nil // it waits for a person, whose approval has a deadline
	}
	if age := max(now.wall.Sub(e.ApprovedAt).Abs(), now.up-e.up); age > freshness {
		return fmt.Errorf("its turn came %s after it was planned, which is above %s", age.Round(time.Second), freshness)
	}
	return nil
}

func inputIsGood(q *question) error {
	if b := q.blindness(); b.Blind() {
		return fmt.Errorf("blind since %s: %s", b.Since.UTC().Format(time.RFC3339), b.Why)
	}
	return nil
}

// isStillWhatWasPlanned works the plan out anew: the rule and the allow-list as they are now.
func isStillWhatWasPlanned(q *question) error {
	p := q.entry.Plan
	rule := q.settings.remedy(p.Rule)
	if rule == nil || !rule.Match.Matches(labels.FromMap(p.Labels)) {
		return &refusal{refusedChanged, "the rule is gone or matches the alert no more"}
	}
	if c := q.settings.actions[p.Action].scale; c != nil && !c.contains(p.Value) {
		return &refusal{refusedChanged, fmt.Sprintf("%.20q is not within the action's bounds", p.Value)}
	}
	now, d, err := q.settings.plan(rule, p.Labels, p.StartsAt, p.Value)
	if err != nil {
		return err
	}
	if now.hash(d) != q.entry.Hash {
		return &refusal{refusedChanged, "the configuration would now do something else than was planned"}
	}
	q.deed, err = q.takenBack(d)
	return err
}

func isNotOurselves(q *question) error {
	p := q.entry.Plan
	if slices.Contains(q.settings.config.ProtectedTargets, p.Target) {
		return fmt.Errorf("target %.100q is among remediation.protected_targets", p.Target)
	}
	if p.Target == "" {
		return nil
	}
	return q.self.isNot(p.Target)
}

// ownerAgrees has the verdict of the deed's own check, once it was asked.
func ownerAgrees(q *question) error {
	if q.asked && q.verdict != nil {
		return fmt.Errorf("the target's owner: %w", q.verdict)
	}
	return nil
}

func ledgerRemembers(q *question) error {
	began := q.entry.Plan.StartsAt
	if at := q.ledger.damagedAt; !began.After(at) && q.entry.CreatedAt.After(at) {
		return fmt.Errorf("the ledger was found damaged at %s: this alert began before and may have been treated", at.Format(time.RFC3339))
	}
	if at := q.ledger.forgottenTo; !began.After(at) {
		return fmt.Errorf("the ledger has forgotten what was before %s: this alert began then and may have been treated", at.Format(time.RFC3339))
	}
	return nil
}

// isTheEpisodesOnly refuses an episode that has a successor. That a repetition is none is
// the ledger's to know, before there is a plan.
func isTheEpisodesOnly(q *question) error {
	if until := q.ledger.seen[q.entry.Plan.identity()]; until.After(q.entry.until()) {
		return fmt.Errorf("this alert was decided about again since, at %s", until.UTC().Format(time.RFC3339))
	}
	return nil
}

// others are the starts of the last d that are not this very plan's: one that is repeated
// after a crash does not stand in its own way.
func (q *question) others(d time.Duration) []launch {
	return slices.DeleteFunc(q.launches.within(d, q.now), func(one launch) bool { return one.ID != "" && one.ID == q.entry.ID })
}

func hasCooledDown(q *question) error {
	cooldown := time.Duration(q.settings.config.Cooldown)
	place := q.entry.Plan.place()
	for _, one := range q.others(cooldown) {
		if one.ID != "" && one.ID == q.entry.RollbackOf {
			continue // what is taken back is not to cool down before that
		}
		if placeOf(one.Action, one.Target) == place {
			return fmt.Errorf("%s was acted on within the cooldown of %s", place, cooldown)
		}
	}
	return nil
}

// isBelowCeilings counts every start, a repeated one too.
func isBelowCeilings(q *question) error {
	c := q.settings.config
	day := q.launches.within(launchesWindow, q.now)
	hour := q.launches.within(ceilingWindow, q.now)
	rule := q.entry.Plan.Rule
	if n := len(ofRule(hour, rule)); n >= c.MaxPerHour {
		return fmt.Errorf("the rule acted %d times within the hour", n)
	}
	if n := len(ofRule(day, rule)); n >= c.MaxPerDay {
		return fmt.Errorf("the rule acted %d times within the day", n)
	}
	if n := len(hour); n >= c.MaxTotalPerHour {
		return fmt.Errorf("all rules together acted %d times within the hour", n)
	}
	return nil
}

// staysSmall bounds the share of an action's targets that are touched within the window.
// One always may be.
func staysSmall(q *question) error {
	c, p := q.settings.config, q.entry.Plan
	targets := targetsOf(q.others(time.Duration(c.BlastWindow)), p.Action)
	if slices.Contains(targets, p.Target) {
		return nil
	}
	all := len(q.settings.actions[p.Action].targets)
	if most := max(1, int(c.BlastRadius*float64(all))); len(targets)+1 > most {
		return fmt.Errorf("%d of the %d targets of %s were acted on within %s, and no more than %d may be",
			len(targets), all, p.Action, c.BlastWindow, most)
	}
	return nil
}

func breakerIsClosed(q *question) error {
	// What opens it is what a rollback takes back.
	if failed := q.ledger.failures[q.entry.Plan.Rule]; len(failed) >= breakerLimit && q.entry.RollbackOf == "" {
		return fmt.Errorf("the rule's circuit breaker is open after %d failures, until a person closes it", len(failed))
	}
	return nil
}

func queueHasRoom(q *question) error {
	if c := q.settings.config; c.Mode.acts() && q.queued >= c.QueueSize {
		return fmt.Errorf("%d plans wait already", q.queued)
	}
	return nil
}

func isItsTurn(q *question) error {
	if q.underWay >= q.settings.config.MaxConcurrent {
		return errLater
	}
	return nil
}

func isWithinWindow(q *question) error {
	windows := q.settings.windows
	if len(windows) == 0 || slices.ContainsFunc(windows, func(w window) bool { return w.contains(q.now.wall) }) {
		return nil
	}
	return fmt.Errorf("%s is outside remediation.change_windows", q.now.wall.Format("Mon 15:04 MST"))
}

func isNotPaused(q *question) error {
	if why := q.paused(q.settings); why != "" && q.settings.config.Mode.acts() {
		return errors.New(why)
	}
	return nil
}

// askOwner has the deed look at its target, which may take some seconds.
func (d deed) askOwner(ctx context.Context) error {
	if d.check == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ownerPatience)
	defer cancel()
	return d.check(ctx)
}
