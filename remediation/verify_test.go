package remediation

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// Whether it helped is for the samples to say, and for nothing else.
func TestOnlySamplesMakeARecovery(t *testing.T) {
	started := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return started.Add(time.Duration(s) * time.Second) }
	v := verification{Within: 5 * time.Minute, Stay: time.Minute}
	for name, tc := range map[string]struct {
		seen []Sight
		due  bool
		want verdict
	}{
		"still odd, and time is left":  {[]Sight{{Series: "a", Heard: at(299)}}, false, verdict{}},
		"odd for as long as was given": {[]Sight{{Series: "a", Heard: at(300)}}, false, verdict{outcomeNotRecovered, "not recovered within 5m of exec: a is not back to normal"}},
		"normal, but for how long":     {[]Sight{{Series: "a", Normal: at(40), Heard: at(99)}}, false, verdict{}},
		"normal and stayed so":         {[]Sight{{Series: "a", Normal: at(40), Heard: at(100)}}, false, verdict{outcomeRecovered, "recovered 40 s after exec"}},
		"the last of them counts": {
			[]Sight{{Series: "a", Normal: at(130), Heard: at(200)}, {Series: "b", Normal: at(40), Heard: at(200)}},
			false,
			verdict{outcomeRecovered, "recovered 2m10s after exec"},
		},
		"one of two is odd": {
			[]Sight{{Series: "a", Normal: at(40), Heard: at(300)}, {Series: "b", Heard: at(300)}},
			false,
			verdict{outcomeNotRecovered, "not recovered within 5m of exec: b is not back to normal"},
		},
		"normal too late":                {[]Sight{{Series: "a", Normal: at(301), Heard: at(301)}}, false, verdict{outcomeNotRecovered, "not recovered within 5m of exec: a is not back to normal"}},
		"odd for so long that it passes": {[]Sight{{Series: "a", Normal: at(40), Heard: at(300), Accepted: true}}, false, verdict{outcomeNotRecovered, "not recovered within 5m of exec: a is not back to normal"}},
		"normal before":                  {[]Sight{{Series: "a", Normal: at(-5), Heard: at(60)}}, false, verdict{outcomeRecovered, "recovered before exec"}},
		"normal before, and not stayed":  {[]Sight{{Series: "a", Normal: at(-90), Heard: at(59)}}, false, verdict{}},
		"nothing heard since":            {[]Sight{{Series: "a", Heard: at(-1)}}, true, verdict{outcomeCannotTell, "cannot tell whether exec helped: no samples of a since 11:59:59 UTC"}},
		"normal, and then silent":        {[]Sight{{Series: "a", Normal: at(40), Heard: at(40)}}, true, verdict{outcomeCannotTell, "cannot tell whether exec helped: no samples of a since 12:00:40 UTC"}},
		"one of two is silent": {
			[]Sight{{Series: "a", Normal: at(40), Heard: at(300)}, {Series: "b"}},
			true,
			verdict{outcomeCannotTell, "cannot tell whether exec helped: no samples of b"},
		},
		"nothing known":     {nil, true, verdict{outcomeCannotTell, "cannot tell whether exec helped: nothing is known of the series that fired"}},
		"nothing known yet": {nil, false, verdict{}},
	} {
		if got := v.judge(started, "exec", tc.seen, tc.due); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

// lab is a Remediation whose one action is the test's, in a bubble with a clock of its
// own: what is done and what the stream shows are functions.
type lab struct {
	*world
	sights func(started, now time.Time) []Sight
	done   int // times the action ran
	undone int // and was taken back
	began  time.Time
	undoes bool
}

// prepare implements action.
func (l *lab) prepare(plan) (deed, error) {
	d := deed{digest: digest("lab"), do: func(context.Context) (string, error) {
		l.done++
		if l.began.IsZero() {
			l.began = time.Now()
		}
		return "done", nil // whatever the stream will say
	}}
	if l.undoes {
		d.undo = func(context.Context) (string, error) { l.undone++; return "undone", nil }
	}
	return d, nil
}

func newLab(t *testing.T, sights func(started, now time.Time) []Sight) *lab {
	l := &lab{sights: sights, undoes: true, world: &world{t: t}}
	l.o = Options{Config: DefaultConfig(), Dir: filepath.Join(t.TempDir(), "ledger"), Remedies: []*rules.Remedy{restart}}
	l.o.Config.Mode, l.o.Config.WebhookToken, l.o.Config.ApprovalToken, l.o.Config.SingleInstance = Auto, token, approvalToken, true
	hook := DefaultWebhookConfig()
	hook.URL = "http://localhost/never"
	l.o.Config.Actions = []ActionConfig{{Name: "restart", Targets: []string{"a", "b"}, Webhook: &hook}}
	l.o.Watch = func(_ context.Context, incident string) ([]Sight, error) {
		if incident != "0123456789ab" {
			t.Errorf("asked about incident %q", incident)
		}
		if l.sights == nil {
			return nil, errors.New("cannot look")
		}
		return l.sights(l.began, time.Now()), nil
	}
	return l
}

// begin starts a process over the ledger; it is ended by Close.
func (l *lab) begin() {
	r, err := New(l.o)
	if err != nil {
		l.t.Fatal(err)
	}
	l.Remediation = r
	s := *r.settings.Load()
	own := s.actions["restart"]
	own.action, own.kind = l, "exec"
	s.actions = map[string]configured{"restart": own}
	r.settings.Store(&s)
	go r.Run()
	if l.began.IsZero() {
		l.resume()
	}
	synctest.Wait()
}

// fire has an alert of the incident be treated.
func (l *lab) fire(pod string) {
	a := l.an(pod)
	a.Annotations.Incident = "0123456789ab"
	l.deliver(a)
	synctest.Wait()
}

func (l *lab) after(d time.Duration) []entry {
	time.Sleep(d)
	synctest.Wait()
	return l.plans()
}

// remedies are what the incident's alert says of them.
func (l *lab) remedies() (all []string) {
	in := []foreshock.Incident{{ID: "0123456789ab"}}
	l.Attach(in)
	for _, r := range in[0].Remedies {
		all = append(all, r.Text)
	}
	return all
}

func odd(_, now time.Time) []Sight { return []Sight{{Series: "cpu", Heard: now}} }

func normalAfter(d time.Duration) func(started, now time.Time) []Sight {
	return func(started, now time.Time) []Sight {
		s := Sight{Series: "cpu", Heard: now}
		if n := started.Add(d); !now.Before(n) {
			s.Normal = n
		}
		return []Sight{s}
	}
}

func TestARecoveryIsSeenAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, normalAfter(40*time.Second))
		var heard []string
		l.o.Noteworthy = func(incident string) { heard = append(heard, incident) }
		changes := 0
		l.o.Changed = func() { changes++ }
		l.begin()
		defer l.Close(context.Background())
		l.fire("a")
		if e := l.after(95 * time.Second)[0]; e.State != stateSucceeded || e.Outcome != "" || e.Verify == nil {
			t.Errorf("before it stayed normal for a minute: %+v", e)
		}
		if got := l.remedies(); len(got) != 1 || got[0] != "exec ran; it is watched whether it helps" {
			t.Errorf("the incident says %q", got)
		}
		e := l.after(10 * time.Second)[0]
		if e.Outcome != outcomeRecovered || e.Verdict != "recovered 40 s after exec" || e.OutcomeAt.Sub(e.StartedAt) > 105*time.Second {
			t.Errorf("it says %+v", e)
		}
		if got := l.remedies(); len(got) != 1 || got[0] != "recovered 40 s after exec" {
			t.Errorf("the incident says %q", got)
		}
		if len(heard) < 3 || heard[0] != "0123456789ab" { // it runs, it ran, it helped
			t.Errorf("told of %q", heard)
		}
		if changes <= len(heard) { // that it was planned is a change as well
			t.Errorf("told of %d changes", changes)
		}
		if n := testutil.ToFloat64(l.metrics.outcomes.WithLabelValues("restart-pod", "restart", "recovered")); n != 1 {
			t.Errorf("%v recoveries are counted", n)
		}
		if n := testutil.ToFloat64(l.metrics.success.WithLabelValues("restart-pod", "restart")); n != 1 {
			t.Errorf("success ratio %v", n)
		}
		if got := l.Troubles(); len(got) != 0 || l.undone != 0 {
			t.Errorf("troubles %+v, undone %d times", got, l.undone)
		}
	})
}

