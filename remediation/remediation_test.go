package remediation

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"github.com/foreshock/foreshock/rules"
)

const (
	token         = "canary-webhook-token"
	approvalToken = "canary-approval-token"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		victim(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// world is a Remediation with an action that calls a real server.
type world struct {
	*Remediation
	t       *testing.T
	o       Options
	calls   atomic.Int64
	respond atomic.Pointer[http.HandlerFunc]
	clock   atomic.Int64 // ns, added to the real time
	set     atomic.Int64 // ns, added to the wall clock alone
}

// restart is the remedy of every world: it calls the action "restart" on the target
// that the alert's label pod selects.
var restart = &rules.Remedy{
	Name:   "restart-pod",
	Match:  []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "remediation", "restart")},
	Action: "restart",
	Target: "pod",
}

// newWorld starts a Remediation in the mode and ends it with the test.
func newWorld(t *testing.T, mode Mode) *world {
	t.Helper()
	w := &world{t: t}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		w.calls.Add(1)
		if f := w.respond.Load(); f != nil {
			(*f)(rw, req)
		}
	}))
	t.Cleanup(server.Close)
	hook := DefaultWebhookConfig()
	hook.URL = promconfig.Secret(server.URL)
	c := DefaultConfig()
	c.Mode, c.WebhookToken, c.ApprovalToken = mode, token, approvalToken
	// Guards have tests of their own; elsewhere they stand aside.
	c.Cooldown, c.BlastRadius = 0, 1
	c.Actions = []ActionConfig{{Name: "restart", Targets: []string{"a", "b", "c", "d", "e"}, Webhook: &hook}}
	w.o = Options{
		Config:   c,
		Remedies: []*rules.Remedy{restart},
		Dir:      filepath.Join(t.TempDir(), "ledger"),
		Now:      func() time.Time { return time.Now().Add(time.Duration(w.clock.Load() + w.set.Load())) },
		Uptime:   func() time.Duration { return time.Since(born) + time.Duration(w.clock.Load()) },
	}
	w.start()
	if mode == Auto {
		w.resume()
	}
	return w
}

var born = time.Now()

func (w *world) resume() {
	w.t.Helper()
	if err := w.Resume("jane", "the tests begin"); err != nil {
		w.t.Fatal(err)
	}
}

// start begins a new process' life over the same ledger.
func (w *world) start() {
	w.t.Helper()
	r, err := New(w.o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Remediation = r
	go r.Run()
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			w.t.Error(err)
		}
	})
}

