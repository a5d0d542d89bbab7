package remediation

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"
)

// bent is an action whose deeds a test changes.
type bent struct {
	action
	change func(*deed)
}

func (b bent) prepare(p plan) (deed, error) {
	d, err := b.action.prepare(p)
	if err == nil {
		b.change(&d)
	}
	return d, err
}

// bend changes what the action restart prepares from now on.
func (w *world) bend(change func(*deed)) {
	s := *w.settings.Load()
	a := s.actions["restart"]
	a.action = bent{a.action, change}
	s.actions = map[string]configured{"restart": a}
	w.settings.Store(&s)
}

// with changes the configuration as a reload does.
func (w *world) with(change func(*Config)) {
	w.t.Helper()
	change(&w.o.Config)
	w.reload(w.o)
}

// refused waits for the newest plan to be refused by the guard, and for the reason to say why.
func (w *world) refused(class, why string) {
	w.t.Helper()
	e := w.become(stateRefused)
	if !strings.Contains(e.Reason, why) {
		w.t.Errorf("refused because %q, want %q", e.Reason, why)
	}
	if n := testutil.ToFloat64(w.metrics.refusals[class]); n != 1 {
		w.t.Errorf("%v refusals for %s counted, want 1", n, class)
	}
}

// Each guard by itself: what it refuses, the reason a person reads, the metric, and that
// nothing was done. The list is the guards' own, so that a new one needs a story here.
func TestEveryGuardRefuses(t *testing.T) {
	stories := map[string]func(w *world){
		refusedMode: func(w *world) {
			block := w.occupy()
			w.deliver(w.an("b"))
			w.with(func(c *Config) { c.Mode = Suggest })
			close(block)
			w.refused(refusedMode, "the mode is now suggest")
			w.called(1)
		},
		refusedAuthentication: func(w *world) {
			block := w.occupy()
			w.deliver(w.an("b"))
			w.with(func(c *Config) { c.WebhookToken = "another, since that one leaked" })
			close(block)
			w.refused(refusedAuthentication, "a webhook token that has been replaced since")
			w.called(1)
		},
		refusedStale: func(w *world) {
			over := w.an("a")
			over.EndsAt = w.now().Add(-time.Second)
			w.deliver(over)
			w.refused(refusedStale, "the alert ended at")
			w.called(0)
		},
		refusedTarget: func(w *world) {
			a := w.an("a")
			a.Labels["pod"] = "prod-db"
			w.deliver(a)
			w.refused(refusedTarget, "is not among those of action restart")
			w.called(0)
		},
		refusedProtected: func(w *world) {
			w.with(func(c *Config) { c.ProtectedTargets = []string{"a"} })
			w.deliver(w.an("a"))
			w.refused(refusedProtected, "is among remediation.protected_targets")
			w.called(0)
		},
		refusedOwner: func(w *world) {
			w.bend(func(d *deed) {
				d.check = func(context.Context) error { return errors.New("the autoscaler cart-hpa scales it") }
			})
			w.deliver(w.an("a"))
			w.refused(refusedOwner, "the target's owner: the autoscaler cart-hpa scales it")
			w.called(0)
		},
		refusedLedger: func(w *world) {
			w.ledger.forgottenTo = w.now()
			w.deliver(w.an("a"))
			w.refused(refusedLedger, "may have been treated")
			w.called(0)
		},
		refusedOnce: func(w *world) {
			w.with(func(c *Config) { c.Mode = Approve })
			w.deliver(w.an("a"))
			first := w.become(stateWaiting)
			w.later(2 * time.Minute)
			w.deliver(w.an("a"))
			second := w.become(stateWaiting)
			w.decide(first, "approve", first.Hash)
			l := w.eventually("the first is refused", func(l []entry) bool { return l[1].State == stateRefused })
			if !strings.Contains(l[1].Reason, "decided about again since") {
				w.t.Errorf("reason %q", l[1].Reason)
			}
			w.decide(second, "approve", second.Hash)
			w.become(stateSucceeded)
			if n := testutil.ToFloat64(w.metrics.refusals[refusedOnce]); n != 1 {
				w.t.Errorf("%v counted", n)
			}
			w.called(1)
		},
		refusedCooldown: func(w *world) {
			w.with(func(c *Config) { c.Cooldown = minutesOf(10) })
			w.deliver(w.an("a"))
			w.become(stateSucceeded)
			w.later(9 * time.Minute)
			w.deliver(w.an("a"))
			w.refused(refusedCooldown, "target a was acted on within the cooldown of 10m")
			w.stop() // and neither a restart nor the clock wears it out
			w.start()
			w.set.Add(int64(3 * time.Hour))
			w.deliver(w.an("a"))
			w.refused(refusedCooldown, "within the cooldown")
			w.later(2 * time.Minute)
			w.deliver(w.an("a"))
			w.become(stateSucceeded)
			w.called(2)
		},
		refusedCeiling: func(w *world) {
			w.with(func(c *Config) { c.MaxTotalPerHour = 1 })
			w.deliver(w.an("a"))
			w.become(stateSucceeded)
			w.deliver(w.an("b"))
			w.refused(refusedCeiling, "all rules together acted 1 times within the hour")
			w.called(1)
		},
		refusedBlast: func(w *world) {
			w.with(func(c *Config) { c.BlastRadius = 0.1 }) // of five: one always may be
			w.deliver(w.an("a"))
			w.become(stateSucceeded)
			w.deliver(w.an("b"))
			w.refused(refusedBlast, "1 of the 5 targets of restart were acted on within 1h, and no more than 1 may be")
			w.later(2 * time.Minute)
			w.deliver(w.an("a")) // the same one again is no larger radius
			w.become(stateSucceeded)
			w.called(2)
		},
		refusedBreaker: func(w *world) {
			w.answer(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusTeapot) })
			for _, pod := range []string{"a", "b"} {
				w.deliver(w.an(pod))
				w.become(stateFailed)
			}
			w.stop()
			w.start()
			w.deliver(w.an("c"))
			w.refused(refusedBreaker, "circuit breaker is open after 2 failures")
			w.called(2)
		},
		refusedQueue: func(w *world) {
			w.with(func(c *Config) { c.QueueSize = 1 })
			block := w.occupy()
			w.deliver(w.an("b"))
			w.deliver(w.an("c"))
			w.refused(refusedQueue, "1 plans wait already")
			close(block)
			w.eventually("the one before acts", func(l []entry) bool { return l[1].State == stateSucceeded })
			w.called(2)
		},
		refusedConcurrency: func(w *world) {
			block := w.occupy()
			w.deliver(w.an("b"))
			l := w.eventually("the next one says why it waits", func(l []entry) bool { return l[0].Reason == "waits for its turn" })
			if l[0].State != stateApproved || testutil.ToFloat64(w.metrics.refusals[refusedConcurrency]) != 1 {
				w.t.Errorf("listed %+v", l[0])
			}
			w.called(1)
			close(block)
			if e := w.become(stateSucceeded); e.Reason != "" {
				w.t.Errorf("reason %q", e.Reason)
			}
			w.called(2)
		},
		refusedWindow: func(w *world) {
			// Wherever the test runs, the window is twelve hours away.
			away := w.now().UTC().Add(12 * time.Hour)
			w.with(func(c *Config) {
				c.ChangeWindows = []ChangeWindow{{From: away.Format("15:04"), To: away.Add(time.Minute).Format("15:04"), Zone: "UTC"}}
			})
			w.deliver(w.an("a"))
			w.refused(refusedWindow, "UTC is outside remediation.change_windows")
			w.called(0)
		},
		refusedPaused: func(w *world) {
			if err := w.Pause("jane", "a migration"); err != nil {
				w.t.Fatal(err)
			}
			w.deliver(w.an("a"))
			w.refused(refusedPaused, "paused by jane at ")
			w.called(0)
		},
		refusedBlind:    nil, // TestNothingIsDoneBlindly
		refusedForecast: nil, // TestScalesByWhatWasApproved
	}
	for _, g := range guards {
		story, ok := stories[g.class]
		if !ok {
			t.Errorf("no story about %s", g.class)
		}
		if story != nil {
			t.Run(g.class, func(t *testing.T) { story(newWorld(t, Auto)) })
		}
	}
}

