package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/foreshock/foreshock/internal/stack"
)

const (
	apartSeries = 500                   // of one request, each of which makes a score and a band
	apartWarm   = 60                    // requests before those that are measured
	apartPace   = 50 * time.Millisecond // from one to the next: 10 000 samples a second

	// apartOutbox is full before the last downstream is: what is beyond it goes, oldest first.
	apartOutbox = "--storage.outbox-limit=4MiB"
)

const apartRules = `
groups: [{name: all, rules: [{watch: all, select: load, emit: all}]}]
`

// gone is a downstream where nothing listens any more.
const gone mood = "gone"

// apart has two processes take in the same, one with a downstream that is well, one with a
// downstream that is not, and holds how long requests take the second against the first.
// Both do so at the same time, by turns, so that whatever else the machine does falls on
// both alike.
func (j *job) apart(ctx context.Context, stderr *os.File) error {
	ailing, err := begin(j.options, stderr)
	if err != nil {
		return err
	}
	defer ailing.end()
	sides := [2]*side{{job: j}, {job: ailing, late: apartPace / 2}}
	for _, s := range sides {
		if err := s.open(ctx); err != nil {
			return err
		}
	}
	var all [2][]time.Duration
	for _, m := range []mood{refusing, hanging, dripping, misleading, lying, gone} {
		if ailing.down.become(m); m == gone {
			ailing.down.close()
		}
		var took [2][]time.Duration
		var both errgroup.Group
		began := time.Now()
		for i, s := range sides {
			both.Go(func() (err error) {
				took[i], err = s.play(ctx, began.Add(s.late), j.requests)
				return err
			})
		}
		if err := both.Wait(); err != nil {
			return err
		}
		for i := range all {
			all[i] = append(all[i], took[i]...)
		}
		j.compare(string(m), "–", math.Inf(1), took)
	}
	j.compare("in any of these ways", fmt.Sprintf("p99 ≤ %.1f × that of one that is well", j.most), j.most, all)
	return j.account(ctx, sides)
}

// side is a process that takes in, and how far it is.
type side struct {
	*job
	fleet  fleet
	scrape int
	late   time.Duration // its turn, after the other's
}

// open starts the process and lets its models warm up.
func (s *side) open(ctx context.Context) error {
	s.fleet = fleet{series: apartSeries, seed: s.seed, from: time.Now().Add(-7 * 24 * time.Hour)}
	if err := errors.Join(s.write("rules.yml", apartRules), s.write("foreshock.yml", s.apartConfig())); err != nil {
		return err
	}
	if err := s.start(ctx, apartOutbox); err != nil {
		return err
	}
	_, err := s.play(ctx, time.Now(), apartWarm)
	return err
}

func (s *side) apartConfig() string {
	return fmt.Sprintf(`
rule_files: [rules.yml]
detector: {warm_up: 30}
remote_write: [{url: %q, remote_timeout: 5s, queue_config: {batch_send_deadline: 100ms}}]
`, s.down.URL)
}

// play sends so many scrapes at the pace, whatever becomes of those before, and says how long
// each took, from when it was due: one that waited for a slow one has waited, too.
func (s *side) play(ctx context.Context, due time.Time, requests int) (took []time.Duration, err error) {
	for range requests {
		bodies := s.fleet.requests(s.scrape)
		s.scrape++
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Until(due)):
		}
		for _, body := range bodies {
			if _, err := s.send(ctx, body); err != nil {
				return nil, err
			}
		}
		took = append(took, time.Since(due))
		due = due.Add(apartPace)
	}
	return took, nil
}

// compare tells how long requests took beside a downstream that is not well, and how many
// times as long as beside one that is.
func (j *job) compare(what, gate string, most float64, took [2][]time.Duration) {
	at := func(q float64) (ailing, ratio float64) {
		var ms [2]float64
		for i, of := range took {
			slices.Sort(of)
			ms[i] = of[int(q*float64(len(of)-1))].Seconds() * 1000
		}
		return ms[1], ms[1] / ms[0]
	}
	middle, times := at(.5)
	late, ratio := at(.99)
	j.found(ratio <= most, "requests, downstream "+what, gate, "p50 %.2f ms, %.2f ×; p99 %.2f ms, %.2f ×; of %d", middle, times, late, ratio, len(took[0]))
}

// account holds that the one downstream got its scores and the other's waited or were
// dropped and counted: else nothing was compared.
func (j *job) account(ctx context.Context, sides [2]*side) error {
	_, arrived := j.down.seen()
	j.found(arrived > 0, "scores that arrived where it is well", "> 0", "%d", arrived)
	var said [2]stack.Metrics
	for i, s := range sides {
		var err error
		if said[i], err = s.metrics(ctx); err != nil {
			return err
		}
	}
	waiting := said[1].Sum("foreshock_emitter_outbox_samples", nil)
	dropped := said[1].Sum("foreshock_emitter_samples_dropped_total", map[string]string{"reason": "outbox_full"})
	j.found(waiting > 0 && dropped > 0, "samples where it is not: waiting, and dropped for the bound", "> 0", "%.0f, %.0f", waiting, dropped)
	const used = "process_cpu_seconds_total"
	j.found(true, "processor time where it is not", "–", "%.1f s, %.2f ×", said[1].Sum(used, nil), said[1].Sum(used, nil)/said[0].Sum(used, nil))
	return nil
}