func (w *world) stop() {
	w.t.Helper()
	if err := w.Close(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) reload(o Options) {
	w.t.Helper()
	commit, err := w.Prepare(o.Config, o.Remedies)
	if err != nil {
		w.t.Fatal(err)
	}
	commit()
}

func (w *world) later(d time.Duration) { w.clock.Add(int64(d)) }

// an is an alert on the pod, firing since a minute before now.
func (w *world) an(pod string) alert {
	return alert{
		Status:   "firing",
		Labels:   map[string]string{"alertname": "Stuck", "remediation": "restart", "pod": pod},
		StartsAt: w.now().Add(-time.Minute).UTC(),
	}
}

func (a alert) resolvedAt(at time.Time) alert {
	a.Status, a.EndsAt = "resolved", at
	return a
}

// deliver posts the alerts as Alertmanager does and returns the status.
func (w *world) deliver(alerts ...alert) int {
	w.t.Helper()
	return w.post(w.Webhook(), "/api/v1/alertmanager/webhook", body(w.t, alerts...), nil)
}

func body(t testing.TB, alerts ...alert) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{
		"version": "4", "status": "firing", "receiver": "foreshock", "groupKey": `{}:{alertname="Stuck"}`,
		"alerts": alerts, "notification_reason": "new alerts", "routeLabels": map[string]string{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (w *world) post(h http.Handler, path, body string, answer any) int {
	w.t.Helper()
	req := httptest.NewRequestWithContext(w.t.Context(), http.MethodPost, path, strings.NewReader(body))
	secret := approvalToken
	if strings.HasSuffix(path, "webhook") || path == "/" {
		secret = token
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	req.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	if answer != nil && rec.Code == http.StatusOK {
		w.data(rec, answer)
	}
	return rec.Code
}

// plans is what the API lists.
func (w *world) plans() []entry {
	w.t.Helper()
	return w.listed("Bearer " + token)
}

// send asks the API as somebody.
func (w *world) send(method, path, authorization, body string) *httptest.ResponseRecorder {
	w.t.Helper()
	req := httptest.NewRequestWithContext(w.t.Context(), method, path, strings.NewReader(body))
	req.Header.Set("Authorization", authorization)
	req.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	w.API().ServeHTTP(rec, req)
	return rec
}

func (w *world) listed(authorization string) []entry {
	w.t.Helper()
	rec := w.send(http.MethodGet, "/api/v1/remediations", authorization, "")
	var l []entry
	w.data(rec, &l)
	return l
}

// data reads the data of a successful answer.
func (w *world) data(rec *httptest.ResponseRecorder, into any) {
	w.t.Helper()
	answer := struct{ Data any }{into}
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
		w.t.Fatal(err)
	}
}

// become waits until the newest plan has the state, and returns it.
func (w *world) become(s state) entry {
	w.t.Helper()
	return w.eventually("the newest plan is "+string(s), func(l []entry) bool { return len(l) > 0 && l[0].State == s })[0]
}

func (w *world) eventually(what string, ok func([]entry) bool) []entry {
	w.t.Helper()
	var l []entry
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if l = w.plans(); ok(l) {
			return l
		}
	}
	w.t.Fatalf("waited in vain until %s: %+v", what, l)
	return nil
}

func (w *world) decide(e entry, verb, hash string) int {
	w.t.Helper()
	return w.post(w.API(), "/api/v1/remediations/"+e.ID+"/"+verb, fmt.Sprintf(`{"hash": %q, "approver": "jane"}`, hash), nil)
}

func (w *world) called(want int64) {
	w.t.Helper()
	if got := w.calls.Load(); got != want {
		w.t.Errorf("the action ran %d times, want %d", got, want)
	}
}

func TestAutoActsOnTheSelectedTarget(t *testing.T) {
	w := newWorld(t, Auto)
	var got atomic.Value
	w.answer(func(rw http.ResponseWriter, req *http.Request) {
		b, _ := io.ReadAll(req.Body)
		got.Store(string(b))
		fmt.Fprint(rw, "restarted")
	})
	a := w.an("b")
	if status := w.deliver(a); status != http.StatusOK {
		t.Fatal(status)
	}
	e := w.become(stateSucceeded)
	if e.Output != "restarted" || e.Plan.Target != "b" || e.StartedAt.IsZero() || e.FinishedAt.Before(e.StartedAt) {
		t.Errorf("recorded %+v", e)
	}
	var p plan
	if err := json.Unmarshal([]byte(got.Load().(string)), &p); err != nil {
		t.Fatal(err)
	}
	if p.Target != "b" || p.Rule != "restart-pod" || !p.StartsAt.Equal(a.StartsAt) || !maps.Equal(p.Labels, a.Labels) {
		t.Errorf("the action was told %+v", p)
	}
}

func (w *world) answer(f http.HandlerFunc) { w.respond.Store(&f) }

func TestFailureIsRecordedAndNotTriedAgain(t *testing.T) {
	w := newWorld(t, Auto)
	w.answer(func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "no such pod", http.StatusTeapot) })
	w.deliver(w.an("a"))
	e := w.become(stateFailed)
	if e.Reason != "answered 418 I'm a teapot" || !strings.Contains(e.Output, "no such pod") {
		t.Errorf("recorded %+v", e)
	}
	w.deliver(w.an("a"))
	w.called(1)
}

