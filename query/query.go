// Package query answers PromQL about the rolling windows, by Prometheus's own engine and
// with Prometheus's own HTTP API, so that whatever asks a Prometheus can ask Foreshock:
// Grafana's data source, promtool, a script.
//
// It keeps nothing. What the series were is read from Sources, the detector's windows
// and what was emitted, as far back as those reach; a query about an earlier time finds
// nothing there, as it would before a Prometheus's retention.
package query

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// Source has series. Times are ms, both included. At most so many samples are asked for,
// a series counting as some.
type Source interface {
	// Read returns the series that all matchers match and have samples then, in an order
	// that depends on nothing else. Read counts a series as six samples.
	Read(ctx context.Context, matchers []*labels.Matcher, from, to int64, most int) ([]foreshock.Excerpt, error)
	// Names is Read without the samples.
	Names(ctx context.Context, matchers []*labels.Matcher, from, to int64, most int) ([]foreshock.Excerpt, error)
	// Metrics are the names of all metrics that have samples then, in no order; a name may
	// be there twice.
	Metrics(ctx context.Context, from, to int64) ([]string, error)
}

// Options are what a Query needs.
type Options struct {
	Config Config
	// Sources are read together; no two have one series.
	Sources []Source
	// Types are the types of metric families; nil knows none.
	Types func(context.Context) (map[string]model.MetricType, error)
	// Now is the clock that says what evaluating costs; nil stands still.
	Now        func() time.Time
	Registerer prometheus.Registerer // nil registers nothing
	Logger     *slog.Logger          // nil discards
}

// Query answers. Its methods may be called from any goroutine.
type Query struct {
	o      Options
	parser parser.Parser
	served atomic.Pointer[served]
}

// served is what a configuration decides.
type served struct {
	config Config
	engine *promql.Engine
	turns  chan struct{} // a token for each request under way
}

// New returns a Query.
func New(o Options) *Query {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = func() time.Time { return time.Time{} }
	}
	q := &Query{o: o, parser: careful{parser.NewParser(parser.Options{})}}
	q.SetConfig(o.Config)
	return q
}

// SetConfig replaces the configuration. Queries under way go on under the old one.
func (q *Query) SetConfig(c Config) {
	if old := q.served.Load(); old != nil && old.config == c {
		return
	}
	q.served.Store(&served{
		config: c,
		turns:  make(chan struct{}, c.MaxConcurrency),
		engine: promql.NewEngine(promql.EngineOpts{
			Logger:                   q.o.Logger,
			MaxSamples:               c.MaxSamples,
			Timeout:                  time.Duration(c.Timeout),
			LookbackDelta:            time.Duration(c.LookbackDelta),
			NoStepSubqueryIntervalFn: func(int64) int64 { return defaultInterval.Milliseconds() },
			EnableAtModifier:         true,
			EnableNegativeOffset:     true,
			Parser:                   q.parser,
		}),
	})
}

// defaultInterval is the step of a subquery that names none: Prometheus's default
// evaluation interval.
const defaultInterval = time.Minute

// NewInstantQuery implements promql.QueryEngine.
func (q *Query) NewInstantQuery(ctx context.Context, from storage.Queryable, o promql.QueryOpts, text string, at time.Time) (promql.Query, error) {
	return q.served.Load().engine.NewInstantQuery(ctx, from, o, text, at)
}

// NewRangeQuery implements promql.QueryEngine.
func (q *Query) NewRangeQuery(
	ctx context.Context, from storage.Queryable, o promql.QueryOpts, text string, start, end time.Time, step time.Duration,
) (promql.Query, error) {
	return q.served.Load().engine.NewRangeQuery(ctx, from, o, text, start, end, step)
}

// careful is a parser that refuses what would cost it far more than its length says:
// whoever may ask is not to keep the process busy with it for hours.
type careful struct{ parser.Parser }

// ParseExpr implements parser.Parser.
func (p careful) ParseExpr(text string) (parser.Expr, error) {
	if err := rules.BoundPromQL(text); err != nil {
		return nil, err
	}
	return p.Parser.ParseExpr(text)
}

// ParseMetricSelector implements parser.Parser.
func (p careful) ParseMetricSelector(text string) ([]*labels.Matcher, error) {
	if err := rules.BoundPromQL(text); err != nil {
		return nil, err
	}
	return p.Parser.ParseMetricSelector(text)
}

// ParseMetricSelectors implements parser.Parser.
func (p careful) ParseMetricSelectors(texts []string) ([][]*labels.Matcher, error) {
	for _, text := range texts {
		if err := rules.BoundPromQL(text); err != nil {
			return nil, err
		}
	}
	return p.Parser.ParseMetricSelectors(texts)
}
