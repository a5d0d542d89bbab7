package backtest

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/flow"
	"github.com/foreshock/foreshock/internal/plot"
)

// maxKept bounds the incidents, and so the alerts, that a report holds, × some 5 KiB each.
// Beyond it they are counted only.
const maxKept = 10_000

// Report is what a configuration would have done.
type Report struct {
	Config   string
	From, To int64 // of the samples there were, ms
	Samples  int   // histograms among them
	Series   int
	Skipped  int // series or requests the source could not hand on
	Rules    []Rule
	Alerts   []Alert // by their start
	// Incidents are those that lasted long enough to be one, by their start. Those no
	// rule selected are among them.
	Incidents []foreshock.Incident
	// Dropped counts incidents and alerts beyond those above.
	Dropped int
	// FailedTemplates counts the tellings whose annotations could not be made.
	FailedTemplates int
	Comparison      *Comparison // where one was asked for

	Figure  plot.Figure // where one was asked for
	Undrawn int         // points there was no room for in pictures

	canvas *canvas // of the incidents
}

// Rule is what one rule would have done.
type Rule struct {
	Name      string
	Alerts    int
	PerWeek   float64 // NaN of less than a day
	Incidents int     // it led
	Remedies  int     // that would have run for its alerts
	Refused   int     // that a guard would have kept back
}

// Alert is one that Alertmanager would have been told of.
type Alert struct {
	Rule     string
	StartsAt int64 // ms
	ToldAt   int64 // ms
	EndsAt   int64 // ms; 0 where it did not end
	Labels   labels.Labels
	Summary  string
	Incident string // its ID; "" where that is not known
	Remedies []flow.Remedy

	members map[string]bool // the incident's series, by their labels
}

// Length is how long the history was.
func (r *Report) Length() time.Duration { return time.Duration(r.To-r.From) * time.Millisecond }

// tally takes in what follows from each batch.
type tally struct {
	from, to int64
	samples  int
	series   map[*foreshock.Series]struct{}

	incidents map[string]foreshock.Incident // as last told, by ID
	alerts    []*Alert
	open      map[string]*Alert // by labels
	dropped   int
	failed    int
}

func newTally() *tally {
	return &tally{
		from: math.MaxInt64, to: math.MinInt64, series: map[*foreshock.Series]struct{}{},
		incidents: map[string]foreshock.Incident{}, open: map[string]*Alert{},
	}
}

// count notes what a batch brings.
func (t *tally) count(b *foreshock.Batch) {
	t.samples += b.Len()
	note := func(x *foreshock.Series, at int64) {
		t.from, t.to = min(t.from, at), max(t.to, at)
		t.series[x] = struct{}{}
	}
	for _, s := range b.Samples {
		note(s.Series, s.T)
	}
	for _, h := range b.Histograms {
		note(h.Series, h.T)
	}
}

func (t *tally) observe(o flow.Outcome) {
	for _, in := range o.Incidents {
		if _, known := t.incidents[in.ID]; !known && len(t.incidents) >= maxKept {
			t.dropped++
			continue
		}
		t.incidents[in.ID] = in
	}
	if o.Failed != nil {
		t.failed++
	}
	for i, told := range o.Alerts {
		key := string(told.Labels.Bytes(nil))
		if told.State == foreshock.Resolved {
			if a := t.open[key]; a != nil {
				a.EndsAt = told.EndsAt
				delete(t.open, key)
			}
			continue
		}
		if len(t.alerts) >= maxKept {
			t.dropped++
			continue
		}
		a := &Alert{
			Rule: told.Labels.Get(foreshock.RuleLabel), StartsAt: told.StartsAt, ToldAt: told.T,
			Labels: told.Labels, Summary: told.Annotations.Get("summary"),
		}
		for _, r := range o.Remedies {
			if r.Alert == i {
				a.Remedies = append(a.Remedies, r)
			}
		}
		a.attribute(o.Incidents)
		t.alerts, t.open[key] = append(t.alerts, a), a
	}
}

// attribute finds the incident that the alert tells of among those that changed.
func (a *Alert) attribute(changed []foreshock.Incident) {
	for i := range changed {
		in := &changed[i]
		if in.Alerting && in.StartsAt == a.StartsAt && in.Rule == a.Rule && shares(in.Labels, a.Labels) {
			a.Incident, a.members = in.ID, map[string]bool{}
			for _, m := range in.Members {
				a.members[string(m.Series.Labels.Bytes(nil))] = true
			}
			return
		}
	}
}

// shares reports whether what of names others also says is the same.
func shares(some, all labels.Labels) bool {
	same := true
	some.Range(func(l labels.Label) {
		if v := all.Get(l.Name); v != "" && v != l.Value && l.Name != foreshock.RuleLabel && l.Name != model.AlertNameLabel {
			same = false
		}
	})
	return same
}

// report is what was taken in, put in order.
func (t *tally) report(c Named) *Report {
	r := &Report{
		Config: c.Name, From: t.from, To: t.to, Samples: t.samples, Series: len(t.series),
		Dropped: t.dropped, FailedTemplates: t.failed,
	}
	if t.from > t.to {
		r.From, r.To = 0, 0 // there was nothing
	}
	byName := map[string]*Rule{}
	rule := func(name string) *Rule {
		if byName[name] == nil {
			byName[name] = &Rule{Name: name}
		}
		return byName[name]
	}
	for _, w := range c.Rules.Watches {
		rule(w.Name)
	}
	for _, f := range c.Rules.Forecasts {
		rule(f.Name)
	}
	for _, l := range c.Rules.Limits {
		rule(l.Name)
	}
	for _, in := range t.incidents {
		if in.State == foreshock.Pending {
			continue // nobody has heard of it
		}
		r.Incidents = append(r.Incidents, in)
		if in.Alerting {
			rule(in.Rule).Incidents++
		}
	}
	for _, a := range t.alerts {
		r.Alerts = append(r.Alerts, *a)
		of := rule(a.Rule)
		of.Alerts++
		for _, remedy := range a.Remedies {
			if remedy.Refused == "" {
				of.Remedies++
			} else {
				of.Refused++
			}
		}
	}
	for _, one := range byName {
		one.PerWeek = perWeek(one.Alerts, r.Length())
		r.Rules = append(r.Rules, *one)
	}
	slices.SortFunc(r.Rules, func(a, b Rule) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(r.Incidents, func(a, b foreshock.Incident) int {
		return cmp.Or(cmp.Compare(a.StartsAt, b.StartsAt), cmp.Compare(a.ID, b.ID))
	})
	slices.SortStableFunc(r.Alerts, func(a, b Alert) int {
		return cmp.Or(cmp.Compare(a.StartsAt, b.StartsAt), labels.Compare(a.Labels, b.Labels))
	})
	return r
}