// Three Alertmanagers, retries and repeat intervals: the same alert a hundred times,
// at once and again after a restart, is one execution.
func TestOnceForAHundredDuplicates(t *testing.T) {
	w := newWorld(t, Auto)
	a := w.an("a")
	storm := func() {
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if status := w.deliver(a, a); status != http.StatusOK {
					t.Errorf("status %d", status)
				}
			})
		}
		wg.Wait()
	}
	storm()
	w.become(stateSucceeded)
	w.called(1)
	w.stop()
	w.start()
	storm()
	w.called(1)
	if l := w.plans(); len(l) != 1 || l[0].State != stateSucceeded {
		t.Errorf("listed %+v", l)
	}
}

// The pair of Prometheus servers disagrees by some seconds about when the alert
// began, and Alertmanager moves the beginning back: it is the same episode.
func TestBeginningMovedBackIsTheSameEpisode(t *testing.T) {
	w := newWorld(t, Auto)
	a := w.an("a")
	w.deliver(a)
	w.become(stateSucceeded)
	a.StartsAt = a.StartsAt.Add(-7 * time.Second)
	w.deliver(a)
	w.called(1)
}

func TestNextEpisodeIsTreatedAgain(t *testing.T) {
	w := newWorld(t, Auto)
	w.deliver(w.an("a"))
	w.become(stateSucceeded)
	w.later(10 * time.Minute)
	w.deliver(w.an("a"))
	w.eventually("both episodes were treated", func(l []entry) bool {
		return len(l) == 2 && l[0].State == stateSucceeded && l[0].ID != l[1].ID
	})
	w.called(2)
}

func TestSuggestAndOffNeverAct(t *testing.T) {
	for mode, plans := range map[Mode]int{Suggest: 1, Off: 0} {
		w := newWorld(t, mode)
		for range 2 {
			if status := w.deliver(w.an("a")); status != http.StatusOK {
				t.Errorf("%s: status %d", mode, status)
			}
		}
		l := w.plans()
		if len(l) != plans || plans == 1 && l[0].State != stateSuggested {
			t.Errorf("%s: listed %+v", mode, l)
		}
		w.called(0)
	}
}

// An empty set must never mean everything.
func TestTargetIsOneOfTheConfiguredOrNone(t *testing.T) {
	for name, set := range map[string]func(map[string]string){
		"missing":  func(ls map[string]string) { delete(ls, "pod") },
		"empty":    func(ls map[string]string) { ls["pod"] = "" },
		"unlisted": func(ls map[string]string) { ls["pod"] = "prod-db" },
		"pattern":  func(ls map[string]string) { ls["pod"] = ".*" },
		"list":     func(ls map[string]string) { ls["pod"] = "a,b" },
		"case":     func(ls map[string]string) { ls["pod"] = "A" },
		"space":    func(ls map[string]string) { ls["pod"] = "a " },
		"flag":     func(ls map[string]string) { ls["pod"] = "--all" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Auto)
			a := w.an("a")
			set(a.Labels)
			w.deliver(a)
			if e := w.become(stateRefused); e.Plan.Target != "" || e.Reason == "" {
				t.Errorf("recorded %+v", e)
			}
			w.called(0)
		})
	}
	t.Run("null", func(t *testing.T) {
		w := newWorld(t, Auto)
		w.post(w.Webhook(), "/", strings.Replace(body(t, w.an("a")), `"pod":"a"`, `"pod":null`, 1), nil)
		w.become(stateRefused)
		w.called(0)
	})
}

func TestAlertsThatNoRemedyMatchesLeaveNoTrace(t *testing.T) {
	w := newWorld(t, Auto)
	a := w.an("a")
	a.Labels["remediation"] = "other"
	if status := w.deliver(a); status != http.StatusOK {
		t.Error(status)
	}
	if l := w.plans(); len(l) != 0 {
		t.Errorf("listed %+v", l)
	}
}

