package app

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/remediation"
)

// mostDemands bounds the forecasts that remedies may scale by: × ~150 B ≈ 1.5 MB. Beyond
// it nothing more is known, and so nothing scaled.
const mostDemands = 10_000

// demands are what is foreseen at present by rules that say how far ahead to scale. It is
// safe for concurrent use.
type demands struct {
	mu     sync.Mutex
	latest map[demanded]foreshock.Scaling
}

// demanded is one rule's forecast of one series.
type demanded struct {
	rule, series string
}

// observe takes in what f says.
func (d *demands) observe(f *foreshock.Findings) {
	if len(f.Scalings) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.latest == nil {
		d.latest = map[demanded]foreshock.Scaling{}
	}
	for _, s := range f.Scalings {
		key := demanded{s.Rule, s.Series.String()}
		if _, known := d.latest[key]; known || len(d.latest) < mostDemands {
			d.latest[key] = s
		}
	}
	if len(d.latest) < mostDemands {
		return
	}
	for key, s := range d.latest { // what was not heard for an hour makes room
		if f.Now-s.T > soonAccepted {
			delete(d.latest, key)
		}
	}
}

// demand shows remediation what is foreseen for the one series that made the alert of a
// forecast rule.
func (a *App) demand(id string) (remediation.Demand, error) {
	all := a.incidents.list()
	k := slices.IndexFunc(all, func(in foreshock.Incident) bool { return in.ID == id })
	if k < 0 {
		return remediation.Demand{}, fmt.Errorf("incident %s is not known any more", id)
	}
	if all[k].Kind != foreshock.Breach {
		return remediation.Demand{}, errors.New("the alert is not that of a forecast rule")
	}
	var of []foreshock.Member
	for _, m := range all[k].Members {
		if m.Rule != "" {
			of = append(of, m)
		}
	}
	if len(of) != 1 || all[k].Dropped > 0 {
		return remediation.Demand{}, fmt.Errorf("the alert is of %d series, and only one can be scaled by: have an expr sum them up", len(of)+all[k].Dropped)
	}
	a.demands.mu.Lock()
	defer a.demands.mu.Unlock()
	s, known := a.demands.latest[demanded{of[0].Rule, of[0].Series.String()}]
	if !known {
		return remediation.Demand{}, fmt.Errorf("rule %s says nothing to scale by: set its scale_horizon", of[0].Rule)
	}
	return remediation.Demand{Value: s.Value, Error: s.Error, At: foreshock.Time(s.T)}, nil
}
