// Package backtest says what a configuration would have done about samples that were:
// which alerts, which incidents, which remedies, rule by rule, and how that differs from
// what another configuration would have done.
//
// It is the flow of the live process, faster: the same samples give the same alerts. The
// samples' own clock decides, and the same history gives the same report.
package backtest

import (
	"context"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/config"
	"github.com/foreshock/foreshock/emitter"
	"github.com/foreshock/foreshock/internal/flow"
	"github.com/foreshock/foreshock/internal/history"
	"github.com/foreshock/foreshock/rules"
)

// Options are what a run needs.
type Options struct {
	Source history.Source
	Span   history.Span
	Config Named
	// Compare is another configuration to hold against Config; nil is none. It costs
	// another reading.
	Compare *Named
	// Newborn has even ten samples of a series say something: see detector.Options.
	Newborn bool
	// Figure draws every watched series over all of the span.
	Figure bool
	// Pictures draws the series of every incident, for Report.Page. It costs another
	// reading.
	Pictures bool
	// Progress, where given, is told of every batch how far the run is.
	Progress func(Progress)
}

// Named is a configuration and what to call it.
type Named struct {
	Name string
	*config.Config
}

// Progress is how far a run is.
type Progress struct {
	Share   float64 // of all readings, from 0 to 1
	T       int64   // sample time, ms
	Samples int     // of all readings
}

// Everything is the rule set where nobody wrote one: every series is watched by itself.
func Everything() *rules.Set {
	anything := labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".+")
	return &rules.Set{Watches: []*rules.Watch{{
		Name: "everything", Select: rules.Selector{{anything}}, Sensitivity: 1,
		Absence: rules.AbsenceOff, Group: rules.GroupOff, Emit: rules.EmitAll,
	}}}
}

// Run reads the history and reports on it.
func Run(ctx context.Context, o Options) (*Report, error) {
	r := &runner{Options: o, readings: 1}
	if o.Compare != nil {
		r.readings++
	}
	if o.Pictures {
		r.readings++
	}
	var canvas *canvas
	if o.Figure {
		canvas = newCanvas(nil)
	}
	t, err := r.once(ctx, o.Config, canvas)
	if err != nil {
		return nil, err
	}
	report := t.report(o.Config)
	report.Skipped = o.Source.Skipped()
	if canvas != nil {
		report.Figure = canvas.figure(report.title())
		report.Undrawn = canvas.undrawn
	}
	if o.Compare != nil {
		other, err := r.once(ctx, *o.Compare, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Compare.Name, err)
		}
		report.compare(other.report(*o.Compare))
	}
	if o.Pictures {
		report.canvas = newCanvas(report.stretches())
		if _, err := r.once(ctx, o.Config, report.canvas); err != nil {
			return nil, err
		}
		report.Undrawn += report.canvas.undrawn
	}
	return report, nil
}

// runner reads the history once for each thing to be known.
type runner struct {
	Options
	readings, done int
	samples        int
}

// once sends the history through the flow under one configuration. Where there is a
// canvas, the scores of all watched series are reported to be drawn.
func (r *runner) once(ctx context.Context, c Named, on *canvas) (*tally, error) {
	set := c.Rules
	if on != nil {
		set = emitAll(set)
	}
	t := newTally()
	o := flow.Options{
		Rules: set, Detector: c.Detector, Incident: c.Incident,
		Emitter: emitter.Options{
			Alerting: c.Alerting, ExternalLabels: c.Global.ExternalLabels, ExternalURL: c.Global.ExternalURL, GrafanaURL: c.Global.GrafanaURL,
		},
		Newborn: r.Newborn,
		Observe: func(out flow.Outcome) {
			t.observe(out)
			if on != nil {
				on.observe(out)
			}
		},
	}
	if len(set.Remedies) > 0 {
		o.Remediation = &c.Remediation
	}
	err := flow.Run(ctx, o, r.counted(t, history.Batches(ctx, r.Source, r.Span)))
	r.done++
	return t, err
}

// counted are the batches, of which the tally counts the samples before they are gone.
func (r *runner) counted(t *tally, batches iter.Seq2[*foreshock.Batch, error]) iter.Seq2[*foreshock.Batch, error] {
	return func(yield func(*foreshock.Batch, error) bool) {
		for b, err := range batches {
			if err == nil {
				t.count(b)
				r.samples += b.Len()
				if r.Progress != nil {
					r.Progress(Progress{
						Share: (float64(r.done) + r.Source.Progress()) / float64(r.readings),
						T:     t.to, Samples: r.samples,
					})
				}
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// emitAll is set with every watched series' scores reported.
func emitAll(set *rules.Set) *rules.Set {
	all := *set
	all.Watches = make([]*rules.Watch, len(set.Watches))
	for i, w := range set.Watches {
		loud := *w
		loud.Emit = rules.EmitAll
		all.Watches[i] = &loud
	}
	return &all
}

// Alerts are counted by the week, where there is a day at least to tell a week by.
const (
	week        = 7 * 24 * time.Hour
	leastToTell = 24 * time.Hour
)

// perWeek is how many a week n in so much time are; NaN of too little time.
func perWeek(n int, span time.Duration) float64 {
	if span < leastToTell {
		return math.NaN()
	}
	return float64(n) * float64(week) / float64(span)
}