func TestApprovalActsOnce(t *testing.T) {
	w := newWorld(t, Approve)
	w.deliver(w.an("a"))
	e := w.become(stateWaiting)
	w.called(0)
	if status := w.decide(e, "approve", "0"+e.Hash[1:]+"0"); status != http.StatusConflict {
		t.Errorf("another plan's hash: status %d", status)
	}
	if status := w.decide(entry{ID: "nonsense"}, "approve", e.Hash); status != http.StatusNotFound {
		t.Errorf("another plan's id: status %d", status)
	}
	if status := w.decide(e, "approve", e.Hash); status != http.StatusOK {
		t.Fatalf("approval: status %d", status)
	}
	if done := w.become(stateSucceeded); done.Approver != "jane" {
		t.Errorf("recorded %+v", done)
	}
	for _, verb := range []string{"approve", "deny"} {
		if status := w.decide(e, verb, e.Hash); status != http.StatusConflict {
			t.Errorf("%s again: status %d", verb, status)
		}
	}
	w.called(1)
}

func TestDenialAndSilenceAreNo(t *testing.T) {
	w := newWorld(t, Approve)
	w.deliver(w.an("a"))
	w.decide(w.become(stateWaiting), "deny", w.plans()[0].Hash)
	if e := w.become(stateCancelled); e.Reason != "denied" || e.Approver != "jane" {
		t.Errorf("recorded %+v", e)
	}
	w.deliver(w.an("b"))
	e := w.become(stateWaiting)
	w.later(16 * time.Minute)
	if status := w.decide(e, "approve", e.Hash); status != http.StatusConflict {
		t.Errorf("approved after its time: status %d", status)
	}
	w.become(stateExpired)
	w.called(0)
}

// An approval outlives a restart; the time it has does not start again.
func TestWaitingOutlivesARestart(t *testing.T) {
	w := newWorld(t, Approve)
	w.deliver(w.an("a"))
	before := w.become(stateWaiting)
	w.stop()
	w.start()
	after := w.become(stateWaiting)
	if !after.ExpiresAt.Equal(before.ExpiresAt) || after.Hash != before.Hash {
		t.Errorf("was %+v, is %+v", before, after)
	}
	w.decide(after, "approve", after.Hash)
	w.become(stateSucceeded)
	w.called(1)
}

// Somebody approved a call to one URL; the reload made it another.
func TestApprovalDoesNotOutliveAnotherConfiguration(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"another URL": func(o *Options) {
			hook := *o.Config.Actions[0].Webhook
			hook.URL += "/other"
			o.Config.Actions[0].Webhook = &hook
		},
		"another body": func(o *Options) {
			hook := *o.Config.Actions[0].Webhook
			hook.Body = `{"force": true}`
			o.Config.Actions[0].Webhook = &hook
		},
		"no such target":  func(o *Options) { o.Config.Actions[0].Targets = []string{"b"} },
		"no such rule":    func(o *Options) { o.Remedies = nil },
		"mode is suggest": func(o *Options) { o.Config.Mode = Suggest },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Approve)
			w.deliver(w.an("a"))
			e := w.become(stateWaiting)
			o := w.o
			o.Config.Actions = slices.Clone(o.Config.Actions)
			change(&o)
			w.reload(o)
			w.decide(e, "approve", e.Hash)
			if e := w.become(stateRefused); e.Reason == "" {
				t.Error("refused without a reason")
			}
			w.called(0)
		})
	}
}

func TestResolvedCancelsWhatHasNotStarted(t *testing.T) {
	w := newWorld(t, Approve)
	a := w.an("a")
	w.deliver(a)
	w.become(stateWaiting)

	// The end of the previous episode, delivered late, and a truncated list without
	// the alert say nothing about this one.
	w.deliver(a.resolvedAt(a.StartsAt.Add(-time.Hour)))
	w.post(w.Webhook(), "/", `{"version":"4","status":"resolved","alerts":[],"truncatedAlerts":7}`, nil)
	w.deliver(w.an("b").resolvedAt(w.now()))
	e := w.become(stateWaiting)

	w.deliver(a.resolvedAt(w.now()))
	w.become(stateCancelled)
	if status := w.decide(e, "approve", e.Hash); status != http.StatusConflict {
		t.Errorf("approved after the end: status %d", status)
	}
	w.called(0)
}

