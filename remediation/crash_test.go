package remediation

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/tsdb/wlog"

	"github.com/foreshock/foreshock/rules"
)

// A process that dies between the start and the end of an action does not know
// whether it acted. Its successor says so, and does not act.
func TestInterruptedIsUnknownAndNeverRunAgain(t *testing.T) {
	w := newWorld(t, Auto)
	began, finish := make(chan struct{}, 1), make(chan struct{})
	w.answer(func(http.ResponseWriter, *http.Request) { began <- struct{}{}; <-finish })
	a := w.an("a")
	w.deliver(a)
	<-began
	w.become(stateRunning)

	crashed := w.onDisk()
	close(finish)
	w.become(stateSucceeded)
	w.stop()
	w.o.Dir = crashed
	w.start()
	for range 3 {
		if status := w.deliver(a); status != http.StatusOK {
			t.Error(status)
		}
		if e := w.become(stateUnknown); !strings.Contains(e.Reason, "may or may not have acted") {
			t.Errorf("reason %q", e.Reason)
		}
		w.stop()
		w.start()
	}
	w.called(1)
}

// What may be repeated is, once, if the process died in the middle; a second death is the end
// of it.
func TestInterruptedIsRepeatedOnceWhereThatIsTheSame(t *testing.T) {
	w := newWorld(t, Auto)
	w.with(func(c *Config) {
		hook := *c.Actions[0].Webhook
		hook.Idempotent = true
		c.Actions = []ActionConfig{{Name: "restart", Targets: c.Actions[0].Targets, Webhook: &hook}}
		c.Cooldown = minutesOf(10) // its own first start is no reason against the second
	})
	began, finish := make(chan struct{}, 2), make(chan struct{})
	w.answer(func(http.ResponseWriter, *http.Request) { began <- struct{}{}; <-finish })
	crash := func() {
		<-began
		w.become(stateRunning)
		next := filepath.Join(t.TempDir(), "ledger")
		if err := os.CopyFS(next, os.DirFS(w.o.Dir)); err != nil {
			t.Fatal(err)
		}
		old := w.Remediation
		t.Cleanup(func() { old.Close(context.Background()) })
		w.o.Dir = next
	}
	a := w.an("a")
	w.deliver(a)
	crash()
	w.start()
	crash()
	w.start()
	if e := w.become(stateUnknown); e.Attempts != 2 || !strings.Contains(e.Reason, "is not run again") {
		t.Errorf("recorded %+v", e)
	}
	close(finish)
	w.deliver(a)
	w.called(2)
}

// What may be repeated is not repeated late, or past any other guard.
func TestInterruptedIsNotRepeatedPastAGuard(t *testing.T) {
	w := newWorld(t, Auto)
	began, finish := make(chan struct{}, 1), make(chan struct{})
	w.with(func(c *Config) {
		hook := *c.Actions[0].Webhook
		hook.Idempotent = true
		c.Actions = []ActionConfig{{Name: "restart", Targets: c.Actions[0].Targets, Webhook: &hook}}
	})
	w.answer(func(http.ResponseWriter, *http.Request) { began <- struct{}{}; <-finish })
	w.deliver(w.an("a"))
	<-began
	w.become(stateRunning)
	next := filepath.Join(t.TempDir(), "ledger")
	if err := os.CopyFS(next, os.DirFS(w.o.Dir)); err != nil {
		t.Fatal(err)
	}
	close(finish)
	w.stop()
	w.o.Dir = next
	w.later(2 * time.Minute)
	w.start()
	if e := w.become(stateUnknown); !strings.Contains(e.Reason, "it may be repeated, but its turn came 2m") {
		t.Errorf("reason %q", e.Reason)
	}
	w.called(1)
}

// Nothing happens that the ledger cannot remember, and Alertmanager is asked to try
// again.
func TestNothingIsDoneThatCannotBeRecorded(t *testing.T) {
	w := newWorld(t, Approve)
	w.deliver(w.an("a"))
	e := w.become(stateWaiting)
	if err := w.ledger.close(); err != nil {
		t.Fatal(err)
	}
	if status := w.deliver(w.an("b")); status != http.StatusInternalServerError {
		t.Errorf("notification: status %d", status)
	}
	if status := w.decide(e, "approve", e.Hash); status != http.StatusInternalServerError {
		t.Errorf("approval: status %d", status)
	}
	w.become(stateWaiting)
	w.called(0)
}

