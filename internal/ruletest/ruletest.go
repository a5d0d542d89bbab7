// Package ruletest runs unit tests of rules: a file says which series come, and which
// anomalies, incidents, alerts and remedies are to follow from them. Each test is played
// through the rooms of the live process on a clock of its own, so that the same file
// gives the same answer on every machine.
//
// docs/testing.md shows how the files are written.
package ruletest

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/flow"
)

// start is time 0 of every test, behind its warm-up: a midnight, for daily waves.
var start = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// since is a sample time as a test tells it.
func since(t int64) time.Duration { return foreshock.Time(t).Sub(start) }

// Test is one test of a file.
type Test struct {
	File string
	Line int // in File, from 1
	Name string

	options    flow.Options
	samples    []foreshock.Sample    // by time
	histograms []foreshock.Histogram // by time
	metadata   []foreshock.Metadata
	wanted     map[string][]wanted // by kind; a kind that is not there is not looked at
}

// kinds of what is expected, in the order in which they are told.
var kinds = []string{"anomalies", "incidents", "alerts", "remedies"}

// Difference is one thing in which what happened is not what the test expects.
type Difference struct {
	Of   string   `json:"of"`             // anomalies, incidents, alerts, remedies or templates
	Want string   `json:"want,omitempty"` // did not happen
	Got  string   `json:"got,omitempty"`  // was not expected
	Why  []string `json:"why,omitempty"`  // Got is not Want
}

// Result is what came of a test.
type Result struct {
	// Differences are empty where the test passed.
	Differences []Difference
	// Met are the expectations that were, by kind, as they happened: what stands around
	// the differences.
	Met map[string][]string
}

// Run plays the test. The error is why it could not be played.
func (t *Test) Run(ctx context.Context) (Result, error) {
	h := newHistory()
	o := t.options
	o.Observe = h.observe
	if err := flow.Run(ctx, o, t.batches()); err != nil {
		return Result{}, fmt.Errorf("%s:%d: %s: %w", t.File, t.Line, t.Name, err)
	}
	r := Result{Met: map[string][]string{}}
	for _, kind := range kinds {
		if want, asked := t.wanted[kind]; asked {
			r.compare(kind, want, h.events[kind])
		}
	}
	for _, failed := range h.failed {
		r.Differences = append(r.Differences, Difference{Of: "templates", Got: failed})
	}
	return r, nil
}

// batches are what comes, the metadata with the first.
func (t *Test) batches() iter.Seq2[*foreshock.Batch, error] {
	return func(yield func(*foreshock.Batch, error) bool) {
		metadata := t.metadata
		for b, err := range flow.ByTime(t.samples, t.histograms) {
			b.Metadata, metadata = metadata, nil
			if !yield(b, err) {
				return
			}
		}
	}
}

// event is one thing that happened.
type event struct {
	at, ended   time.Duration
	over        bool
	facts       labels.Labels // what is not a label: kind, rule, action, …
	labels      labels.Labels
	annotations labels.Labels
	series      *foreshock.Series // whose labels they are; nil where they are of no series
}

func (e *event) end(at int64) { e.over, e.ended = true, since(at) }

// String is the event without its annotations, which are long.
func (e *event) String() string {
	text := "at " + spell(e.at)
	if e.over {
		text += ", ended " + spell(e.ended)
	}
	e.facts.Range(func(l labels.Label) { text += fmt.Sprintf(", %s %s", l.Name, l.Value) })
	if e.series != nil {
		return text + " " + e.series.String()
	}
	return text + " " + e.labels.String()
}

// spell writes a time as people write it.
func spell(d time.Duration) string {
	if d < 0 {
		return "-" + model.Duration(-d).String()
	}
	return model.Duration(d).String()
}