func TestFiringAndResolvedInOneBodyIsNothing(t *testing.T) {
	w := newWorld(t, Auto)
	a := w.an("a")
	w.deliver(a, a.resolvedAt(w.now()), a.resolvedAt(w.now()))
	if l := w.plans(); len(l) != 1 || l[0].State != stateCancelled {
		t.Errorf("listed %+v", l)
	}
	w.called(0)
}

func TestCeilingPerRuleAndHour(t *testing.T) {
	w := newWorld(t, Auto)
	treated := func(n int, s state) {
		t.Helper()
		w.eventually(fmt.Sprintf("%d are %s", n, s), func(l []entry) bool {
			return len(slices.DeleteFunc(l, func(e entry) bool { return e.State != s })) == n
		})
	}
	w.deliver(w.an("a"), w.an("b"), w.an("c"), w.an("d"))
	treated(3, stateSucceeded)
	treated(1, stateRefused)
	w.called(3)

	// The count survives a restart, and the hour passes.
	w.stop()
	w.start()
	w.later(30 * time.Minute)
	w.deliver(w.an("e"))
	treated(2, stateRefused)
	w.called(3)
	w.later(31 * time.Minute)
	w.deliver(w.an("a"))
	treated(4, stateSucceeded)
	w.called(4)
}

func TestQueueIsBounded(t *testing.T) {
	w := newWorld(t, Approve)
	w.o.Config.QueueSize = 2
	w.reload(w.o)
	w.deliver(w.an("a"), w.an("b"), w.an("c"))
	l := w.plans()
	if l[0].State != stateRefused || l[1].State != stateWaiting || l[2].State != stateWaiting {
		t.Errorf("listed %+v", l)
	}
}

func TestReloadIsAllOrNothing(t *testing.T) {
	w := newWorld(t, Auto)
	bad := w.o.Config
	bad.WebhookToken = ""
	if _, err := w.Prepare(bad, w.o.Remedies); err == nil || !strings.Contains(err.Error(), "remediation.mode: must not be auto without") {
		t.Errorf("prepared with %v", err)
	}
	unknown := *restart
	unknown.Action = "reboot"
	if _, err := w.Prepare(w.o.Config, []*rules.Remedy{&unknown}); err == nil {
		t.Error("a rule with an unknown action was prepared")
	}
	// Prepared and not committed, as where another part of the file is refused.
	off := w.o.Config
	off.Mode = Off
	if _, err := w.Prepare(off, nil); err != nil {
		t.Error(err)
	}
	w.deliver(w.an("a"))
	w.become(stateSucceeded)
}

// A plan that waited behind a slow action is about a world of minutes ago.
func TestStalePlanIsRefused(t *testing.T) {
	w := newWorld(t, Auto)
	began, finish := make(chan struct{}, 1), make(chan struct{})
	w.answer(func(http.ResponseWriter, *http.Request) { began <- struct{}{}; <-finish })
	w.deliver(w.an("a"))
	<-began
	w.deliver(w.an("b"))
	w.later(2 * time.Minute)
	close(finish)
	if e := w.become(stateRefused); !strings.Contains(e.Reason, "after it was planned") {
		t.Errorf("reason %q", e.Reason)
	}
	w.called(1)
}

func TestCloseEndsTheActionInTime(t *testing.T) {
	w := newWorld(t, Auto)
	began := make(chan struct{}, 1)
	w.answer(func(_ http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body)
		began <- struct{}{}
		<-req.Context().Done()
	})
	w.deliver(w.an("a"))
	<-began
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	before := time.Now()
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(before); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
	if status := w.deliver(w.an("b")); status != http.StatusServiceUnavailable {
		t.Errorf("status %d after Close", status)
	}
	w.start()
	if e := w.become(stateFailed); !strings.Contains(e.Reason, "it may have acted: foreshock stopped") {
		t.Errorf("reason %q", e.Reason)
	}
}
