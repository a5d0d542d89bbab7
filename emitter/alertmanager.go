package emitter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	_ "github.com/prometheus/prometheus/discovery/dns"  // dns_sd_configs
	_ "github.com/prometheus/prometheus/discovery/file" // file_sd_configs
	_ "github.com/prometheus/prometheus/discovery/http" // http_sd_configs
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/logthrottle"
)

const (
	// notifierCapacity alerts wait for each Alertmanager, the oldest go: Prometheus's
	// own default.
	notifierCapacity = 10_000

	// incidentCapacity changes of incidents wait for the notifier, which never waits.
	incidentCapacity = 10_000

	// maxAnswer bytes of a refusal are logged, as Prometheus does for remote write.
	maxAnswer = 1024

	// alertCheck is how often we look for what must be told, or told again.
	alertCheck = time.Second

	// lastBatch is how long a send loop may be between taking a batch and posting
	// it: encoding a full one takes milliseconds.
	lastBatch = 250 * time.Millisecond
)

// alertmanager tells Alertmanager of incidents through Prometheus's notifier: every
// Alertmanager that is discovered gets every alert, from a queue of its own. A failed
// batch is not tried again; the next resend covers it.
type alertmanager struct {
	destinationOptions
	queue     *queue[foreshock.Incident]
	streamNow atomic.Int64 // sample time the stream has reached, ms
	errors    *logthrottle.Logger

	notifier  *notifier.Manager
	discovery *discovery.Manager
	reach     atomic.Pointer[reach]
	posting   sync.RWMutex // held for reading by every request under way

	mu       sync.Mutex // guards what follows
	running  bool
	alerting promconfig.AlertingConfig
	external labels.Labels
	alerts   *alerts
}

// reach is the time during which the current Alertmanagers may be posted to.
type reach struct {
	ctx context.Context
	end context.CancelFunc
}

func newReach() *reach {
	r := &reach{}
	r.ctx, r.end = context.WithCancel(context.Background())
	return r
}

// newAlertmanager returns a destination that has no Alertmanagers until apply. life
// is how long service discovery may go on.
func newAlertmanager(life context.Context, reg prometheus.Registerer, o destinationOptions) (*alertmanager, error) {
	a := &alertmanager{
		destinationOptions: o,
		queue:              newQueue[foreshock.Incident](incidentCapacity, nil),
		errors:             logthrottle.New(logEvery, o.now, o.logger),
		alerts:             newAlerts(o.metrics),
	}
	a.reach.Store(newReach())
	a.notifier = notifier.NewManager(&notifier.Options{
		QueueCapacity:   notifierCapacity,
		DrainOnShutdown: true,
		Registerer:      reg,
		Do:              a.post,
	}, model.UTF8Validation, o.logger)

	if reg == nil {
		reg = prometheus.NewRegistry() // service discovery cannot do without
	}
	sdMetrics, err := discovery.CreateAndRegisterSDMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("alerting: %w", err)
	}
	a.discovery = discovery.NewManager(life, o.logger, reg, sdMetrics, discovery.Name("notify"))
	if a.discovery == nil {
		return nil, errors.New("alerting: the metrics of service discovery are registered already")
	}
	return a, nil
}

// checkAlerting reports whether o can be applied and changes nothing: it does what
// Prometheus does to apply it, on a notifier that is thrown away.
func checkAlerting(o Options) error {
	if err := o.Alerting.Validate(model.UTF8Validation); err != nil {
		return fmt.Errorf("alerting: %w", err)
	}
	trial := notifier.NewManager(&notifier.Options{}, model.UTF8Validation, nil)
	if err := trial.ApplyConfig(prometheusConfig(o.Alerting, o.ExternalLabels)); err != nil {
		return fmt.Errorf("alerting: %w", err)
	}
	return nil
}

func prometheusConfig(a promconfig.AlertingConfig, external labels.Labels) *promconfig.Config {
	return &promconfig.Config{
		GlobalConfig: promconfig.GlobalConfig{
			ExternalLabels:             external,
			MetricNameValidationScheme: model.UTF8Validation,
		},
		AlertingConfig: a,
	}
}

