// Package app wires the rooms together and owns their lives.
//
//	                   ┌──────────┐ Append ┌──────────┐ observe ┌──────────┐ Offer ┌─────────┐
//	/api/v1/write ────▶│ receiver ├───────▶│ detector ├────────▶│ incident ├──────▶│ emitter ├──▶ remote write
//	                   └──────────┘ Batch  └────┬─────┘ Findings└────┬─────┘ Report└────┬────┘    Alertmanager
//	                                     Select │         Incidents  │                  │         JSON lines
//	                                       ┌────▼────────────────────▼───┐              ▼
//	/, /api/v1/{status,…} ◀────────────────┤           console           │     /metrics/anomalies
//	                                       └─────────────────────────────┘
//	                                       ┌─────────────────────────────┐
//	/api/v1/{query,…} ◀────────────────────┤            query            │◀── Read: detector, emitter
//	                                       └─────────────────────────────┘
//	                                       ┌─────────────────────────────┐
//	/api/v1/alertmanager/webhook ─────────▶│         remediation         ├──▶ webhook, exec
//	                                       └─────────────────────────────┘
//
// Things start from the sink up, so that nobody ever sends to a room that is not
// there yet, and stop from the source down: the intake closes, each stage finishes
// what it has, the emitter flushes.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/sync/errgroup"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/config"
	"github.com/foreshock/foreshock/console"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/emitter"
	"github.com/foreshock/foreshock/evidence"
	"github.com/foreshock/foreshock/internal/disk"
	"github.com/foreshock/foreshock/internal/inquest"
	"github.com/foreshock/foreshock/internal/warmstart"
	"github.com/foreshock/foreshock/query"
	"github.com/foreshock/foreshock/receiver"
	"github.com/foreshock/foreshock/remediation"
)

// How long each stage may take when the process is asked to stop. The last two go on
// side by side: 4 + 8 = 12 s and 2 s to give back a lease, within the 15 s that operators are promised.
const (
	intakeGrace      = 4 * time.Second // requests under way
	emitterGrace     = 5 * time.Second // queues to flush downstream
	remediationGrace = 6 * time.Second // an action under way; killing it takes 2 s more
)

// Options are what the command line decides.
type Options struct {
	ConfigFile  string // "" runs on defaults
	StoragePath string
	// SyncAlways has a request be acknowledged only once the disk has it; else the disk
	// has it within a second.
	SyncAlways         bool
	LogLimit           int64         // bytes of the ingest log; 0 means 4 GiB
	CheckpointInterval time.Duration // 0 means 5 minutes
	MemoryLimit        int64         // bytes the process may take, 256 MiB at least; 0 is any
	OutboxLimit        int64         // bytes that may wait for each remote write; 0 means 4 GiB
	// FS is where log, checkpoints and outbox are; nil means the operating system's.
	FS disk.FS
	// Web holds the listen addresses and the exporter-toolkit file with TLS and
	// authentication.
	Web             *web.FlagConfig
	MaxConnections  int  // at once; 0 means 4096
	EnableLifecycle bool // allow POST /-/reload
	EnablePprof     bool // serve /debug/pprof/
	// Transport carries what is sent downstream, in the network's place; nil is the network.
	Transport http.RoundTripper
	Logger    *slog.Logger
}

// App is one running Foreshock.
type App struct {
	opts     Options
	logger   *slog.Logger
	registry *prometheus.Registry
	metrics  *metrics

	receiver    *receiver.Receiver
	sight       *sight
	keeper      *keeper
	detector    *detector.Detector
	warmStart   *warmstart.WarmStart
	handover    handover // of observe
	query       *query.Query
	evaluator   *query.Evaluator
	evidence    *evidence.Evidence
	incidents   *incidents
	demands     foreseen[foreshock.Scaling]
	outlooks    foreseen[foreshock.Forecast]
	selected    selected
	events      *console.Events
	inUse       atomic.Pointer[config.Config] // what was applied, for the console
	startedAt   time.Time
	inquest     *inquest.Inquest
	emitter     *emitter.Emitter
	remediation *remediation.Remediation
	server      *http.Server

	config   *config.Config // as last applied; Run's alone
	restored atomic.Bool    // what was known is: there is something to ask
	ready    atomic.Bool
	found    string   // the checkpoint to begin with, "" for none
	about    manifest // of it
	known    int      // series that it brought back
	reload   chan chan error
}

