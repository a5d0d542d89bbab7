package remediation

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock/rules"
)

// Rehearsed is a remedy that would run for an alert, or why it would not.
type Rehearsed struct {
	Rule    string
	Action  string
	Target  string // one of the action's configured targets, "" where it has none
	Refused string // why it would not run; "" where it would
}

// Rehearsal says which remedies would run for a stream of alerts that every person
// approves of at once, and runs none. Its time is that of the alerts. Of the guards it asks
// those that depend on nothing else: cooldown, ceilings, blast radius, change windows. It
// holds the starts of a day, and opens no file after NewRehearsal.
type Rehearsal struct {
	settings *settings
	launches launches
}

// NewRehearsal makes the configuration and the rules ready, or says why it cannot.
func NewRehearsal(c Config, remedies []*rules.Remedy) (*Rehearsal, error) {
	s, err := newSettings(c, remedies)
	if err != nil {
		return nil, err
	}
	return &Rehearsal{settings: s}, nil
}

// Firing returns what would be done at the time now about an alert that began to fire
// at startsAt. It is called once an episode, in the order of time.
func (h *Rehearsal) Firing(ls labels.Labels, startsAt, now time.Time) (all []Rehearsed) {
	if h.settings.config.Mode == Off {
		return nil
	}
	for _, rule := range h.settings.remedies {
		if !rule.Match.Matches(ls) {
			continue
		}
		p, _, err := h.settings.plan(rule, ls.Map(), startsAt, h.settings.least(rule.Action))
		if err == nil {
			err = h.admit(p, now)
		}
		one := Rehearsed{Rule: p.Rule, Action: p.Action, Target: p.Target}
		if err != nil {
			one.Refused = err.Error()
		}
		all = append(all, one)
	}
	return all
}

// admit notes that the plan acts now, or refuses.
func (h *Rehearsal) admit(p plan, at time.Time) error {
	// One clock is both: nobody sets that of the alerts.
	now := moment{at, at.Sub(time.Unix(0, 0))}
	h.launches.forget(now)
	e := entry{ID: p.id(), Plan: p, StartedAt: at, up: now.up}
	q := &question{settings: h.settings, entry: e, now: now, launches: &h.launches}
	if err := q.answer(rehearsed); err != nil {
		return err
	}
	h.launches.add(e.launch())
	return nil
}
