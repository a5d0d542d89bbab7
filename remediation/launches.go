package remediation

import (
	"maps"
	"slices"
	"time"
)

// moment is now by two clocks: the wall's, which anybody may set, and the process's own,
// which nobody can.
type moment struct {
	wall time.Time
	up   time.Duration
}

// launch is one start of an action, as far as the ceilings need it.
type launch struct {
	ID     string `json:"id,omitempty"` // of the plan
	Rule   string `json:"rule"`
	Action string `json:"action,omitempty"`
	Target string `json:"target,omitempty"`
	// At is when, by the wall clock as it was set when the ledger was last told.
	At time.Time `json:"at"`

	up time.Duration // the same instant by this process's clock; below 0 in a former process
}

// launches are the starts of the last day, oldest first. They age by the process's own clock:
// setting the wall's neither wears out a ceiling nor lifts it.
type launches struct{ list []launch }

// launchesWindow is how far any ceiling looks back.
const launchesWindow = 24 * time.Hour

// add notes a start, once: a rewritten ledger may tell of one twice.
func (l *launches) add(one launch) {
	same := func(o launch) bool {
		return o.Rule == one.Rule && o.At.Equal(one.At) && (o.ID == one.ID || o.ID == "" || one.ID == "")
	}
	if !slices.ContainsFunc(l.list, same) {
		l.list = append(l.list, one)
	}
}

// within returns the starts of the last d.
func (l *launches) within(d time.Duration, now moment) (recent []launch) {
	for _, one := range l.list {
		if now.up-one.up < d {
			recent = append(recent, one)
		}
	}
	return recent
}

// forget drops what no ceiling looks back to.
func (l *launches) forget(now moment) { l.list = l.within(launchesWindow, now) }

// age takes the starts of former processes to have happened when the ledger says, and
// none in the future.
func (l *launches) age(now moment) {
	for i := range l.list {
		one := &l.list[i]
		one.up = now.up - max(0, now.wall.Sub(one.At))
	}
}

// shift moves all by as much as the wall clock was set.
func (l *launches) shift(by time.Duration) {
	for i := range l.list {
		l.list[i].At = l.list[i].At.Add(by)
	}
}

// ofRule keeps those of one rule.
func ofRule(list []launch, rule string) []launch {
	return slices.DeleteFunc(slices.Clone(list), func(one launch) bool { return one.Rule != rule })
}

// place is what a cooldown is of: a target, whichever action is pointed at it, or all that
// an action without targets does.
func (p plan) place() string { return placeOf(p.Action, p.Target) }

func placeOf(action, target string) string {
	if target == "" {
		return "action " + action
	}
	return "target " + target
}

// targetsOf are the different targets that the action was pointed at, in order.
func targetsOf(list []launch, action string) []string {
	set := map[string]bool{}
	for _, one := range list {
		if one.Action == action {
			set[one.Target] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}