// New loads the configuration and builds every room; nothing runs yet.
func New(o Options) (*App, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		o.FS = disk.OS{}
	}
	cfg, err := config.Load(o.ConfigFile)
	if err != nil {
		return nil, err
	}
	confine(cfg, o.MemoryLimit)
	if err := setMemoryLimit(o.MemoryLimit); err != nil {
		return nil, err
	}
	if o.MaxConnections < 0 {
		return nil, errors.New("--web.max-connections must not be negative")
	}
	if o.CheckpointInterval < 0 || o.LogLimit < 0 || o.OutboxLimit < 0 {
		return nil, errors.New("--storage.checkpoint-interval, --storage.log-limit and --storage.outbox-limit must not be negative")
	}
	if err := o.FS.MkdirAll(o.StoragePath, 0o755); err != nil {
		return nil, fmt.Errorf("create the storage directory: %w", err)
	}
	damaged, err := setForeignAside(o.FS, o.StoragePath, o.Logger.With("component", "state"))
	if err != nil {
		return nil, err
	}
	verified, err := demandsClientCertificates(*o.Web.WebConfigFile)
	if err != nil {
		return nil, err
	}

	a := &App{opts: o, logger: o.Logger, registry: newRegistry(), config: cfg, reload: make(chan chan error)}
	a.metrics = newMetrics(a.registry)
	a.events, a.startedAt = console.NewEvents(a.registry), time.Now()
	a.inUse.Store(cfg)

	if a.keeper, err = newKeeper(o, time.Now, a.registry); err != nil {
		return nil, err
	}
	if a.found, a.about, err = a.keeper.latest(); err != nil {
		return nil, err
	}
	a.sight = newSight(time.Now, a.registry, o.Logger)
	if a.emitter, err = emitter.New(a.emitterOptions(cfg)); err != nil {
		return nil, fmt.Errorf("set up the emitter: %w", err)
	}
	a.remediation, err = remediation.New(remediation.Options{
		Config:          cfg.Remediation,
		Remedies:        cfg.Rules.Remedies,
		Dir:             filepath.Join(o.StoragePath, "ledger"),
		Damaged:         damaged,
		PauseFile:       filepath.Join(o.StoragePath, "paused"),
		VerifiedClients: verified,
		Blindness:       a.sight.blindness,
		Watch:           a.watch,
		Demand:          a.demand,
		Noteworthy:      a.remedied,
		Changed:         func() { a.events.Tell(console.RemediationsTopic) },
		Registerer:      a.registry,
		Logger:          o.Logger.With("component", "remediation"),
	})
	if err != nil {
		return nil, fmt.Errorf("set up remediation: %w", err)
	}
	a.evidence, err = evidence.New(evidence.Options{
		Config:     cfg.Evidence,
		Now:        time.Now,
		Registerer: a.registry,
		Logger:     o.Logger.With("component", "evidence"),
	})
	if err != nil {
		return nil, err
	}
	a.incidents, err = newIncidents(cfg.Incident, cfg.Rules, filepath.Join(o.StoragePath, "dismissals"), a.registry, o.Logger.With("component", "incident"))
	if err != nil {
		return nil, fmt.Errorf("set up incidents: %w", err)
	}
	a.detector = detector.New(detector.Options{
		Config:     cfg.Detector,
		Rules:      cfg.Rules,
		Observe:    a.observe,
		Taken:      a.keeper.taken,
		Shards:     a.about.Shards, // models stay on the shard that learned them
		Registerer: a.registry,
		Logger:     o.Logger.With("component", "detector"),
	})
	a.inquest = inquest.New(a.detector, a.incidents.setInquest, o.Logger.With("component", "inquest"))
	a.inquest.SetRules(cfg.Rules)
	watchInquest(a.registry, a.inquest)
	a.query = query.New(query.Options{
		Config:     cfg.Query,
		Sources:    []query.Source{a.detector, a.emitter},
		Types:      a.detector.Types,
		Now:        time.Now,
		Registerer: a.registry,
		Logger:     o.Logger.With("component", "query"),
	})
	a.sight.next = a.keeper
	a.keeper.detector, a.keeper.incidents = a.detector, a.incidents
	a.warmStart, err = warmstart.New(warmstart.Options{
		Config:     cfg.WarmStart,
		Append:     a.detector.Append,
		Now:        time.Now,
		Registerer: a.registry,
		Logger:     o.Logger.With("component", "warm start"),
	})
	if err != nil {
		return nil, err
	}
	a.evaluator = a.query.NewEvaluator(cfg.Rules.Expressions(), a.warmStart.Append)
	a.warmStart.Evaluate(a.evaluator)
	a.receiver = receiver.New(receiver.Options{
		Config:     cfg.Receiver,
		Appender:   a.sight,
		Registerer: a.registry,
		Logger:     o.Logger.With("component", "receiver"),
	})
	a.keeper.receiver = a.receiver
	a.server = a.newServer()
	a.metrics.loaded()
	a.tell(cfg)
	return a, nil
}

