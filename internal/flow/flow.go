// Package flow is the house without a network: batches go in, and what the live
// process would have reported, told Alertmanager and done about it comes out, batch by
// batch and on the samples' own clock.
//
//	batches ─▶ detector ─Findings▶ incident ─Report▶ emitter ─Told▶ remediation ─▶ Outcome
//	   ▲         │ windows
//	   └─ query ◀┤ expressions of rules
//	    inquest ◀┘ likely causes, told to incident
//
// The rooms are the live ones. In place of Alertmanager, whose silences and grouping
// nobody can know here, every alert that fires reaches remediation at once; nothing is
// sent and nothing is run. Memory does not grow with the stream: an Outcome is its
// observer's, and batches are taken as the detector has room.
package flow

import (
	"context"
	"fmt"
	"iter"
	"math"

	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/emitter"
	"github.com/foreshock/foreshock/incident"
	"github.com/foreshock/foreshock/internal/inquest"
	"github.com/foreshock/foreshock/query"
	"github.com/foreshock/foreshock/remediation"
	"github.com/foreshock/foreshock/rules"
)

// Options are what a run needs.
type Options struct {
	// Rules, of which the remedies count only where there is a Remediation. Nil is none.
	Rules    *rules.Set
	Detector detector.Config // but for queue_timeout: nobody waits but the stream
	Incident incident.Config
	// Emitter composes the alerts; it has its rules from above.
	Emitter emitter.Options
	// Remediation plans remedies; nil plans none.
	Remediation *remediation.Config
	// Newborn grades series that are still warming up by the rule for short series: see
	// detector.Options.
	Newborn bool
	// Shards is the number of goroutines that score, 0: one per processor. The outcome
	// is the same whatever it is.
	Shards int
	// Observe takes what followed from a batch and owns it. One goroutine calls it, in
	// the order of the batches and once for each that was appended. While it runs the
	// stream waits.
	Observe func(Outcome)
}

// Outcome is what follows from one batch.
type Outcome struct {
	foreshock.Report
	Alerts   []emitter.Told
	Remedies []Remedy // for Alerts that fire
	// Failed says which templates of annotations failed; they are told as written.
	Failed error
}

// Remedy is one that an alert would set off.
type Remedy struct {
	Alert int // its index in Outcome.Alerts
	remediation.Rehearsed
}

// Run sends the batches, which come in the order of time, through rooms of their own
// and returns when all that was appended has been observed. A batch may be changed
// once the next is asked for. The error is the first of the stream, or why the
// configuration cannot be.
func Run(ctx context.Context, o Options, batches iter.Seq2[*foreshock.Batch, error]) error {
	if o.Rules == nil {
		o.Rules = &rules.Set{}
	}
	o.Emitter.Rules = o.Rules
	stages := stages{correlator: incident.New(o.Incident), emitter: emitter.NewRehearsal(o.Emitter)}
	stages.correlator.SetRules(o.Rules)
	if o.Remediation != nil {
		var err error
		if stages.remediation, err = remediation.NewRehearsal(*o.Remediation, o.Rules.Remedies); err != nil {
			return fmt.Errorf("set up remediation: %w", err)
		}
	}
	o.Detector.QueueTimeout = model.Duration(math.MaxInt64)
	s := newStream()
	s.detector = detector.New(detector.Options{
		Config:  o.Detector,
		Rules:   o.Rules,
		Newborn: o.Newborn,
		Shards:  o.Shards,
		Observe: func(f foreshock.Findings) {
			outcome := stages.observe(f)
			s.inquest.Heard(outcome.Incidents, f.Now)
			o.Observe(outcome)
			s.observed(f.Now)
		},
	})
	questions := query.New(query.Options{Config: query.DefaultConfig(), Sources: []query.Source{s.detector}})
	s.evaluator = questions.NewEvaluator(o.Rules.Expressions(), s.append)
	s.inquest = inquest.New(s.detector, stages.correlator.SetInquest, nil)
	s.inquest.SetRules(o.Rules)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		s.detector.Run()
	}()
	err := s.send(ctx, batches)
	s.detector.Close()
	<-finished
	return err
}

// stages are the rooms behind the detector.
type stages struct {
	correlator  *incident.Correlator
	emitter     *emitter.Rehearsal
	remediation *remediation.Rehearsal // nil: no remedies
}

func (s stages) observe(f foreshock.Findings) Outcome {
	o := Outcome{Report: foreshock.Report{Findings: f, Incidents: s.correlator.Observe(f)}}
	o.Alerts, o.Failed = s.emitter.Observe(o.Report)
	if s.remediation == nil {
		return o
	}
	for i, a := range o.Alerts {
		if a.State != foreshock.Firing {
			continue
		}
		for _, r := range s.remediation.Firing(a.Labels, foreshock.Time(a.StartsAt), foreshock.Time(a.T)) {
			o.Remedies = append(o.Remedies, Remedy{Alert: i, Rehearsed: r})
		}
	}
	return o
}
