package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/logthrottle"
	"github.com/foreshock/foreshock/rules"
)

const (
	// settle is how long, in the stream's time, an evaluation waits for the samples of its
	// time: Prometheus sends what it scraped within five seconds, its batch_send_deadline,
	// and the stream's clock is that of the fastest sender.
	settle = 10 * time.Second

	// comeback is how far the stream's clock must fall back to be taken for a return from a
	// time that was wrong: evaluations go on from there.
	comeback = time.Hour

	// maxResults bounds the series of one rule.
	maxResults = 10_000

	// batchSamples is how many results are appended together: to score them takes a shard
	// half a millisecond, at 1 µs each.
	batchSamples = 500
)

// Evaluator evaluates the expressions of rules as the stream's time goes on, and appends
// what they result in as samples of series of their own. An evaluation of a time sees the
// samples up to that time, and happens once the stream is a little past it; of several
// that are due of one rule, when the stream leaps or evaluating does not keep up, the
// latest happens and the others are counted. A series that is no more among the results
// ends with a staleness marker, as in Prometheus.
type Evaluator struct {
	query   *Query
	append  func(context.Context, *foreshock.Batch) error
	metrics *ruleMetrics
	log     *logthrottle.Logger

	evaluating sync.Mutex // held while evaluating
	rules      []*standing
	batch      foreshock.Batch
	pace       pace

	news chan struct{} // a token when reached has changed

	mu      sync.Mutex          // never held for long
	reached int64               // ms
	wanted  *[]rules.Expression // that are to replace the rules; nil when they are in place
	records map[string]Record   // by rule
}

// Record is what the evaluations of a rule's expression came to, and what they cost.
type Record struct {
	Rule                        string
	Every                       time.Duration
	Evaluations, Failed, Missed uint64
	Took, LastTook              time.Duration // in all, and the last one
	LastSamples                 int           // that the last one looked at
	Series                      int           // that it resulted in
	Err                         error         // why it failed; nil where it did not
}

// standing is an expression and where its evaluation stands.
type standing struct {
	rules.Expression
	last    int64                        // time of the last evaluation, ms; 0 before the first
	renewed bool                         // since then: it is another expression, or has other times
	results map[uint64]*foreshock.Series // of that, by the hash of their labels
}

// NewEvaluator returns an Evaluator of expressions that appends to append.
func (q *Query) NewEvaluator(expressions []rules.Expression, append func(context.Context, *foreshock.Batch) error) *Evaluator {
	e := &Evaluator{
		query: q, append: append, news: make(chan struct{}, 1),
		records: map[string]Record{},
		pace:    pace{now: q.o.Now},
		metrics: newRuleMetrics(q.o.Registerer), log: logthrottle.New(logEvery, q.o.Now, q.o.Logger),
	}
	e.SetExpressions(expressions)
	e.replace()
	return e
}

// SetExpressions replaces the expressions, from the next evaluation on: it waits for none
// under way. One that stays goes on; the series of one that goes end.
func (e *Evaluator) SetExpressions(expressions []rules.Expression) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wanted = &expressions
}

// outdated reports whether other expressions are wanted than there are.
func (e *Evaluator) outdated() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.wanted != nil
}

// replace puts the expressions in place that are wanted.
func (e *Evaluator) replace() {
	e.mu.Lock()
	wanted := e.wanted
	e.wanted = nil
	e.mu.Unlock()
	if wanted == nil {
		return
	}
	var kept []*standing
	for _, x := range *wanted {
		i := slices.IndexFunc(e.rules, func(s *standing) bool { return s.Rule == x.Rule })
		if i < 0 {
			kept = append(kept, &standing{Expression: x, results: map[uint64]*foreshock.Series{}})
			e.metrics.begin(x.Rule)
			e.note(x.Rule, func(r *Record) { r.Every = x.Every })
			continue
		}
		s := e.rules[i]
		e.rules = slices.Delete(e.rules, i, i+1)
		if s.Expr.String() != x.Expr.String() || s.Every != x.Every || s.Offset != x.Offset {
			s.renewed = true // what it resulted in at last stands: what comes at that time or before would be late
		}
		s.Expression = x
		e.note(x.Rule, func(r *Record) { r.Every = x.Every })
		kept = append(kept, s)
	}
	for _, gone := range e.rules {
		e.end(gone, gone.last+1, nil)
		e.metrics.end(gone.Rule)
		e.forget(gone.Rule)
	}
	e.rules = kept
}

