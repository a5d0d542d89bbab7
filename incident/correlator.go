package incident

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// Correlator joins anomalies into incidents. Create one with New.
type Correlator struct {
	config  Config      `image:"-"`
	open    []*incident // by opening; swept of closed ones by Tick
	changed []*incident // since the last Tick, by first change

	rules  *rules.Set            `image:"-"`
	holds  map[string]rules.Hold `image:"-"` // of the rules that have one
	sets   [][]string            `image:"-"` // of labels that join anomalies
	pairs  []rules.Pair          `image:"-"`
	linked []*rules.Correlate    `image:"-"` // the rules that both are made of

	waiting map[string]*waiting // by partKey
	matures int64               // ms: none of them is due before

	parts  map[string]*part     // of open incidents, by partKey
	nearby map[string]sight     // the incident joined last under an affinity key
	alerts map[string]*incident // firing ones, by what identifies their alert

	scopes  lore[scope]       // of outbreaks
	history lore[company]     // of things
	links   lore[[]neighbour] // of names
	recent  []start           // of incidents, the latest historyDepth

	resolved []foreshock.Incident // oldest first, at most config.KeepResolved
	refused  uint64

	now        int64                 // sample time of the last Tick, ms
	precedents map[string]*precedent `image:"-"` // what was dismissed, by likeness; at most maxPrecedents
	taught     []Lesson              `image:"-"` // before a restart, and not learned again yet, by time
	tallies    map[string]*Tally     `image:"-"` // by rule
	withheld   uint64

	buf []byte `image:"-"` // scratch for keys
}

