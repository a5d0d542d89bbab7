// Package console is the web page an operator opens first, and the JSON it is made
// from: what is wrong, whether input arrives, and what a series looks like.
//
// Everything is embedded and nothing is fetched from elsewhere; the policy that every
// answer carries (internal/gate) lets the browser run its one module and no other script. Every request is a GET
// and changes nothing, but for a dismissal, which Options.Guard must let through. What it
// shows it asks for, through Options, and keeps nothing itself.
package console

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/api"
	"github.com/foreshock/foreshock/internal/record"
	"github.com/foreshock/foreshock/rules"
)

// Options are the console's eyes. The functions are called from many goroutines at
// once, and what they return is the console's.
type Options struct {
	Status func() Status
	// Incidents are the open ones and the latest resolved, newest first.
	Incidents func() []foreshock.Incident
	// Series returns at most limit series that all matchers match.
	Series func(ctx context.Context, matchers []*labels.Matcher, limit int) ([]Series, error)
	// Explain says why at most limit series that all matchers match did or did not alert
	// at a time, ms, or at their newest sample where that is foreshock.Newest.
	Explain func(ctx context.Context, matchers []*labels.Matcher, at int64, limit int) ([]foreshock.Explanation, error)
	// Curve is how a series went from one time to another, ms, as scored; what is not known
	// of a sample is NaN. Most is known about the times named.
	Curve func(ctx context.Context, x *foreshock.Series, about []int64, from, to int64) ([]foreshock.Moment, error)
	// Recent is how the leads of incidents went of late, one row each, oldest first; a row
	// may be empty. Nil knows none.
	Recent func(ctx context.Context, incidents []foreshock.Incident) [][]float64
	// Forecasts are the latest of every series that is foreseen to cross its limit. Nil
	// foresees none.
	Forecasts func() []foreshock.Forecast
	// Rules are all of them, and what became of each. Nil knows none.
	Rules func(ctx context.Context) ([]Rule, error)
	// Near is what is noted of the samples that were anomalous or near it, of the series that
	// the named watch rule selects, in no order, and whether there is such a rule. Nil knows
	// none.
	Near func(ctx context.Context, rule string) ([]Noted, bool, error)
	// Often is how often the named watch rule, and those that share its budget, would have
	// alerted of late. Nil knows of none.
	Often func(rule string) Often
	// About is what runs here and by which configuration. Nil does not say.
	About func() (About, error)
	// Elsewhere is where else incidents are to be seen. Nil knows nowhere.
	Elsewhere func() Elsewhere
	// Events tell pages when to look again; nil has them ask every few seconds.
	Events *Events
	// Dismiss marks the incident with that ID as a false alarm, or returns an error that is a
	// Conflict where that makes no sense.
	Dismiss func(id, by, reason string) error
	// Guard lets through who may change something; nil lets nobody.
	Guard  func(http.Handler) http.Handler
	Logger *slog.Logger // nil means none
}

// Status is where the detector stands since it was made, in JSON as it is here.
type Status struct {
	Series      int `json:"series"`
	Warming     int `json:"warming"` // of them
	MaxSeries   int `json:"maxSeries"`
	WindowBytes int `json:"windowBytes"`
	MemoryBytes int `json:"memoryBytes"` // of all that is held of the series
	MemoryLimit int `json:"memoryLimit"` // of that; 0 is any

	Batches int `json:"batches"`
	Samples int `json:"samples"` // taken in
	Scored  int `json:"scored"`
	Late    int `json:"late"`
	Refused int `json:"refused"` // of new series, for want of room
	Evicted int `json:"evicted"` // series
	Skipped int `json:"skipped"` // neither scored, late nor refused

	Open   int `json:"open"`   // incidents
	Firing int `json:"firing"` // of them

	Budgets []Budget `json:"budgets,omitempty"` // the fleet's, then those of groups and rules that have one
	// Blind says that nothing is seen, since when and why.
	Blind      bool           `json:"blind"`
	BlindSince record.Instant `json:"blindSince"`
	BlindWhy   string         `json:"blindWhy,omitempty"`

	Expressions []Expression `json:"expressions,omitempty"` // of rules, the dearest first

	Now record.Instant `json:"now"` // sample time reached; null before the first sample
}

// Budget is where the alerts of one scope stand against their budget.
type Budget struct {
	Scope     string  `json:"scope"`         // fleet, or the name of a group or a rule
	PerWeek   float64 `json:"budgetPerWeek"` // alerts; 0 where there is none
	Realised  float64 `json:"realisedPerWeek"`
	Threshold float64 `json:"threshold"` // raw score at which its series are anomalous
}

// Expression is what evaluating the expression of a rule came to, and what it cost.
type Expression struct {
	Rule         string  `json:"rule"`
	EverySeconds float64 `json:"everySeconds"`
	Evaluations  uint64  `json:"evaluations"`
	Failed       uint64  `json:"failed"`  // of them
	Missed       uint64  `json:"missed"`  // left out because a later one was due already
	Seconds      float64 `json:"seconds"` // of work, in all
	LastSeconds  float64 `json:"lastSeconds"`
	LastSamples  int     `json:"lastSamples"`     // looked at
	Series       int     `json:"series"`          // that it results in
	Error        string  `json:"error,omitempty"` // of the last evaluation
}

