package query

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// expressions are those of one group that is evaluated every 15 s.
func expressions(t *testing.T, exprs ...string) []rules.Expression {
	t.Helper()
	text := "groups: [{name: g, interval: 15s, rules: ["
	for i, e := range exprs {
		text += fmt.Sprintf("{watch: rule_%d, expr: %q}, ", i+1, e)
	}
	set, err := rules.ParseFile("test", []byte(text+"]}]"))
	if err != nil {
		t.Fatal(err)
	}
	return set.Expressions()
}

// evaluation is an Evaluator and what it appended, a line a sample.
type evaluation struct {
	*Evaluator
	appended []string
	refuse   error
}

func evaluating(t *testing.T, source shelf, exprs ...string) *evaluation {
	q := New(Options{Config: DefaultConfig(), Sources: []Source{source}, Registerer: prometheus.NewPedanticRegistry()})
	var e evaluation
	e.Evaluator = q.NewEvaluator(expressions(t, exprs...), func(_ context.Context, b *foreshock.Batch) error {
		if e.refuse != nil {
			return e.refuse
		}
		for _, s := range b.Samples {
			value := fmt.Sprint(s.V)
			if s.Stale() {
				value = "stale"
			}
			e.appended = append(e.appended, fmt.Sprintf("%d %s %s", (s.T-start)/1000, s.Series, value))
		}
		return nil
	})
	return &e
}

// evaluate is what is appended by the time so many seconds after the start.
func (e *evaluation) evaluate(t *testing.T, seconds int64) string {
	t.Helper()
	e.appended = nil
	if err := e.Evaluate(t.Context(), start+seconds*1000); err != nil {
		t.Fatal(err)
	}
	return strings.Join(e.appended, "\n")
}

func (e *evaluation) expect(t *testing.T, seconds int64, want string) {
	t.Helper()
	if got := e.evaluate(t, seconds); got != want {
		t.Errorf("by %d s\n%s\nwant\n%s", seconds, got, want)
	}
}

// at is the latest time, in seconds after the start, at which the group is evaluated by
// then.
func (e *evaluation) at(seconds int64) int64 {
	offset := int64(e.rules[0].Offset / time.Second)
	return (seconds-10-offset)/15*15 + offset
}

// An evaluation waits until the stream is ten seconds past its time, happens once, and
// leaves out those before it.
func TestEvaluatesTheLatestThatIsDue(t *testing.T) {
	e := evaluating(t, shelf{counter("a", 30), counter("b", 60)}, "sum(requests_total)", "requests_total > 1000")
	t1 := e.at(300)
	steps := float64(t1 / 15)
	e.expect(t, 300, fmt.Sprintf("%d rule_1 %v\n%d rule_2{instance=%q} %v", t1, 90*steps, t1, "b", 60*steps))
	if e.Due(start+300_000) || e.Due(start+(t1+24)*1000) || !e.Due(start+(t1+25)*1000) {
		t.Error("the next is not due fifteen seconds later")
	}
	e.expect(t, 300, "")
	e.expect(t, 299, "")
	if got := e.evaluate(t, t1+15*4+10); !strings.HasPrefix(got, fmt.Sprintf("%d rule_1", t1+60)) {
		t.Errorf("after a minute: %s", got)
	}
	if missed := testutil.ToFloat64(e.metrics.missed.WithLabelValues("rule_1")); missed != 3 {
		t.Errorf("%v evaluations are missed, want 3", missed)
	}
	if n := testutil.ToFloat64(e.metrics.evaluations.WithLabelValues("rule_1")); n != 2 {
		t.Errorf("%v evaluations", n)
	}
	if n := testutil.ToFloat64(e.metrics.samples.WithLabelValues("rule_1")); n != 4 {
		t.Errorf("%v samples were looked at, want 2 in each", n)
	}
}

