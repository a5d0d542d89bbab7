package detector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/synthetic"
	"github.com/foreshock/foreshock/rules"
)

// A stalled observer must push back on the senders, not fill the memory; what was
// refused must not have been taken in part, and once it moves all is well again.
func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.QueueSamples = 10 * batchCost
		release := make(chan struct{})
		observed := 0
		b := run(t, Options{Config: cfg, Shards: 2, Observe: func(foreshock.Findings) {
			<-release
			observed++
		}})
		x, y := series("x"), series("y")
		taken := 0
		var err error
		begin := time.Now()
		for ; taken < 100; taken++ {
			at := start + int64(taken)*1000
			err = b.Append(context.Background(), &foreshock.Batch{Samples: []foreshock.Sample{{Series: x, T: at, V: 1}, {Series: y, T: at, V: 1}}})
			if err != nil {
				break
			}
		}
		if !errors.Is(err, foreshock.ErrOverloaded) || taken != 9 {
			t.Fatalf("batch %d: %v, want ErrOverloaded at batch 9", taken, err)
		}
		if waited := time.Since(begin); waited != time.Second {
			t.Errorf("waited %s for room, want queue_timeout, 1s", waited)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		if err := b.Append(ctx, &foreshock.Batch{}); !errors.Is(err, foreshock.ErrOverloaded) {
			t.Errorf("with an impatient caller: %v, want ErrOverloaded", err)
		}
		if waited := time.Since(begin); waited != time.Second+time.Millisecond {
			t.Errorf("an impatient caller waited %s", waited-time.Second)
		}
		close(release)
		b.append(foreshock.Sample{Series: x, T: start + int64(taken)*1000, V: 1})
		b.stop()
		if observed != taken+1 {
			t.Errorf("observed %d batches, want %d", observed, taken+1)
		}
		if got, want := b.Status().Samples, 2*taken+1; got != want {
			t.Errorf("%d samples were taken, want %d: a refused batch left something", got, want)
		}
	})
}

// A batch larger than the whole queue is taken when it is alone.
func TestGiantBatch(t *testing.T) {
	cfg := DefaultConfig()
	cfg.QueueSamples = 100
	b := run(t, Options{Config: cfg})
	x := series("x")
	batch := &foreshock.Batch{}
	for i := range int64(10_000) {
		batch.Samples = append(batch.Samples, foreshock.Sample{Series: x, T: start + i, V: 1})
	}
	b.batch(batch)
	b.append(foreshock.Sample{Series: x, T: start + 10_000, V: 1})
	b.stop()
	if got := b.Status().Scored; got != 10_001 {
		t.Errorf("scored %d samples, want 10001", got)
	}
}