// Series is one series as the detector holds it.
type Series struct {
	Series *foreshock.Series
	Kind   string // how its samples are read: counter, gauge, …
	Rule   string // the watch rule that selects it; may be empty
	Ended  bool   // a staleness marker was its last word
	// Inherited is the series of a sibling pod whose knowledge it started with, or nil.
	Inherited *foreshock.Series
	Last      foreshock.Score // of the newest sample
	// Samples are its window, oldest first, as they were sent.
	Samples []foreshock.Sample
	Season  *Season // that it has learned, or nil
}

// Bounds on what one request may ask for and be given.
const (
	defaultIncidents = 100
	maxIncidents     = 1000
	// maxMembers of each incident are answered, the first: 1000 × 20 × ~600 B ≈ 12 MB.
	maxMembers = 20

	defaultSeries = 20
	maxSeries     = 200
	// maxSelectors of maxSelector bytes each bound what their regular expressions
	// take: 3 × 4 KiB × 2 steps a byte, ~100 B each ≈ 2.5 MB.
	maxSelectors = 3
	maxSelector  = 4 << 10
	// maxSamples of each series are answered, the newest: 200 × 1000 × ~30 B ≈ 6 MB.
	maxSamples = 1000
	patience   = 5 * time.Second // for the detector's shards to answer
)

//go:embed assets/*.* assets/page/* assets/lib/*.js assets/lib/*.mjs assets/lib/*.css
var assets embed.FS

type console struct{ Options }

// New returns the handler of /, its files and Operations, as far as Options have what those take.
func New(o Options) *api.Mux {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &console{o}
	mux := new(api.Mux)
	for path, file := range allAssets() {
		mux.Handle("GET "+path, file)
	}
	mux.Handle("GET /{$}", newAsset("index.html"))
	for _, op := range questions {
		if op.there == nil || op.there(&o) {
			mux.Handle(op.Pattern, c.answer(func(r *http.Request) (any, error) { return op.run(c, r) }))
		}
	}
	if o.Guard != nil {
		mux.Handle(dismissal.Pattern, o.Guard(http.HandlerFunc(c.dismiss)))
	}
	if o.Events != nil {
		mux.Handle(events.Pattern, o.Events)
	}
	return mux
}

// status answers /api/v1/status.
func (c *console) status(*http.Request) (any, error) {
	s := c.Status()
	for _, in := range c.Incidents() {
		if in.State != foreshock.Resolved {
			s.Open++
		}
		if in.State == foreshock.Firing {
			s.Firing++
		}
	}
	return s, nil
}

// limitOf is how many of something r asks for: 1 to most, or usual where it does not
// say.
func limitOf(r *http.Request, usual, most int) (int, error) {
	return countOf(r, "limit", usual, 1, most)
}

// countOf is the parameter of that name, or usual where r has none.
func countOf(r *http.Request, name string, usual, least, most int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, badRequest{fmt.Errorf("%s: must be from %d to %d, got %q", name, least, most, text)}
	}
	return n, nil
}

// selectorsOf are the selectors r asks with, bounded as those of a rule file are.
func selectorsOf(r *http.Request) ([]rules.Matchers, error) {
	texts := r.URL.Query()["match[]"]
	if len(texts) == 0 || len(texts) > maxSelectors {
		return nil, badRequest{fmt.Errorf("match[]: must be from 1 to %d selectors, got %d", maxSelectors, len(texts))}
	}
	selectors := make([]rules.Matchers, len(texts))
	for i, text := range texts {
		if len(text) > maxSelector {
			return nil, badRequest{fmt.Errorf("match[]: a selector must be at most %d bytes, got %d", maxSelector, len(text))}
		}
		if err := selectors[i].UnmarshalText([]byte(text)); err != nil {
			return nil, badRequest{fmt.Errorf("match[]: %w", err)}
		}
	}
	return selectors, nil
}

// series answers ?match[]=SELECTOR&limit=N&samples=N: series that any of the selectors
// selects, as in Prometheus's API, each with so many of its samples, the newest.
func (c *console) series(r *http.Request) (any, error) {
	selectors, err := selectorsOf(r)
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(r, defaultSeries, maxSeries)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	samples, err := countOf(r, "samples", maxSamples, 0, maxSamples)
	if err != nil {
		return nil, err
	}
	shown, seen := []seriesJSON{}, map[string]bool{}
	for _, matchers := range selectors {
		found, err := c.Series(ctx, matchers, limit)
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			if key := s.Series.Labels.String(); !seen[key] && len(shown) < limit {
				seen[key] = true
				shown = append(shown, newSeriesJSON(s, samples))
			}
		}
	}
	return shown, nil
}

// badRequest is the asker's mistake.
type badRequest struct{ error }

// notFound is a question about something that is not there.
type notFound struct{ error }

// statusOf maps an error to what HTTP calls it.
func statusOf(err error) int {
	var bad badRequest
	var missing notFound
	var conflict Conflict
	switch {
	case errors.As(err, &bad):
		return http.StatusBadRequest
	case errors.As(err, &missing):
		return http.StatusNotFound
	case errors.As(err, &conflict):
		return http.StatusConflict
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	case errors.Is(err, context.Canceled):
		return api.StatusCanceled
	case errors.Is(err, foreshock.ErrClosed), errors.Is(err, foreshock.ErrOverloaded):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
