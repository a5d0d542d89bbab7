package rca

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/foreshock/foreshock/incident/cause"
)

// The shop: twelve services on four machines, a batch job beside them, all scraped every
// 15 s.
const (
	shopName   = "shop"
	interval   = 15_000 // ms
	minute     = 60_000 / interval
	hour       = 60 * minute
	day        = 24 * hour
	seeds      = 7  // of each kind of fault: 10 × 7 = 70 faults
	calmDays   = 10 // without one
	shopStarts = int64(1_700_000_000_000)
)

// season is one stay in the shop: so many ticks before a fault, of it and after it, and
// whether something innocent goes on near it, in every other one.
type season struct {
	before, during, after int
	bystander             bool
	counters              bool // what a name says is a counter is one, not its rate
}

// briefly is two hours, a fault of ten minutes, and what else may be taken for it: as hard
// as ranking gets.
func briefly() season { return season{before: 2 * hour, during: 10 * minute, bystander: true} }

// lastingly is a day to learn, an hour in which all is well, a fault of ten minutes by itself,
// and an hour in which all is well again.
func lastingly() season {
	return season{before: day + hour, during: 10 * minute, after: hour, counters: true}
}

func (s season) ticks() int { return s.before + s.during + s.after }

// service is one of the shop's, with what it is like when all is well.
type service struct {
	name    string
	node    int
	latency float64  // of its own work, s
	cpu     float64  // s a request
	memory  float64  // MiB
	calls   []callee // in order
	rate    float64  // a second from outside
}

type callee struct {
	service int
	share   float64 // calls a request
}

// Who is who among the services; callees come after their callers.
const (
	frontend = iota
	checkout
	recommend
	ads
	cart
	payment
	shipping
	email
	currency
	catalog
	cache
	database
	services
)

func town() [services]service {
	return [services]service{
		frontend: {
			name: "frontend", node: 0, latency: .02, cpu: .002, memory: 300, rate: 100,
			calls: []callee{{checkout, .1}, {recommend, .5}, {ads, .6}, {cart, .4}, {currency, .8}, {catalog, .9}, {shipping, .1}},
		},
		checkout: {
			name: "checkout", node: 1, latency: .03, cpu: .004, memory: 200,
			calls: []callee{{cart, 1}, {payment, 1}, {shipping, 1}, {email, .9}, {currency, 1}, {catalog, 1}},
		},
		recommend: {name: "recommend", node: 1, latency: .015, cpu: .003, memory: 400, calls: []callee{{catalog, 1}}},
		ads:       {name: "ads", node: 2, latency: .008, cpu: .001, memory: 250},
		cart:      {name: "cart", node: 2, latency: .006, cpu: .001, memory: 150, calls: []callee{{cache, 1.5}}},
		payment:   {name: "payment", node: 3, latency: .05, cpu: .002, memory: 120},
		shipping:  {name: "shipping", node: 3, latency: .01, cpu: .001, memory: 100},
		email:     {name: "email", node: 0, latency: .04, cpu: .002, memory: 130},
		currency:  {name: "currency", node: 1, latency: .003, cpu: .0005, memory: 90},
		catalog:   {name: "catalog", node: 2, latency: .008, cpu: .001, memory: 220, calls: []callee{{database, .7}}},
		cache:     {name: "cache", node: 3, latency: .001, cpu: .0002, memory: 800},
		database:  {name: "database", node: 0, latency: .004, cpu: .001, memory: 2000},
	}
}

const machines = 4

// pressure is what a fault, or an accident, does to one service at one tick. The zero
// value is nothing.
type pressure struct {
	cpu    float64 // cores burnt
	memory float64 // MiB held
	disk   float64 // share of time
	slower float64 // times as slow, less one
	delay  float64 // s on the way to it
	errors float64 // share of requests that fail in it before it calls anybody
	lost   float64 // share of requests that never reach it
	gone   bool
}

// world is one run of the shop.
type world struct {
	r      *rand.Rand
	still  bool // without noise
	counts bool // what a name says is a counter is one, not its rate
	all    [services]service
	at     func(service, tick int) pressure
	batch  func(tick int) float64 // cores that the batch job burns
	noise  map[string]*noise
	series map[string]map[string]*cause.Series // by place, then metric
	order  []string                            // places
	titles map[string][]string                 // metrics by place
}

// noise is what a series does by itself: it wanders, and has a spike now and then.
type noise struct {
	level, wander, spread, spikes float64
}

// value is v as measured.
func (w *world) value(key string, v float64) float64 {
	if w.still {
		return v
	}
	n := w.noise[key]
	if n == nil {
		n = &noise{wander: .01 + .02*w.r.Float64(), spread: .03 + .07*w.r.Float64(), spikes: .01 * w.r.Float64()}
		w.noise[key] = n
	}
	n.level = .95*n.level + n.wander*w.r.NormFloat64()
	v *= math.Exp(n.level + n.spread*w.r.NormFloat64())
	if w.r.Float64() < n.spikes {
		v *= 1.5 + 2.5*w.r.Float64()
	}
	return v
}

// around is what is about 1, as far off as the spread says.
func (w *world) around(spread float64) float64 {
	if w.still {
		return 1
	}
	return math.Exp(spread * w.r.NormFloat64())
}

// anything is between 0 and 1.
func (w *world) anything() float64 {
	if w.still {
		return .5
	}
	return w.r.Float64()
}

