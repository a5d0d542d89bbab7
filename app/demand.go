package app

import (
	"errors"
	"fmt"
	"slices"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/remediation"
)

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
	s, known := a.demands.of(of[0].Rule, of[0].Series.String())
	if !known {
		return remediation.Demand{}, fmt.Errorf("rule %s says nothing to scale by: set its scale_horizon", of[0].Rule)
	}
	return remediation.Demand{Value: s.Value, Error: s.Error, At: foreshock.Time(s.T)}, nil
}
