// Package evidence looks up what logs say about the time around an incident's onset.
//
// It stands beside the flow: Offer and Attach never wait, and whether a server answers,
// hangs, lies or is not there changes nothing but the evidence itself, which then says why
// it is missing. Each source has a queue and workers of its own, so that one that hangs
// takes nothing from the others; what does not fit into its queue is dropped and counted.
// A look-up only reads, is bounded in time and bytes, and is made at most twice for an
// incident: when it fires, and when the time after the onset is over.
//
// The clock here says only when to look; when things happened the samples say.
package evidence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/logthrottle"
)

// Source is one server that holds logs.
type Source interface {
	// Look asks. It returns when ctx ends at the latest.
	Look(ctx context.Context, q Question) (Answer, error)
}

// Question is what a source is asked.
type Question struct {
	Query    string // in its language
	From, To time.Time
	Top      int // how many of each kind of count
}

// Answer is what it says.
type Answer struct {
	Total        int64 // lines that match
	By, Patterns []foreshock.Count
}

const (
	// maxKept incidents have their evidence kept: 1000 × 10 sources × 2 × 20 counts × ~256 B
	// ≈ 100 MB at the very most, ~2 MB with one source and the usual five.
	maxKept = 1000
	// keepFor is how long, from when the incident was first heard of.
	keepFor = 24 * time.Hour

	// workers look up in one source at once, and maxWaiting look-ups wait for them: with
	// 10 s each the last is made after 160 s, while its logs are still near.
	workers    = 2
	maxWaiting = 32

	// settle is how long after the end of its time an incident is looked up again: logs
	// take a while to arrive.
	settle = 15 * time.Second

	tick     = time.Second      // how often it is seen what is due
	logEvery = 10 * time.Minute // of what fails
)

// Options are what New needs.
type Options struct {
	Config     Config
	Now        func() time.Time
	Registerer prometheus.Registerer
	Logger     *slog.Logger // nil means none
}

// Evidence looks things up and remembers what was found. It is safe for concurrent use.
type Evidence struct {
	now     func() time.Time
	logger  *logthrottle.Logger
	metrics *metrics
	ctx     context.Context // ends with Close
	end     context.CancelFunc
	done    sync.WaitGroup // workers

	mu      sync.Mutex // guards what follows
	running bool
	config  Config
	desks   []*desk
	leave   context.CancelFunc // ends the desks' workers
	kept    map[string]*entry
	order   []*entry // of kept, oldest first
}

// desk is one source and those who wait for it.
type desk struct {
	config  SourceConfig // filled
	source  Source
	queries []query
	waiting chan question
}

// question is an incident to be looked up.
type question struct {
	*entry
	at time.Time // when it was asked
}

// entry is one incident. What may change is guarded by Evidence.mu.
type entry struct {
	id       string
	incident foreshock.Incident
	since    time.Time // when it was first heard of
	again    time.Time // when it is looked up again; zero: never
	found    map[string]foreshock.Evidence
}

// New returns an Evidence that asks nobody before Run. The error is that of a client that
// cannot be made.
func New(o Options) (*Evidence, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Evidence{
		now:     o.Now,
		logger:  logthrottle.New(logEvery, o.Now, o.Logger),
		metrics: newMetrics(o.Registerer),
		kept:    map[string]*entry{},
	}
	e.ctx, e.end = context.WithCancel(context.Background())
	commit, err := e.Prepare(o.Config)
	if err != nil {
		return nil, err
	}
	commit()
	return e, nil
}

// Prepare does all of a change of configuration that may fail; commit the rest. Where the
// sources change, what is being looked up is broken off and what was found stays.
func (e *Evidence) Prepare(c Config) (commit func(), err error) {
	var desks []*desk
	for _, s := range c.Sources {
		d, err := newDesk(s)
		if err != nil {
			return nil, fmt.Errorf("evidence source %s: %w", s.Name, err)
		}
		desks = append(desks, d)
	}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		// The comparison sees secrets, which the YAML would hide.
		same := reflect.DeepEqual(e.config.Sources, c.Sources)
		e.config = c
		if same {
			return
		}
		if e.leave != nil {
			e.leave()
		}
		e.desks = desks
		for _, d := range desks {
			e.metrics.source(d.config.Name)
		}
		e.start()
	}, nil
}

func newDesk(c SourceConfig) (*desk, error) {
	source, err := c.source()
	if err != nil {
		return nil, err
	}
	d := &desk{config: c.filled(), source: source, waiting: make(chan question, maxWaiting)}
	for _, text := range d.config.Queries {
		q, err := kinds[c.Kind].grammar.parse(text)
		if err != nil {
			return nil, err
		}
		d.queries = append(d.queries, q)
	}
	return d, nil
}

// start sets the workers of the desks going, if it is time. The caller holds mu.
func (e *Evidence) start() {
	if !e.running || e.ctx.Err() != nil {
		return
	}
	ctx, leave := context.WithCancel(e.ctx)
	e.leave = leave
	for _, d := range e.desks {
		for range workers {
			e.done.Go(func() { e.work(ctx, d) })
		}
	}
}

// Run looks up what is offered until Close.
func (e *Evidence) Run() {
	e.mu.Lock()
	e.running = true
	e.start()
	e.mu.Unlock()

	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for e.ctx.Err() == nil {
		select {
		case <-ticker.C:
			e.askAgain()
		case <-e.ctx.Done():
		}
	}
	e.mu.Lock() // no worker is added from here on
	e.running = false
	e.mu.Unlock()
	e.done.Wait()
}