// tell logs what the configuration brings about that nobody may expect.
func (a *App) tell(cfg *config.Config) {
	for _, note := range cfg.Notes() {
		a.logger.Info(note)
	}
}

func (a *App) emitterOptions(cfg *config.Config) emitter.Options {
	return emitter.Options{
		Config:         cfg.Emitter,
		RemoteWrite:    cfg.RemoteWrite,
		Alerting:       cfg.Alerting,
		ExternalLabels: cfg.Global.ExternalLabels,
		ExternalURL:    cfg.Global.ExternalURL,
		GrafanaURL:     cfg.Global.GrafanaURL,
		Rules:          cfg.Rules,
		Recall:         time.Duration(cfg.Detector.Window),
		Blindness:      a.sight.blindness,
		Silenced:       func(id, by, why string) { a.incidents.silenced(id, by, why) },
		Transport:      a.opts.Transport,
		Troubles:       func() []foreshock.Trouble { return a.remediation.Troubles() },
		Outbox:         filepath.Join(a.opts.StoragePath, "outbox"),
		OutboxLimit:    a.opts.OutboxLimit,
		FS:             a.opts.FS,
		Registerer:     a.registry,
		Logger:         a.logger.With("component", "emitter"),
	}
}

// observe is the flow below the detector. One goroutine calls it, batch by batch.
func (a *App) observe(f foreshock.Findings) {
	if a.warmStart.History(f.Now) {
		a.handover.note(f)
		return // nobody is told what was
	}
	if a.keeper.replaying.Load() {
		// Scores were written before, as far as they could be; of incidents Alertmanager
		// knows which is which. Of those that were dismissed it was told the end.
		told := a.incidents.observe(f)
		told = slices.DeleteFunc(told, func(in foreshock.Incident) bool { return in.Dismissal != nil })
		if len(told) > 0 {
			a.remediation.Attach(told)
			a.emitter.Offer(foreshock.Report{Findings: foreshock.Findings{Now: f.Now}, Incidents: told})
		}
		return
	}
	a.handover.begin(&f)
	a.sight.reached(f.Now)
	a.foresee(&f)
	a.evaluator.Reached(f.Now)
	changed := a.incidents.observe(f)
	a.evidence.Offer(changed)
	a.evidence.Attach(changed) // what was found since; nothing waits for it
	a.remediation.Attach(changed)
	a.emitter.Offer(foreshock.Report{Findings: f, Incidents: changed})
	a.inquest.Heard(changed, f.Now)
	a.events.Tell(console.StatusTopic)
	if len(changed) > 0 {
		a.events.Tell(console.IncidentsTopic)
	}
}

// Pause is the remedies' kill switch: none starts any more until a person resumes them.
func (a *App) Pause(by, reason string) {
	if err := a.remediation.Pause(by, reason); err != nil {
		a.logger.Error("pause not recorded; nothing starts while this process runs", "err", err)
	}
}

