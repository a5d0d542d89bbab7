package ruletest

import (
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/flow"
)

// history gathers what happened, by kind and in the order in which it did. Of what
// goes on it knows the event to end.
type history struct {
	events    map[string][]*event
	anomalies map[anomalyKey]*event
	incidents map[string]*event // by ID
	alerts    map[string]*event // by labels
	failed    []string          // templates, each once
}

type anomalyKey struct {
	series string
	kind   foreshock.Kind
}

func newHistory() *history {
	return &history{
		events:    map[string][]*event{},
		anomalies: map[anomalyKey]*event{},
		incidents: map[string]*event{},
		alerts:    map[string]*event{},
	}
}

func (h *history) add(kind string, e *event) *event {
	h.events[kind] = append(h.events[kind], e)
	return e
}

func (h *history) observe(o flow.Outcome) {
	for i := range o.Anomalies {
		h.anomaly(&o.Anomalies[i])
	}
	for i := range o.Incidents {
		h.incident(&o.Incidents[i], o.Now)
	}
	for _, a := range o.Alerts {
		key := string(a.Labels.Bytes(nil))
		if a.State == foreshock.Firing {
			h.alerts[key] = h.add("alerts", &event{at: since(a.T), labels: a.Labels, annotations: a.Annotations})
		} else {
			h.alerts[key].end(a.EndsAt)
		}
	}
	for _, r := range o.Remedies {
		a := o.Alerts[r.Alert]
		h.add("remedies", &event{at: since(a.T), labels: a.Labels, facts: facts(
			"remedy", r.Rule, "action", r.Action, "target", r.Target, "refused", r.Refused)})
	}
	if o.Failed != nil && !slices.Contains(h.failed, o.Failed.Error()) {
		h.failed = append(h.failed, o.Failed.Error())
	}
}

func (h *history) anomaly(a *foreshock.Anomaly) {
	key := anomalyKey{a.Series.String(), a.Kind}
	switch a.Phase {
	case foreshock.Started:
		h.anomalies[key] = h.add("anomalies", &event{
			at: since(a.T), series: a.Series, labels: a.Series.Labels, facts: facts("kind", a.Kind.String(), "rule", a.Rule),
		})
	case foreshock.Ended:
		if e := h.anomalies[key]; e != nil {
			e.end(a.T)
			delete(h.anomalies, key)
		}
	}
}

// incident notes one that fires: until then it may come to nothing.
func (h *history) incident(i *foreshock.Incident, now int64) {
	e := h.incidents[i.ID]
	if e == nil {
		if i.State == foreshock.Pending || i.State == foreshock.Resolved {
			return
		}
		e = h.add("incidents", &event{at: since(now), labels: i.Labels})
		h.incidents[i.ID] = e
	}
	e.facts = facts("kind", i.Kind.String(), "members", strconv.Itoa(len(i.Members)+i.Dropped), "rule", i.Rule)
	if i.State == foreshock.Resolved {
		e.end(i.EndsAt)
		delete(h.incidents, i.ID)
	}
}

// facts are pairs of names and values, those that say nothing left out.
func facts(pairs ...string) labels.Labels {
	return labels.FromStrings(pairs...).WithoutEmpty()
}
