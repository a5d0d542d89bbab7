package emitter

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/logthrottle"
)

const (
	// incidentCapacity changes of incidents wait for the notifier, which never waits.
	incidentCapacity = 10_000

	// alertCheck is how often we look for what must be told, or told again.
	alertCheck = time.Second
)

// alertmanager tells Alertmanager of incidents: every Alertmanager that is discovered
// gets every alert. It decides what is told and when; the line it has carries it there.
type alertmanager struct {
	destinationOptions
	queue     *queue[foreshock.Incident]
	streamNow atomic.Int64 // sample time the stream has reached, ms
	errors    *logthrottle.Logger
	lines     sync.WaitGroup // that run
	blindness func() foreshock.Blindness

	listTroubles func() []foreshock.Trouble

	silenceCheck time.Duration
	silenced     func(incident, by, why string) // nil: nobody asks

	mu       sync.Mutex      // guards what follows
	running  context.Context // of run; nil before it
	alerting promconfig.AlertingConfig
	external labels.Labels
	alerts   *alerts
	blind    blindAlert
	troubles troubles
	line     *alertLine

	dismissSilenced bool
}

// newAlertmanager returns a destination that has no line until it is prepared.
func newAlertmanager(reg prometheus.Registerer, o destinationOptions, blindness func() foreshock.Blindness) *alertmanager {
	a := &alertmanager{
		destinationOptions: o,
		queue:              newQueue[foreshock.Incident](incidentCapacity, nil),
		errors:             logthrottle.New(logEvery, o.now, o.logger),
		alerts:             newAlerts(o.metrics),
		blindness:          blindness,
		silenceCheck:       silenceCheck,
		listTroubles:       func() []foreshock.Trouble { return nil },
		troubles:           troubles{},
	}
	if reg != nil {
		reg.MustRegister(lineMetrics{a})
	}
	return a
}

// prepare does all of a change to o that may fail; commit the rest. New Alertmanagers
// are told of all that fires.
func (a *alertmanager) prepare(o Options) (commit func(), err error) {
	if err := o.Alerting.Validate(model.UTF8Validation); err != nil {
		return nil, fmt.Errorf("alerting: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	next := a.line
	// The comparison sees secrets, which the YAML would hide.
	if next == nil || !reflect.DeepEqual(a.alerting, o.Alerting) || !labels.Equal(a.external, o.ExternalLabels) {
		if next, err = newAlertLine(o.Alerting, o.ExternalLabels, a.transport, a.logger); err != nil {
			return nil, fmt.Errorf("alerting: %w", err)
		}
	}
	composer := newComposer(o)
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.alerts.composer, a.alerts.freshness = composer, time.Duration(o.Config.Freshness)
		a.alerting, a.external = o.Alerting, o.ExternalLabels
		a.dismissSilenced = o.Config.DismissSilenced
		if next != a.line {
			a.change(next)
		}
	}, nil
}

// change goes over to the next line. What the old one still had to send fails at once;
// telling everything again covers it. The caller holds mu.
func (a *alertmanager) change(next *alertLine) {
	if a.line != nil {
		a.line.end()
		a.line.close()
	}
	a.line = next
	a.resend()
	if a.running != nil && a.running.Err() == nil {
		a.start()
	}
}

// resend makes everything told due at once. The caller holds mu.
func (a *alertmanager) resend() {
	a.alerts.resend()
	a.blind.nextAt = time.Time{}
	a.troubles.resend()
}

// start runs the line. The caller holds mu.
func (a *alertmanager) start() {
	line, ctx := a.line, a.running
	a.lines.Go(func() { line.run(ctx) })
}

func (a *alertmanager) deliver(r foreshock.Report, _ []sample) {
	a.streamNow.Store(max(a.streamNow.Load(), r.Now))
	if len(r.Incidents) > 0 {
		a.metrics.alertsDropped.Add(float64(a.queue.put(r.Incidents...)))
	}
}

// place is none: there is one alertmanager, and it stays.
func (a *alertmanager) place() string { return "" }

func (a *alertmanager) close() { a.queue.close() }

func (a *alertmanager) run(ctx context.Context) {
	a.mu.Lock()
	a.running = ctx
	a.start()
	a.mu.Unlock()
	listening, deaf := context.WithCancel(ctx)
	defer deaf()
	if a.silenced != nil {
		a.lines.Go(func() { a.listen(listening) })
	}

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
	deaf()
	a.mu.Lock()
	a.line.close()
	a.mu.Unlock()
	a.lines.Wait() // no change comes any more: the Emitter is closed, or ctx ended
}

// tell takes in what changed and sends what is due.
func (a *alertmanager) tell(changed []foreshock.Incident) {
	now := a.now()
	lag := now.Sub(foreshock.Time(a.streamNow.Load()))
	a.mu.Lock()
	for i := range changed {
		a.alerts.observe(&changed[i], now)
	}
	line := a.line
	if line.returned.Swap(false) {
		a.resend()
	}
	due, err := a.alerts.due(now, lag, line.reachable())
	if n := a.blind.due(now, a.blindness(), line.reachable()); n != nil {
		n.GeneratorURL = a.alerts.composer.home()
		a.metrics.alerts.WithLabelValues(a.blind.state()).Inc()
		due = append(due, n)
	}
	for _, n := range a.troubles.due(now, a.listTroubles(), line.reachable(), a.alerts.composer.link) {
		state := "firing"
		if !n.EndsAt.After(now) {
			state = "resolved"
		}
		a.metrics.alerts.WithLabelValues(state).Inc()
		due = append(due, n)
	}
	a.mu.Unlock()
	if err != nil {
		a.errors.Log(slog.LevelWarn, "a template failed, its text is sent as written", "err", err)
	}
	if len(due) > 0 {
		line.send(due)
	}
}
