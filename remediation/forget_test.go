package remediation

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/foreshock/foreshock/rules"
)

// Months of suggestions cost a month of room, and what was forgotten is never acted
// on, even by a clock that was put back.
func TestForgottenEpisodeIsNeverTreated(t *testing.T) {
	w := newWorld(t, Auto)
	old := w.an("a")
	w.deliver(old)
	w.become(stateSucceeded)
	w.later(20 * 24 * time.Hour)
	young := w.an("b")
	w.deliver(young)
	w.become(stateSucceeded)
	w.later(20 * 24 * time.Hour)
	w.stop()
	w.start()
	if l := w.plans(); len(l) != 1 || l[0].Plan.Target != "b" {
		t.Errorf("listed after 40 days: %+v", l)
	}
	if got := testutil.ToFloat64(w.metrics.forgotten); got != 1 || len(w.ledger.seen) != 1 {
		t.Errorf("%v forgotten, %d remembered", got, len(w.ledger.seen))
	}
	for _, back := range []time.Duration{0, -40 * 24 * time.Hour} {
		w.later(back)
		w.deliver(old, young)
		w.stop()
		w.start()
	}
	w.eventually("the forgotten one is refused", func(l []entry) bool {
		return len(l) == 2 && l[0].State == stateRefused && l[0].Plan.Target == "a"
	})
	w.called(2)
}

// What is listed no more, and how often a rule acted, outlive the rewriting too.
func TestRewrittenLedgerStillKnows(t *testing.T) {
	w := newWorld(t, Suggest)
	w.deliver(w.an("a"))
	w.later(31 * 24 * time.Hour)
	var first alert
	for i := range history + 10 {
		a := w.an("a")
		a.Labels["n"] = fmt.Sprint(i)
		if i == 0 {
			first = a
		}
		w.deliver(a)
	}
	o := w.o
	o.Config.Mode = Auto
	w.reload(o)
	w.resume()
	w.deliver(w.an("b"), w.an("c"), w.an("d"))
	w.eventually("three acted", func(l []entry) bool {
		return l[0].State == stateSucceeded && l[1].State == stateSucceeded && l[2].State == stateSucceeded
	})
	w.o = o
	w.stop()
	w.start() // rewrites
	if got := testutil.ToFloat64(w.metrics.forgotten); got != 1 {
		t.Errorf("%v forgotten", got)
	}
	w.stop()
	w.start() // reads what was rewritten
	if len(w.ledger.seen) != history+10+3 || len(w.plans()) != history {
		t.Errorf("%d remembered, %d listed", len(w.ledger.seen), len(w.plans()))
	}
	w.deliver(first, w.an("e"))
	if e := w.become(stateRefused); e.Plan.Target != "e" {
		t.Errorf("refused %+v", e)
	}
	w.called(3)
}

// A process that is never restarted forgets too.
func TestForgetsWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t}
		o := Options{Config: DefaultConfig(), Dir: t.TempDir(), Remedies: []*rules.Remedy{restart}}
		o.Now = func() time.Time { return time.Now().Add(time.Duration(w.clock.Load())) }
		o.Config.WebhookToken = token
		hook := DefaultWebhookConfig()
		hook.URL = "http://localhost/never"
		o.Config.Actions = []ActionConfig{{Name: "restart", Targets: []string{"a"}, Webhook: &hook}}
		r, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		go r.Run()
		w.Remediation = r
		defer w.stop()
		w.deliver(w.an("a"))
		for _, want := range []int{1, 0} {
			time.Sleep(25 * time.Hour)
			synctest.Wait()
			if got := len(w.plans()); got != want {
				t.Errorf("%d listed, want %d", got, want)
			}
			w.later(30 * 24 * time.Hour)
		}
	})
}
