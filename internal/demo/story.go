package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/internal/stack"
)

// calmAfterWarmUp is how long the machine is watched beyond the detector's own
// warm-up, so that the quiet it learns is longer than the start's bustle.
const calmAfterWarmUp = 30 * time.Second

// mostBusy is the share of the CPU that may have been taken before the burn, which
// takes the rest: less than a third would not show for sure.
const mostBusy = 0.6

// story is the demo's plot: each step waits until it has seen, through a real
// program's API, what it tells.
type story struct {
	stack    *stack.Stack
	token    string // of the webhook and of the remediations' API
	tell     *narrator
	burner   *stack.Process
	incident string // its ID
	alert    alert
}

func (s *story) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		s.startPrograms, s.samplesArrive, s.warmUp, s.startBurner,
		s.scoreRises, s.incidentFires, s.alertIsActive, s.causeIsFound, s.remedyRuns, s.burnerIsGone, s.incidentResolves,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) startPrograms(ctx context.Context) error {
	foreshock, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	if _, err := s.stack.NodeExporter(ctx); err != nil {
		return err
	}
	s.tell.say("node_exporter serves this machine's metrics at %s", s.stack.URL(9100, "/metrics"))
	if _, err := s.stack.Alertmanager(ctx); err != nil {
		return err
	}
	s.tell.say("Alertmanager is ready at %s", s.stack.Addr(9093))
	if _, err := s.stack.Foreshock(ctx, foreshock); err != nil {
		return err
	}
	s.tell.say("Foreshock is ready at %s", s.stack.URL(9797, "/"))
	if _, err := s.stack.Prometheus(ctx); err != nil {
		return err
	}
	s.tell.say("Prometheus is ready at %s: it scrapes every second and remote-writes to Foreshock", s.stack.Addr(9090))
	return nil
}

func (s *story) samplesArrive(ctx context.Context) error {
	var n int
	err := s.until(ctx, 30*time.Second, "samples to arrive at Foreshock", func() (bool, error) {
		series, err := s.cpuSeries(ctx)
		n = len(series)
		return n > 0, err
	})
	if err != nil {
		return err
	}
	s.tell.say("samples arrive: Foreshock keeps a window of each of %d user-CPU series, and of all others", n)
	return nil
}

func (s *story) warmUp(ctx context.Context) error {
	begun := time.Now()
	err := s.until(ctx, 4*time.Minute, "the CPU series to warm up", func() (bool, error) {
		series, err := s.cpuSeries(ctx)
		if err != nil {
			return false, err
		}
		warming, seen := 0, 0
		for _, one := range series {
			if one.Warming {
				warming++
			}
			seen = max(seen, len(one.Samples))
		}
		s.tell.bar("learning what is normal here", float64(seen)/float64(detector.DefaultConfig().WarmUp))
		return len(series) > 0 && warming == 0, nil
	})
	if err != nil {
		return err
	}
	for calm := time.Now(); time.Since(calm) < calmAfterWarmUp; {
		s.tell.bar("warm; watching a little longer", float64(time.Since(calm))/float64(calmAfterWarmUp))
		if err := sleep(ctx, time.Second/2); err != nil {
			return err
		}
	}
	s.tell.say("warm after %.0f s: every CPU series has a forest and a trend of its own", time.Since(begun).Seconds())
	return s.calm(ctx)
}

// calm waits until nothing has kept the CPU busy for two minutes and it shows no
// anomaly of its own, so that the burn is new to the detector and what is seen next is
// the burn's doing.
func (s *story) calm(ctx context.Context) error {
	var busy float64
	err := s.until(ctx, time.Minute, "a quiet CPU", func() (ok bool, err error) {
		busy, _, err = s.promValue(ctx, `max_over_time((1 - avg(rate(node_cpu_seconds_total{mode="idle"}[5s])))[2m:1s])`)
		if err != nil || busy > mostBusy {
			return false, err
		}
		score, found, err := s.promValue(ctx, `foreshock_anomaly_score{for="node_cpu_seconds_total"}`)
		if err != nil || !found || score > 1 {
			return false, err
		}
		incidents, err := s.incidents(ctx)
		return !slices.ContainsFunc(incidents, func(i shownIncident) bool { return i.State == "firing" }), err
	})
	if err != nil && busy > mostBusy {
		return fmt.Errorf("something else kept this machine's CPU %.0f %% busy: that is what it learned as normal; try again when it is quiet", 100*busy)
	}
	return err
}

func (s *story) startBurner(context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if s.burner, err = s.stack.Start(self, "burn", filepath.Join(s.stack.Dir, "burner.pid")); err != nil {
		return err
	}
	s.tell.say("process %d begins to burn every core", s.burner.Pid())
	return nil
}

func (s *story) scoreRises(ctx context.Context) error {
	var score float64
	err := s.until(ctx, time.Minute, "an anomaly score above 1 in Prometheus", func() (ok bool, err error) {
		score, _, err = s.promValue(ctx, `foreshock_anomaly_score{for="node_cpu_seconds_total"}`)
		s.tell.bar("score", score)
		return score > 1, err
	})
	if err != nil {
		return err
	}
	s.tell.say("score %.1f (above 1 is anomalous), written back to Prometheus and queried there", score)
	return nil
}

