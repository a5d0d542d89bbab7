package app

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/incident"
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
		Help: "Anomalies that joined no incident because as many incidents, or series in them, as allowed were open.",
	}, func() float64 {
		i.mu.Lock()
		defer i.mu.Unlock()
		return float64(i.correlator.Refused())
	})
	promauto.With(reg).NewCounterFunc(prometheus.CounterOpts{
		Name: "foreshock_incident_memories_forgotten_total",
		Help: "Usual rates of incidents, and things that fell ill together before, forgotten because as many as allowed were known.",
	}, func() float64 {
		i.mu.Lock()
		defer i.mu.Unlock()
		return float64(i.correlator.Forgotten())
	})
	return i
}

func (i *incidents) observe(f foreshock.Findings) []foreshock.Incident {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.correlator.Observe(f)
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