// note has add write something down in the record of rule.
func (e *Evaluator) note(rule string, add func(*Record)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.records[rule]
	r.Rule = rule
	add(&r)
	e.records[rule] = r
}

func (e *Evaluator) forget(rule string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.records, rule)
}

// Records are those of all rules with expressions, the dearest first.
func (e *Evaluator) Records() []Record {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.SortedFunc(maps.Values(e.records), func(a, b Record) int {
		return cmp.Or(cmp.Compare(b.Took, a.Took), cmp.Compare(a.Rule, b.Rule))
	})
}

// Run evaluates what becomes due as Reached tells, until ctx ends.
func (e *Evaluator) Run(ctx context.Context) {
	for {
		select {
		case <-e.news:
		case <-ctx.Done():
			return
		}
		e.mu.Lock()
		now := e.reached
		e.mu.Unlock()
		if err := e.Evaluate(ctx, now); err != nil && ctx.Err() == nil {
			e.log.Log(slog.LevelWarn, "cannot append what expressions result in", "err", err)
		}
	}
}

// Reached says that the stream's time is now, ms. It never waits.
func (e *Evaluator) Reached(now int64) {
	e.mu.Lock()
	e.reached = now
	e.mu.Unlock()
	select {
	case e.news <- struct{}{}:
	default:
	}
}

// Due reports whether something is to be evaluated by now, ms.
func (e *Evaluator) Due(now int64) bool {
	e.evaluating.Lock()
	defer e.evaluating.Unlock()
	return slices.ContainsFunc(e.rules, func(s *standing) bool { _, due := s.due(now); return due })
}

// Evaluate evaluates what is due by now, ms, and returns when all results are appended.
// An expression that fails is counted and logged; the error is that of appending.
func (e *Evaluator) Evaluate(ctx context.Context, now int64) error {
	e.evaluating.Lock()
	defer e.evaluating.Unlock()
	e.replace()
	due := e.due(now)
	e.pace.begin()
	for i := 0; i < len(due) && !e.outdated(); i++ {
		s := due[i].standing
		if s.last != 0 && !s.renewed && due[i].t > s.last {
			missed := (due[i].t-s.last)/s.Every.Milliseconds() - 1
			e.metrics.missed.WithLabelValues(s.Rule).Add(float64(missed))
			e.note(s.Rule, func(r *Record) { r.Missed += uint64(missed) })
		}
		s.last, s.renewed = due[i].t, false
		before := e.pace.worked()
		samples, err := e.evaluate(ctx, s)
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		took := e.pace.worked() - before
		e.note(s.Rule, func(r *Record) {
			r.Evaluations++
			r.Took, r.LastTook, r.LastSamples, r.Series, r.Err = r.Took+took, took, samples, len(s.results), err
			if err != nil {
				r.Failed++
			}
		})
		if err != nil {
			e.metrics.failed.WithLabelValues(s.Rule).Inc()
			e.log.Log(slog.LevelWarn, "a rule's expression failed", "rule", s.Rule, "err", err)
		}
		e.metrics.seconds.WithLabelValues(s.Rule).Add(took.Seconds())
		if len(e.batch.Samples) >= batchSamples {
			if err := e.flush(ctx); err != nil {
				return err
			}
		}
	}
	return e.flush(ctx)
}

// turn is the evaluation of an expression at a time, ms.
type turn struct {
	*standing
	t int64
}

// due are the evaluations that are by now, in the order of their times.
func (e *Evaluator) due(now int64) []turn {
	var all []turn
	for _, s := range e.rules {
		if t, ok := s.due(now); ok {
			all = append(all, turn{s, t})
		}
	}
	slices.SortStableFunc(all, func(a, b turn) int { return cmp.Compare(a.t, b.t) })
	return all
}