func (s *story) incidentFires(ctx context.Context) error {
	err := s.until(ctx, time.Minute, "a firing incident in Foreshock", func() (bool, error) {
		incidents, err := s.incidents(ctx)
		for _, i := range incidents {
			if i.State == "firing" {
				s.incident = i.ID
				return true, err
			}
		}
		return false, err
	})
	if err != nil {
		return err
	}
	s.tell.say("Foreshock opened incident %s", s.incident)
	return nil
}

func (s *story) alertIsActive(ctx context.Context) error {
	err := s.until(ctx, time.Minute, "the alert in Alertmanager's API", func() (bool, error) {
		alerts, err := s.alerts(ctx)
		for _, a := range alerts {
			if a.Annotations["incident"] == s.incident {
				s.alert = a
				return true, err
			}
		}
		return false, err
	})
	if err != nil {
		return err
	}
	s.tell.say("Alertmanager has the alert: %s", s.alert.Annotations["summary"])
	return nil
}

// causeIsFound waits for what Foreshock takes for the cause, which must be this machine, by
// its CPU.
func (s *story) causeIsFound(ctx context.Context) error {
	var likely shownCause
	err := s.until(ctx, time.Minute, "the likely cause in Foreshock's API", func() (bool, error) {
		incidents, err := s.incidents(ctx)
		for _, i := range incidents {
			if i.ID == s.incident && len(i.Causes) > 0 {
				likely = i.Causes[0]
				return len(likely.Evidence) > 0, err
			}
		}
		return false, err
	})
	if err != nil {
		return err
	}
	var clues []string
	for _, e := range likely.Evidence {
		clues = append(clues, foreshock.Clue{Series: e.Series, Text: e.Text}.String())
	}
	s.tell.say("the likely cause (%s) is %s: %s", foreshock.Cause{Confidence: likely.Confidence}.Likelihood(), likely.Place, strings.Join(clues, "; "))
	if likely.Place != s.stack.Addr(9100) || !strings.HasPrefix(clues[0], "node_cpu") {
		return fmt.Errorf("the likely cause is %s by %s, not %s by its node_cpu", likely.Place, clues[0], s.stack.Addr(9100))
	}
	return nil
}

func (s *story) remedyRuns(ctx context.Context) error {
	var last shownRemediation
	err := s.until(ctx, time.Minute, "Alertmanager's webhook to bring the remedy about", func() (bool, error) {
		all, err := s.remediations(ctx)
		if err != nil || len(all) == 0 {
			return false, err
		}
		last = all[0]
		if last.State == "failed" || last.State == "refused" {
			return false, fmt.Errorf("the remedy %s %s: %s", last.Plan.Action, last.State, last.Reason)
		}
		return last.State == "succeeded", nil
	})
	if err != nil {
		return err
	}
	delivered, failed, err := s.webhooks(ctx)
	if err != nil {
		return err
	}
	if delivered == 0 {
		return fmt.Errorf("no webhook was delivered, says Alertmanager; %g failed", failed)
	}
	s.tell.say("Alertmanager called the webhook; the remedy %s %s: %s", last.Plan.Action, last.State, strings.TrimSpace(last.Output))
	return nil
}

func (s *story) burnerIsGone(ctx context.Context) error {
	select {
	case <-s.burner.Exited():
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Second):
		return errors.New("the remedy succeeded, but the burner still runs")
	}
	if state := s.burner.State(); state.Signal() != syscall.SIGTERM {
		return fmt.Errorf("the burner ended by itself (%v), not by the remedy", state)
	}
	s.tell.say("process %d is gone, by the remedy's signal", s.burner.Pid())
	return nil
}

func (s *story) incidentResolves(ctx context.Context) error {
	begun := time.Now()
	err := s.until(ctx, 2*time.Minute, "the incident to resolve", func() (bool, error) {
		incidents, err := s.incidents(ctx)
		for _, i := range incidents {
			if i.ID == s.incident && i.State == "resolved" {
				alerts, err := s.alerts(ctx)
				return len(alerts) == 0, err
			}
		}
		return false, err
	})
	if err != nil {
		return err
	}
	s.tell.say("recovery seen %.0f s after the remedy: the incident is resolved and Alertmanager's alert gone", time.Since(begun).Seconds())
	return nil
}

// until polls seen twice a second until it holds; within bounds the wait.
func (s *story) until(ctx context.Context, within time.Duration, what string, seen func() (bool, error)) error {
	var last error
	for deadline := time.Now().Add(within); time.Now().Before(deadline); {
		ok, err := seen()
		if ok && err == nil {
			return nil
		}
		last = err
		if err := sleep(ctx, time.Second/2); err != nil {
			return err
		}
	}
	if last != nil {
		return fmt.Errorf("waited %s in vain for %s: %w", within, what, last)
	}
	return fmt.Errorf("waited %s in vain for %s", within, what)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