// A command that exits with 0 and does nothing: it is taken back once, and a person is
// told of both.
func TestALieWithExitZeroIsSeenAndTakenBackOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, odd)
		l.begin()
		defer l.Close(context.Background())
		l.fire("a")
		all := l.after(5*time.Minute + 3*time.Second)
		if len(all) != 2 || all[1].Outcome != outcomeNotRecovered || all[1].State != stateSucceeded || all[0].RollbackOf != all[1].ID || all[0].State != stateSucceeded {
			t.Fatalf("it says %+v", all)
		}
		if n := len(ofRule(l.ledger.launches.within(time.Hour, l.moment()), "restart-pod")); n != 2 {
			t.Errorf("%d of them count against the ceiling", n)
		}
		l.fire("a")
		all = l.after(time.Hour / 2) // the rollback is watched, too, and nothing follows from that
		if len(all) != 2 || all[0].Outcome != outcomeNotRecovered || l.done != 1 || l.undone != 1 {
			t.Errorf("done %d times, undone %d times: %+v", l.done, l.undone, all)
		}
		got := l.Troubles()
		if len(got) != 1 || got[0].Text != "not recovered within 5m of exec: cpu is not back to normal; not recovered within 5m of rollback of exec: cpu is not back to normal" {
			t.Errorf("troubles %+v", got)
		}
		if n := testutil.ToFloat64(l.metrics.success.WithLabelValues("restart-pod", "restart")); n != 0 {
			t.Errorf("success ratio %v", n)
		}
		if l.after(time.Hour); len(l.Troubles()) != 0 {
			t.Error("the trouble never ends")
		}
	})
}

