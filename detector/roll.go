package detector

import (
	"slices"

	"github.com/foreshock/foreshock"
)

const (
	// maxNames bounds the metrics of which the roll knows how they come and go: × 2 × ~50 B
	// ≈ 6 MB. A series of another is not missed unless its rule names the wait.
	maxNames = 1 << 16

	// nameKept is how long a record is kept after its last series is forgotten.
	nameKept = 2 * reliableFor
)

// absenceChannel is what isolates an absence, among the words of forest.Channel.
const absenceChannel = "absence"

// roll keeps the presence of watched series and of all targets, and says which are
// missed. It is fed what the shards tell in one batch after the other, by the one
// goroutine that hands out findings: there what became of a series and of its siblings
// is known of the same moment, whatever shards have them. It goes by the detector's flow
// alone. Its zero value knows nothing.
type roll struct {
	now     int64 // the detector's flow, ms
	t       int64 // and its clock
	targets map[uint64]*wholeTarget
	jobs    map[uint64]*wholeJob
	posts   map[uint64]*post
	names   map[uint64]*record
	missing map[uint64]*absence // single series, by the id of their state

	lefts  []presence
	fresh  []*wholeTarget // of which there are notes in this batch
	told   []foreshock.Anomaly
	counts [fates]int
	full   int // series of metrics that found maxNames known
}

// wholeTarget is a target as all shards know it.
type wholeTarget struct {
	remark
	awake int   // vital series that are heard
	lost  int   // vital series that fell since it was heard
	noted bool  // in this batch
	born  int64 // when it came, or came back

	gone    bool // and judged, until it is heard again
	goneAt  int64
	scraped bool     // in vain, when it was judged
	shown   *absence // nil unless it is missed
}

// wholeJob is what a job's targets share.
type wholeJob struct {
	heard   int64
	born    int64  // when a target came last
	since   int64  // when it came, or came back
	members int    // targets known
	targets record // of those there
	itself  record
	gone    bool
	shown   *absence
}

// post is one metric of one target.
type post struct {
	series, live int
	born         int64 // when a series of it came last
}

// absence is an anomaly that was told.
type absence struct {
	anomaly foreshock.Anomaly
	target  uint64 // of a single series
	open    int    // series or jobs it speaks for that have not come back
}

// call takes in what the shards told in j, and returns the absences that begin and end
// with it.
func (r *roll) call(j *job) []foreshock.Anomaly {
	r.now, r.t = j.flow, j.now
	r.told, r.lefts, r.fresh = nil, r.lefts[:0], r.fresh[:0]
	r.counts, r.full = [fates]int{}, 0
	for i := range j.parts {
		for k := range j.parts[i].remarks {
			r.remark(&j.parts[i].remarks[k])
		}
	}
	for _, g := range r.fresh {
		r.settle(g)
	}
	for i := range j.parts {
		for k := range j.parts[i].presences {
			r.take(&j.parts[i].presences[k])
		}
	}
	if len(r.lefts) > 0 {
		slices.SortFunc(r.lefts, func(a, b presence) int { return order(0, 0, a.series, b.series) })
		r.judge()
		clear(r.lefts)
	}
	return r.told
}

// remark adds what one shard tells of a target.
func (r *roll) remark(n *remark) {
	g := r.targets[n.target]
	if g == nil {
		if r.targets == nil {
			r.targets, r.jobs = map[uint64]*wholeTarget{}, map[uint64]*wholeJob{}
		}
		g = &wholeTarget{remark: *n}
		g.members, g.live, g.fell = 0, 0, 0
		r.targets[n.target] = g
		r.arrive(g).members++
	}
	if !g.noted {
		g.noted, g.fell = true, 0
		r.fresh = append(r.fresh, g)
	}
	if n.heard > g.heard {
		g.lost = 0
	}
	g.heard, g.reset = max(g.heard, n.heard), max(g.reset, n.reset)
	g.upHeard, g.upEnded = max(g.upHeard, n.upHeard), max(g.upEnded, n.upEnded)
	if n.up != nil && (g.up == nil || order(0, 0, n.up, g.up) <= 0) {
		g.up, g.upAlarmed = n.up, n.upAlarmed
	}
	g.members += n.members
	g.awake += n.live
	g.fell += n.fell
}

// arrive notes that g is there, for the first time or again.
func (r *roll) arrive(g *wholeTarget) *wholeJob {
	w := r.jobs[g.job]
	if w == nil {
		w = &wholeJob{heard: -1, since: r.now}
		w.targets.at, w.itself.at = r.now, r.now
		w.itself.count(1, r.now)
		r.jobs[g.job] = w
	}
	g.born, w.born = r.now, r.now
	w.targets.count(1, r.now)
	return w
}

// settle draws the conclusions from the notes of g in this batch.
func (r *roll) settle(g *wholeTarget) {
	g.noted = false
	g.lost += g.fell
	w := r.jobs[g.job]
	switch {
	case !g.gone:
	case g.heard > g.goneAt, !g.scraped && g.upHeard > g.goneAt:
		g.gone = false
		r.end(&g.shown)
		r.arrive(g)
	case g.upEnded > g.goneAt:
		r.end(&g.shown) // whoever took it from the list knows
	}
	if heard := max(g.heard, g.upHeard); heard > w.heard {
		w.heard = heard
		if w.gone {
			w.gone, w.since = false, r.now
			w.itself.count(1, r.now)
			r.endJob(w)
		}
	}
	if g.members > 0 {
		return
	}
	r.end(&g.shown)
	if !g.gone {
		w.targets.count(-1, r.now)
	}
	delete(r.targets, g.target)
	if w.members--; w.members == 0 {
		r.endJob(w)
		delete(r.jobs, g.job)
	}
}

// take keeps the roll of watched series.
func (r *roll) take(p *presence) {
	if r.posts == nil {
		r.posts, r.names, r.missing = map[uint64]*post{}, map[uint64]*record{}, map[uint64]*absence{}
	}
	at := r.posts[p.post]
	if at == nil {
		at = &post{}
		r.posts[p.post] = at
	}
	switch p.step {
	case enlisted:
		at.series++
		at.born = r.now
		r.present(p, at, 1)
	case returned:
		at.born = r.now
		r.present(p, at, 1)
		r.endSingle(p.id, p.t)
	case left:
		r.present(p, at, -1)
		r.lefts = append(r.lefts, *p)
	case discharged:
		if at.series--; !p.quiet {
			r.present(p, at, -1)
		}
		r.endSingle(p.id, r.t)
		if at.series == 0 {
			delete(r.posts, p.post)
		}
	}
}

// present counts n series more at their post.
func (r *roll) present(p *presence, at *post, n int) {
	at.live += n
	name := r.names[p.name]
	if name == nil {
		if n < 0 {
			return // it was not known when they came
		}
		if len(r.names) >= maxNames {
			r.sweep()
		}
		if len(r.names) >= maxNames {
			r.full++
			return
		}
		name = &record{at: r.now}
		r.names[p.name] = name
	}
	name.count(n, r.now)
	name.live = max(name.live, 0) // some may have come before it was known
}

// sweep forgets the metrics that have had no series for long.
func (r *roll) sweep() {
	for key, name := range r.names {
		if name.live == 0 && r.now-name.at > nameKept {
			delete(r.names, key)
		}
	}
}
