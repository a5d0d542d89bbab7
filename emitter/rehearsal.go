package emitter

import (
	"errors"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/foreshock/foreshock"
)

// Told is what Alertmanager is told of an alert: that it fires, or that it is over.
type Told struct {
	State       foreshock.State // Firing or Resolved
	T           int64           // sample time of the telling, ms
	StartsAt    int64           // ms
	EndsAt      int64           // ms; 0 while it fires
	Labels      labels.Labels   // as Alertmanager sees them: with the external ones, relabelled
	Annotations labels.Labels
}

// Rehearsal says what Alertmanager would be told of a stream of reports, and tells
// nobody. It goes the way of the live process on the stream's own clock: an Alertmanager
// is always there, the samples never lag, and mere repetitions are left out. It holds
// what fires or ended lately, and no more.
type Rehearsal struct {
	alerts   *alerts
	external labels.Labels
	relabel  []*relabel.Config
	firing   map[string]bool // by labels
}

// NewRehearsal returns a Rehearsal of an Emitter with these options, of which Rules,
// ExternalLabels, the URLs and the relabelling of Alerting count.
func NewRehearsal(o Options) *Rehearsal {
	a := newAlerts(newMetrics(nil))
	a.composer = newComposer(o)
	return &Rehearsal{alerts: a, external: o.ExternalLabels, relabel: o.Alerting.AlertRelabelConfigs, firing: map[string]bool{}}
}

// Observe returns what would be told after r, the reports coming in the order of time.
// The error is that of templates, which are told as written.
func (h *Rehearsal) Observe(r foreshock.Report) ([]Told, error) {
	if len(r.Incidents) == 0 {
		return nil, nil // what is due without a change is a repetition
	}
	now := foreshock.Time(r.Now)
	for i := range r.Incidents {
		h.alerts.observe(&r.Incidents[i], now)
	}
	told, err := h.due(now)
	ends, endsErr := h.due(now) // of what began and ended at once
	return append(told, ends...), errors.Join(err, endsErr)
}

func (h *Rehearsal) due(now time.Time) (told []Told, err error) {
	due, err := h.alerts.due(now, 0, true)
	for _, n := range due {
		identity, keep := h.relabelled(n.Labels)
		key := string(identity.Bytes(nil))
		fires := n.EndsAt.After(now) // as Alertmanager sees it
		if !keep || h.firing[key] == fires {
			continue
		}
		t := Told{
			State: foreshock.Firing, T: now.UnixMilli(), StartsAt: n.StartsAt.UnixMilli(),
			Labels: identity, Annotations: n.Annotations,
		}
		if fires {
			h.firing[key] = true
		} else {
			t.State, t.EndsAt = foreshock.Resolved, n.EndsAt.UnixMilli()
			delete(h.firing, key)
		}
		told = append(told, t)
	}
	return told, err
}

// relabelled are the labels that Alertmanager sees, and whether it sees any, as
// Prometheus's notifier has it.
func (h *Rehearsal) relabelled(own labels.Labels) (labels.Labels, bool) {
	b := labels.NewBuilder(own)
	h.external.Range(func(l labels.Label) {
		if own.Get(l.Name) == "" {
			b.Set(l.Name, l.Value)
		}
	})
	keep := relabel.ProcessBuilder(b, h.relabel...)
	return b.Labels(), keep
}