// Run serves until ctx ends, then stops everything in order. A value on hangup
// reloads the configuration. The error is why it could not serve or stop cleanly.
func (a *App) Run(ctx context.Context, hangup <-chan os.Signal) error {
	stopped := a.start()
	serving := make(chan error, 1)
	go func() {
		err := web.ListenAndServe(a.server, a.opts.Web, a.logger)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		serving <- err
	}()

	var failure error
	for running := true; running; {
		select {
		case <-ctx.Done():
			running = false
		case failure = <-serving:
			running = false
		case <-hangup:
			_ = a.applyConfig() // logged and counted there
		case answer := <-a.reload:
			answer <- a.applyConfig()
		}
	}
	a.logger.Info("stopping", "reason", cmp.Or(failure, context.Cause(ctx)))
	return errors.Join(failure, a.stop(stopped))
}

// start sets every stage going and returns a channel for each that tells when it
// has finished.
func (a *App) start() (stopped stages) {
	evaluating, stopEvaluator := context.WithCancel(context.Background())
	inquiring, stopInquest := context.WithCancel(context.Background())
	warming, stopWarming := context.WithCancel(context.Background())
	known := make(chan struct{})
	keeping, stopKeeping := context.WithCancel(context.Background())
	stopped = stages{
		emitter: background(a.emitter.Run), remediation: background(a.remediation.Run),
		detector: background(func() {
			<-known
			a.detector.Run()
		}),
		evidence:      background(a.evidence.Run),
		evaluator:     background(func() { a.evaluator.Run(evaluating) }),
		stopEvaluator: stopEvaluator,
		inquest:       background(func() { a.inquest.Run(inquiring) }),
		stopInquest:   stopInquest,
		warmStart: background(func() {
			defer a.ready.Store(true)
			a.recall()
			close(known)
			a.learn(warming)
		}),
		stopWarming: stopWarming,
		keeper:      background(func() { a.keep(keeping) }),
		stopKeeper:  stopKeeping,
	}
	if !a.warmStart.Needed() && a.found == "" && a.keeper.log.Size() == 0 {
		<-stopped.warmStart
	}
	return stopped
}

type stages struct {
	detector, emitter, remediation, evidence, evaluator, inquest, warmStart, keeper <-chan struct{}
	stopEvaluator, stopInquest, stopWarming, stopKeeper                             context.CancelFunc
}

func background(run func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		run()
	}()
	return done
}

// stop follows the flow: intake, detector, then what follows from both. A client that
// is slow or a downstream that is dead is its own trouble, not a failed stop: what
// could not be finished in time is cut and said, and the process leaves in order.
func (a *App) stop(stopped stages) error {
	stopped.stopWarming()
	<-stopped.warmStart
	a.ready.Store(false)

	ctx, cancel := context.WithTimeout(context.Background(), intakeGrace)
	defer cancel()
	if err := a.server.Shutdown(ctx); err != nil {
		a.logger.Warn("cut the connections that were left", "err", err)
		_ = a.server.Close() // its error is that of a listener closed already
	}

	stopped.stopEvaluator()
	<-stopped.evaluator
	stopped.stopInquest()
	<-stopped.inquest
	stopped.stopKeeper()
	<-stopped.keeper
	a.detector.Close()
	<-stopped.detector
	if err := a.keeper.close(); err != nil {
		a.logger.Warn("the ingest log did not end well", "err", err)
	}
	a.evidence.Close()
	<-stopped.evidence

	var last errgroup.Group
	last.Go(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), emitterGrace)
		defer cancel()
		if err := a.emitter.Close(ctx); err != nil {
			a.logger.Warn("left undelivered", "err", err)
		}
		<-stopped.emitter
		return nil
	})
	last.Go(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), remediationGrace)
		defer cancel()
		err := a.remediation.Close(ctx)
		<-stopped.remediation
		if err != nil {
			return fmt.Errorf("stop remediation: %w", err)
		}
		return nil
	})
	return errors.Join(last.Wait(), a.incidents.close())
}