// What was acknowledged before the intake closed is scored and observed; nothing
// is taken after.
func TestCloseDrains(t *testing.T) {
	var mu sync.Mutex
	taken := 0
	b := run(t, Options{Shards: 2, Rules: everything()})
	var senders sync.WaitGroup
	for i := range 4 {
		senders.Go(func() {
			x := series("x", "sender", fmt.Sprint(i))
			for at := start; ; at += 1000 {
				err := b.Append(context.Background(), &foreshock.Batch{Samples: []foreshock.Sample{{Series: x, T: at, V: 1}}})
				if errors.Is(err, foreshock.ErrClosed) {
					return
				}
				if err != nil {
					t.Errorf("append: %v", err)
					return
				}
				mu.Lock()
				taken++
				mu.Unlock()
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	b.stop()
	senders.Wait()
	scores := 0
	for _, f := range b.found {
		scores += len(f.Scores)
	}
	if taken == 0 || scores != taken {
		t.Errorf("%d batches were taken, %d scores observed", taken, scores)
	}
	if err := b.Append(context.Background(), &foreshock.Batch{}); !errors.Is(err, foreshock.ErrClosed) {
		t.Errorf("append after Close: %v, want ErrClosed", err)
	}
	if _, err := b.Select(context.Background(), nil, 1); !errors.Is(err, foreshock.ErrClosed) {
		t.Errorf("select after Run: %v, want ErrClosed", err)
	}
	b.SetRules(nil) // must neither block nor panic
	b.SetConfig(DefaultConfig())
}

// The caller has its batch back when Append returns, to fill it again.
func TestAppendKeepsNothing(t *testing.T) {
	b := run(t, Options{Rules: everything()})
	x := series("x")
	batch := &foreshock.Batch{Samples: make([]foreshock.Sample, 1)}
	for i := range int64(1000) {
		batch.Samples[0] = foreshock.Sample{Series: x, T: start + i, V: float64(i)}
		b.batch(batch)
		batch.Samples[0] = foreshock.Sample{Series: x, T: start + i, V: -1}
	}
	b.stop()
	for i, f := range b.found {
		if len(f.Scores) != 1 || f.Scores[0].Value != float64(i) {
			t.Fatalf("batch %d gave %v", i, f.Scores)
		}
	}
}

// Two series whose labels hash alike are two series.
func TestCollidingSeriesKeepApart(t *testing.T) {
	b := run(t, Options{})
	x, y := series("x"), series("y")
	y.Fingerprint = x.Fingerprint
	for i := range int64(10) {
		b.append(foreshock.Sample{Series: x, T: start + i, V: 1}, foreshock.Sample{Series: y, T: start + i, V: 2})
	}
	for name, want := range map[string]float64{"x": 1, "y": 2} {
		v := b.view(name)
		if len(v.Samples) != 10 {
			t.Errorf("%s has %d samples, want 10", name, len(v.Samples))
		}
		for _, s := range v.Samples {
			if s.V != want {
				t.Errorf("%s got %v, want %v", name, s.V, want)
			}
		}
	}
}

// A reload judges what comes after it, and does not unlearn.
func TestSetRules(t *testing.T) {
	b := run(t, Options{})
	x := series("load", "instance", "a")
	at := start
	feed := func() {
		for range 10 {
			b.append(foreshock.Sample{Series: x, T: at, V: 1})
			at += 60_000
		}
	}
	feed()
	b.SetRules(&rules.Set{Watches: []*rules.Watch{{Name: "load", Select: selecting("load"), Sensitivity: 1, Emit: rules.EmitAll}}})
	feed()
	if got := b.view("load").Rule; got != "load" {
		t.Errorf("the series is watched by %q, want load", got)
	}
	b.SetRules(nil)
	feed()
	v := b.view("load")
	b.stop()
	for i, f := range b.found {
		wantScores, wantEnded := 0, 0
		if i >= 10 && i < 20 {
			wantScores = 1
		}
		if i == 20 {
			wantEnded = 1
		}
		if len(f.Scores) != wantScores || len(f.Ended) != wantEnded {
			t.Errorf("batch %d: %d scores, %d ended; want %d, %d", i, len(f.Scores), len(f.Ended), wantScores, wantEnded)
		}
	}
	if v.Rule != "" || len(v.Samples) != 30 {
		t.Errorf("after the reloads: rule %q, %d samples; want none and 30", v.Rule, len(v.Samples))
	}
}

// Reported series are gone once: at their staleness marker.
func TestGoneOnce(t *testing.T) {
	b := run(t, Options{Rules: everything()})
	x := series("load")
	for i, v := range []float64{1, 1, staleMarker, staleMarker, 1, staleMarker} {
		b.append(foreshock.Sample{Series: x, T: start + int64(i)*60_000, V: v})
	}
	// In one batch it may go twice, and is told of once.
	b.append(
		foreshock.Sample{Series: x, T: start + 6*60_000, V: 1}, foreshock.Sample{Series: x, T: start + 7*60_000, V: staleMarker},
		foreshock.Sample{Series: x, T: start + 8*60_000, V: 1}, foreshock.Sample{Series: x, T: start + 9*60_000, V: staleMarker},
	)
	b.stop()
	var gone, ended []int
	for _, f := range b.found {
		gone, ended = append(gone, len(f.Gone)), append(ended, len(f.Ended))
	}
	if want := "[0 0 1 0 0 1 1]"; fmt.Sprint(gone) != want {
		t.Errorf("gone %v, want %s", gone, want)
	}
	if want := "[0 0 0 0 0 0 0]"; fmt.Sprint(ended) != want {
		t.Errorf("ended %v, want %s", ended, want)
	}
}

// A series under a watch and a forecast rule recovers from an anomaly: its scores end,
// its forecasts go on, until the series itself is gone. Scores that end in the batch
// in which the series goes are not told of twice.
func TestForecastsOutliveAnAnomaly(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		b := run(t, Options{Rules: &rules.Set{
			Watches:   []*rules.Watch{{Name: "w", Select: selecting("disk"), Sensitivity: 1}},
			Forecasts: []*rules.Forecast{{Name: "f", Select: selecting("disk"), Horizon: time.Hour, Limit: 1e6, Above: true}},
		}})
		x := series("disk")
		var samples []foreshock.Sample
		for i, p := range synthetic.Noise(1, time.Minute, 700).Points {
			if i == 600 {
				p.V += 40
			}
			samples = append(samples, foreshock.Sample{Series: x, T: p.T, V: p.V})
		}
		marker := foreshock.Sample{Series: x, T: samples[699].T + 60_000, V: staleMarker}
		if atOnce {
			b.append(append(samples, marker)...)
		} else {
			for _, s := range append(samples, marker) {
				b.append(s)
			}
		}
		b.stop()
		var scores, ended, gone, foreseen int
		for _, f := range b.found {
			scores += len(f.Scores)
			ended += len(f.Ended)
			gone += len(f.Gone)
			if ended > 0 {
				foreseen += len(f.Forecasts)
			}
		}
		switch {
		case scores == 0 || gone != 1:
			t.Errorf("at once %t: %d scores, gone %d; want some and 1", atOnce, scores, gone)
		case atOnce && ended != 0:
			t.Errorf("ended %d beside gone", ended)
		case !atOnce && (ended == 0 || foreseen < 50):
			t.Errorf("ended %d, then %d forecasts; want the scores ended and forecasts to the end", ended, foreseen)
		}
	}
}

// Who depends on whom is told once, whatever shards the series are on.
func TestLinksAreTold(t *testing.T) {
	b := run(t, Options{Shards: 3})
	calls := series("calls_total", "client", "front", "server", "cart")
	runs := series(foreshock.PodInfoMetric, "pod", "cart-0", "node", "n1")
	for i := range int64(3) {
		b.append(foreshock.Sample{Series: calls, T: start + i*60_000, V: 1}, foreshock.Sample{Series: runs, T: start + i*60_000, V: 1})
	}
	b.stop()
	want := []foreshock.Link{{From: "cart-0", To: "n1", Mutual: true}, {From: "front", To: "cart"}}
	if !slices.Equal(b.found[0].Links, want) || len(b.found[1].Links)+len(b.found[2].Links) != 0 {
		t.Errorf("told %v, then %v and %v; want %v and no more", b.found[0].Links, b.found[1].Links, b.found[2].Links, want)
	}
}

func TestSelect(t *testing.T) {
	b := run(t, Options{Shards: 3})
	batch := &foreshock.Batch{}
	for i := range 50 {
		batch.Samples = append(batch.Samples, foreshock.Sample{Series: series("load", "instance", fmt.Sprintf("%02d", i)), T: start, V: float64(i)})
	}
	b.batch(batch)
	b.settle()
	for _, c := range []struct {
		pattern string
		limit   int
		want    []string
	}{
		{"0[0-3]", 0, []string{"00", "01", "02", "03"}},
		{".*", 2, []string{"00", "01"}},
		{"none", 9, nil},
	} {
		m := labels.MustNewMatcher(labels.MatchRegexp, "instance", c.pattern)
		vs, err := b.Select(context.Background(), []*labels.Matcher{m}, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range vs {
			got = append(got, v.Series.Labels.Get("instance"))
			if len(v.Samples) != 1 || v.Samples[0].T != start || math.IsNaN(v.Samples[0].V) {
				t.Errorf("%s shows %v", v.Series, v.Samples)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s limit %d: %v, want %v", c.pattern, c.limit, got, c.want)
		}
	}

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	idle := New(Options{Config: DefaultConfig(), Shards: 1}) // nobody runs it
	if _, err := idle.Select(ctx, nil, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("select with a caller that left: %v", err)
	}
}

// A search holds no more than it may show, leaves the shard to a batch after each
// stretch, and survives that a series it found is forgotten meanwhile.
func TestSearchIsBounded(t *testing.T) {
	const limit = 10
	var reg registry
	for i := range 3 * stretchSlots {
		reg.add(series("load", "i", fmt.Sprintf("%05d", (i*7919)%(3*stretchSlots))))
	}
	var found []*state
	answered := 0
	answer := func(sts []*state) { found, answered = sts, answered+1 }
	s := search{query: query{ctx: t.Context(), limit: limit, answer: answer}}
	stretches := 1
	for ; !s.stretch(&reg); stretches++ {
		if cap(s.best) > 2*limit {
			t.Fatalf("it holds %d of at most %d", cap(s.best), limit)
		}
		if stretches == 2 {
			reg.remove(reg.at(s.best[0].slot))
			reg.add(series("another")) // takes the slot
		}
	}
	if stretches != 3 {
		t.Errorf("%d stretches, want 3", stretches)
	}
	for _, st := range found {
		if st.series.Name() != "load" || st.series.Labels.Get("i") >= fmt.Sprintf("%05d", limit) {
			t.Errorf("shows %s", st.series)
		}
	}
	if answered != 1 || len(found) < limit-1 {
		t.Errorf("shows %d series in %d answers, want %d at least in one", len(found), answered, limit-1)
	}

	left, leave := context.WithCancel(t.Context())
	leave()
	s = search{query: query{ctx: left, limit: limit, answer: answer}}
	if !s.stretch(&reg) || answered > 1 {
		t.Error("it goes on though nobody waits")
	}
}

// Whoever asks twice at once waits, and may give up waiting.
func TestSelectsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Options{Config: DefaultConfig(), Shards: 1}) // nobody runs it
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		first := make(chan error)
		go func() {
			_, err := d.Select(ctx, nil, 1)
			first <- err
		}()
		synctest.Wait()
		hasty, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		begin := time.Now()
		if _, err := d.Select(hasty, nil, 1); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("the second: %v after %s", err, time.Since(begin))
		}
		if err := <-first; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the first: %v", err)
		}
	})
}

