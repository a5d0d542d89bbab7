package app

import (
	"sync"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/incident"
)

// incidents lets the API look at the correlator between two batches: the correlator
// itself is pure and knows no lock.
type incidents struct {
	mu         sync.Mutex
	correlator *incident.Correlator
}

func newIncidents(c incident.Config) *incidents {
	return &incidents{correlator: incident.New(c)}
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

func (i *incidents) setConfig(c incident.Config) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.correlator.SetConfig(c)
}
