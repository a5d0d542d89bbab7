// Package console is the web page an operator opens first, and the JSON it is made
// from: what is wrong, whether input arrives, and what a series looks like.
//
// Everything is embedded and nothing is fetched from elsewhere; the page's policy
// lets the browser run its one module and no other script. Every request is a GET
// and changes nothing. What it shows it asks for, through Options, and keeps
// nothing itself.
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
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/api"
)

// Options are the console's eyes. The functions are called from many goroutines at
// once, and what they return is the console's.
type Options struct {
	// Status is put into JSON as it is.
	Status func() any
	// Incidents are the open ones and the latest resolved, newest first.
	Incidents func() []foreshock.Incident
	// Series returns at most limit series that all matchers match.
	Series func(ctx context.Context, matchers []*labels.Matcher, limit int) ([]Series, error)
	Logger *slog.Logger // nil means none
}

// Series is one series as the detector holds it.
type Series struct {
	Series *foreshock.Series
	Kind   string          // how its samples are read: counter, gauge, …
	Rule   string          // the watch rule that selects it; may be empty
	Ended  bool            // a staleness marker was its last word
	Last   foreshock.Score // of the newest sample
	// Samples are its window, oldest first, as they were sent.
	Samples []foreshock.Sample
}

// Bounds on what one request may ask for and be given.
const (
	defaultLimit = 20
	maxLimit     = 200
	maxMatches   = 10
	// maxSamples of each series are answered, the newest: 200 × 1000 × ~30 B ≈ 6 MB.
	maxSamples = 1000
	patience   = 5 * time.Second // for the detector's shards to answer
)

//go:embed assets
var assets embed.FS

type console struct {
	Options
	parser parser.Parser
}

// New returns the handler of /, /assets/… and /api/v1/{status,incidents,series}. It
// answers 405 to anything but GET and HEAD.
func New(o Options) http.Handler {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &console{o, parser.NewParser(parser.Options{})}
	mux := http.NewServeMux()
	for path, file := range map[string]string{
		"/{$}":                "index.html",
		"/assets/console.css": "console.css",
		"/assets/console.js":  "console.js",
		"/assets/icon.svg":    "icon.svg",
	} {
		mux.Handle("GET "+path, newAsset(file))
	}
	mux.Handle("GET /api/v1/status", c.answer(c.status))
	mux.Handle("GET /api/v1/incidents", c.answer(c.incidents))
	mux.Handle("GET /api/v1/series", c.answer(c.series))
	return secured(mux)
}

// secured adds what keeps a browser from doing anything the page does not need.
func secured(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{
			"Content-Security-Policy":      "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
		} {
			w.Header().Set(name, value)
		}
		h.ServeHTTP(w, r)
	})
}

func (c *console) status(*http.Request) (any, error) { return c.Status(), nil }

func (c *console) incidents(*http.Request) (any, error) {
	shown := []incidentJSON{} // an empty list is [], not null
	for _, i := range c.Incidents() {
		shown = append(shown, newIncidentJSON(i))
	}
	return shown, nil
}

// series answers ?match[]=SELECTOR&limit=N: series that any of the selectors
// selects, as in Prometheus's API.
func (c *console) series(r *http.Request) (any, error) {
	query := r.URL.Query()
	matches := query["match[]"]
	if len(matches) == 0 || len(matches) > maxMatches {
		return nil, badRequest{fmt.Errorf("match[]: want 1 to %d selectors, got %d", maxMatches, len(matches))}
	}
	limit := defaultLimit
	if text := query.Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxLimit {
			return nil, badRequest{fmt.Errorf("limit: want a number from 1 to %d, got %q", maxLimit, text)}
		}
	}
	selectors, err := c.parser.ParseMetricSelectors(matches)
	if err != nil {
		return nil, badRequest{fmt.Errorf("match[]: %w", err)}
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	shown, seen := []seriesJSON{}, map[string]bool{}
	for _, matchers := range selectors {
		found, err := c.Series(ctx, matchers, limit)
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			if key := s.Series.Labels.String(); !seen[key] && len(shown) < limit {
				seen[key] = true
				shown = append(shown, newSeriesJSON(s))
			}
		}
	}
	return shown, nil
}

// badRequest is the asker's mistake.
type badRequest struct{ error }

// statusOf maps an error to what HTTP calls it.
func statusOf(err error) int {
	var bad badRequest
	switch {
	case errors.As(err, &bad):
		return http.StatusBadRequest
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	case errors.Is(err, context.Canceled):
		return api.StatusCanceled
	case errors.Is(err, foreshock.ErrClosed), errors.Is(err, foreshock.ErrOverloaded):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
