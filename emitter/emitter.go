// Package emitter tells the world what was found: scores, bands and forecasts by
// Prometheus remote write and on a page to scrape, incidents to Alertmanager, and
// all of it as JSON lines.
//
//	Offer ─▶ queue ─▶ table: which series, under a budget ─┬▶ queue ─▶ remote write (one each)
//	                                                       ├▶ queue ─▶ Alertmanager
//	                                                       ├▶ queue ─▶ JSON lines
//	                                                       ├▶ recall, for queries
//	                                                       └▶ /metrics/anomalies
//
// It promises never to slow what is upstream: Offer only queues, every destination
// has a goroutine and a bounded queue of its own, and when one is full its oldest go
// and are counted. Every emitted series keeps the source's labels, is strictly
// increasing in time and ends with a stale marker. What waits for a remote write waits on
// disk, if it may, and goes on after a restart; what else waits when the process dies is
// lost.
//
// It does not decide what is anomalous, and it does not know who acts on an alert.
package emitter

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/disk"
	"github.com/foreshock/foreshock/rules"
)

// Options are what an Emitter needs. Only Config must be set.
type Options struct {
	Config Config
	// RemoteWrite and Alerting are Prometheus's own blocks, as its YAML decodes.
	RemoteWrite []*promconfig.RemoteWriteConfig
	Alerting    promconfig.AlertingConfig
	// ExternalLabels are added to what leaves, where absent.
	ExternalLabels labels.Labels
	// ExternalURL is where people reach the console; alerts link to it. An alert has
	// no link unless it is an absolute http or https URL.
	ExternalURL string
	// GrafanaURL is where people reach the Grafana that alerts link to, by the same rule.
	GrafanaURL string
	// Rules say which series are emitted and what alerts add.
	Rules *rules.Set
	// Silenced is told of each incident whose alert somebody silenced after it was told, and
	// who and why; more than once, maybe. Nil has nobody ask Alertmanager.
	Silenced func(incident, by, why string)
	// Blindness says whether Foreshock sees anything: while it does not, an alert says
	// so. Nil means that it does.
	Blindness func() foreshock.Blindness
	// Troubles are the remedies that a person must look after: an alert says so of each. Nil
	// means that there are none.
	Troubles func() []foreshock.Trouble
	// Outbox is the directory for what waits for remote writes, each in one of its own,
	// which may take up to OutboxLimit bytes: 0 means 4 GiB. "" has it wait in memory and
	// lose what is left at the end.
	Outbox      string
	OutboxLimit int64
	FS          disk.FS // of the outbox; nil means that of the operating system
	// Recall is for how long what was emitted can be read again; 0 keeps nothing.
	Recall time.Duration
	// Transport carries all requests in the network's place; nil is the network, as each
	// destination is configured.
	Transport http.RoundTripper
	// Now is the clock; nil means time.Now.
	Now        func() time.Time
	Registerer prometheus.Registerer
	Logger     *slog.Logger
}

// Emitter emits reports. It is safe for concurrent use.
type Emitter struct {
	destinationOptions
	inbox        *queue[foreshock.Report]
	outboxes     *outboxes
	recall       *recall
	alertmanager *alertmanager
	life         context.Context // of the destinations: ends when Close has no more time
	end          context.CancelFunc
	background   sync.WaitGroup // destinations
	finished     chan struct{}  // closed when Run returns

	mu      sync.Mutex // guards what follows; never held for a downstream
	started bool
	closed  bool
	table   *table
	remote  []*remoteWrite
	lines   *jsonLines // nil when there is no file
	running map[destination]*running
	leaving []*running // retired, and perhaps not done yet
}

// New returns an Emitter that emits once Run is called. It fails when a destination
// cannot be set up; an unreachable one is no failure.
func New(o Options) (*Emitter, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Blindness == nil {
		o.Blindness = func() foreshock.Blindness { return foreshock.Blindness{} }
	}
	if o.Troubles == nil {
		o.Troubles = func() []foreshock.Trouble { return nil }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m := newMetrics(o.Registerer)
	e := &Emitter{
		destinationOptions: destinationOptions{now: o.Now, transport: o.Transport, metrics: m, logger: o.Logger},

		recall:   newRecall(m),
		outboxes: newOutboxes(o),
		inbox:    newQueue(o.Config.QueueCapacity, countFindings),
		finished: make(chan struct{}),
		table:    newTable(o.Config, o.Rules, m),
		running:  map[destination]*running{},
	}
	e.life, e.end = context.WithCancel(context.Background())
	e.alertmanager = newAlertmanager(o.Registerer, e.destinationOptions, o.Blindness)
	e.alertmanager.silenced, e.alertmanager.listTroubles = o.Silenced, o.Troubles
	commit, err := e.Prepare(o)
	if err == nil {
		err = e.outboxes.clear()
	}
	if err != nil {
		e.outboxes.close()
		return nil, err
	}
	commit()
	return e, nil
}

// countFindings is what a report weighs in the queue, and counts for when it is
// dropped. An empty one counts as one.
func countFindings(r foreshock.Report) int {
	return max(1, len(r.Scores)+len(r.Anomalies)+len(r.Forecasts)+len(r.Scalings)+len(r.Ended)+len(r.Gone)+len(r.Incidents))
}

// Offer hands over a report, which is the Emitter's from then on. It never blocks:
// when emitter.queue_capacity is reached the oldest reports go and are counted.
// After Close the report itself goes.
func (e *Emitter) Offer(r foreshock.Report) {
	e.metrics.findings.Add(float64(countFindings(r)))
	e.metrics.findingsDropped.Add(float64(e.inbox.put(r)))
}

// Run emits what is offered until Close was called and what was offered before has
// been delivered or given up. It is called once.
func (e *Emitter) Run() {
	defer close(e.finished)
	defer e.end()
	e.mu.Lock()
	e.started = true
	for _, d := range e.destinations() {
		e.start(d)
	}
	e.mu.Unlock()

	for {
		_, open := e.inbox.state()
		reports := e.inbox.take(1)
		if len(reports) > 0 {
			e.emit(reports[0])
			continue
		}
		if !open {
			break
		}
		<-e.inbox.changed
	}

	e.mu.Lock()
	e.closed = true
	markers := e.table.close()
	for _, d := range e.destinations() {
		d.deliver(foreshock.Report{}, markers)
		d.close()
	}
	e.mu.Unlock()
	e.background.Wait()
	e.outboxes.close()
}

func (e *Emitter) emit(r foreshock.Report) {
	e.mu.Lock()
	defer e.mu.Unlock()
	samples := e.table.observe(r, e.now().UnixMilli())
	for _, d := range e.destinations() {
		d.deliver(r, samples)
	}
}

// Close ends every emitted series with a stale marker, delivers what waits, and
// returns once Run has. It gives up when ctx ends, and the error says so: what is left
// then is on disk for the next time, or dropped and counted.
func (e *Emitter) Close(ctx context.Context) error {
	defer e.end()
	e.inbox.close()
	e.mu.Lock()
	started := e.started
	e.mu.Unlock()
	if !started {
		e.outboxes.close()
		return nil
	}
	select {
	case <-e.finished:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("emit what was left: %w", context.Cause(ctx))
	}
}

// destinations are those there are now. The caller holds mu.
func (e *Emitter) destinations() []destination {
	all := []destination{e.alertmanager, e.recall}
	for _, w := range e.remote {
		all = append(all, w)
	}
	if e.lines != nil {
		all = append(all, e.lines)
	}
	return all
}