func TestStartThatCannotBeRecordedDoesNotHappen(t *testing.T) {
	w := newWorld(t, Auto)
	w.stop()
	r, err := New(w.o)
	if err != nil {
		t.Fatal(err)
	}
	w.Remediation = r
	w.deliver(w.an("a"))
	if err := r.ledger.close(); err != nil {
		t.Fatal(err)
	}
	go r.Run()
	w.become(stateRefused)
	w.called(0)
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A ledger that lost records may have forgotten an episode: those that began before
// are left to people.
func TestDamagedLedgerRefusesOlderEpisodes(t *testing.T) {
	w := newWorld(t, Auto)
	a := w.an("a")
	w.deliver(a)
	w.become(stateSucceeded)
	w.stop()
	name := wlog.SegmentName(w.o.Dir, 0)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[bytes.Index(b, []byte("restart-pod"))] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.deliver(a)
	if e := w.become(stateRefused); !strings.Contains(e.Reason, "ledger was found damaged") {
		t.Errorf("reason %q", e.Reason)
	}
	w.stop() // and it stays so after the repair
	w.start()
	w.deliver(w.an("b"))
	w.eventually("both are refused", func(l []entry) bool { return len(l) == 2 && l[0].State == stateRefused })
	// What was lost may have been an order to pause, so a person is asked.
	w.later(5 * time.Minute)
	w.deliver(w.an("c"))
	if e := w.become(stateRefused); !strings.Contains(e.Reason, "paused by foreshock") {
		t.Errorf("reason %q", e.Reason)
	}
	w.resume()
	w.deliver(w.an("a"))
	w.become(stateSucceeded)
	w.called(2)
}

// Nobody is there for a quarter of an hour; the clock is the test's.
func TestApprovalExpiresToNo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Config: DefaultConfig(), Dir: t.TempDir(), Remedies: []*rules.Remedy{restart}}
		o.Config.Mode, o.Config.WebhookToken, o.Config.ApprovalToken, o.Config.SingleInstance = Approve, token, approvalToken, true
		hook := DefaultWebhookConfig()
		hook.URL = "http://localhost/never"
		o.Config.Actions = []ActionConfig{{Name: "restart", Targets: []string{"a"}, Webhook: &hook}}
		r, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		go r.Run()
		defer r.Close(context.Background())
		w := &world{t: t, Remediation: r}
		w.deliver(w.an("a"))
		for _, step := range []struct {
			wait time.Duration
			want state
		}{{15*time.Minute - time.Second, stateWaiting}, {2 * time.Second, stateExpired}} {
			time.Sleep(step.wait)
			synctest.Wait()
			if got := w.plans()[0].State; got != step.want {
				t.Errorf("is %s, want %s", got, step.want)
			}
		}
	})
}

// victimDir makes the test binary a process with a ledger in that directory, that
// is delivered one and the same alert over and over and appends a line to the file
// "acted" beside it for every execution.
const victimDir = "FORESHOCK_REMEDIATION_TEST_DIR"

func victim(dir string) {
	run := DefaultExecConfig()
	run.Command = []string{"/bin/sh", "-c", "echo acted >> " + filepath.Join(dir, "acted") + "; sleep 0.05"}
	o := Options{Config: DefaultConfig(), Dir: filepath.Join(dir, "ledger"), Remedies: []*rules.Remedy{{
		Name: "once", Match: restart.Match, Action: "act",
	}}}
	o.Config.Mode, o.Config.WebhookToken, o.Config.ApprovalToken, o.Config.SingleInstance = Auto, token, approvalToken, true
	o.Config.Actions = []ActionConfig{{Name: "act", Exec: &run}}
	r, err := New(o)
	// What the one that was killed had forked, and not executed yet, still has its lock.
	for tries := 0; err != nil && strings.Contains(err.Error(), "in use by") && tries < 1000; tries++ {
		time.Sleep(10 * time.Millisecond)
		r, err = New(o)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if err := r.Resume("the test", ""); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go r.Run()
	fmt.Println("up")
	began, err := time.Parse(time.RFC3339Nano, os.Getenv(victimDir+"_STARTS_AT"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for {
		a := alert{Status: "firing", Labels: map[string]string{"remediation": "restart"}, StartsAt: began}
		if err := r.take(notification{alerts: []alert{a}}); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		if l := r.list(); l[0].State.settled() {
			fmt.Println("settled")
			select {}
		}
	}
}

// Killed at random instants and started again, with the alert delivered all the
// while: the action ran at most once, and over all seeds it did run.
func TestKilledAtAnyInstantActsAtMostOnce(t *testing.T) {
	ran := 0
	for seed := range uint64(6) {
		dir := t.TempDir()
		rng := rand.New(rand.NewPCG(seed, 1))
		began := time.Now().Add(-time.Minute).Format(time.RFC3339Nano)
		for range 4 {
			startVictim(t, dir, began, "up", time.Duration(rng.IntN(60))*time.Millisecond)
		}
		startVictim(t, dir, began, "settled", 0)
		b, err := os.ReadFile(filepath.Join(dir, "acted"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		n := strings.Count(string(b), "acted")
		if n > 1 {
			t.Errorf("seed %d: acted %d times", seed, n)
		}
		ran += n
	}
	if ran == 0 {
		t.Error("it never acted at all, so nothing was shown")
	}
}

// startVictim starts a victim and kills it some time after it said the word.
func startVictim(t *testing.T, dir, began, word string, after time.Duration) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	// What it had in hand when it was killed goes with the test.
	cmd.Env = append(os.Environ(), victimDir+"="+dir, victimDir+"_STARTS_AT="+began, "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != word {
		if said := lines.Text(); said != "up" {
			t.Errorf("the victim said %s", said)
		}
	}
	time.Sleep(after)
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	cmd.Wait()
}

// onDisk is a copy of the ledger as it is: what a power failure would leave now.
func (w *world) onDisk() string {
	dir := filepath.Join(w.t.TempDir(), "ledger")
	if err := os.CopyFS(dir, os.DirFS(w.o.Dir)); err != nil {
		w.t.Fatal(err)
	}
	return dir
}