func minutesOf(n int) model.Duration { return model.Duration(time.Duration(n) * time.Minute) }

// occupy has an action on target a run until the channel is closed.
func (w *world) occupy() (block chan struct{}) {
	w.t.Helper()
	block = make(chan struct{})
	w.answer(func(http.ResponseWriter, *http.Request) { <-block })
	w.deliver(w.an("a"))
	w.eventually("an action is under way", func(l []entry) bool { return l[0].State == stateRunning && w.calls.Load() == 1 })
	return block
}

// The order is part of the promise: the mode comes first, the kill switch last.
func TestTheFirstNoIsTheAnswer(t *testing.T) {
	w := newWorld(t, Auto)
	w.with(func(c *Config) { c.ProtectedTargets, c.MaxTotalPerHour = []string{"a"}, 1 })
	if err := w.Pause("jane", ""); err != nil {
		t.Fatal(err)
	}
	w.deliver(w.an("a"))
	w.refused(refusedProtected, "protected_targets")
	if guards[0].class != refusedMode || guards[len(guards)-1].class != refusedPaused {
		t.Error("the order of the guards changed")
	}
}

// A guard that cannot tell does not let through.
func TestGuardThatCannotTellRefuses(t *testing.T) {
	w := newWorld(t, Auto)
	w.self.err = errors.New("no such system call")
	w.deliver(w.an("a"))
	w.refused(refusedProtected, "no such system call")
	w.self.err = nil
	w.bend(func(d *deed) {
		d.check = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	})
	w.deliver(w.an("b"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Close(ctx); err != nil { // which ends the look at the owner
		t.Fatal(err)
	}
	w.called(0)
}

// Whoever asks the target's owner asks again about everything else afterwards: it took time.
func TestNothingStartsThatChangedWhileTheOwnerWasAsked(t *testing.T) {
	for name, change := range map[string]func(*world, alert){
		"resolved": func(w *world, a alert) { w.deliver(a.resolvedAt(w.now())) },
		"paused":   func(w *world, _ alert) { w.Pause("jane", "") },
		"stale":    func(w *world, _ alert) { w.later(2 * time.Minute) },
		"mode":     func(w *world, _ alert) { w.with(func(c *Config) { c.Mode = Off }) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Auto)
			asked, proceed := make(chan struct{}), make(chan struct{})
			w.bend(func(d *deed) {
				d.check = func(context.Context) error { close(asked); <-proceed; return nil }
			})
			a := w.an("a")
			w.deliver(a)
			<-asked
			change(w, a)
			close(proceed)
			w.eventually("it is off", func(l []entry) bool {
				return l[0].State == stateRefused || l[0].State == stateCancelled
			})
			w.called(0)
		})
	}
}