// record appends a sample to a series.
func (w *world) record(place, metric string, tick int, v float64) {
	if w.series[place] == nil {
		w.series[place] = map[string]*cause.Series{}
		w.order = append(w.order, place)
	}
	s := w.series[place][metric]
	if s == nil {
		s = &cause.Series{Name: metric}
		w.series[place][metric] = s
		w.titles[place] = append(w.titles[place], metric)
	}
	if n := len(s.V); w.counts && n > 0 && strings.HasSuffix(metric, "_total") {
		v = s.V[n-1] + v*interval/1000
	}
	s.T = append(s.T, shopStarts+int64(tick)*interval)
	s.V = append(s.V, v)
}

// run plays so many ticks.
func (w *world) run(ticks int) {
	w.noise, w.series, w.titles = map[string]*noise{}, map[string]map[string]*cause.Series{}, map[string][]string{}
	phase := w.r.Float64() * 2 * math.Pi // at which time of the day it begins
	patience := 1.                       // of who calls the frontend: fewer requests while it is slow
	var slowBefore [services]float64
	for tick := range ticks {
		load := (1 + .2*math.Sin(phase+2*math.Pi*float64(tick)/day)) * patience
		patience = w.tick(tick, load, &slowBefore)
	}
}

// tick plays one scrape and returns the patience of the next. What a callee's slowness
// does to its callers is half seen in the same scrape, half in the next.
func (w *world) tick(tick int, load float64, slowBefore *[services]float64) float64 {
	var rate, fails, slow, calls [services]float64
	var busy, disk [machines]float64
	var p [services]pressure
	for i := range w.all {
		p[i] = w.at(i, tick)
	}
	for i := range w.all { // callers come first
		rate[i] += w.all[i].rate * load * w.around(.05)
		for _, c := range w.all[i].calls {
			rate[c.service] += rate[i] * (1 - p[i].errors) * (1 - p[i].lost) * c.share
		}
	}
	for i := range w.all {
		s := &w.all[i]
		reached := rate[i] * (1 - p[i].lost)
		busy[s.node] += s.cpu*reached + p[i].cpu
		disk[s.node] += p[i].disk
	}
	busy[1] += w.batch(tick)
	for i := len(w.all) - 1; i >= 0; i-- { // callees come first
		s := &w.all[i]
		crowd := 1 + 2*max(0, busy[s.node]-2.5)/4 + disk[s.node] // 4 cores
		own := s.latency * (1 + p[i].slower) * crowd * w.around(.1)
		weight := 0.
		fails[i] = p[i].errors + .001*w.anything()
		for _, c := range s.calls {
			y := c.service
			seen := .5*(slow[y]+slowBefore[y]) + p[y].delay + p[y].lost*1.
			own += c.share * seen
			calls[i] += c.share * seen
			weight += c.share
			failing := fails[y] + p[y].lost/2
			if p[y].gone {
				failing, seen = 1, 0
			}
			fails[i] = min(1, fails[i]+.8*min(1, c.share)*failing)
		}
		if weight > 0 {
			calls[i] /= weight
		}
		slow[i] = own
	}
	for i := range w.all {
		if p[i].gone {
			w.record(w.all[i].name, "up", tick, 0)
			continue
		}
		w.tell(tick, i, p[i], rate[i]*(1-p[i].lost), fails[i], slow[i], calls[i])
	}
	for m := range machines {
		place := fmt.Sprintf("node-%d", m)
		w.record(place, "node_cpu_busy_cores", tick, min(4, w.value(place+"c", busy[m]+.2)))
		w.record(place, "node_load1", tick, w.value(place+"l", busy[m]+.3))
		w.record(place, "node_disk_io_time_seconds", tick, w.value(place+"d", disk[m]+.05))
		w.record(place, "node_memory_used_bytes", tick, w.value(place+"m", 8<<30))
	}
	w.record("batch", "container_cpu_usage_seconds_total", tick, w.value("batch", w.batch(tick)+.1))
	w.record("batch", "container_memory_working_set_bytes", tick, w.value("batchm", 500<<20))
	usual := .35 // s, of the frontend
	*slowBefore = slow
	return 1 / (1 + .5*max(0, min(3, slow[frontend]/usual-1)))
}

// tell records what one service exposes.
func (w *world) tell(tick, i int, p pressure, rate, fails, slow, calls float64) {
	s := &w.all[i]
	k := s.name
	w.record(k, "http_requests_per_second", tick, w.value(k+"r", rate))
	w.record(k, "http_request_duration_seconds_p50", tick, w.value(k+"50", slow*.8))
	w.record(k, "http_request_duration_seconds_p99", tick, w.value(k+"99", slow*3))
	if len(s.calls) > 0 {
		w.record(k, "http_client_request_duration_seconds_p50", tick, w.value(k+"c50", calls*.8))
		w.record(k, "http_client_request_duration_seconds_p99", tick, w.value(k+"c99", calls*3))
	}
	w.record(k, "http_request_errors_ratio", tick, w.value(k+"e", fails))
	w.record(k, "container_cpu_usage_seconds_total", tick, w.value(k+"cpu", s.cpu*rate+p.cpu+.01))
	w.record(k, "container_memory_working_set_bytes", tick, w.value(k+"mem", (s.memory+p.memory)*(1<<20)))
	w.record(k, "container_fs_io_time_seconds_total", tick, w.value(k+"fs", p.disk+.01))
	w.record(k, "container_network_transmit_bytes_total", tick, w.value(k+"net", rate*2000))
	w.record(k, "up", tick, 1)
}
