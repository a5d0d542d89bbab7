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
	"github.com/foreshock/foreshock/rules"
)

// Bounds of one question. Of 48 machines with 500 series of an hour more would be read than
// mostSamples: then fewer places are, those of the first members.
const (
	mostPlaces  = 48
	mostNames   = 160       // of metrics that are read
	mostTitles  = 3_000_000 // 500 000 series at 6, of which nothing but labels is copied
	mostSamples = 2_000_000 // × 16 B = 32 MB
	mostOpen    = 64        // incidents that wait for an answer; of further ones nothing is said
	past        = time.Hour // that is read, or what has enough samples
	enough      = 60        // samples before the onset, where windows have them: an hour at one a minute
	farthest    = 24 * time.Hour
	mostSeries  = cause.MaxSeries
	mostText    = 512 // bytes: 5 causes × 6 reasons × 2 × 512 B ≈ 31 KB an incident at the very most
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
	answer func(id string, found foreshock.Inquest)
	logger *slog.Logger

	mu      sync.Mutex
	open    map[string]*open // by the incident's ID
	now     int64            // ms
	news    chan struct{}
	pairs   []rules.Pair
	failed  uint64
	skipped uint64
	// places that were near an incident and not looked at, all questions together
	unlooked uint64

	asking sync.Mutex
}

// open is an incident that people are told of.
type open struct {
	incident foreshock.Incident
	heard    int64 // when it was first heard of as firing, ms
	asked    int   // times
}

// New returns an Inquest that reads from source and gives its answers to answer.
func New(source Source, answer func(id string, found foreshock.Inquest), logger *slog.Logger) *Inquest {
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

// Unlooked counts the places that were near an incident and not looked at, for there were
// more than a question may take in.
func (q *Inquest) Unlooked() uint64 { q.mu.Lock(); defer q.mu.Unlock(); return q.unlooked }

// SetRules has the pairs of correlate rules say who depends on whom, beside what labels say.
// nil is none.
func (q *Inquest) SetRules(s *rules.Set) {
	var pairs []rules.Pair
	if s != nil {
		for _, c := range s.Correlates {
			pairs = append(pairs, c.Pairs...)
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pairs = pairs
}

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
		found, err := q.Hold(ctx, i, now)
		if err != nil {
			q.mu.Lock()
			q.failed++
			q.mu.Unlock()
			if ctx.Err() == nil {
				q.logger.Warn("cannot look for the cause", "incident", i.ID, "err", err)
			}
			continue
		}
		q.mu.Lock()
		q.unlooked += uint64(found.Unlooked)
		q.mu.Unlock()
		q.answer(i.ID, found)
	}
}

// Hold finds out what i likely comes from, by what is known at now, ms.
func (q *Inquest) Hold(ctx context.Context, i foreshock.Incident, now int64) (foreshock.Inquest, error) {
	onset := onsetOf(&i)
	from := onset - past.Milliseconds()
	net, err := q.topology(ctx, from, now)
	if err != nil {
		return foreshock.Inquest{}, fmt.Errorf("learn who depends on whom: %w", err)
	}
	var scene *scene
	for places := mostPlaces; places > 0; places /= 4 {
		if scene, err = q.scene(ctx, &i, net, places, onset, now); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return foreshock.Inquest{}, fmt.Errorf("read the windows: %w", err)
	}
	if err := q.changes(ctx, scene, onset-changesFor.Milliseconds(), now); err != nil {
		return foreshock.Inquest{}, fmt.Errorf("read what was changed: %w", err)
	}
	found := foreshock.Inquest{
		AsOf: now, Looked: len(scene.candidates), Unlooked: len(scene.beyond), Changes: scene.done(onset),
	}
	question := cause.Question{
		Onset: onset, Uncertainty: scene.uncertainty(onset), Until: now,
		Candidates: scene.candidates, Edges: scene.edges(net),
	}
	for _, c := range cause.Rank(question) {
		f := foreshock.Cause{Place: cut(c.Place), Confidence: c.Confidence}
		for _, e := range c.Evidence {
			f.Evidence = append(f.Evidence, foreshock.Clue{Text: cut(e.Text), Series: cut(e.Series), Before: e.Before, After: e.After})
		}
		f.Evidence = alertFirst(f.Evidence, &i, c.Place)
		found.Causes = append(found.Causes, f)
	}
	return found, nil
}

// cut bounds a text that is kept with an incident: labels are as long as a sender likes.
func cut(text string) string {
	if len(text) <= mostText {
		return text
	}
	return strings.ToValidUTF8(text[:mostText], "") + "…"
}
