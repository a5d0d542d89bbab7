package app

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/incident"
	"github.com/foreshock/foreshock/internal/inquest"
	"github.com/foreshock/foreshock/rules"
)

// incidents lets the API look at the correlator between two batches: the correlator
// itself is pure and knows no lock.
type incidents struct {
	mu         sync.Mutex
	correlator *incident.Correlator
}

func newIncidents(c incident.Config, r *rules.Set, reg prometheus.Registerer) *incidents {
	i := &incidents{correlator: incident.New(c)}
	i.correlator.SetRules(r)
	// Registered here, as the correlator is pure and knows no registry.
	promauto.With(reg).NewCounterFunc(prometheus.CounterOpts{
		Name: "foreshock_incident_anomalies_refused_total",
		Help: "Anomalies that opened no incident because as many as allowed were open.",
	}, func() float64 {
		i.mu.Lock()
		defer i.mu.Unlock()
		return float64(i.correlator.Refused())
	})
	return i
}

// watchInquest counts what was not answered; an inquest knows no registry, as in replays
// there is none.
func watchInquest(reg prometheus.Registerer, q *inquest.Inquest) {
	f := promauto.With(reg)
	f.NewCounterFunc(prometheus.CounterOpts{
		Name: "foreshock_inquest_questions_failed_total",
		Help: "Times the cause of an incident was looked for and the windows could not be read.",
	}, func() float64 { return float64(q.Failed()) })
	f.NewCounterFunc(prometheus.CounterOpts{
		Name: "foreshock_inquest_incidents_skipped_total",
		Help: "Incidents whose cause was not looked for because as many as allowed were open.",
	}, func() float64 { return float64(q.Skipped()) })
}

func (i *incidents) observe(f foreshock.Findings) []foreshock.Incident {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.correlator.Observe(f)
}

func (i *incidents) setCauses(id string, causes []foreshock.Cause) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.correlator.SetCauses(id, causes)
}

func (i *incidents) list() []foreshock.Incident {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.correlator.Incidents()
}

func (i *incidents) apply(c incident.Config, r *rules.Set) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.correlator.SetConfig(c)
	i.correlator.SetRules(r)
}

// image is what is open and was, for restore.
func (i *incidents) image() []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.correlator.Image()
}

func (i *incidents) restore(image []byte) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.correlator.Restore(image)
}

// firing are the incidents that Alertmanager has to know of.
func (i *incidents) firing() (firing []foreshock.Incident) {
	for _, in := range i.list() {
		if in.State == foreshock.Firing {
			firing = append(firing, in)
		}
	}
	return firing
}
