package cause

import "math"

// How much what speaks for a place. They are round on purpose: halving or doubling any of
// them moves the measured figures by a case or two (docs/causes.md).
const (
	threshold  = .5 // nats below which a surprise is none
	mostNats   = 8  // nats above which all are the same: e⁻⁸ ≈ one in three thousand
	explained  = .8 // of a symptom, by one as large downstream
	otherwise  = .5 // of a caller's slow calls, by another callee that answers slowly
	upstream   = .5 // of the score, which a place has for the symptoms upstream of it alone
	blamed     = 1. // slow calls of its callers
	unasked    = 2. // what it calls is asked for less, and it is not
	askedMore  = .5 // latency by being asked for more
	tooLate    = .4 // of what a place changed in, once others suffered already
	changeNats = 3. // a change just before: one in twenty places has one at a given hour
)

// weights of what a place changed in by itself, up and down. Work and what goes with it
// fall where others ask for less, so that says little; so do memory and network, which
// move by themselves.
var weights = [aspects]struct{ up, down float64 }{
	CPU:     {.7, .1},
	Disk:    {.5, .1},
	Network: {.3, .1},
	Memory:  {.4, .2},
	Unknown: {.5, .5},
}

// failingWeight: errors are nearer to their cause than slowness, which waits spread.
const failingWeight = 1.2

// reason is a part of a place's score.
type reason struct {
	aspect Aspect
	down   bool
	weight float64
	told   told
	words  func(*Question, *graph, []place) string // where no series of its own speaks
}

// graph is who depends on whom, both ways.
type graph struct {
	callees, callers [][]int
	loading          [][]int // the machines that a place loads
}

func newGraph(n int, edges []Edge) *graph {
	g := &graph{callees: make([][]int, n), callers: make([][]int, n), loading: make([][]int, n)}
	known := make(map[Edge]bool, len(edges))
	for _, e := range edges {
		if e.From == e.To || e.From < 0 || e.To < 0 || e.From >= n || e.To >= n || known[e] {
			continue
		}
		known[e] = true
		g.callees[e.From] = append(g.callees[e.From], e.To)
		g.callers[e.To] = append(g.callers[e.To], e.From)
	}
	return g
}

func nats(surprise float64) float64 { return min(mostNats, max(0, surprise-threshold)) }

// weigh scores every place and returns the sum of the scores.
func (g *graph) weigh(q *Question, places []place) (total float64) {
	for i := range places {
		p := &places[i]
		f := &p.finds
		p.starved, p.asked = nats(f[Traffic].down), nats(f[Traffic].up)
		p.slow = max(0, nats(f[Latency].up)-askedMore*p.asked)
		p.calls = nats(f[Calls].up)
		p.failing = max(nats(f[Errors].up), nats(f[Health].down))
	}
	g.carry(places)
	suffered := q.suffered(places)
	all := 0.
	for i := range places {
		all += places[i].worst()
	}
	visited := make([]int, len(places))
	var stack []int
	for i := range places {
		p := &places[i]
		g.own(q, places, i)
		own := 0.
		for k := range p.reasons {
			r := &p.reasons[k]
			if r.words == nil && r.told.at > suffered+q.Uncertainty.Milliseconds()+2*r.told.interval {
				r.weight *= tooLate
			}
			own += r.weight
		}
		p.seen = 1
		if all > 0 {
			var sum float64
			sum, stack = g.symptomsAbove(places, i, visited, stack)
			p.seen = min(1, sum/all)
		}
		p.score = own * (1 - upstream + upstream*p.seen)
		total += p.score
	}
	return total
}

// carry has what a loaded machine carries wait for it, and the machine for those that load
// it: what runs there and works more though it is not asked for more.
func (g *graph) carry(places []place) {
	for i := range places {
		p := &places[i]
		if !p.candidate.Host {
			continue
		}
		p.loaded = max(nats(p.finds[CPU].up), nats(p.finds[Disk].up))
		for _, y := range g.callers[i] {
			if burnt := places[y].burns(); p.loaded > 0 && burnt > 0 {
				p.burnt = max(p.burnt, burnt)
				g.callees[i] = append(g.callees[i], y)
				g.loading[y] = append(g.loading[y], i)
			}
		}
	}
}

// burns is how much more than ever a place works without being asked to.
func (p *place) burns() float64 {
	if p.candidate.Host {
		return 0
	}
	return max(0, max(nats(p.finds[CPU].up), nats(p.finds[Disk].up))-p.asked)
}