// The size of the queue stays: a reload that would change it is told so, once each.
func TestQueueSizeNeedsARestart(t *testing.T) {
	var log strings.Builder
	b := run(t, Options{Config: DefaultConfig(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	b.SetConfig(DefaultConfig())
	if log.Len() > 0 {
		t.Errorf("nothing changed, and it logs %s", &log)
	}
	c := DefaultConfig()
	c.QueueSamples++
	b.SetConfig(c)
	if !strings.Contains(log.String(), "detector.queue_samples needs a restart") {
		t.Errorf("logged %q", &log)
	}
	c.QueueSamples = maxQueueSamples
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	New(Options{Config: c, Shards: 1}) // must not panic
	c.QueueSamples = math.MaxInt
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "detector.queue_samples: must be from 1 to 67108864") {
		t.Errorf("a queue of MaxInt: %v", err)
	}
}

func TestStatus(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	b := run(t, Options{Shards: 2, Registerer: reg})
	if got := b.Status().Now; !got.IsZero() {
		t.Errorf("before the first sample it is %s", got)
	}
	for i := range int64(3) {
		batch := &foreshock.Batch{}
		for k := range 100 {
			batch.Samples = append(batch.Samples, foreshock.Sample{Series: series("load", "instance", fmt.Sprint(k)), T: start + i*15_000, V: math.Sqrt(float64(2 + i))})
		}
		b.batch(batch)
	}
	b.settle()
	st := b.Status()
	if st.Series != 100 || st.Warming != 100 || st.Samples != 300 || st.Scored != 300 || st.Batches != 3 || len(st.Shards) != 2 ||
		st.Shards[0].Series+st.Shards[1].Series != 100 || st.Shards[0].Series == 0 || st.Shards[1].Series == 0 ||
		st.WindowBytes == 0 || !st.Now.Equal(foreshock.Time(start+30_000)) || st.MaxSeries != DefaultConfig().MaxSeries {
		t.Errorf("status is %+v", st)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetHelp() == "" {
			t.Errorf("%s has no help", f.GetName())
		}
		if f.GetName() == "foreshock_detector_queue_samples" && f.GetMetric()[0].GetGauge().GetValue() != 0 {
			t.Errorf("an idle detector has %v samples queued", f.GetMetric()[0].GetGauge().GetValue())
		}
	}
}

func TestConfigValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
	err := Config{Threshold: math.NaN(), WarmUp: -1, IdleAfter: prommodel.Duration(-time.Second)}.Validate()
	for _, want := range []string{
		"detector.max_series: must be positive, got 0",
		"detector.window: must be positive, got 0s",
		"detector.threshold: must lie between 0 and 1, got NaN",
		"detector.warm_up: must not be negative, got -1",
		"detector.idle_after: must be positive, got -1s",
		"detector.queue_samples: must be from 1 to 67108864, got 0",
		"detector.queue_timeout: must be positive, got 0s",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
