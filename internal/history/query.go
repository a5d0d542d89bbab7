package history

import (
	"context"
	"fmt"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/foreshock/foreshock"
)

// QueryName is the metric name of what a query returns without one, as a rate does.
const QueryName = "query"

// maxSteps is how many steps one request asks for: Prometheus answers no more than 11 000
// points a series.
const maxSteps = 11_000

// Query reads what a PromQL expression was, step by step, as Prometheus works it out.
type Query struct {
	slicer
	server promv1.API
	text   string
	step   time.Duration
	warned bool
	of     Server
}

// NewQuery returns a Source of what the expression was every step, which must be a whole
// number of milliseconds, at least one.
func NewQuery(s Server, expression string, step time.Duration) (*Query, error) {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	if kind := parsed.Type(); kind != parser.ValueTypeVector && kind != parser.ValueTypeScalar {
		return nil, fmt.Errorf("query: is a %s; want what has one value at a time, such as rate(…) of it", parser.DocumentedType(kind))
	}
	if step < time.Millisecond {
		return nil, fmt.Errorf("step: must be at least 1ms, got %s", step)
	}
	server, err := s.api()
	if err != nil {
		return nil, err
	}
	return &Query{slicer: newSlicer(step.Milliseconds()), server: server, text: expression, step: step, of: s}, nil
}

// Read implements Source. It asks for the expression at span.From and every step from
// there.
func (q *Query) Read(ctx context.Context, span Span, do Append) error {
	return q.read(ctx, span, q.fetch, do)
}

func (q *Query) fetch(ctx context.Context, span Span, s *slice) error {
	matrix, err := q.ask(ctx, span)
	if err != nil {
		return err
	}
	for _, stream := range matrix {
		x := s.series(labelsOf(stream.Metric))
		if x == nil {
			continue
		}
		for _, v := range stream.Values {
			if err := s.add(x, int64(v.Timestamp), float64(v.Value)); err != nil {
				return err
			}
		}
	}
	return nil
}

// ask asks for every step of span.
func (q *Query) ask(ctx context.Context, span Span) (model.Matrix, error) {
	if (span.To-span.From)/q.step.Milliseconds() >= maxSteps {
		return nil, errFull
	}
	value, warnings, err := q.server.QueryRange(ctx, q.text, promv1.Range{Start: foreshock.Time(span.From), End: foreshock.Time(span.To), Step: q.step})
	if err != nil {
		return nil, err
	}
	if len(warnings) > 0 && !q.warned {
		q.warned = true
		q.of.logger().Warn("Prometheus warns of the query", "warning", warnings[0])
	}
	matrix, ok := value.(model.Matrix)
	if !ok {
		return nil, fmt.Errorf("a %s came where a matrix was asked for", value.Type())
	}
	return matrix, nil
}

// labelsOf are those of a result, which has a name where it had none.
func labelsOf(m model.Metric) labels.Labels {
	b := labels.NewScratchBuilder(len(m) + 1)
	if m[model.MetricNameLabel] == "" {
		b.Add(model.MetricNameLabel, QueryName)
	}
	for name, value := range m {
		if value != "" {
			b.Add(string(name), string(value))
		}
	}
	b.Sort()
	return b.Labels()
}
