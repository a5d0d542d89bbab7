package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// gates of a soak.
	mostSlope = 0.01         // of resident memory, an hour of samples, after warm-up
	mostGap   = 2 * interval // between two scores of a series
	mostDrift = 16           // goroutines or descriptors more in the last third than in the one before

	restarts = 4 // in the first half, in order and by kill -9 in turn
)

const soakRules = `
groups:
  - name: all
    rules:
      - {watch: fleet, select: 'load{job="watched"}', emit: all}
      - {watch: rest, select: 'load{job="fleet"}'}
`

// config is that of a soak: what comes and goes is forgotten after an hour of samples, so
// that memory has a level to stay at, and a downstream gets what there is at once.
func (j *job) config() string {
	return strings.NewReplacer("DOWN", j.down.URL, "AM", j.stack.Addr(9093)).Replace(`
rule_files: [rules.yml]
detector: {idle_after: 1h, window: 1h}
remote_write:
  - url: DOWN
    basic_auth: {username: soak, password: secret}
    remote_timeout: 5s
    queue_config: {batch_send_deadline: 100ms, capacity: 50000}
alerting:
  alertmanagers: [{static_configs: [{targets: ["AM"]}]}]
`)
}

// soak plays a day of samples in an hour.
func (j *job) soak(ctx context.Context) error {
	if err := errors.Join(j.write("rules.yml", soakRules), j.write("foreshock.yml", j.config()), j.write("alertmanager.yml", alertmanagerConfig)); err != nil {
		return err
	}
	if _, err := j.stack.Alertmanager(ctx); err != nil {
		return err
	}
	if err := j.start(ctx, "--storage.checkpoint-interval=1m"); err != nil {
		return err
	}
	began := time.Now()
	ctx, stop := context.WithTimeout(ctx, j.duration)
	defer stop()
	var levels []level
	var all errgroup.Group
	all.Go(func() error { return over(ctx, j.stream(ctx, began)) })
	all.Go(func() error { return over(ctx, j.flap(ctx)) })
	all.Go(func() (err error) {
		levels, err = j.watch(ctx, began)
		return over(ctx, err)
	})
	all.Go(func() error { return over(ctx, j.restart(ctx, began)) })
	if err := all.Wait(); err != nil {
		return err
	}
	return j.judge(levels)
}

// over takes the end of the run for no error.
func over(ctx context.Context, err error) error {
	if ctx.Err() == context.DeadlineExceeded {
		return nil
	}
	return err
}

// stream sends a scrape whenever one is due, the samples' time going faster than time, up
// to now when the run ends.
func (j *job) stream(ctx context.Context, began time.Time) error {
	f := fleet{series: j.series, seed: j.seed, from: began.Add(j.duration - time.Duration(j.speed)*j.duration)}
	for n := 0; ; n++ {
		bodies := f.requests(n)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(began.Add(time.Duration(n) * interval / time.Duration(j.speed)))):
		}
		for _, body := range bodies {
			if _, err := j.send(ctx, body); err != nil {
				return err
			}
		}
	}
}

// flap has the downstream misbehave for a third of the time, one way after the other.
func (j *job) flap(ctx context.Context) error {
	turn := min(max(j.duration/60, 2*time.Second), 20*time.Second)
	for n := 0; ; n++ {
		for _, m := range []mood{well, []mood{refusing, hanging, lying}[n%3]} {
			j.down.become(m)
			wait := turn
			if m == well {
				wait = 2 * turn
			}
			select {
			case <-ctx.Done():
				j.down.become(well)
				return ctx.Err()
			case <-time.After(wait):
			}
		}
	}
}

// restart ends the process and starts it again, in the first half of the run, in order and
// by kill -9 in turn. Scores that wait for a downstream that is away would die with it, so
// it waits until none does.
func (j *job) restart(ctx context.Context, began time.Time) error {
	for n := range restarts {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(began.Add(j.duration / 2 * time.Duration(n+1) / (restarts + 1)))):
		}
		err := eventually(ctx, 2*time.Minute, "nothing waits for the downstream", func() (bool, error) {
			m, err := j.metrics(ctx)
			return err == nil && m.Sum("foreshock_emitter_samples_pending", nil) == 0, err
		})
		if err != nil {
			return err
		}
		end := j.stop
		if n%2 == 1 {
			end = j.kill
		}
		j.say("restart %d of %d", n+1, restarts)
		if err := errors.Join(end(), j.start(ctx, "--storage.checkpoint-interval=1m")); err != nil {
			return fmt.Errorf("restart: %w", err)
		}
	}
	return nil
}