// As many run as may, and no more, whatever they are.
func TestConcurrencyIsBounded(t *testing.T) {
	w := newWorld(t, Auto)
	w.with(func(c *Config) { c.MaxConcurrent, c.MaxPerHour = 2, 10 })
	var now, most atomic.Int64
	pass := make(chan struct{})
	w.answer(func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-pass
		now.Add(-1)
	})
	w.deliver(w.an("a"), w.an("b"), w.an("c"), w.an("d"), w.an("e"))
	w.eventually("two run", func([]entry) bool { return now.Load() == 2 })
	close(pass)
	w.eventually("all five are done", func(l []entry) bool {
		return !slices.ContainsFunc(l, func(e entry) bool { return e.State != stateSucceeded })
	})
	if most.Load() != 2 {
		t.Errorf("%d ran at the same time", most.Load())
	}
	w.called(5)
}

// Ceilings of a day, by the process's own clock: setting the wall's lifts none.
func TestCeilingsOutliveTheClock(t *testing.T) {
	w := newWorld(t, Auto)
	w.with(func(c *Config) { c.MaxPerDay = 4 })
	acted := 0
	for i, step := range []time.Duration{0, time.Hour, -2 * time.Hour, 30 * time.Hour, -30 * time.Hour} {
		w.set.Add(int64(step))
		w.watchClock()
		w.deliver(w.an(string(rune('a' + i))))
		w.eventually("it is decided about", func(l []entry) bool { return len(l) == i+1 && l[0].State.settled() })
		if w.plans()[0].State == stateSucceeded {
			acted++
		}
		w.stop()
		w.start()
	}
	if acted != 3 {
		t.Errorf("acted %d times within the hour, want 3", acted)
	}
}

