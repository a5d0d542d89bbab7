package emitter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
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
)

const (
	// notifierCapacity alerts wait for each Alertmanager, the oldest go: Prometheus's
	// own default.
	notifierCapacity = 10_000

	// maxAnswer bytes of a refusal are logged, as Prometheus does for remote write.
	maxAnswer = 1024

	// lastBatch is how long a send loop may be between taking a batch and posting
	// it: encoding a full one takes milliseconds.
	lastBatch = 250 * time.Millisecond
)

// alertLine carries alerts to the Alertmanagers of one configuration: Prometheus's
// service discovery, and its notifier with a queue for each. A failed batch is not tried
// again; who failed is told all anew once it is back. A change of the configuration takes a new line:
// the notifier would change step by step, any of which may fail, and would keep the
// client of an Alertmanager whose configuration reads the same, as it does with another
// password: "<secret>".
type alertLine struct {
	logger    *slog.Logger
	transport http.RoundTripper // nil is the network
	registry  *prometheus.Registry
	notifier  *notifier.Manager
	discovery *discovery.Manager
	found     map[string]discovery.Configs // where to look for Alertmanagers, by the notifier's names
	posting   sync.RWMutex                 // held for reading by every request under way
	life      context.Context              // in which requests may be made
	end       context.CancelFunc           // ends it

	reachedMu sync.Mutex
	reached   map[string]*reached // Alertmanagers that took an alert, by where their silences are

	absentMu sync.Mutex
	absent   map[string]*absence // Alertmanagers that did not take what they were sent, by their URLs
	probes   sync.WaitGroup      // that ask for them
	returned atomic.Bool         // one is back, and to be told all
}

// newAlertLine returns a line of which nothing runs yet.
func newAlertLine(alerting promconfig.AlertingConfig, external labels.Labels, transport http.RoundTripper, logger *slog.Logger) (*alertLine, error) {
	l := &alertLine{
		logger: logger, transport: transport, registry: prometheus.NewRegistry(),
		found: map[string]discovery.Configs{}, reached: map[string]*reached{}, absent: map[string]*absence{},
	}
	l.life, l.end = context.WithCancel(context.Background())
	l.notifier = notifier.NewManager(&notifier.Options{
		QueueCapacity:   notifierCapacity,
		DrainOnShutdown: true,
		Registerer:      l.registry,
		Do:              l.post,
	}, model.UTF8Validation, logger)
	err := l.notifier.ApplyConfig(&promconfig.Config{
		GlobalConfig:   promconfig.GlobalConfig{ExternalLabels: external, MetricNameValidationScheme: model.UTF8Validation},
		AlertingConfig: alerting,
	})
	if err != nil {
		return nil, err
	}
	for name, c := range alerting.AlertmanagerConfigs.ToMap() {
		l.found[name] = c.ServiceDiscoveryConfigs
	}
	metrics, err := discovery.CreateAndRegisterSDMetrics(l.registry)
	if err != nil {
		return nil, err
	}
	l.discovery = discovery.NewManager(l.life, logger, l.registry, metrics, discovery.Name("notify"))
	if l.discovery == nil {
		return nil, errors.New("no service discovery") // the log says why
	}
	return l, nil
}

// run carries what is sent until close was called and all is delivered. Once ctx or
// the line's life ends, what is left fails at once.
func (l *alertLine) run(ctx context.Context) {
	defer context.AfterFunc(ctx, l.end)()
	defer func() {
		l.absentMu.Lock()
		l.end() // nobody is asked any more
		l.absentMu.Unlock()
		l.probes.Wait()
	}()
	if err := l.discovery.ApplyConfig(l.found); err != nil {
		l.logger.Error("looking for Alertmanagers failed", "err", err)
	}
	go l.discovery.Run()
	l.notifier.Run(l.discovery.SyncCh())
	if !l.reachable() {
		return
	}
	// A send loop may have taken a last batch off its queue and not have begun to
	// post it; the notifier does not wait for that.
	select {
	case <-time.After(lastBatch):
	case <-l.life.Done():
	}
	l.posting.Lock() // until the requests that were under way are done
	defer l.posting.Unlock()
}

func (l *alertLine) reachable() bool { return len(l.notifier.Alertmanagers()) > 0 }

func (l *alertLine) send(alerts []*notifier.Alert) { l.notifier.Send(alerts...) }

func (l *alertLine) close() { l.notifier.Stop() }

// post sends one request of the notifier's. What is refused says why, which the
// notifier alone would not.
func (l *alertLine) post(ctx context.Context, client *http.Client, req *http.Request) (*http.Response, error) {
	l.posting.RLock()
	defer l.posting.RUnlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.life, cancel)()

	careful := l.careful(client)
	resp, err := careful.Do(req.WithContext(ctx))
	if err != nil {
		l.miss(careful, req.URL)
		return nil, err
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // what there is of it
	if resp.StatusCode/100 != 2 {
		if passing(resp.StatusCode) {
			l.miss(careful, req.URL)
		}
		return nil, fmt.Errorf("server returned HTTP status %s: %s", resp.Status, answer)
	}
	l.present(req.URL)
	l.reach(careful, req.URL)
	resp.Body = http.NoBody
	return resp, nil
}

// careful is the client without redirects to elsewhere.
func (l *alertLine) careful(client *http.Client) http.Client {
	careful := *client
	careful.CheckRedirect = sameOrigin(client.CheckRedirect)
	if l.transport != nil {
		careful.Transport = l.transport
	}
	return careful
}

// lineMetrics are those of Prometheus's notifier and service discovery, of the line
// there is: a reload of the alerting begins them anew.
type lineMetrics struct{ of *alertmanager }

// Describe implements prometheus.Collector. It describes none, for they depend on the
// configuration.
func (lineMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m lineMetrics) Collect(into chan<- prometheus.Metric) {
	m.of.mu.Lock()
	line := m.of.line
	m.of.mu.Unlock()
	if line != nil {
		line.registry.Collect(into)
	}
}
