package incident

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// Correlator joins anomalies into incidents. Create one with New.
type Correlator struct {
	config  Config      `image:"-"`
	open    []*incident // by opening; swept of closed ones by Tick
	changed []*incident // since the last Tick, by first change

	holds  map[string]rules.Hold `image:"-"` // of the rules that have one
	sets   [][]string            `image:"-"` // of labels that join anomalies
	pairs  []rules.Pair          `image:"-"`
	linked []*rules.Correlate    `image:"-"` // the rules that both are made of

	waiting map[string]*waiting // by partKey
	matures int64               // ms: none of them is due before

	parts  map[string]*part     // of open incidents, by partKey
	nearby map[string]*incident // the incident joined last under an affinity key
	alerts map[string]*incident // firing ones, by what identifies their alert

	resolved []foreshock.Incident // oldest first, at most config.KeepResolved
	refused  uint64
	buf      []byte `image:"-"` // scratch for keys
}

// New returns a Correlator that knows no incident and no rules. c must be valid.
func New(c Config) *Correlator {
	return &Correlator{
		config:  c,
		sets:    c.Affinity,
		waiting: map[string]*waiting{},
		matures: math.MaxInt64,
		parts:   map[string]*part{},
		nearby:  map[string]*incident{},
		alerts:  map[string]*incident{},
	}
}

// SetConfig replaces the configuration, which must be valid. What is open stays as
// it is; what comes is joined to it by the new affinity.
func (c *Correlator) SetConfig(config Config) {
	c.config = config
	c.reindex()
	c.forget()
}

// SetRules replaces the rules: what belongs together, and how long an anomaly must last
// for each rule. nil is none. What is open stays as it is, as in SetConfig.
func (c *Correlator) SetRules(s *rules.Set) {
	if s == nil {
		s = &rules.Set{}
	}
	c.holds, c.linked = s.Holds(), s.Correlates
	c.reindex()
}

// reindex has what comes find what is open by what joins anomalies now.
func (c *Correlator) reindex() {
	c.sets, c.pairs = setsOf(c.config, c.linked)
	c.sweep()
	clear(c.nearby)
	for _, in := range c.open {
		in.keys = in.keys[:0]
		for _, p := range in.kept {
			c.index(in, traits{in.Kind, p.member.Series, p.rule, p.group, p.shared})
		}
	}
}

// Observe adds every anomaly of f and then moves the time on to f.Now. It returns
// the incidents that changed, whole, oldest first.
func (c *Correlator) Observe(f foreshock.Findings) []foreshock.Incident {
	for _, a := range f.Anomalies {
		c.Add(a)
	}
	return c.Tick(f.Now)
}

// Add takes in one anomaly; Tick tells what became of it. Its cost depends on the
// number of affinity sets and pairs, not on how much is open. An anomaly that cannot be
// placed is refused and counted: see Config.MaxOpen.
func (c *Correlator) Add(a foreshock.Anomaly) {
	c.add(a, c.hold(&a))
}

// add takes in a, which rule selects now, or none yet.
func (c *Correlator) add(a foreshock.Anomaly, rule string) {
	if p := c.parts[string(c.partKey(&a))]; p != nil {
		c.settle(p.in, a.T)
		if p.in.State != foreshock.Resolved {
			c.touch(p.in)
			p.update(&a, rule, c.holds[a.Rule].KeepFiringFor)
			return
		}
	}
	if a.Phase == foreshock.Ended {
		return
	}
	in := c.join(&a)
	if in == nil {
		in = c.begin(&a, rule)
	}
	if in == nil {
		c.refused++
		return
	}
	c.touch(in)
	key := string(c.partKey(&a))
	c.parts[key] = in.add(&a, rule, key, c.config.MaxMembers)
	c.index(in, traitsOf(&a))
}

// Tick moves the time on: incidents fire and resolve. now is the sample time in ms.
// It returns the incidents that changed since the last Tick, whole, oldest first;
// they are not touched again and must not be changed.
func (c *Correlator) Tick(now int64) []foreshock.Incident {
	c.mature(now)
	for _, in := range c.open {
		c.fireIfDue(in, now)
		c.settle(in, now)
	}
	c.sweep()
	var told []foreshock.Incident
	for _, in := range c.changed {
		in.changed = false
		if in.absorbed && in.Updated == 0 {
			continue // nobody has heard of it
		}
		told = append(told, in.tell(now))
		if in.State == foreshock.Resolved && !in.absorbed {
			c.resolved = append(c.resolved, in.Incident)
		}
	}
	c.changed = c.changed[:0]
	c.forget()
	slices.SortStableFunc(told, func(a, b foreshock.Incident) int { return cmp.Compare(a.StartsAt, b.StartsAt) })
	return told
}

// Incidents returns the open incidents and the latest resolved ones as the last
// Tick left them, newest first. They must not be changed.
func (c *Correlator) Incidents() []foreshock.Incident {
	all := make([]foreshock.Incident, 0, len(c.open)+len(c.resolved))
	for _, in := range c.open {
		all = append(all, in.Incident)
	}
	all = append(all, c.resolved...)
	slices.SortFunc(all, func(a, b foreshock.Incident) int {
		return cmp.Or(cmp.Compare(b.StartsAt, a.StartsAt), strings.Compare(a.ID, b.ID))
	})
	return all
}