// Two failures open the breaker of their rule; seeing it recover does not close it, a person
// does, and one failure later it takes one more.
func TestCircuitBreaker(t *testing.T) {
	w := newWorld(t, Auto)
	w.with(func(c *Config) { c.MaxPerHour = 20; c.MaxTotalPerHour = 20 })
	outcome := func(e entry, outcome string) {
		t.Helper()
		w.mu.Lock()
		defer w.mu.Unlock()
		e.Outcome = outcome
		if err := w.ledger.record(e); err != nil {
			t.Fatal(err)
		}
	}
	act := func(pod string) entry {
		t.Helper()
		w.later(2 * time.Minute)
		w.deliver(w.an(pod))
		return w.become(stateSucceeded)
	}
	outcome(act("a"), outcomeNotRecovered)
	outcome(act("b"), outcomeRecovered) // which was seen: the count begins anew
	first := act("c")
	outcome(first, outcomeNotRecovered)
	outcome(first, outcomeNotRecovered) // told twice, counted once
	outcome(act("d"), "cannot tell")
	outcome(act("e"), outcomeNotRecovered)
	if n := testutil.ToFloat64(w.metrics.openBreakers); n != 1 {
		t.Errorf("%v breakers are open", n)
	}
	w.later(2 * time.Minute)
	w.deliver(w.an("a"))
	w.refused(refusedBreaker, "until a person closes it")
	if err := w.CloseBreaker("another-rule", "jane", ""); !errors.Is(err, errNotFound) {
		t.Errorf("closed another: %v", err)
	}
	if err := w.CloseBreaker(restart.Name, "jane", "mended"); err != nil {
		t.Fatal(err)
	}
	w.stop() // closed it stays
	w.start()
	outcome(act("a"), outcomeNotRecovered)
	act("b")
}

// This host and this process are no targets, under any of their names.
func TestSelfIsNeverATarget(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	s := &self{names: map[string]string{}}
	*s = *findSelf()
	s.names["foreshock.service"], s.names["foreshock"] = "this process's unit", "this process's unit"
	for _, target := range []string{
		host, strings.ToUpper(host), host + ":9100", "root@" + host, "ns/pod/" + host, host + "/foreshock.service", "localhost", "LOCALHOST:22",
		"127.0.0.1", "127.3.2.1:80", "[::1]:80", "::1", "::ffff:127.0.0.1", "0.0.0.0", "foreshock.service", "foreshock", strconv.Itoa(os.Getpid()),
	} {
		if s.isNot(target) == nil {
			t.Errorf("%s may be a target", target)
		}
	}
	for _, target := range []string{"cart-7", "cart-7:9100", "192.0.2.7", "prod/deployment/cart", "cart.service", "[2001:db8::7]:80", host + "-2"} {
		if err := s.isNot(target); err != nil {
			t.Errorf("%s may not be a target: %v", target, err)
		}
	}
}

