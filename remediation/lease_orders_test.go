package remediation

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// leased starts a world anew as one of the replicas that share a lease.
func leased(w *world, lease *LeaseConfig) {
	w.t.Helper()
	w.stop()
	w.o.Config.SingleInstance, w.o.Config.Lease = false, lease
	w.start()
}

// inNATS is a lease in a real server there.
func inNATS(address string) *LeaseConfig {
	c := DefaultNATSLeaseConfig()
	c.URL = "nats://" + address
	return &LeaseConfig{NATS: &c}
}

// replicas are two worlds in that mode with a lease in NATS, of which the first holds it.
func replicas(t *testing.T, mode Mode) (holder, other *world) {
	t.Helper()
	address := freeAddress(t)
	startNATS(t, address)
	return sharing(t, inNATS(address), mode)
}

// sharing are two worlds that share a lease, of which the first holds it.
func sharing(t *testing.T, lease *LeaseConfig, mode Mode) (holder, other *world) {
	t.Helper()
	holder, other = newWorld(t, mode), newWorld(t, mode)
	leased(holder, lease)
	holder.holds()
	leased(other, lease)
	other.eventually("the other knows who holds it", func([]entry) bool { return other.lease.elsewhere() != "" })
	return holder, other
}

func (w *world) holds() {
	w.t.Helper()
	w.eventually("it holds the lease", func([]entry) bool { return w.lease.holds() })
}

func (w *world) isPaused(by string) {
	w.t.Helper()
	w.eventually("it is paused by "+by, func([]entry) bool { return strings.HasPrefix(w.standing(true).Paused, "paused by "+by+" at ") })
}

func (w *world) acts() {
	w.t.Helper()
	w.eventually("it is not paused", func([]entry) bool { return w.standing(true).Paused == "" })
}

// A pause that a person gives any replica stops the one that acts at once, outlives it with
// the lease, is known to one that was not there, and ends for all by one word.
func TestPauseReachesAllReplicas(t *testing.T) {
	pauseReachesAll(replicas(t, Auto))
}

// The same with the Lease of a real API server.
func TestPauseReachesAllReplicasWithKubernetes(t *testing.T) {
	pauseReachesAll(sharing(t, inKubernetes(t), Auto))
}