// A clock that was wrong and comes back does not stop evaluations.
func TestEvaluationComesBack(t *testing.T) {
	e := evaluating(t, shelf{counter("a", 30)}, "count(requests_total)")
	e.evaluate(t, 100*3600)
	e.expect(t, 300, fmt.Sprintf("%d rule_1 1", e.at(300)))
}

// What is no more among the results ends with a staleness marker, and so does all of a
// rule that is gone.
func TestResultsEnd(t *testing.T) {
	gone := counter("a", 30)
	gone.T, gone.V = gone.T[:5], gone.V[:5]
	e := evaluating(t, shelf{gone, counter("b", 30)}, "last_over_time(requests_total[30s])", "vector(1)")
	at := e.at(90)
	e.expect(t, 90, fmt.Sprintf("%[1]d rule_1{instance=%[2]q} 120\n%[1]d rule_1{instance=%[3]q} %[4]v\n%[1]d rule_2 1", at, "a", "b", 30*(at/15)))
	at = e.at(300)
	e.expect(t, 300, fmt.Sprintf("%[1]d rule_1{instance=%[2]q} stale\n%[1]d rule_1{instance=%[3]q} %[4]v\n%[1]d rule_2 1", at, "a", "b", 30*(at/15)))
	e.SetExpressions(expressions(t, "last_over_time(requests_total[30s])"))
	at2 := e.at(315)
	e.expect(t, 315, fmt.Sprintf("%d rule_2 stale\n%d rule_1{instance=%q} %v", at, at2, "b", 30*(at2/15)))
}

// A rule that fails is counted, and the others go on; so are results there is no room for.
func TestEvaluationsFail(t *testing.T) {
	twin := counter("a", 10)
	twin.Series = foreshock.NewSeries(labels.FromStrings("__name__", "errors_total", "instance", "a"))
	e := evaluating(t, shelf{counter("a", 30), twin}, `{instance="a"}`, "requests_total + on (nothing) errors_total", "vector(2)")
	e.expect(t, 300, fmt.Sprintf("%d rule_2 %v\n%[1]d rule_3 2", e.at(300), 40*(e.at(300)/15)))
	if failed := testutil.ToFloat64(e.metrics.failed.WithLabelValues("rule_1")); failed != 1 {
		t.Errorf("two results of the same labels: %v failures", failed)
	}
	for _, r := range e.Records() {
		failed := r.Rule == "rule_1"
		if failed && !strings.Contains(fmt.Sprint(r.Err), "same labels") || !failed && r.Err != nil || (r.Failed == 1) != failed {
			t.Errorf("%+v: want rule_1 alone to have failed", r)
		}
		if r.Evaluations != 1 || r.Every != 15*time.Second || !failed && r.Series != 1 || r.Rule == "rule_2" && r.LastSamples != 2 {
			t.Errorf("%+v", r)
		}
	}
	if len(e.Records()) != 3 {
		t.Errorf("records are %+v, want three", e.Records())
	}
	if results := testutil.ToFloat64(e.metrics.results); results != 2 {
		t.Errorf("%v results, want 2", results)
	}
	e.refuse = foreshock.ErrOverloaded
	if err := e.Evaluate(t.Context(), start+400_000); !errors.Is(err, foreshock.ErrOverloaded) {
		t.Errorf("refused results: %v", err)
	}
	if dropped := testutil.ToFloat64(e.metrics.dropped); dropped != 2 {
		t.Errorf("%v results are dropped, want 2", dropped)
	}
	e.refuse = nil
	e.SetExpressions(expressions(t, "vector(1)"))
	e.evaluate(t, 420)
	if records := e.Records(); len(records) != 1 || records[0].Err != nil || records[0].Evaluations != 3 {
		t.Errorf("records are %+v though the only rule is another, evaluated for the third time", records)
	}
}