// suffered is when somebody first had a symptom, ms, not before the onset: what comes
// later than that, by more than the onset is uncertain and two samples, is not its cause.
func (q *Question) suffered(places []place) int64 {
	first := int64(math.MaxInt64)
	for i := range places {
		f := &places[i].finds
		for _, a := range [...]Aspect{Latency, Calls, Errors} {
			if nats(f[a].up) > 1 {
				first = min(first, f[a].most.at)
			}
		}
		if nats(f[Health].down) > 1 {
			first = min(first, f[Health].least.at)
		}
	}
	if first == math.MaxInt64 {
		return q.Until
	}
	return max(first, q.Onset)
}

// own finds what speaks for place i but for where it is.
func (g *graph) own(q *Question, places []place, i int) {
	p := &places[i]
	below, failing := p.calls, p.calls
	for _, y := range g.callees[i] {
		b := &places[y].symptoms
		below = max(below, b.slow, b.failing, b.silent, b.loaded)
		if !places[y].finds[Latency].known {
			below = max(below, places[y].burns()) // which may well make it slow
		}
		failing = max(failing, b.failing, b.silent)
	}
	f := &p.finds
	p.say(reason{aspect: Latency, weight: max(0, p.slow-explained*below), told: f[Latency].most})
	errors := reason{aspect: Errors, weight: failingWeight * max(0, p.failing-explained*failing), told: f[Errors].most}
	if nats(f[Health].down) > nats(f[Errors].up) {
		errors.aspect, errors.down, errors.told = Health, true, f[Health].least
	}
	p.say(errors)
	for _, a := range [...]Aspect{CPU, Disk, Network, Memory, Unknown} {
		up, down := nats(f[a].up), nats(f[a].down)
		if a != Memory {
			up, down = max(0, up-p.asked-explained*p.burnt), max(0, down-p.starved)
		}
		p.say(reason{aspect: a, weight: weights[a].up * up, told: f[a].most})
		p.say(reason{aspect: a, down: true, weight: weights[a].down * down, told: f[a].least})
	}
	p.say(reason{weight: p.silent, words: fellSilent})
	if c := q.latest(p.candidate); c != nil {
		p.say(reason{weight: changeNats, words: c.words})
	}
	p.say(reason{weight: blamed * g.blame(places, i), words: slowCallers(i)})
	p.say(reason{weight: unasked * g.unasked(places, i), words: starvedCallees(i)})
}

func (p *place) say(r reason) {
	if r.weight > leastScore {
		p.reasons = append(p.reasons, r)
	}
}

// blame is how slow the callers of i find their calls, where no other callee's own
// latency explains it: the mean, for one caller whose calls are as ever exonerates it. It
// counts for more where fewer calls arrive than are made.
func (g *graph) blame(places []place, i int) float64 {
	callers := g.callers[i]
	if len(callers) == 0 || places[i].candidate.Host {
		return 0
	}
	sum := 0.
	for _, c := range callers {
		other := 0.
		for _, y := range g.callees[c] {
			if y != i {
				other = max(other, places[y].slow, places[y].failing, places[y].silent)
			}
		}
		lost := 1 + max(0, places[i].starved-places[c].starved)/mostNats
		sum += lost * max(0, places[c].calls-otherwise*other)
	}
	return sum / float64(len(callers))
}

// unasked is how much less than i itself what it calls is asked for: one that fails
// before it calls. Those it shares with other callers say less, and where its calls are
// slow, that is why.
func (g *graph) unasked(places []place, i int) float64 {
	sum, of := 0., 0.
	for _, y := range g.callees[i] {
		if !places[y].finds[Traffic].known {
			continue
		}
		share := 1 / float64(len(g.callers[y]))
		sum += share * max(0, places[y].starved-places[i].starved)
		of += share
	}
	if of == 0 {
		return 0
	}
	return max(0, sum/of-places[i].calls)
}

// symptomsAbove sums the symptoms of i and of all that depend on it.
func (g *graph) symptomsAbove(places []place, i int, visited, stack []int) (float64, []int) {
	mark := i + 1 // of this walk
	stack = append(stack[:0], i)
	visited[i] = mark
	sum := 0.
	for len(stack) > 0 {
		y := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		sum += places[y].worst()
		for _, c := range g.callers[y] {
			if visited[c] != mark {
				visited[c] = mark
				stack = append(stack, c)
			}
		}
		for _, c := range g.loading[y] {
			if visited[c] != mark {
				visited[c] = mark
				stack = append(stack, c)
			}
		}
	}
	return sum, stack
}