// What says nothing is no success, is not taken back, and is a person's to find out.
func TestNobodyCanTellWithoutSamples(t *testing.T) {
	for name, change := range map[string]func(*lab){
		"no samples come any more": func(l *lab) {
			l.sights = func(started, _ time.Time) []Sight { return []Sight{{Series: "cpu", Heard: started}} }
		},
		"nothing is known":    func(l *lab) { l.sights = func(_, _ time.Time) []Sight { return nil } },
		"it cannot be looked": func(l *lab) { l.sights = nil },
		"normal only as nobody speaks": func(l *lab) {
			l.sights = func(started, _ time.Time) []Sight {
				return []Sight{{Series: "cpu", Heard: started, Normal: started.Add(time.Second)}}
			}
		},
		"blind meanwhile": func(l *lab) {
			l.sights = normalAfter(time.Second)
			l.o.Blindness = func() foreshock.Blindness {
				if l.began.IsZero() {
					return foreshock.Blindness{}
				}
				return foreshock.Blindness{Since: l.began, Why: "no samples come"}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, odd)
				change(l)
				l.begin()
				defer l.Close(context.Background())
				l.fire("a")
				if e := l.after(6 * time.Minute)[0]; e.Outcome != "" {
					t.Errorf("samples may be late, but it says %+v", e)
				}
				e := l.after(time.Minute + 3*time.Second)[0]
				if e.Outcome != outcomeCannotTell || !strings.HasPrefix(e.Verdict, "cannot tell whether exec helped: ") {
					t.Errorf("it says %+v", e)
				}
				if got := l.Troubles(); len(got) != 1 || got[0].Text != e.Verdict || l.undone != 0 {
					t.Errorf("troubles %+v, undone %d times", got, l.undone)
				}
			})
		})
	}
}

// An alert of somebody else's has no series that are known here.
func TestTheAlertOfAnotherCannotBeVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, normalAfter(0))
		l.begin()
		defer l.Close(context.Background())
		a := l.an("a")
		a.Annotations.Incident = "../../etc/passwd"
		l.deliver(a)
		if e := l.after(3 * time.Second)[0]; e.Outcome != outcomeCannotTell || e.Incident != "" {
			t.Errorf("it says %+v", e)
		}
	})
}

func TestNobodyLooksWhereNobodyIsAskedTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, odd)
		l.o.Config.Actions[0].Verify = &VerifyConfig{}
		l.begin()
		defer l.Close(context.Background())
		l.fire("a")
		if e := l.after(time.Hour)[0]; e.Verify != nil || e.Outcome != "" || e.words() != "exec ran; nobody looks whether it helped" {
			t.Errorf("it says %+v", e)
		}
	})
}