// due is the time, ms, at which s is to be evaluated by now, and whether it is.
func (s *standing) due(now int64) (t int64, due bool) {
	every, offset := s.Every.Milliseconds(), s.Offset.Milliseconds()
	settled := now - settle.Milliseconds() - offset
	if settled < 0 {
		return 0, false
	}
	t = settled/every*every + offset
	return t, t > s.last || s.last-t > comeback.Milliseconds()
}

// evaluate adds what s results in at its time to the batch, and says how many samples it
// looked at.
func (e *Evaluator) evaluate(ctx context.Context, s *standing) (samples int, err error) {
	ctx, cancel := context.WithTimeout(ctx, min(time.Duration(e.query.served.Load().config.Timeout), max(s.Every, time.Second)))
	defer cancel()
	q, err := e.query.NewInstantQuery(ctx, unhurried{e.query, &e.pace}, promql.NewPrometheusQueryOpts(false, 0), s.Expr.String(), time.UnixMilli(s.last))
	if err != nil {
		return 0, err
	}
	defer q.Close()
	vector, err := vectorOf(q.Exec(ctx))
	if err == nil {
		err = e.take(ctx, s, vector)
	}
	m := e.metrics
	m.evaluations.WithLabelValues(s.Rule).Inc()
	samples = int(q.Stats().Samples.TotalSamples)
	m.samples.WithLabelValues(s.Rule).Add(float64(samples))
	m.series.WithLabelValues(s.Rule).Set(float64(len(s.results)))
	return samples, err
}

func vectorOf(r *promql.Result) (promql.Vector, error) {
	if r.Err != nil {
		return nil, r.Err
	}
	switch v := r.Value.(type) {
	case promql.Vector:
		return v, nil
	case promql.Scalar:
		return promql.Vector{{T: v.T, F: v.V}}, nil
	}
	return nil, fmt.Errorf("want an instant vector or a scalar, got a %s", r.Value.Type())
}

// take adds the samples of vector to the batch, and staleness markers for the series that
// it lacks. A vector that cannot be leaves all as it is.
func (e *Evaluator) take(ctx context.Context, s *standing, vector promql.Vector) error {
	if len(vector) > maxResults {
		return fmt.Errorf("%d series, more than the %d that one rule may result in", len(vector), maxResults)
	}
	found := make(map[uint64]*foreshock.Series, len(vector))
	begun := len(e.batch.Samples)
	for _, sample := range vector {
		e.pace.step(ctx)
		ls := foreshock.ExprLabels(sample.Metric, s.Rule)
		hash := labels.StableHash(ls)
		if found[hash] != nil {
			e.batch.Samples = e.batch.Samples[:begun]
			return errors.New("two results have the same labels, but for the metric's name; aggregate, or keep the name in another label with label_replace")
		}
		series := s.results[hash]
		if series == nil {
			series = foreshock.NewSeries(ls)
		}
		found[hash] = series
		e.batch.Samples = append(e.batch.Samples, foreshock.Sample{Series: series, T: s.last, V: sample.F})
	}
	e.end(s, s.last, found)
	s.results = found
	// The engine promises no order.
	slices.SortFunc(e.batch.Samples[begun:], func(a, b foreshock.Sample) int { return labels.Compare(a.Series.Labels, b.Series.Labels) })
	return nil
}

// end adds staleness markers at t, ms, for the results of s that are not among found.
func (e *Evaluator) end(s *standing, t int64, found map[uint64]*foreshock.Series) {
	for hash, series := range s.results {
		if found[hash] == nil {
			e.batch.Samples = append(e.batch.Samples, foreshock.Sample{Series: series, T: t, V: math.Float64frombits(value.StaleNaN)})
		}
	}
}

// flush appends the batch.
func (e *Evaluator) flush(ctx context.Context) error {
	if len(e.batch.Samples) == 0 {
		return nil
	}
	defer func() { e.batch.Samples = e.batch.Samples[:0] }()
	if err := e.append(ctx, &e.batch); err != nil {
		e.metrics.dropped.Add(float64(len(e.batch.Samples)))
		return err
	}
	e.metrics.results.Add(float64(len(e.batch.Samples)))
	return nil
}

// logEvery is how often failing expressions are logged: they fail at every evaluation.
const logEvery = time.Minute