// apply takes over a configuration that checkAlerting found good. New Alertmanagers
// are told of all that fires.
func (a *alertmanager) apply(o Options) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.alerts.composer = newComposer(o.Rules, o.ExternalLabels, o.ExternalURL)
	a.alerts.freshness = time.Duration(o.Config.Freshness)
	if reflect.DeepEqual(a.alerting, o.Alerting) && labels.Equal(a.external, o.ExternalLabels) {
		return nil
	}
	a.alerting, a.external = o.Alerting, o.ExternalLabels
	// The notifier keeps the client of an Alertmanager whose configuration reads the
	// same, and a changed password does: "<secret>". So all go before the new ones
	// come, and what they still had to send fails at once; the resend covers it.
	a.reach.Load().end()
	for _, c := range []promconfig.AlertingConfig{{}, a.alerting} {
		if err := a.notifier.ApplyConfig(prometheusConfig(c, a.external)); err != nil {
			return fmt.Errorf("alerting: %w", err)
		}
	}
	a.reach.Store(newReach())
	a.alerts.resend()
	return a.discover()
}

// discover looks for the Alertmanagers, once run has begun.
func (a *alertmanager) discover() error {
	if !a.running {
		return nil
	}
	found := map[string]discovery.Configs{}
	for id, c := range a.alerting.AlertmanagerConfigs.ToMap() {
		found[id] = c.ServiceDiscoveryConfigs
	}
	if err := a.discovery.ApplyConfig(found); err != nil {
		return fmt.Errorf("alerting: %w", err)
	}
	return nil
}

// post sends one request of the notifier's, while its Alertmanager is in reach. What
// is refused says why, which the notifier alone would not.
func (a *alertmanager) post(ctx context.Context, client *http.Client, req *http.Request) (*http.Response, error) {
	a.posting.RLock()
	defer a.posting.RUnlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(a.reach.Load().ctx, cancel)()

	careful := *client
	careful.CheckRedirect = sameOrigin(client.CheckRedirect)
	resp, err := careful.Do(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // what there is of it
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("server returned HTTP status %s: %s", resp.Status, answer)
	}
	resp.Body = http.NoBody
	return resp, nil
}

func (a *alertmanager) deliver(r foreshock.Report, _ []sample) {
	a.streamNow.Store(max(a.streamNow.Load(), r.Now))
	if len(r.Incidents) > 0 {
		a.metrics.alertsDropped.Add(float64(a.queue.put(r.Incidents...)))
	}
}

func (a *alertmanager) close() { a.queue.close() }

func (a *alertmanager) run(ctx context.Context) {
	unreach := func() { a.reach.Load().end() }
	defer context.AfterFunc(ctx, unreach)()
	defer unreach()
	notified := make(chan struct{})
	go func() {
		defer close(notified)
		a.notifier.Run(a.discovery.SyncCh())
	}()
	go a.discovery.Run()
	a.mu.Lock()
	a.running = true
	if err := a.discover(); err != nil {
		a.logger.Error("looking for Alertmanagers failed", "err", err)
	}
	a.mu.Unlock()

	ticker := time.NewTicker(alertCheck)
	defer ticker.Stop()
	for ctx.Err() == nil {
		waiting, open := a.queue.state()
		a.tell(a.queue.take(waiting))
		if !open {
			a.tell(nil) // of the ends whose beginnings were told just now
			break
		}
		select {
		case <-a.queue.changed:
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	a.notifier.Stop()
	<-notified // the queues are drained, or failed at once after ctx
	// A send loop may have taken a last batch off its queue and not have begun to
	// post it; the notifier does not wait for that.
	select {
	case <-time.After(lastBatch):
	case <-ctx.Done():
	}
	a.posting.Lock() // until the requests that were under way are done
	defer a.posting.Unlock()
}

// tell takes in what changed and sends what is due.
func (a *alertmanager) tell(changed []foreshock.Incident) {
	now := a.now()
	lag := now.Sub(foreshock.Time(a.streamNow.Load()))
	a.mu.Lock()
	for i := range changed {
		a.alerts.observe(&changed[i], now)
	}
	due, err := a.alerts.due(now, lag, len(a.notifier.Alertmanagers()) > 0)
	a.mu.Unlock()
	if err != nil {
		a.errors.Log(slog.LevelWarn, "a template failed, its text is sent as written", "err", err)
	}
	if len(due) > 0 {
		a.notifier.Send(due...)
	}
}