// New returns a Correlator that knows no incident and no rules. c must be valid.
func New(c Config) *Correlator {
	return &Correlator{
		config:  c,
		rules:   &rules.Set{},
		sets:    c.Affinity,
		waiting: map[string]*waiting{},
		matures: math.MaxInt64,
		parts:   map[string]*part{},
		nearby:  map[string]sight{},
		alerts:  map[string]*incident{},
		scopes:  newLore[scope](maxScopes),
		history: newLore[company](maxThings),
		links:   newLore[[]neighbour](maxNames),

		precedents: map[string]*precedent{},
		tallies:    map[string]*Tally{},
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
	c.holds, c.linked, c.rules = s.Holds(), s.Correlates, s
	c.reindex()
}

// reindex has what comes find what is open by what joins anomalies now.
func (c *Correlator) reindex() {
	c.sets, c.pairs = setsOf(c.config, c.linked)
	c.sweep()
	stays := func(key string) bool { return key[0] == byScope }
	maps.DeleteFunc(c.nearby, func(key string, _ sight) bool { return !stays(key) })
	for _, in := range c.open {
		in.keys = slices.DeleteFunc(in.keys, func(key string) bool { return !stays(key) })
		for _, p := range in.kept {
			c.index(in, traits{in.Kind, p.member.Series, p.rule, p.group, p.shared}, p.member.Onset)
		}
	}
}

// Observe adds every anomaly of f and then moves the time on to f.Now. It returns
// the incidents that changed, whole, oldest first.
func (c *Correlator) Observe(f foreshock.Findings) []foreshock.Incident {
	c.recollect(f.Now)
	c.learn(f.Links)
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
	p := c.parts[string(c.partKey(&a))]
	if rule != "" && a.Phase != foreshock.Ended && (p == nil || !p.selected) && c.doubts(&a, rule) {
		c.withheld++
		rule = ""
	}
	if p != nil {
		c.settle(p.in, a.T)
		if p.in.State != foreshock.Resolved && !c.anew(p, &a) {
			c.touch(p.in)
			p.update(&a, rule, c.holds[a.Rule].KeepFiringFor)
			return
		}
	}
	if a.Phase == foreshock.Ended {
		return
	}
	if len(c.parts) >= c.room(rule) {
		c.refused++
		return
	}
	in := c.join(&a)
	if in == nil {
		in, rule = c.begin(&a, rule)
	}
	if in == nil {
		c.refused++
		return
	}
	c.touch(in)
	key := string(c.partKey(&a))
	c.parts[key] = in.add(&a, rule, key, c.config.MaxMembers)
	c.index(in, traitsOf(&a), a.Onset)
}

// anew reports whether a is another matter than what the series had a part in: it was
// normal for too long to join late what is still open, and so it parts from it.
func (c *Correlator) anew(p *part, a *foreshock.Anomaly) bool {
	since := max(p.endedAt, p.keepUntil)
	late := max(c.config.JoinWithin, c.config.JoinLate)
	return !p.lasting && a.Phase != foreshock.Ended && elapsed(since, a.Onset) > uint64(time.Duration(late).Milliseconds())
}

// room is for how many series there is some: what no rule selected may not take it all.
func (c *Correlator) room(rule string) int {
	room := c.config.MaxOpen * c.config.MaxMembers
	if rule == "" {
		return (room + 1) / 2
	}
	return room
}

// Tick moves the time on: incidents fire and resolve. now is the sample time in ms.
// It returns the incidents that changed since the last Tick, whole, oldest first;
// they are not touched again and must not be changed.
func (c *Correlator) Tick(now int64) []foreshock.Incident {
	c.now = max(c.now, now)
	c.mature(now)
	for _, in := range c.open {
		c.fireIfDue(in, now)
		c.settle(in, now)
	}
	c.sweep()
	var told []foreshock.Incident
	for _, in := range c.changed {
		in.changed = false
		if in.into != nil && in.Updated == 0 {
			continue // nobody has heard of it
		}
		told = append(told, in.tell(now))
		if in.State == foreshock.Resolved && (in.into == nil || in.Alerting) {
			c.resolved = append(c.resolved, in.Incident)
		}
		in.close()
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

// Forgotten is how often the memory for usual rates of starts, and for what was ill
// together, was full and something in it was forgotten.
func (c *Correlator) Forgotten() uint64 {
	return c.scopes.forgotten + c.history.forgotten + c.links.forgotten
}

// SetInquest says what was found out about where the incident with that ID comes from; the
// next Tick tells of it where it is still open and the places, or their order, are others
// than before. Where nothing was found, what was found before stays.
func (c *Correlator) SetInquest(id string, found foreshock.Inquest) {
	k := slices.IndexFunc(c.open, func(in *incident) bool { return in.ID == id && in.State != foreshock.Resolved })
	if k < 0 {
		return
	}
	in := c.open[k]
	if len(found.Causes) == 0 && len(in.Causes) > 0 {
		return
	}
	same := slices.EqualFunc(in.Causes, found.Causes, func(a, b foreshock.Cause) bool { return a.Place == b.Place })
	if in.Inquest = found; !same {
		c.touch(in)
	}
}

// Again has the next Tick tell of the incident with that ID as it is, and reports whether
// it is open.
func (c *Correlator) Again(id string) bool {
	k := slices.IndexFunc(c.open, func(in *incident) bool { return in.ID == id && in.State != foreshock.Resolved })
	if k >= 0 {
		c.touch(c.open[k])
	}
	return k >= 0
}

// Refused is the number of anomalies that found Config.MaxOpen incidents open and
// none to join, or too many series followed.
func (c *Correlator) Refused() uint64 { return c.refused }

// find returns the open incident under a key that a can join when it starts at most
// within after the latest onset under that key, or nil.
func (c *Correlator) find(a *foreshock.Anomaly, key []byte, within model.Duration) *incident {
	s, ok := c.nearby[string(key)]
	if !ok {
		return nil
	}
	c.settle(s.in, a.T)
	soon := max(c.config.JoinWithin, model.Duration(2*a.Interval))
	if s.in.State == foreshock.Resolved || !s.near(a.Onset, soon, max(soon, within)) {
		return nil
	}
	if !s.near(a.Onset, soon, soon) && !c.mayBeLate(a, s.in) {
		return nil
	}
	return s.in
}

// mayBeLate reports whether a may join in late, when nobody is woken anew: what no rule
// selects may, and what wakes the same people as the rule of the incident does.
func (c *Correlator) mayBeLate(a *foreshock.Anomaly, in *incident) bool {
	if a.Rule == "" || a.Rule == in.Rule {
		return true
	}
	return in.Alerting && c.wakesTheSame(a.Rule, in.Rule)
}

// wakesTheSame reports whether two rules' alerts are as urgent.
func (c *Correlator) wakesTheSame(a, b string) bool {
	mine, _ := c.rules.Text(a)
	theirs, _ := c.rules.Text(b)
	return mine[severityLabel] == theirs[severityLabel]
}

// severityLabel is where a rule says how urgent its alert is.
const severityLabel = "severity"

// merge returns the one of two incidents that goes on, after the other became part of it:
// the one that was told, or else the earlier. Two that were told stay two where the alert of
// the earlier wakes others than that of the later.
func (c *Correlator) merge(in, other *incident, t int64) *incident {
	switch {
	case in == nil:
		return other
	case in == other || in.State == foreshock.Firing && other.State == foreshock.Firing && !c.wakesTheSame(in.Rule, other.Rule):
		return in
	case other.State > in.State || in.State == other.State && other.StartsAt < in.StartsAt:
		in, other = other, in
	}
	c.absorb(in, other, t)
	return in
}

// found begins an incident with a, which rule selects now, or returns nil where there is no
// room for it.
func (c *Correlator) found(a *foreshock.Anomaly, rule string) *incident {
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
	if c.wasDismissed(in.ID) {
		in.ID = again(in.ID, a.T) // it goes on, and grew beyond what was dismissed
	}
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

// narrowFor is how long the anomaly of one place must have lasted before anyone is told where
// no series of it is odd by itself, and nothing else is beside it. A moment twice as odd as it
// takes is an anomaly for 14 bars (detector/alarm.go), three and a half minutes where they are
// of 15 s: five ask for more than one. The simulated shop's two false alarms of ten calm days
// were such moments, and ended after four and a half.
const narrowFor = 5 * time.Minute

// fireIfDue fires in if by t it has lasted long enough, be it over by then: what begins
// and ends within one batch is told as if it had come in two.
func (c *Correlator) fireIfDue(in *incident, t int64) {
	wait := time.Duration(c.config.FireAfter).Milliseconds()
	if in.narrow() {
		wait = max(wait, narrowFor.Milliseconds())
	}
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
	c.tally(in.Rule).Fired++
	c.alerts[alert] = in
}

// absorb makes everything of in a part of first, and closes in.
func (c *Correlator) absorb(first, in *incident, t int64) {
	c.touch(first)
	c.touch(in)
	first.take(in, c.config.MaxMembers)
	for _, key := range in.keys {
		if s := c.nearby[key]; s.in == in {
			s.in = first
			c.nearby[key] = s
			first.keys = append(first.keys, key)
		}
	}
	if in.State == foreshock.Firing {
		delete(c.alerts, in.alert()) // its alert ends, as that of the first speaks for it
	} else {
		in.Alerting = false // its end is not that of the alert
	}
	in.State, in.EndsAt, in.into = foreshock.Resolved, t, first
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
		if c.parts[p.key] == p {
			delete(c.parts, p.key)
		}
	}
	for _, key := range in.keys {
		if c.nearby[key].in == in {
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