// SetCauses says what the incident with that ID likely comes from; the next Tick tells of
// it where it is still open and the places, or their order, are others than before.
func (c *Correlator) SetCauses(id string, causes []foreshock.Cause) {
	k := slices.IndexFunc(c.open, func(in *incident) bool { return in.ID == id && in.State != foreshock.Resolved })
	if k < 0 {
		return
	}
	in := c.open[k]
	same := slices.EqualFunc(in.Causes, causes, func(a, b foreshock.Cause) bool { return a.Place == b.Place })
	if in.Causes = causes; !same {
		c.touch(in)
	}
}

// Refused is the number of anomalies that found Config.MaxOpen incidents open and
// none to join.
func (c *Correlator) Refused() uint64 { return c.refused }

// find returns what finds the open incident under a key that a can join, or nil.
func (c *Correlator) find(a *foreshock.Anomaly) func(key []byte, ok bool) *incident {
	return func(key []byte, ok bool) *incident {
		if !ok {
			return nil
		}
		in := c.nearby[string(key)]
		if in == nil {
			return nil
		}
		c.settle(in, a.T)
		if in.State == foreshock.Resolved || !in.near(a.Onset, c.config.JoinWithin) {
			return nil
		}
		return in
	}
}

// begin opens an incident for a, which rule selects now, or returns nil where there is no
// room for it.
func (c *Correlator) begin(a *foreshock.Anomaly, rule string) *incident {
	if len(c.open) >= c.config.MaxOpen {
		c.sweep()
	}
	if len(c.open) >= c.config.MaxOpen {
		quiet := slices.IndexFunc(c.open, func(in *incident) bool { return !in.Alerting })
		if rule == "" || quiet < 0 {
			return nil
		}
		c.resolve(c.open[quiet], a.T)
		c.sweep()
	}
	in := newIncident(a)
	c.open = append(c.open, in)
	return in
}

// settle resolves in if by t it has been quiet for long enough.
func (c *Correlator) settle(in *incident, t int64) {
	quiet := time.Duration(c.config.ResolveAfter).Milliseconds()
	if in.State == foreshock.Resolved || in.lasts() || elapsed(in.quietSince, t) < uint64(quiet) {
		return
	}
	c.fireIfDue(in, t)
	over := in.quietSince + quiet
	if in.State == foreshock.Firing {
		over = max(over, in.keepUntil)
	}
	if in.State != foreshock.Resolved && t >= over {
		c.resolve(in, over)
	}
}

// fireIfDue fires in if by t it has lasted long enough, be it over by then: what begins
// and ends within one batch is told as if it had come in two.
func (c *Correlator) fireIfDue(in *incident, t int64) {
	wait := time.Duration(c.config.FireAfter).Milliseconds()
	until := t
	if !in.lasts() {
		until = in.quietSince
	}
	if in.State != foreshock.Pending || !in.Alerting || elapsed(in.StartsAt, until) < uint64(wait) {
		return
	}
	c.touch(in)
	// Alertmanager knows an alert by its labels: a second incident with the same
	// ones would resolve the first one's alert.
	alert := in.alert()
	if first := c.alerts[alert]; first != nil {
		c.settle(first, t)
		if first.State == foreshock.Firing {
			c.absorb(first, in, t)
			return
		}
	}
	in.State = foreshock.Firing
	c.alerts[alert] = in
}

// absorb makes everything of in a part of first, and closes in.
func (c *Correlator) absorb(first, in *incident, t int64) {
	c.touch(first)
	first.take(in, c.config.MaxMembers)
	for _, key := range in.keys {
		if c.nearby[key] == in {
			c.nearby[key] = first
			first.keys = append(first.keys, key)
		}
	}
	in.State, in.EndsAt, in.absorbed = foreshock.Resolved, t, true
	in.Alerting = false // its end is not that of the alert
}

// resolve closes in as of t.
func (c *Correlator) resolve(in *incident, t int64) {
	c.touch(in)
	if in.State == foreshock.Firing {
		delete(c.alerts, in.alert())
	} else {
		in.Alerting = false // nobody was told that it began, so nobody is told of its end
	}
	for _, p := range in.parts {
		delete(c.parts, p.key)
	}
	for _, key := range in.keys {
		if c.nearby[key] == in {
			delete(c.nearby, key)
		}
	}
	in.State, in.EndsAt = foreshock.Resolved, t
}

// touch has the next Tick tell of in.
func (c *Correlator) touch(in *incident) {
	if !in.changed {
		in.changed = true
		c.changed = append(c.changed, in)
	}
}

// sweep drops what is no longer open.
func (c *Correlator) sweep() {
	c.open = slices.DeleteFunc(c.open, func(in *incident) bool { return in.State == foreshock.Resolved })
}

// forget drops the oldest of the resolved incidents beyond those to be kept.
func (c *Correlator) forget() {
	if beyond := len(c.resolved) - c.config.KeepResolved; beyond > 0 {
		c.resolved = slices.Delete(c.resolved, 0, beyond)
	}
}