func TestCeilingsCannotBeLifted(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"NaN":         func(c *Config) { c.BlastRadius = math.NaN() },
		"infinite":    func(c *Config) { c.BlastRadius = math.Inf(1) },
		"negative":    func(c *Config) { c.BlastRadius = -0.1 },
		"zero":        func(c *Config) { c.BlastRadius = 0 },
		"above all":   func(c *Config) { c.BlastRadius = 1.01 },
		"hour":        func(c *Config) { c.MaxPerHour = math.MaxInt },
		"day":         func(c *Config) { c.MaxPerDay = -1 },
		"total":       func(c *Config) { c.MaxTotalPerHour = 0 },
		"concurrent":  func(c *Config) { c.MaxConcurrent = math.MinInt },
		"cooldown":    func(c *Config) { c.Cooldown = math.MinInt64 },
		"window":      func(c *Config) { c.BlastWindow = math.MaxInt64 },
		"no window":   func(c *Config) { c.BlastWindow = 0 },
		"wrong hours": func(c *Config) { c.ChangeWindows = []ChangeWindow{{From: "9", To: "17:00", Zone: "UTC"}} },
	} {
		c := DefaultConfig()
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s is valid", name)
		}
	}
}

func TestChangeWindow(t *testing.T) {
	office := ChangeWindow{Days: []string{"monday", "Friday"}, From: "09:00", To: "17:30", Zone: "Europe/Berlin"}
	night := ChangeWindow{Days: []string{"saturday"}, From: "22:00", To: "04:00", Zone: "UTC"}
	always := ChangeWindow{From: "00:00", To: "24:00", Zone: "UTC"}
	for _, c := range []struct {
		window ChangeWindow
		at     string
		want   bool
	}{
		{office, "2026-11-23T08:00:00Z", true}, // a Monday, 09:00 in Berlin
		{office, "2026-11-23T07:59:59Z", false},
		{office, "2026-07-20T07:00:00Z", true}, // in summer
		{office, "2026-11-23T16:29:59Z", true},
		{office, "2026-11-23T16:30:00Z", false},
		{office, "2026-11-24T10:00:00Z", false}, // a Tuesday
		{night, "2026-11-28T22:00:00Z", true},   // a Saturday
		{night, "2026-11-29T03:59:00Z", true},   // which ends on Sunday
		{night, "2026-11-29T04:00:00Z", false},
		{night, "2026-11-28T03:00:00Z", false}, // Friday's would
		{always, "2026-11-28T23:59:59Z", true},
	} {
		w, err := c.window.build("w")
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if w.contains(at) != c.want {
			t.Errorf("%+v contains %s: %t", c.window, c.at, !c.want)
		}
	}
}

// A person sees what the dry run said before they say yes.
func TestDryRunIsShownWithTheWaitingPlan(t *testing.T) {
	w := newWorld(t, Approve)
	var runs atomic.Int64
	w.bend(func(d *deed) {
		d.rehearse = func(context.Context) (string, error) {
			if runs.Add(1) == 2 {
				return "half of it", errors.New("the play is broken")
			}
			return fmt.Sprintf("would restart 1 pod; the token is %s, %s", token, strings.Repeat("x", 1<<20)), nil
		}
	})
	w.deliver(w.an("a"))
	l := w.eventually("the dry run is there", func(l []entry) bool { return len(l) == 1 && l[0].Rehearsal != "" })
	if said := l[0].Rehearsal; !strings.HasPrefix(said, "would restart 1 pod; the token is <secret>") || len(said) > maxRehearsal || l[0].State != stateWaiting {
		t.Errorf("%s: %.100s", l[0].State, said)
	}
	if public := w.listed(""); public[0].Rehearsal != "" {
		t.Error("everybody may read the dry run")
	}
	w.deliver(w.an("b"))
	w.eventually("a dry run that failed says so", func(l []entry) bool {
		return l[0].Rehearsal == "failed: the play is broken\nhalf of it"
	})
	w.called(0)
	w.decide(l[0], "approve", l[0].Hash)
	w.eventually("it acts", func(l []entry) bool { return l[1].State == stateSucceeded })
	w.called(1)
	if n := testutil.ToFloat64(w.metrics.transitions[stateWaiting]); n != 2 || runs.Load() != 2 {
		t.Errorf("%v began to wait after %d dry runs", n, runs.Load())
	}
}