// Close breaks off what is being looked up.
func (e *Evidence) Close() { e.end() }

// Offer has those of the incidents looked up that fire, that somebody is told of, and that
// were not offered before. It never waits: what finds no room is dropped and counted.
func (e *Evidence) Offer(incidents []foreshock.Incident) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.desks) == 0 {
		return
	}
	for i := range incidents {
		in := &incidents[i]
		if in.State != foreshock.Firing || !in.Alerting || e.kept[in.ID] != nil {
			continue
		}
		now := e.now()
		n := &entry{id: in.ID, incident: foreshock.Incident{StartsAt: in.StartsAt, Labels: in.Labels}, since: now, found: map[string]foreshock.Evidence{}}
		if end := e.until(n); end.After(now) {
			n.again = end.Add(settle)
		}
		e.kept[n.id] = n
		e.order = append(e.order, n)
		e.forget(now)
		e.ask(n, now)
	}
}

// until is when the time to be looked up ends.
func (e *Evidence) until(n *entry) time.Time {
	return foreshock.Time(n.incident.StartsAt).Add(time.Duration(e.config.After))
}

// forget drops what is old or too much. The caller holds mu.
func (e *Evidence) forget(now time.Time) {
	for len(e.order) > maxKept || len(e.order) > 0 && now.Sub(e.order[0].since) > keepFor {
		delete(e.kept, e.order[0].id)
		e.order[0] = nil // for the garbage collector
		e.order = e.order[1:]
	}
}

// ask puts n into the queue of every source. The caller holds mu.
func (e *Evidence) ask(n *entry, now time.Time) {
	for _, d := range e.desks {
		select {
		case d.waiting <- question{n, now}:
		default:
			e.metrics.dropped.WithLabelValues(d.config.Name).Inc()
			e.note(n, foreshock.Evidence{Source: d.config.Name, Missing: "too many look-ups were waiting"})
		}
	}
}

// askAgain asks of what was looked up before its time was over and of which it is over now.
func (e *Evidence) askAgain() {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	e.forget(now)
	for _, n := range e.order {
		if !n.again.IsZero() && !now.Before(n.again) {
			n.again = time.Time{}
			e.ask(n, now)
		}
	}
}

// note keeps what a source said of n; nothing is no better than what was known. The caller
// holds mu.
func (e *Evidence) note(n *entry, found foreshock.Evidence) {
	if before, known := n.found[found.Source]; known && before.Missing == "" && found.Missing != "" {
		return
	}
	n.found[found.Source] = found
}

// Attach gives each of the incidents the evidence there is by now, in the order of the
// sources' configuration.
func (e *Evidence) Attach(incidents []foreshock.Incident) { e.attach(incidents, false) }

// Show is Attach for who looks: of a source that was asked and has not answered it says so.
func (e *Evidence) Show(incidents []foreshock.Incident) { e.attach(incidents, true) }

func (e *Evidence) attach(incidents []foreshock.Incident, awaited bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range incidents {
		n := e.kept[incidents[i].ID]
		if n == nil {
			continue
		}
		for _, d := range e.desks {
			found, known := n.found[d.config.Name]
			switch {
			case known:
				incidents[i].Evidence = append(incidents[i].Evidence, found)
			case awaited:
				incidents[i].Evidence = append(incidents[i].Evidence, foreshock.Evidence{Source: d.config.Name, Missing: "no answer yet"})
			}
		}
	}
}

// work looks up one incident after the other until ctx ends.
func (e *Evidence) work(ctx context.Context, d *desk) {
	for {
		select {
		case <-ctx.Done():
			return
		case q := <-d.waiting:
			found := e.look(ctx, d, q)
			e.mu.Lock()
			e.note(q.entry, found)
			e.mu.Unlock()
		}
	}
}

// look looks up one incident in one source.
func (e *Evidence) look(ctx context.Context, d *desk, q question) foreshock.Evidence {
	e.mu.Lock()
	from, to, top := foreshock.Time(q.incident.StartsAt).Add(-time.Duration(e.config.Before)), e.until(q.entry), e.config.Top
	e.mu.Unlock()
	if to.After(q.at) {
		to = q.at
	}
	found := foreshock.Evidence{Source: d.config.Name, From: from.UnixMilli(), To: to.UnixMilli()}
	text, err := d.query(q.incident)
	if err == nil && !from.Before(to) {
		err = reason("the samples are ahead of the clock")
	}
	if err != nil {
		found.Missing = why(err)
		return found
	}
	found.Query = text

	e.metrics.lookups.WithLabelValues(d.config.Name).Inc()
	began := e.now()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(d.config.Timeout))
	defer cancel()
	answer, err := d.source.Look(ctx, Question{Query: text, From: from, To: to, Top: top})
	e.metrics.duration.WithLabelValues(d.config.Name).Observe(e.now().Sub(began).Seconds())
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = reason("no answer within " + d.config.Timeout.String())
		}
		found.Missing = why(err)
		e.metrics.failed.WithLabelValues(d.config.Name).Inc()
		e.logger.Log(slog.LevelWarn, "no evidence from logs", "source", d.config.Name, "why", found.Missing)
		return found
	}
	found.Total, found.By, found.Patterns = answer.Total, answer.By, answer.Patterns
	return found
}

// query is the first of the queries whose labels the incident has.
func (d *desk) query(i foreshock.Incident) (string, error) {
	lacking := ""
	for _, q := range d.queries {
		if lacking = q.lacks(i.Labels); lacking == "" {
			return q.fill(i.Labels)
		}
	}
	return "", reason("the incident has no label " + lacking)
}
