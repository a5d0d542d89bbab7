package remediation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// Mode auto does nothing before a person resumed it once, and that once is for good.
func TestAutoStartsPaused(t *testing.T) {
	w := newWorld(t, Suggest)
	w.with(func(c *Config) { c.Mode = Auto })
	w.deliver(w.an("a"))
	w.refused(refusedPaused, "mode auto starts paused, until a person resumes it once")
	w.resume()
	w.deliver(w.an("b"))
	w.become(stateSucceeded)
	w.stop()
	w.start()
	w.deliver(w.an("c"))
	w.become(stateSucceeded)
	w.called(2)
}

// By the API: what waits is cancelled, what runs ends, and a restart changes nothing until
// a person resumes.
func TestPauseByTheAPI(t *testing.T) {
	w := newWorld(t, Auto)
	block := w.occupy()
	w.deliver(w.an("b"))
	if status := w.order("pause", "Bearer "+token, "", nil); status != http.StatusBadRequest {
		t.Errorf("by nobody: status %d", status)
	}
	var s standing
	if status := w.order("pause", "Bearer "+token, "jane", &s); status != http.StatusOK || !strings.HasSuffix(s.Paused, "a migration") {
		t.Errorf("status %d, %+v", status, s)
	}
	l := w.plans()
	if l[0].State != stateCancelled || !strings.HasPrefix(l[0].Reason, "paused by jane at ") {
		t.Errorf("listed %+v", l[0])
	}
	close(block)
	w.eventually("what ran has ended", func(l []entry) bool { return l[1].State == stateSucceeded })
	w.stop()
	w.start()
	w.deliver(w.an("c"))
	w.refused(refusedPaused, "a migration")
	if n := testutil.ToFloat64(w.metrics.paused); n != 1 {
		t.Errorf("the metric says %v", n)
	}
	for authorization, want := range map[string]int{"": 401, "Bearer " + token: 401, "Bearer " + approvalToken: 200} {
		if status := w.order("resume", authorization, "jane", nil); status != want {
			t.Errorf("resumed by %q: status %d", authorization, status)
		}
	}
	w.deliver(w.an("d"))
	w.become(stateSucceeded)
	w.called(2)
}

// order posts one as somebody does.
func (w *world) order(verb, authorization, by string, answer any) int {
	w.t.Helper()
	rec := w.send(http.MethodPost, "/api/v1/remediations/"+verb, authorization,
		fmt.Sprintf(`{"by": %q, "reason": "a migration", "rule": "restart-pod"}`, by))
	if answer != nil && rec.Code == http.StatusOK {
		w.data(rec, answer)
	}
	return rec.Code
}

// By the file: it counts at once, whatever it holds; its going is no leave to act.
func TestPauseByTheFile(t *testing.T) {
	for name, put := range map[string]func(file string) error{
		"empty": func(file string) error { return os.WriteFile(file, nil, 0o000) },
		"with a word": func(file string) error { // whole at once, or its reason may be missed
			draft := file + ".new"
			return errors.Join(os.WriteFile(draft, []byte("the database moves\n"), 0o644), os.Rename(draft, file))
		},
		"a directory":  func(file string) error { return os.Mkdir(file, 0o700) },
		"a loose link": func(file string) error { return os.Symlink("/nowhere", file) },
		"a loop":       func(file string) error { return os.Symlink(file, file) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Auto)
			file := w.killSwitch.file
			if err := put(file); err != nil {
				t.Fatal(err)
			}
			w.deliver(w.an("a"))
			w.refused(refusedPaused, "paused by the file paused")
			if name == "with a word" && !strings.HasSuffix(w.plans()[0].Reason, ": the database moves") {
				t.Errorf("reason %q", w.plans()[0].Reason)
			}
			w.eventually("the ledger knows", func([]entry) bool { return w.standing(true).Paused != "" && w.killSwitch.thrown.Load() != nil })
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			w.stop()
			w.start()
			w.deliver(w.an("b"))
			w.refused(refusedPaused, "paused by the file paused")
			w.resume()
			w.deliver(w.an("c"))
			w.become(stateSucceeded)
			w.called(1)
		})
	}
}

// A switch that cannot be looked at is thrown.
func TestUnreadableSwitchIsPaused(t *testing.T) {
	k := killSwitch{file: filepath.Join(t.TempDir(), "gone", "paused")}
	if o := k.look(); o == nil || !strings.Contains(o.Reason, "cannot be read") {
		t.Errorf("no directory: %v", o)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	k.file = filepath.Join(file, "paused")
	if o := k.look(); o == nil || !strings.Contains(o.Reason, "cannot be read") {
		t.Errorf("no directory but a file: %v", o)
	}
}

// Where the ledger cannot be written the pause holds nevertheless, and outlives the process
// in the file.
func TestPauseThatCannotBeRecordedHolds(t *testing.T) {
	w := newWorld(t, Auto)
	if err := w.ledger.close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Pause("jane", "it burns"); err == nil {
		t.Error("nothing was said about the ledger")
	}
	if w.standing(true).Paused == "" {
		t.Error("not paused")
	}
	w.stop()
	w.start()
	w.deliver(w.an("a"))
	w.refused(refusedPaused, "paused by jane")
	w.called(0)
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Resume("jane", ""); err == nil {
		t.Error("resumed what is closed")
	}
}

// P17: from the kill switch to the last action that starts are 200 ms at most, in the middle
// of a storm, by each way of throwing it.
func TestKillSwitchIsFast(t *testing.T) {
	const limit = 200 * time.Millisecond
	for name, throw := range map[string]func(*world) error{
		"call": func(w *world) error { return w.Pause("jane", "") },
		"file": func(w *world) error { return os.WriteFile(w.killSwitch.file, nil, 0o600) },
		"API": func(w *world) error {
			if status := w.order("pause", "Bearer "+token, "jane", nil); status != http.StatusOK {
				return errors.New("refused")
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Auto)
			w.with(func(c *Config) {
				c.MaxPerHour, c.MaxPerDay, c.MaxTotalPerHour, c.MaxConcurrent, c.QueueSize = 60, 200, 200, 8, 1000
			})
			var last atomic.Int64
			w.bend(func(d *deed) {
				do := d.do
				d.do = func(ctx context.Context) (string, error) { last.Store(time.Now().UnixNano()); return do(ctx) }
			})
			var alerts []alert
			for i := range 60 {
				a := w.an("a")
				a.Labels["n"] = fmt.Sprint(i)
				alerts = append(alerts, a)
			}
			if status := w.deliver(alerts...); status != http.StatusOK {
				t.Fatal(status)
			}
			w.eventually("some act", func([]entry) bool { return w.calls.Load() > 5 })
			thrown := time.Now()
			if err := throw(w); err != nil {
				t.Fatal(err)
			}
			took := time.Since(thrown)
			w.eventually("nothing waits or runs", func(l []entry) bool {
				for _, e := range l {
					if !e.State.settled() {
						return false
					}
				}
				return true
			})
			after := time.Duration(last.Load() - thrown.UnixNano())
			t.Logf("%d of 60 acted; thrown in %s, the last started %s after", w.calls.Load(), took, after)
			if after > limit {
				t.Errorf("an action started %s after the kill switch", after)
			}
			if w.calls.Load() == 60 {
				t.Error("all had acted, so nothing was shown")
			}
		})
	}
}
