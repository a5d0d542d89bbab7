package emitter

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"

	"github.com/foreshock/foreshock"
)

// The rhythm of Prometheus's own rule manager: a firing alert is repeated every
// minute and ends by itself four repeats after the last, should this process die; a
// resolved one is repeated long enough for an Alertmanager that was down.
const (
	resendDelay       = time.Minute
	firingFor         = 4 * resendDelay
	resolvedRetention = 15 * time.Minute
)

// maxAlerts bounds the incidents that are firing or lately resolved.
const maxAlerts = 10_000

// alerts knows which incidents Alertmanager was told of and must be told again. It
// has no clock and no network; its user brings both.
type alerts struct {
	metrics   *metrics
	composer  *composer
	freshness time.Duration
	byID      map[string]*alert
}

// alert is one incident on its way to Alertmanager.
type alert struct {
	incident   foreshock.Incident
	labels     labels.Labels // the identity, from when it is first told
	told       bool          // that it fires
	toldAt     time.Time     // when first
	held       bool
	nextAt     time.Time // when to tell it again
	resolvedAt time.Time // by our clock; zero while firing
}

func newAlerts(m *metrics) *alerts {
	return &alerts{metrics: m, byID: map[string]*alert{}}
}

// observe takes in an incident that changed. Only those that a rule wants told
// count, and pending ones may yet come to nothing.
func (s *alerts) observe(i *foreshock.Incident, now time.Time) {
	if !i.Alerting || i.State == foreshock.Pending {
		return
	}
	a := s.byID[i.ID]
	if a != nil && a.held && !a.told && i.State == foreshock.Resolved {
		s.forgetUntold(i.ID)
		return
	}
	if a == nil {
		if len(s.byID) >= maxAlerts {
			s.metrics.alertsDropped.Inc()
			return
		}
		a = &alert{}
		s.byID[i.ID] = a
	}
	if len(a.incident.Causes) == 0 && len(i.Causes) > 0 || !slices.Equal(a.incident.Remedies, i.Remedies) {
		a.nextAt = now // who was woken waits for it
	}
	a.incident, a.resolvedAt = *i, time.Time{}
	if i.State == foreshock.Resolved {
		a.resolvedAt, a.nextAt = now, now
	}
}

// due returns what must be told now; nothing where there is no Alertmanager to reach.
// While the samples lag behind the clock by more than the freshness, new incidents are
// held: it is a backlog, and what it says is over or will still be so when it has
// caught up. What was told before goes on, for silence would resolve it. One that began
// and ended since the last time is told as firing first and as resolved the next time,
// for Alertmanager tells nobody of an end alone. The errors are those of templates.
func (s *alerts) due(now time.Time, lag time.Duration, reachable bool) ([]*notifier.Alert, error) {
	backlog := lag > s.freshness
	speaker := map[string]*alert{} // by labels
	var due []*alert
	for _, id := range slices.Sorted(maps.Keys(s.byID)) {
		a := s.byID[id]
		switch {
		case a.resolved() && now.Sub(a.resolvedAt) > resolvedRetention:
			delete(s.byID, id)
			continue
		case a.told:
		case a.resolved() && (backlog || !reachable):
			s.forgetUntold(id)
			continue
		case backlog:
			if !a.held {
				a.held = true
				s.metrics.alertsHeld.Inc()
			}
			continue
		default:
			a.labels = s.composer.labels(&a.incident)
		}
		if other := speaker[a.key()]; other == nil || a.outranks(other) {
			speaker[a.key()] = a
		}
		if !a.nextAt.After(now) {
			due = append(due, a)
		}
	}
	if !reachable {
		return nil, nil
	}

	var (
		tell []*notifier.Alert
		errs []error
	)
	for _, a := range due {
		over := a.resolved() && a.told
		a.nextAt = now
		if over || !a.resolved() {
			a.nextAt = now.Add(resendDelay)
		}
		if !a.told {
			a.told, a.toldAt = true, now
		}
		if speaker[a.key()] == a {
			n, err := s.notification(a, now, over)
			errs = append(errs, err)
			tell = append(tell, n)
		}
	}
	return tell, errors.Join(errs...)
}

// forgetUntold gives up an incident that is over before anyone was told of it.
func (s *alerts) forgetUntold(id string) {
	s.metrics.alertsUntold.Inc()
	delete(s.byID, id)
}

func (a *alert) resolved() bool { return !a.resolvedAt.IsZero() }

// outranks reports whether a speaks for both: to Alertmanager two incidents with the
// same labels are one alert, which began with the first and ends with the last.
func (a *alert) outranks(b *alert) bool {
	if a.resolved() != b.resolved() {
		return b.resolved()
	}
	if a.resolved() {
		return a.incident.EndsAt > b.incident.EndsAt
	}
	return a.incident.StartsAt < b.incident.StartsAt
}

func (a *alert) key() string { return string(a.labels.Bytes(nil)) }

func (s *alerts) notification(a *alert, now time.Time, over bool) (*notifier.Alert, error) {
	annotations, err := s.composer.annotations(&a.incident, a.labels)
	if err != nil {
		s.metrics.templateFailure.Inc()
	}
	n := &notifier.Alert{
		Labels:       a.labels,
		Annotations:  annotations,
		StartsAt:     foreshock.Time(a.incident.StartsAt),
		EndsAt:       now.Add(firingFor),
		GeneratorURL: s.composer.link(a.incident.ID),
	}
	state := "firing"
	if over {
		state = "resolved"
		// Sample time may be ahead of the clock, but an end to come is no end; and
		// Alertmanager refuses an end before the start.
		n.EndsAt = foreshock.Time(a.incident.EndsAt)
		if n.EndsAt.After(a.resolvedAt) {
			n.EndsAt = a.resolvedAt
		}
		if n.EndsAt.Before(n.StartsAt) {
			n.EndsAt = n.StartsAt
		}
	}
	s.metrics.alerts.WithLabelValues(state).Inc()
	return n, err
}

// resend makes everything told due at once.
func (s *alerts) resend() {
	for _, a := range s.byID {
		a.nextAt = time.Time{}
	}
}
