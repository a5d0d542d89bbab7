package warmstart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/history"
)

var series = foreshock.NewSeries(labels.FromStrings("__name__", "x"))

// memory is a history with a sample a minute, which fails where it is told to.
type memory struct {
	reads []history.Span
	fail  func(read int, t int64) error // nil: never
}

func (m *memory) Read(ctx context.Context, span history.Span, do history.Append) error {
	m.reads = append(m.reads, span)
	for t := span.From; t <= span.To; t += time.Minute.Milliseconds() {
		if m.fail != nil {
			if err := m.fail(len(m.reads), t); err != nil {
				return err
			}
		}
		if err := do(ctx, &foreshock.Batch{Samples: []foreshock.Sample{{Series: series, T: t, V: 1}}}); err != nil {
			return err
		}
	}
	return nil
}

func (*memory) Progress() float64 { return 0 }
func (*memory) Skipped() int      { return 0 }

// warm is a WarmStart on m that looks back an hour, and what it logs.
func warm(t *testing.T, m *memory, learn history.Append) (*WarmStart, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	c := DefaultConfig()
	c.URL = "http://nobody.invalid"
	c.Lookback = model.Duration(time.Hour)
	w, err := New(Options{
		Config: c, Append: learn, Now: time.Now,
		Registerer: prometheus.NewPedanticRegistry(),
		Logger:     slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.source = m
	return w, &log
}

// collector is the far end: it keeps the times of what it learned.
type collector struct{ times []int64 }

func (c *collector) append(_ context.Context, b *foreshock.Batch) error {
	c.times = append(c.times, b.Samples[0].T)
	return nil
}

// TestGoesOnFromWhereItWas: a server that fails midway is asked again for the rest, and
// nothing is learned twice but the moment of the failure.
func TestGoesOnFromWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		m := &memory{fail: func(read int, at int64) error {
			if read < 4 && at >= began.Add(-time.Hour+time.Duration(read)*10*time.Minute).UnixMilli() {
				return errors.New("a restart")
			}
			return nil
		}}
		var c collector
		w, log := warm(t, m, c.append)
		w.Run(t.Context())
		if got := fmt.Sprint(len(m.reads), len(c.times)); got != "4 64" { // 61 minutes, 3 of them twice
			t.Errorf("reads and samples: %s\n%s", got, log)
		}
		for i := 1; i < len(m.reads); i++ {
			if want := began.Add(-time.Hour + time.Duration(10*i-1)*time.Minute).UnixMilli(); m.reads[i].From != want {
				t.Errorf("read %d from %s, want %s", i, foreshock.Time(m.reads[i].From), foreshock.Time(want))
			}
		}
		if waited := time.Since(began); waited != 3*time.Second {
			t.Errorf("waited for %s; a server that goes on a little is asked again after a second", waited)
		}
		if n := testutil.ToFloat64(w.metrics.retries); n != 3 || w.Progress() != 1 {
			t.Errorf("%v retries, progress %v", n, w.Progress())
		}
		if !strings.Contains(log.String(), "done, going live") {
			t.Error(log)
		}
	})
}

// TestGivesUp: on a server that never answers after half a minute, on one that has begun to
// when all the time is over.
func TestGivesUp(t *testing.T) {
	for _, c := range []struct {
		name        string
		answers     int64 // samples
		least, most time.Duration
	}{
		{"nobody there", 0, firstContact, firstContact + time.Second},
		{"there at first", 5, 30 * time.Minute, 30*time.Minute + time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				m := &memory{fail: func(read int, at int64) error {
					if at >= began.Add(-time.Hour+time.Duration(c.answers)*time.Minute).UnixMilli() {
						return errors.New("connection refused")
					}
					return nil
				}}
				var learned collector
				w, log := warm(t, m, learned.append)
				if c.answers > 0 {
					m.fail = onceRead(m.fail)
				}
				w.Run(t.Context())
				if took := time.Since(began); took < c.least || took > c.most {
					t.Errorf("given up after %s, want %s\n%s", took, c.least, log)
				}
				if testutil.ToFloat64(w.metrics.gaveUp) != 1 || !strings.Contains(log.String(), "given up; going live") || !strings.Contains(log.String(), "connection refused") {
					t.Error(log)
				}
				if w.Running() {
					t.Error("still running")
				}
			})
		})
	}
}

