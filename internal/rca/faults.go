package rca

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/foreshock/foreshock/incident/cause"
)

// fault is a kind of what goes wrong in the shop.
type fault struct {
	name string
	// hits are the services it may happen to; nil: any.
	hits []int
	// press is what it does since so many ticks, with a strength from 1 to 2.
	press func(since int, strength float64) pressure
	// since is how many ticks before the onset it began, unnoticed.
	since  int
	change string // that somebody made there
	batch  float64
}

func faults() []fault {
	at := func(p func(x float64) pressure) func(int, float64) pressure {
		return func(_ int, x float64) pressure { return p(x) }
	}
	return []fault{
		{name: "cpu", press: at(func(x float64) pressure { return pressure{cpu: .8 * x, slower: 1.5 * x} })},
		{name: "memory", press: func(since int, x float64) pressure {
			return pressure{memory: 40 * x * float64(min(since, 20)), slower: .4 * x, cpu: .1 * x}
		}},
		{name: "disk", hits: []int{database, cache, catalog, payment, email}, press: at(func(x float64) pressure {
			return pressure{disk: .3 * x, slower: 2 * x}
		})},
		{name: "latency", press: at(func(x float64) pressure { return pressure{slower: 4 * x} })},
		{name: "errors", press: at(func(x float64) pressure { return pressure{errors: .15 * x} })},
		{name: "network loss", hits: []int{checkout, recommend, ads, cart, payment, shipping, email, currency, catalog, cache, database}, press: at(func(x float64) pressure {
			return pressure{lost: .1 * x, delay: .1 * x}
		})},
		{name: "deploy", change: "a new version was rolled out", press: at(func(x float64) pressure {
			return pressure{slower: .8 * x, errors: .01 * x, cpu: .05 * x}
		})},
		{name: "dependency down", hits: []int{database, cache, payment, currency, shipping, email, ads}, press: at(func(float64) pressure {
			return pressure{gone: true, errors: 1}
		})},
		{name: "noisy neighbour", batch: 3, press: nil},
		{name: "slow leak", since: 80, press: func(since int, x float64) pressure {
			p := pressure{memory: 5 * x * float64(since)}
			if since > 80 {
				p.slower = .05 * x * float64(since-80)
			}
			return p
		}},
	}
}

// shop is the set of all faults, each with its seeds. In every other one something else
// goes on, too: a job burns CPU elsewhere, or somebody rolls something out.
func shop() set {
	s := set{name: shopName}
	for k, f := range faults() {
		for seed := range seeds {
			s.incidents = append(s.incidents, f.happens(uint64(k), uint64(seed), briefly()))
		}
	}
	return s
}

// happens plays one fault.
func (f *fault) happens(kind, seed uint64, when season) incident {
	r := rand.New(rand.NewPCG(kind+1, seed+1))
	w := &world{r: r, counts: when.counters, all: town()}
	culprit := r.IntN(services)
	if f.hits != nil {
		culprit = f.hits[r.IntN(len(f.hits))]
	}
	strength := 1 + r.Float64()
	bystander := (culprit + 1 + r.IntN(services-1)) % services
	busy, from := r.IntN(2) == 0, when.before-60+r.IntN(90) // ticks: 15 min before to 7 after
	w.suffer(f, culprit, strength, when)
	if alone := w.at; busy && when.bystander {
		w.at = func(service, tick int) pressure {
			p := alone(service, tick)
			if service == bystander && tick >= from && tick < from+12 {
				p.cpu += .5
				p.disk += .05
			}
			return p
		}
	}
	w.run(when.ticks())

	onset := shopStarts + int64(when.before)*interval
	truth := w.all[culprit].name
	if f.batch > 0 {
		truth = "batch"
	}
	q := cause.Question{Onset: onset, Until: onset + int64(when.during)*interval, Candidates: w.candidates()}
	for i := range q.Candidates {
		c := &q.Candidates[i]
		if f.change != "" && c.Place == truth {
			c.Changes = append(c.Changes, cause.Change{What: f.change, T: onset - int64(r.IntN(120_000))})
		}
		if when.bystander && c.Place == w.all[bystander].name && r.IntN(2) == 0 {
			ago := time.Duration(r.IntN(60)) * time.Minute
			c.Changes = append(c.Changes, cause.Change{What: "it was scaled", T: onset - ago.Milliseconds()})
		}
	}
	q.Edges = edges(q.Candidates, w.dependencies())
	in := incident{id: fmt.Sprintf("%s-%d", f.name, seed), fault: f.name, truth: truth, question: q}
	in.began = onset - int64(f.since)*interval
	if !when.bystander {
		in.touched = f.touches(culprit, strength, when)
	}
	return in
}

// suffer has the world know one fault.
func (w *world) suffer(f *fault, culprit int, strength float64, when season) {
	end := when.before + when.during
	w.at = func(service, tick int) pressure {
		since := tick - when.before + f.since
		if service != culprit || f.press == nil || since < 0 || tick >= end {
			return pressure{}
		}
		return f.press(since, strength)
	}
	w.batch = func(tick int) float64 {
		if f.batch > 0 && tick >= when.before && tick < end {
			return f.batch * strength
		}
		return .2
	}
}

// candidates are the places with their series.
func (w *world) candidates() (all []cause.Candidate) {
	for _, place := range w.order {
		c := cause.Candidate{Place: place, Host: len(place) > 5 && place[:5] == "node-"}
		for _, metric := range w.titles[place] {
			c.Series = append(c.Series, *w.series[place][metric])
		}
		all = append(all, c)
	}
	return all
}

// telling is by how much a series must differ from what it would have been, for the fault to
// have touched it: a fifth, which is what a watch rule asks by default.
const telling = .2

// touches are the series, as place and metric, that the fault changes: found by having the
// same happen without noise, beside a shop in which it does not.
func (f *fault) touches(culprit int, strength float64, when season) map[[2]string]bool {
	when.before, when.after = max(f.since, 1), 0
	run := func(f *fault) *world {
		w := &world{r: rand.New(rand.NewPCG(1, 1)), still: true, all: town()}
		w.suffer(f, culprit, strength, when)
		w.run(when.ticks())
		return w
	}
	ill, well := run(f), run(&fault{})
	touched := map[[2]string]bool{}
	for place, metrics := range well.series {
		for metric, a := range metrics {
			b := ill.series[place][metric]
			for i := when.before; i < len(a.V); i++ {
				if len(b.V) < len(a.V) || math.Abs(b.V[i]-a.V[i]) >= telling*math.Abs(a.V[i]) {
					touched[[2]string{place, metric}] = true
				}
			}
		}
	}
	return touched
}

// dependencies are who calls whom and who runs where.
func (w *world) dependencies() (all [][2]string) {
	for i := range w.all {
		s := &w.all[i]
		for _, c := range s.calls {
			all = append(all, [2]string{s.name, w.all[c.service].name})
		}
		all = append(all, [2]string{s.name, fmt.Sprintf("node-%d", s.node)})
	}
	return append(all, [2]string{"batch", "node-1"})
}