// A rollback is an action, and no ceiling is lifted for it.
func TestARollbackIsRefusedAtTheCeiling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, odd)
		l.o.Config.MaxPerHour = 1
		l.begin()
		defer l.Close(context.Background())
		l.fire("a")
		all := l.after(6 * time.Minute)
		if len(all) != 2 || all[0].State != stateRefused || l.undone != 0 || len(l.undo) != 0 {
			t.Fatalf("undone %d times: %+v", l.undone, all)
		}
		if got := l.Troubles(); len(got) != 1 || !strings.HasSuffix(got[0].Text, "; rollback of exec refused: the rule acted 1 times within the hour") {
			t.Errorf("troubles %+v", got)
		}
	})
}

// A process that dies while it watches: its successor goes on, by samples, and knows no
// way to take anything back.
func TestWatchingGoesOnAfterACrash(t *testing.T) {
	for name, tc := range map[string]struct {
		sights  func(started, now time.Time) []Sight
		want    string
		trouble bool
	}{
		"it helped":          {normalAfter(2 * time.Minute), outcomeRecovered, false},
		"it did not":         {odd, outcomeNotRecovered, true},
		"nobody can tell":    {func(_, _ time.Time) []Sight { return nil }, outcomeCannotTell, true},
		"samples are missed": {func(started, _ time.Time) []Sight { return []Sight{{Series: "cpu", Heard: started}} }, outcomeCannotTell, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, odd)
				l.begin()
				l.fire("a")
				l.after(time.Minute)
				// What is on disk at this instant is what a power failure would leave.
				crashed := filepath.Join(t.TempDir(), "ledger")
				if err := os.CopyFS(crashed, os.DirFS(l.o.Dir)); err != nil {
					t.Fatal(err)
				}
				if err := l.Close(context.Background()); err != nil {
					t.Fatal(err)
				}
				l.o.Dir, l.sights = crashed, tc.sights
				l.begin()
				defer l.Close(context.Background())
				e := l.after(10 * time.Minute)
				if len(e) != 1 || e[0].Outcome != tc.want || l.done != 1 || l.undone != 0 {
					t.Errorf("done %d times, undone %d times: %+v", l.done, l.undone, e)
				}
				if got := l.Troubles(); len(got) > 0 != tc.trouble {
					t.Errorf("troubles %+v", got)
				}
			})
		})
	}
}

// After a long time away the samples that waited for us are waited for.
func TestSamplesThatWaitedAreHeardFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, odd)
		l.begin()
		l.fire("a")
		if err := l.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		up := time.Now()
		l.o.Watch = func(context.Context, string) ([]Sight, error) {
			switch up := time.Since(up); {
			case up < 5*time.Minute:
				return nil, ErrNotYet // a long log is replayed
			case up < 5*time.Minute+50*time.Second:
				return []Sight{{Series: "cpu", Heard: l.began}}, nil
			}
			return normalAfter(30*time.Second)(l.began, time.Now()), nil
		}
		l.begin()
		defer l.Close(context.Background())
		if e := l.after(6 * time.Minute)[0]; e.Outcome != outcomeRecovered || e.Verdict != "recovered 30 s after exec" {
			t.Errorf("it says %+v", e)
		}
	})
}

// A rollback that was decided about and not begun when the process ended is not made up
// by the next.
func TestARollbackNobodyRemembersIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, odd)
		l.begin()
		l.fire("a")
		l.after(time.Minute)
		l.Remediation.mu.Lock()
		e := l.ledger.entries[0]
		e.Outcome, e.OutcomeAt = outcomeNotRecovered, l.now()
		back, ok := l.rollback(e)
		err := l.ledger.write(page{Entries: []entry{e, back}})
		l.Remediation.mu.Unlock()
		if err := errors.Join(err, l.Close(context.Background())); err != nil || !ok {
			t.Fatal(ok, err)
		}
		l.begin()
		defer l.Close(context.Background())
		all := l.after(3 * time.Second)
		if len(all) != 2 || all[0].State != stateRefused || !strings.Contains(all[0].Reason, "started anew") || l.undone != 0 {
			t.Errorf("undone %d times: %+v", l.undone, all)
		}
	})
}

func TestVerificationThatMakesNoSense(t *testing.T) {
	c := DefaultConfig()
	run := DefaultExecConfig()
	run.Command = []string{"/bin/true"}
	c.Actions = []ActionConfig{{Name: "x", Exec: &run, Verify: &VerifyConfig{Within: model.Duration(2 * time.Hour), Stay: -1}}}
	want := "remediation.actions[0].verify.within: must be from 0s to 1h, got 2h\nremediation.actions[0].verify.stay: must be from 0s to 1h, got "
	if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}