func pauseReachesAll(holder, other *world) {
	t := holder.t
	if err := other.Pause("jane", "a migration"); err != nil {
		t.Fatal(err)
	}
	holder.deliver(holder.an("a")) // before it can have looked by itself
	holder.refused(refusedPaused, "paused by jane at ")
	holder.isPaused("jane")

	holder.stop() // and gives the lease back
	other.holds()
	other.deliver(other.an("b"))
	other.refused(refusedPaused, "a migration")
	third := newWorld(t, Auto)
	leased(third, other.o.Config.Lease)
	third.isPaused("jane")

	holder.start()
	holder.isPaused("jane") // by its own ledger
	if err := third.Resume("joe", "done"); err != nil {
		t.Fatal(err)
	}
	for _, w := range []*world{holder, other, third} {
		w.acts()
	}
	other.deliver(other.an("c"))
	other.become(stateSucceeded)

	// A file is a person's word too. Where it lies, it pauses until a person removes it.
	if err := os.WriteFile(third.killSwitch.file, []byte("it burns\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	holder.isPaused("the file paused")
	if err := other.Resume("joe", "I see no fire"); err != nil {
		t.Fatal(err)
	}
	third.isPaused("the file paused")
	if err := third.Resume("joe", "it was smoke"); err != nil {
		t.Fatal(err)
	}
	for _, w := range []*world{holder, other, third} {
		w.acts()
	}
	if n := holder.calls.Load() + other.calls.Load() + third.calls.Load(); n != 1 {
		t.Errorf("%d actions, want 1", n)
	}
}

// Where the others cannot be told, the person is, the pause holds here, and they are told as
// soon as they can be, even by the next process. Nobody resumes alone.
func TestPauseIsSharedOnceThatIsPossible(t *testing.T) {
	address := freeAddress(t)
	w := newWorld(t, Auto)
	leased(w, inNATS(address))
	if err := w.Resume("joe", ""); err == nil || !strings.Contains(err.Error(), "still paused, since the other replicas cannot be told") {
		t.Errorf("resumed alone: %v", err)
	}
	if err := w.Pause("jane", "a migration"); err == nil || !strings.Contains(err.Error(), "the other replicas cannot be told") {
		t.Errorf("paused alone: %v", err)
	}
	if why := w.standing(true).Paused; !strings.Contains(why, "of which the others do not know yet: a migration") {
		t.Errorf("paused: %q", why)
	}
	w.stop()
	w.start()
	w.isPaused("jane")
	startNATS(t, address)
	w.eventually("the others can know", func([]entry) bool { return w.lease.order().Verb == verbPause })
	other := newWorld(t, Auto)
	leased(other, w.o.Config.Lease)
	other.isPaused("jane")
	if err := other.Resume("joe", ""); err != nil {
		t.Fatal(err)
	}
	w.acts()
}

// What is wrong with one replica is no reason for the other to stop, and nobody's word at the
// other ends it.
func TestOwnTroubleIsNotShared(t *testing.T) {
	holder, other := replicas(t, Auto)
	o := order{Verb: verbPause, By: "foreshock", Reason: "the ledger was found damaged", At: holder.now()}
	holder.killSwitch.thrown.Store(&o)
	if err := holder.share(); err != nil {
		t.Fatal(err)
	}
	if o := holder.lease.order(); o.Verb == verbPause {
		t.Errorf("told the other: %s", o)
	}
	if err := other.Resume("joe", ""); err != nil {
		t.Fatal(err)
	}
	holder.eventually("it has read of it", func([]entry) bool { return holder.lease.order().By == "joe" })
	holder.heed()
	holder.isPaused("foreshock")
}

// A person decides at the replica that acts; the other one says which that is.
func TestTheHolderIsAsked(t *testing.T) {
	holder, other := replicas(t, Approve)
	a := holder.an("a")
	holder.deliver(a)
	other.deliver(a)
	e := other.become(stateWaiting)
	for _, verb := range []string{"approve", "deny"} {
		rec := other.send(http.MethodPost, "/api/v1/remediations/"+e.ID+"/"+verb, "Bearer "+approvalToken, fmt.Sprintf(`{"hash": %q, "approver": "jane"}`, e.Hash))
		if want := "replica " + holder.lease.name() + " holds the lease"; rec.Code != http.StatusConflict || !strings.Contains(rec.Body.String(), want) {
			t.Errorf("%s: %d %s, want %s", verb, rec.Code, rec.Body, want)
		}
	}
	other.become(stateWaiting)
	e = holder.become(stateWaiting)
	if status := holder.decide(e, "approve", e.Hash); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	holder.become(stateSucceeded)
}

// What the store holds that no replica wrote is no order, and a long one is cut.
func TestOrdersThatNobodyGave(t *testing.T) {
	w := newWorld(t, Auto)
	w.stop()
	r, err := New(w.o) // which does not run, so that nobody asks the store
	if err != nil {
		t.Fatal(err)
	}
	r.lease = inProcess(&flaky{}, "a")
	for _, o := range []order{
		{Verb: verbClose, By: "eve", From: "b", Shared: true, At: r.now()},
		{Verb: "PAUSE", By: "eve", From: "b", Shared: true, At: r.now()},
		{Verb: verbResume, By: "eve", Shared: true, At: r.now()},
		{Verb: verbPause, By: "eve", From: "b", At: r.now()},
	} {
		r.lease.last.Order = o
		r.hear()
		if paused := r.killSwitch.thrown.Load(); paused != nil || r.ledger.heard.Verb != "" {
			t.Errorf("obeyed %+v", o)
		}
	}
	r.lease.last.Order = order{Verb: verbPause, By: strings.Repeat("e", 1<<20), Reason: strings.Repeat("r", 1<<20), From: "b", Shared: true, At: r.now()}
	r.hear()
	if o := r.killSwitch.thrown.Load(); o == nil || len(o.By) != maxApprover || len(o.Reason) != maxReason {
		t.Errorf("obeyed %+v", o)
	}
	r.lease = nil
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A Lease of Kubernetes keeps the order in an annotation, whoever prolongs it.
func TestKubernetesLeaseKeepsTheOrder(t *testing.T) {
	r := leaseRecord{version: "7", Holder: "a", Term: 3, Order: order{
		Verb: verbPause, By: "jane", Reason: `it "burns"`, At: time.Unix(1700000000, 123456789).UTC(), From: "b", Shared: true,
	}}
	var sent, stored leaseObject
	if err := sent.setRecord(r); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(sent)
	if err == nil {
		err = json.Unmarshal(text, &stored)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, err := stored.record(); err != nil || got != r {
		t.Errorf("got %+v, %v, want %+v", got, err, r)
	}
	stored.Metadata.Annotations[leaseOrder] = "{"
	if _, err := stored.record(); err == nil || !strings.Contains(err.Error(), leaseOrder) {
		t.Errorf("a broken order: %v", err)
	}
}

// Once a person was told that all are paused, no replica starts anything, whichever of them
// was told, is stopped for a minute or cannot reach the store now and then.
func TestNobodyActsPastAPause(t *testing.T) {
	before, after := 0, 0
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			store := &flaky{rng: rand.New(rand.NewPCG(seed, 2)), notes: map[string]claim{}}
			rng := rand.New(rand.NewPCG(seed, 3))
			var paused atomic.Bool
			var acts [2]atomic.Int64
			var all []*elector
			closing := make(chan struct{})
			var running sync.WaitGroup
			for n := range 3 {
				l := inProcess(store, fmt.Sprint("replica-", n))
				all = append(all, l)
				stopped := rand.New(rand.NewPCG(seed, uint64(n)))
				running.Go(func() {
					l.run(closing, func() {
						if stopped.IntN(15) == 0 {
							time.Sleep(time.Duration(stopped.IntN(60_000)) * time.Millisecond)
						}
					})
				})
				running.Go(func() {
					for episode := 0; ; episode++ {
						select {
						case <-closing:
							return
						case <-time.After(time.Second):
						}
						toldBefore := paused.Load()
						p := plan{Rule: "r", Target: fmt.Sprint(n, "-", episode), StartsAt: time.Now()}
						if l.admit(0) != nil {
							continue
						}
						_, err := l.fence(t.Context(), entry{ID: p.id(), Plan: p, CreatedAt: time.Now()}, time.Now())
						if err != nil || l.order().Verb == verbPause {
							continue
						}
						if toldBefore {
							acts[1].Add(1)
						} else {
							acts[0].Add(1)
						}
					}
				})
			}
			time.Sleep(time.Duration(60+rng.IntN(60)) * time.Second)
			o := order{Verb: verbPause, By: "jane", At: time.Now(), From: "replica-0", Shared: true}
			for all[rng.IntN(3)].tell(t.Context(), o) != nil {
				time.Sleep(time.Second)
			}
			paused.Store(true)
			time.Sleep(2 * time.Minute)
			close(closing)
			running.Wait()
			before, after = before+int(acts[0].Load()), after+int(acts[1].Load())
		})
	}
	if after > 0 || before < 400 { // 20 seeds × 60 s, most of them with a replica there
		t.Errorf("%d actions before the pause, %d after it", before, after)
	}
}

// What a crash interrupted, and may be repeated, is repeated by the very replica that began
// it, once the lease is its again: the claim is its own, and counts once. Another replica
// does not know that it was interrupted, and does not repeat it.
func TestInterruptedIsRepeatedUnderTheLease(t *testing.T) {
	address := freeAddress(t)
	startNATS(t, address)
	idempotent := func(c *Config) {
		hook := *c.Actions[0].Webhook
		hook.Idempotent = true
		c.Actions = []ActionConfig{{Name: "restart", Targets: c.Actions[0].Targets, Webhook: &hook}}
		c.Cooldown, c.MaxPerHour = minutesOf(10), 2
	}
	w, other := newWorld(t, Auto), newWorld(t, Auto)
	w.with(idempotent)
	w.later(2 * time.Minute) // its clocks are ahead, and its process is older than a plan may be
	leased(w, inNATS(address))
	began, finish := make(chan struct{}, 2), make(chan struct{})
	w.answer(func(http.ResponseWriter, *http.Request) { began <- struct{}{}; <-finish })
	a := w.an("a")
	w.deliver(a)
	<-began
	w.become(stateRunning)
	crashed := w.onDisk()
	close(finish)
	if err := w.Close(context.Background()); err != nil { // the claim stays
		t.Fatal(err)
	}

	other.with(func(c *Config) { idempotent(c); c.Cooldown = 0 }) // or it would be refused for that
	leased(other, inNATS(address))
	other.holds()
	other.deliver(a)
	other.refused(refusedLease, "has claimed it")
	other.stop()

	w.o.Dir = crashed
	w.start()
	if e := w.become(stateSucceeded); e.Attempts != 2 || e.Fencing.Term != 3 {
		t.Errorf("recorded %+v", e)
	}
	w.called(2)
	other.called(0)
}