// onceRead fails at once from the second read on.
func onceRead(fail func(int, int64) error) func(int, int64) error {
	return func(read int, at int64) error {
		if read > 1 {
			return errors.New("connection refused")
		}
		return fail(read, at)
	}
}

// TestFindingsOfHistoryAreTold apart from those that come after, in whatever order they are
// observed.
func TestFindingsOfHistoryAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := 0
		w, _ := warm(t, &memory{}, func(context.Context, *foreshock.Batch) error {
			if full++; full%3 == 0 {
				return foreshock.ErrOverloaded // nothing was taken: it comes again
			}
			return nil
		})
		w.Run(t.Context())
		n := 0
		for w.History(0) {
			n++
		}
		if n != 61 || w.History(0) {
			t.Errorf("%d findings are of history, want 61 and no more", n)
		}
	})
}

// TestRateLimit: no more than so many samples a second, but for a first burst.
func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var c collector
		w, _ := warm(t, &memory{}, c.append)
		w.limiter.SetLimit(2)
		w.limiter.SetBurst(1)
		w.Run(t.Context())
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("61 samples at 2 a second took %s", took)
		}
	})
}

// TestStops at once when the process does.
func TestStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		w, log := warm(t, &memory{fail: func(int, int64) error { return errors.New("connection refused") }}, nil)
		w.Run(ctx)
		if took := time.Since(began); took != 10*time.Second || testutil.ToFloat64(w.metrics.gaveUp) != 0 {
			t.Errorf("took %s\n%s", took, log)
		}
	})
}

func TestNothingToDo(t *testing.T) {
	w, err := New(Options{Config: DefaultConfig(), Now: time.Now})
	if err != nil || w.Needed() || w.History(0) {
		t.Errorf("needed %v, history %v, error %v", w.Needed(), w.History(0), err)
	}
	w.Run(t.Context())
}

func TestMistakes(t *testing.T) {
	c := Config{URL: "prometheus:9090", Lookback: 1, RateLimit: -1, Match: []string{"up", "{"}, GiveUpAfter: model.Duration(3 * time.Hour)}
	want := `warm_start.url: must be http:// or https:// and a host, without a user, such as http://localhost:9090
warm_start.lookback: must be from 1m to 90d, got 0s
warm_start.rate_limit: must not be negative, got -1
warm_start.give_up_after: must be from 1s to 2h, got 3h
warm_start.match[1]: 1:2: parse error: unexpected end of input inside braces`
	if err := c.Validate(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

// tenth is an expression that is due every ten minutes.
type tenth struct {
	w     *WarmStart
	times []int64
	last  int64
}

func (e *tenth) Due(now int64) bool { return now >= e.last+10*time.Minute.Milliseconds() }

func (e *tenth) Evaluate(ctx context.Context, now int64) error {
	e.last, e.times = now, append(e.times, now)
	return e.w.Append(ctx, &foreshock.Batch{Samples: []foreshock.Sample{{Series: series, T: now, V: 2}}})
}

// TestExpressionsAreLearnedToo: once all that was before was observed, and what they result
// in is of history as well.
func TestExpressionsAreLearnedToo(t *testing.T) {
	batches := make(chan int64, 1000)
	var observed, early int64
	w, _ := warm(t, &memory{}, func(_ context.Context, b *foreshock.Batch) error {
		batches <- b.Samples[0].T
		return nil
	})
	e := &tenth{w: w}
	w.Evaluate(e)
	over := make(chan int)
	go func() { // the detector
		n := 0
		for at := range batches {
			if at < observed {
				early++
			}
			observed = at
			if w.History(at) {
				n++
			}
		}
		over <- n
	}()
	w.Run(t.Context())
	close(batches)
	if n := <-over; n != 61+len(e.times) || w.History(0) {
		t.Errorf("%d findings of 61 batches and %d results are of history", n, len(e.times))
	}
	if len(e.times) != 7 || early != 0 { // at the start and six times after
		t.Errorf("evaluated at %v", e.times)
	}
}

// TestHostileSelector: one may cost no more than a rule's.
func TestHostileSelector(t *testing.T) {
	c := DefaultConfig()
	c.Match = []string{`{a=~"(?:` + strings.Repeat("x", 600) + `){1000}"}`}
	if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), "warm_start.match[0]: a regular expression repeats itself") {
		t.Error(err)
	}
}
