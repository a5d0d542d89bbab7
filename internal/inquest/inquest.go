// Package inquest asks, of an incident that people are told of, what it likely comes from:
// it reads the windows of the series at the incident's places and at those they depend on,
// and has incident/cause rank them. It stands between rooms that do not know each other,
// and keeps no series: who calls whom, and what was rolled out, is read when it is asked.
//
// Questions are put where stream time passes a multiple of five seconds. A replay that waits
// for them there gets the same answers in every run.
package inquest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/incident/cause"
)

// Bounds of one question. Of 48 machines with 500 series of an hour more would be read than
// mostSamples: then fewer places are, those of the first members.
const (
	mostPlaces    = 48
	mostNames     = 160       // of metrics that are read
	mostTitles    = 3_000_000 // 500 000 series at 6, of which nothing but labels is copied
	mostSamples   = 2_000_000 // × 16 B = 32 MB
	mostOpen      = 64        // incidents that wait for an answer; of further ones nothing is said
	past          = time.Hour
	mostSeries    = cause.MaxSeries
	evidenceTexts = 4
)

// askAfter is when a question is put, counted from when an incident was first heard of as
// firing: at once, on what made it fire, and again when more samples show what changed.
var askAfter = [...]time.Duration{0, time.Minute, 5 * time.Minute, 15 * time.Minute}

// pace is how far apart, in stream time, questions may be put, ms.
const pace = int64(5 * time.Second / time.Millisecond)

// Source has the windows: a detector. Times are ms, both included.
type Source interface {
	Read(ctx context.Context, matchers []*labels.Matcher, from, to int64, most int) ([]foreshock.Excerpt, error)
	Names(ctx context.Context, matchers []*labels.Matcher, from, to int64, most int) ([]foreshock.Excerpt, error)
}

// Inquest puts the questions. Create one with New. Its methods may be called from any
// goroutine.
type Inquest struct {
	source Source
	answer func(id string, causes []foreshock.Cause)
	logger *slog.Logger

	mu      sync.Mutex
	open    map[string]*open // by the incident's ID
	now     int64            // ms
	news    chan struct{}
	failed  uint64
	skipped uint64

	asking sync.Mutex
}

// open is an incident that people are told of.
type open struct {
	incident foreshock.Incident
	heard    int64 // when it was first heard of as firing, ms
	asked    int   // times
}

// New returns an Inquest that reads from source and gives its answers to answer.
func New(source Source, answer func(id string, causes []foreshock.Cause), logger *slog.Logger) *Inquest {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Inquest{source: source, answer: answer, logger: logger, open: map[string]*open{}, news: make(chan struct{}, 1)}
}

// Heard takes in which incidents changed, and that it is now, ms. It never waits.
func (q *Inquest) Heard(changed []foreshock.Incident, now int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, i := range changed {
		o := q.open[i.ID]
		switch {
		case i.State == foreshock.Resolved:
			delete(q.open, i.ID)
		case i.State != foreshock.Firing || !i.Alerting || i.Kind == foreshock.Breach:
			// What will be has no cause yet.
		case o != nil:
			o.incident = i
		case len(q.open) >= mostOpen:
			q.skipped++
		default:
			q.open[i.ID] = &open{incident: i, heard: now}
		}
	}
	if Between(q.now, now) {
		select {
		case q.news <- struct{}{}:
		default:
		}
	}
	q.now = max(q.now, now)
}

// Between reports whether questions are put between one time and a later one, ms.
func Between(before, now int64) bool { return before/pace != now/pace }

// Failed and Skipped count the questions that could not be answered, and the incidents of
// which none was put because as many as allowed were open.
func (q *Inquest) Failed() uint64 { q.mu.Lock(); defer q.mu.Unlock(); return q.failed }

// Skipped is explained at Failed.
func (q *Inquest) Skipped() uint64 { q.mu.Lock(); defer q.mu.Unlock(); return q.skipped }

// Run puts questions as they become due, until ctx ends.
func (q *Inquest) Run(ctx context.Context) {
	for {
		select {
		case <-q.news:
			q.Ask(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// Ask puts all questions that are due and returns when they are answered.
func (q *Inquest) Ask(ctx context.Context) {
	q.asking.Lock()
	defer q.asking.Unlock()
	q.mu.Lock()
	now := q.now - q.now%pace
	var due []foreshock.Incident
	for _, o := range q.open {
		if o.asked < len(askAfter) && now >= o.heard-o.heard%pace+askAfter[o.asked].Milliseconds() {
			o.asked++
			due = append(due, o.incident)
		}
	}
	q.mu.Unlock()
	slices.SortFunc(due, func(a, b foreshock.Incident) int { return strings.Compare(a.ID, b.ID) })
	for _, i := range due {
		causes, err := q.Causes(ctx, i, now)
		if err != nil {
			q.mu.Lock()
			q.failed++
			q.mu.Unlock()
			if ctx.Err() == nil {
				q.logger.Warn("cannot look for the cause", "incident", i.ID, "err", err)
			}
			continue
		}
		if len(causes) > 0 {
			q.answer(i.ID, causes)
		}
	}
}

// Causes is what i likely comes from, by what is known at now, ms.
func (q *Inquest) Causes(ctx context.Context, i foreshock.Incident, now int64) ([]foreshock.Cause, error) {
	from := i.StartsAt - past.Milliseconds()
	net, err := q.topology(ctx, from, now)
	if err != nil {
		return nil, fmt.Errorf("learn who depends on whom: %w", err)
	}
	var scene *scene
	for places := mostPlaces; places > 0; places /= 4 {
		if scene, err = q.scene(ctx, &i, net, places, from, now); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the windows: %w", err)
	}
	if err := q.changes(ctx, scene, i.StartsAt-changesFor.Milliseconds(), now); err != nil {
		return nil, fmt.Errorf("read what was changed: %w", err)
	}
	var told []foreshock.Cause
	question := cause.Question{
		Onset: i.StartsAt, Uncertainty: scene.uncertainty(i.StartsAt), Until: now,
		Candidates: scene.candidates, Edges: scene.edges(net),
	}
	for _, c := range cause.Rank(question) {
		f := foreshock.Cause{Place: c.Place, Confidence: c.Confidence}
		for _, e := range c.Evidence[:min(len(c.Evidence), evidenceTexts)] {
			text := e.Text
			if e.Series != "" {
				text = e.Series + ": " + text
			}
			f.Evidence = append(f.Evidence, text)
		}
		told = append(told, f)
	}
	return told, nil
}