// A reload does not wait for an evaluation that takes long, and what was due of the old
// rules is left.
func TestReplacedWhileEvaluating(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	q := New(Options{Config: DefaultConfig(), Sources: []Source{slow{shelf{counter("a", 30)}, entered, leave}}})
	var appended []string
	e := q.NewEvaluator(expressions(t, "sum(requests_total)", "count(requests_total)"), func(_ context.Context, b *foreshock.Batch) error {
		for _, s := range b.Samples {
			appended = append(appended, s.Series.String())
		}
		return nil
	})
	done := make(chan error)
	go func() { done <- e.Evaluate(t.Context(), start+300_000) }()
	<-entered
	e.SetExpressions(nil)
	close(leave)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(appended, " "); got != "rule_1" {
		t.Errorf("results of %q, want of rule_1 alone", got)
	}
}

// slow is a Source that says when it is asked first, and waits then.
type slow struct {
	Source
	entered, leave chan struct{}
}

func (s slow) Read(ctx context.Context, matchers []*labels.Matcher, from, to int64, most int) ([]foreshock.Excerpt, error) {
	select {
	case s.entered <- struct{}{}:
		<-s.leave
	case <-s.leave:
	}
	return s.Source.Read(ctx, matchers, from, to, most)
}

// In the live process evaluations follow the stream by themselves.
func TestRunFollowsTheStream(t *testing.T) {
	q := New(Options{Config: DefaultConfig(), Sources: []Source{shelf{counter("a", 30)}}})
	appended := make(chan int64)
	e := q.NewEvaluator(expressions(t, "sum(requests_total)"), func(_ context.Context, b *foreshock.Batch) error {
		appended <- b.Samples[0].T
		return nil
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.Run(ctx)
	}()
	e.Reached(start + 100_000)
	first := <-appended
	e.Reached(start + 101_000)
	e.Reached(start + 200_000)
	if second := <-appended; second <= first {
		t.Errorf("evaluated at %d after %d", second, first)
	}
	stop()
	<-done
}

// A stop waits neither for an evaluation nor for the time that is left to samples after it.
func TestStopsAtOnce(t *testing.T) {
	var took time.Duration
	q := New(Options{Config: DefaultConfig(), Sources: []Source{shelf{counter("a", 30)}}, Now: func() time.Time {
		took += time.Hour // an evaluation's
		return time.Unix(0, 0).Add(took)
	}})
	e := q.NewEvaluator(expressions(t, "sum(requests_total)"), func(context.Context, *foreshock.Batch) error { return nil })
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	began := time.Now()
	if err := e.Evaluate(ctx, start+300_000); err != nil {
		t.Fatal(err)
	}
	if passed := time.Since(began); passed > time.Minute {
		t.Errorf("stopped after %s", passed)
	}
}

// TestChangedRuleIsNotLate: a rule that has other times since a reload results in nothing at
// or before its last evaluation, which would be dropped as late, markers first.
func TestChangedRuleIsNotLate(t *testing.T) {
	e := evaluating(t, nil, "vector(1)")
	if e.evaluate(t, 120) == "" {
		t.Fatal("nothing to begin with")
	}
	last := e.rules[0].last
	for _, every := range []time.Duration{time.Minute, 7 * time.Second} {
		changed := expressions(t, "vector(2)")
		changed[0].Every = every
		e.SetExpressions(changed)
		for seconds := int64(121); seconds < 300; seconds++ {
			if e.evaluate(t, seconds); len(e.appended) > 0 && e.rules[0].last <= last {
				t.Fatalf("every %s: %v after the time %d", every, e.appended, (last-start)/1000)
			}
			last = e.rules[0].last
		}
		if missed := e.Records()[0].Missed; missed != 0 {
			t.Errorf("every %s: %d missed", every, missed)
		}
	}
}

// TestTypesMayBeUnknown to whoever makes a Query.
func TestTypesMayBeUnknown(t *testing.T) {
	answer := httptest.NewRecorder()
	New(Options{Config: DefaultConfig()}).API().ServeHTTP(answer, httptest.NewRequest("GET", "/api/v1/metadata", nil))
	if answer.Code != 200 || !strings.Contains(answer.Body.String(), `"data":{}`) {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}
