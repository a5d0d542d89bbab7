package detector

import (
	"math"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// fate is what the roll makes of a watched series that left.
type fate uint8

const (
	missed        fate = iota // an absence is told of it
	withTarget                // its target's absence is told
	unproven                  // it was not there for long enough, or is not known well enough
	comesAndGoes              // as its like do
	replaced                  // another of its like came
	restarted                 // its process began anew
	targetRemoved             // its target is scraped no more, or is one of those that come and go

	fates
)

// String is the fate as the metric's label has it.
func (f fate) String() string {
	return [...]string{"missed", "with_target", "unproven", "comes_and_goes", "replaced", "restarted", "target_removed"}[f]
}

// judge decides about the series that left with this batch, in the order of labels.
// What they teach of how things come and go holds from the next batch on: of those
// that leave together none speaks against the other.
func (r *roll) judge() {
	var (
		departed []*record
		singles  []*presence // missed, and their targets go on
		jobs     []*wholeJob
		speaker  *presence // of jobs
	)
	for i := range r.lefts {
		p := &r.lefts[i]
		g := r.targets[p.target]
		if g == nil {
			continue
		}
		if r.goesOn(g.heard, p) {
			f := r.single(p)
			if f == missed {
				singles = append(singles, p)
			}
			if name := r.names[p.name]; name != nil {
				departed = append(departed, name)
			}
			r.counts[f]++
			continue
		}
		w := r.jobs[g.job]
		f, gone := r.whole(g, w, p)
		r.counts[f]++
		if gone == nothing || g.gone {
			continue
		}
		g.gone, g.goneAt, g.scraped = true, r.now, r.scraped(g, p)
		w.targets.count(-1, r.now)
		r.endSingles(g.target)
		switch {
		case gone == wholeJobs && !w.gone:
			w.gone = true
			w.itself.count(-1, r.now)
			departed = append(departed, &w.itself)
			if f == missed {
				jobs = append(jobs, w)
				if speaker == nil {
					speaker = p
				}
			}
		case gone == oneTarget:
			if !g.scraped {
				departed = append(departed, &w.targets)
			}
			if f == missed {
				g.shown = r.tellWhole(p, g.up, 1, g.lost+g.awake)
			}
		}
	}
	r.tellSingles(singles)
	if len(jobs) > 0 {
		r.tellJobs(jobs, speaker)
	}
	for _, rec := range departed {
		rec.left++
	}
}

// goesOn reports whether what was heard then is there while p is not: it was heard
// in the later half of p's silence.
func (r *roll) goesOn(heard int64, p *presence) bool { return r.now-heard <= (r.now-p.seen)/2 }

// lately reports whether something happened about when p left, or since.
func lately(then int64, p *presence) bool { return then > p.seen-p.wait }

// single is the fate of p, whose target goes on. A rule that names the wait asks for
// all of them; otherwise it must be clear that it should be there.
func (r *roll) single(p *presence) fate {
	at, name, g := r.posts[p.post], r.names[p.name], r.targets[p.target]
	others := at != nil && at.live > 0 // of its metric go on at its target
	switch {
	case !p.warm:
		return unproven
	case p.asked:
		return missed
	case !p.regular || name == nil:
		return unproven
	case lately(g.reset, p):
		return restarted
	case others && lately(at.born, p):
		return replaced
	case !name.stays(0, r.now):
		return comesAndGoes
	case (others || p.since > g.born+p.wait) && !name.stays(1, r.now):
		// What a target shows from the first, and is gone as a whole, is missed unless its
		// like are known to come and go. One label value of several, or what came later,
		// as a reason does while it holds, must be known to stay.
		return comesAndGoes
	}
	return missed
}

// extent is how much of what p belongs to is gone.
type extent uint8

const (
	nothing   extent = iota // that p can speak for
	oneTarget               // its target
	wholeJobs               // every target of its job
)

// scraped reports whether g, which p left with, is still on Prometheus's list: its up
// goes on, and says that it is down.
func (r *roll) scraped(g *wholeTarget, p *presence) bool {
	return g.upHeard > g.upEnded && r.goesOn(g.upHeard, p)
}

// whole is the fate of p, whose target g of the job w fell silent with it, and how much
// that is.
func (r *roll) whole(g *wholeTarget, w *wholeJob, p *presence) (fate, extent) {
	switch scraped := r.scraped(g, p); {
	case g.gone, w.gone:
		return withTarget, wholeJobs
	case !p.warm || !p.asked && !p.regular:
		return unproven, nothing
	case scraped && g.upAlarmed:
		return withTarget, oneTarget // up's own anomaly tells it
	case scraped && !p.asked && !w.targets.stays(0, r.now):
		return comesAndGoes, oneTarget
	case scraped:
		return missed, oneTarget
	case g.pod && g.upHeard < 0:
		return targetRemoved, oneTarget // a pod that another target tells of
	case !r.goesOn(w.heard, p):
		if !p.asked && (p.seen-w.since < longPresence || !w.itself.stays(0, r.now)) {
			return comesAndGoes, wholeJobs
		}
		return missed, wholeJobs
	case g.upEnded >= g.heard, g.pod:
		// Whoever took it from the configuration or from discovery knows; and a pod's
		// like go on.
		return targetRemoved, oneTarget
	case p.asked:
		return missed, oneTarget
	case lately(w.born, p):
		return replaced, oneTarget
	case !w.targets.stays(0, r.now), p.ended && !w.targets.stays(1, r.now):
		// Where there is no up, a marker may tell of a target that was removed as well
		// as of one that cannot be scraped: its like must be known to stay.
		return comesAndGoes, oneTarget
	}
	return missed, oneTarget
}

// fewSeries is how many series that left one target together are told one by one. More
// have one cause, a collector or a label they share, and are one absence.
const fewSeries = 5

// tellSingles begins the absences of series whose targets go on.
func (r *roll) tellSingles(all []*presence) {
	of := map[uint64]int{} // target → how many
	for _, p := range all {
		of[p.target]++
	}
	shared := map[uint64]*absence{}
	for _, p := range all {
		a, n := shared[p.target], of[p.target]
		if a == nil {
			if n <= fewSeries {
				n = 1
			}
			a = r.begin(p, p.series, foreshock.Silence{Series: n, Siblings: r.targets[p.target].awake})
			a.target = p.target
			if n > 1 {
				shared[p.target] = a
			}
		}
		a.open++
		r.missing[p.id] = a
	}
}

// tellWhole begins the absence of targets, for which up speaks where there is one, and
// else p.
func (r *roll) tellWhole(p *presence, up *foreshock.Series, targets, series int) *absence {
	speaker := p.series
	if up != nil {
		speaker = up
	}
	return r.begin(p, speaker, foreshock.Silence{Targets: targets, Series: series})
}

// tellJobs begins one absence of all jobs that fell silent together: it is their sender
// or their network more likely than each of them.
func (r *roll) tellJobs(jobs []*wholeJob, p *presence) {
	gone := map[*wholeJob]bool{}
	for _, w := range jobs {
		gone[w] = true
	}
	var up *foreshock.Series
	targets, series := 0, 0
	for _, g := range r.targets {
		if !gone[r.jobs[g.job]] || max(g.heard, g.upHeard) < p.seen-p.wait {
			continue // another job's, or silent before
		}
		r.end(&g.shown)
		r.endSingles(g.target)
		targets++
		series += g.lost + g.awake
		if g.up != nil && (up == nil || labels.Compare(g.up.Labels, up.Labels) < 0) {
			up = g.up
		}
	}
	a := r.tellWhole(p, up, targets, series)
	for w := range gone {
		w.shown = a
		a.open++
	}
}

// begin tells the absence of s, for which p speaks.
func (r *roll) begin(p *presence, s *foreshock.Series, much foreshock.Silence) *absence {
	a := &absence{anomaly: foreshock.Anomaly{
		Series:  s,
		Kind:    foreshock.Absence,
		Phase:   foreshock.Started,
		Rule:    p.rule,
		Onset:   p.t,
		T:       r.t,
		Value:   p.value,
		Score:   float64(r.now-p.seen) / float64(p.wait),
		Band:    foreshock.NoBand(),
		Channel: absenceChannel,
		Silence: much,
	}}
	if s != p.series {
		a.anomaly.Value = math.NaN() // it is another's
	}
	r.told = append(r.told, a.anomaly)
	return a
}

// finish tells at t that a is over.
func (r *roll) finish(a *absence, t int64) {
	a.anomaly.Phase, a.anomaly.T = foreshock.Ended, max(t, a.anomaly.Onset)
	r.told = append(r.told, a.anomaly)
}

// end tells that what a target was shown with is over, if anything.
func (r *roll) end(shown **absence) {
	if *shown != nil {
		r.finish(*shown, r.t)
		*shown = nil
	}
}

// endJob has w, which is back or forgotten, no longer be part of an absence. That is
// over with the last of the jobs it speaks for.
func (r *roll) endJob(w *wholeJob) {
	if w.shown == nil {
		return
	}
	if w.shown.open--; w.shown.open == 0 {
		r.finish(w.shown, r.t)
	}
	w.shown = nil
}

// endSingle has the series of that id no longer be part of an absence. That is over
// with the last of its series.
func (r *roll) endSingle(id uint64, t int64) {
	a := r.missing[id]
	if a == nil {
		return
	}
	delete(r.missing, id)
	if a.open--; a.open == 0 {
		r.finish(a, t)
	}
}

// endSingles ends those of a target's series: what becomes of it is told as a whole.
func (r *roll) endSingles(target uint64) {
	for id, a := range r.missing {
		if a.target == target {
			r.endSingle(id, r.t)
		}
	}
}