// level is what the process takes at a time since the beginning.
type level struct {
	at                           time.Duration
	memory, goroutines, fds, own float64 // own: what it says it holds, bytes
}

// watch looks every two seconds.
func (j *job) watch(ctx context.Context, began time.Time) (all []level, err error) {
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return all, ctx.Err()
		case <-time.After(2 * time.Second):
		}
		m, err := j.metrics(ctx)
		if err != nil {
			continue // it is being restarted
		}
		l := level{
			time.Since(began), m.Sum("process_resident_memory_bytes", nil), m.Sum("go_goroutines", nil), m.Sum("process_open_fds", nil),
			m.Sum("foreshock_detector_memory_bytes", nil) + m.Sum("foreshock_receiver_cache_bytes", nil),
		}
		all = append(all, l)
		if n%15 == 0 {
			gap, scores := j.down.seen()
			j.say("%s: %.1f MiB resident, %.0f series, %.0f goroutines, %.0f descriptors, %d scores, longest gap %s",
				l.at.Round(time.Second), l.memory/(1<<20), m.Sum("foreshock_detector_series", nil), l.goroutines, l.fds, scores, gap)
		}
	}
}

// judge holds what was seen against the gates. Memory has its level by the middle: an hour
// of samples, what there is to forget, and the last restart are over.
func (j *job) judge(levels []level) error {
	half := levels[slices.IndexFunc(levels, func(l level) bool { return l.at >= j.duration/2+j.duration/12 }):]
	if len(half) < 10 {
		return fmt.Errorf("only %d looks at the process: run for longer", len(half))
	}
	slope, middle := trend(half, func(l level) float64 { return l.memory })
	own, held := trend(half, func(l level) float64 { return l.own })
	perHour := float64(time.Hour) / float64(j.speed)
	j.found(slope*perHour/middle <= mostSlope, "resident memory", fmt.Sprintf("≤ %+.0f %%/h", 100*mostSlope), "%.1f MiB, %+.2f %% an hour of samples", middle/(1<<20), 100*slope*perHour/middle)
	j.found(true, "of it what it says it holds", "–", "%.1f MiB, %+.2f %% an hour of samples", held/(1<<20), 100*own*perHour/held)
	for _, c := range []struct {
		what string
		of   func(level) float64
	}{{"goroutines", func(l level) float64 { return l.goroutines }}, {"descriptors", func(l level) float64 { return l.fds }}} {
		before, after := most(half[:len(half)/2], c.of), most(half[len(half)/2:], c.of)
		j.found(after-before <= mostDrift, c.what, fmt.Sprintf("≤ %+d", mostDrift), "at most %.0f, then %.0f", before, after)
	}
	gap, scores := j.down.seen()
	j.found(gap <= mostGap && scores > 0, "longest gap between scores", "≤ "+mostGap.String(), "%s %s; %d scores", gap, j.down.where, scores)
	return nil
}

func most(all []level, of func(level) float64) float64 {
	x := math.Inf(-1)
	for _, l := range all {
		x = max(x, of(l))
	}
	return x
}

// trend is the slope, a nanosecond, and the middle of what is looked at, both robust to
// single looks that fall into a collection: medians, the slope's by Theil and Sen.
func trend(all []level, of func(level) float64) (slope, middle float64) {
	var slopes, values []float64
	for i, a := range all {
		values = append(values, of(a))
		for _, b := range all[i+1:] {
			slopes = append(slopes, (of(b)-of(a))/float64(b.at-a.at))
		}
	}
	return median(slopes), median(values)
}

func median(x []float64) float64 {
	slices.SortFunc(x, cmp.Compare[float64])
	return x[len(x)/2]
}

const alertmanagerConfig = `
route: {receiver: nobody}
receivers: [{name: nobody}]
`
