package remediation

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock/rules"
)

// What a command does and says is its own business. It is bounded, ended with all it
// started, and judged by the stream: here nothing recovers, whatever it exits with.
func TestHostileExecutablesAreJudgedByTheStream(t *testing.T) {
	for name, tc := range map[string]struct {
		script string // begins with a process that must be gone afterwards
		state  state
	}{
		"lies with exit 0":         {`echo $$; echo everything is fine`, stateSucceeded},
		"never stops talking":      {`echo $$; exec yes "all is well"`, stateFailed},
		"ignores SIGTERM":          {`trap "" TERM HUP INT; echo $$; while :; do sleep 0.05; done`, stateFailed},
		"says it succeeded, late":  {`trap "exit 0" TERM; echo $$; while :; do sleep 0.05; done 2>/dev/null`, stateFailed},
		"an orphan holds stdout":   {`sleep 600 & echo $!; exit 0`, stateSucceeded},
		"a session of its own":     {`setsid sleep 600 & echo $!; sleep 0.1`, stateSucceeded},
		"a storm of forks":         {`echo $$; n=0; while [ $n -lt 300 ]; do sleep 600 & n=$((n+1)); done; wait`, stateFailed},
		"a storm, and it goes on":  {`trap "" TERM; echo $$; while :; do sleep 1 & sleep 1 & wait; done`, stateFailed},
		"kills its own supervisor": {`echo $$; kill -TERM 0; kill -KILL 0`, stateFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hook := filepath.Join(t.TempDir(), "hook.sh")
			if err := os.WriteFile(hook, []byte("#!/bin/sh\n"+tc.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			run := DefaultExecConfig()
			run.Command, run.Timeout = []string{hook}, model.Duration(2*time.Second)
			w := &world{t: t}
			w.o = Options{
				Config: DefaultConfig(), Dir: filepath.Join(t.TempDir(), "ledger"),
				Remedies: []*rules.Remedy{{Name: "r", Match: restart.Match, Action: "hook"}},
			}
			w.o.Config.Mode, w.o.Config.WebhookToken, w.o.Config.ApprovalToken, w.o.Config.SingleInstance = Auto, token, approvalToken, true
			w.o.Config.Actions = []ActionConfig{{Name: "hook", Exec: &run, Verify: &VerifyConfig{Within: model.Duration(time.Second)}}}
			var looks atomic.Int64
			w.o.Watch = func(context.Context, string) ([]Sight, error) {
				looks.Add(1)
				return []Sight{{Series: "cpu", Heard: time.Now()}}, nil
			}
			w.start()
			w.resume()
			a := w.an("a")
			a.Annotations.Incident = "0123456789ab"
			w.deliver(a)
			var e entry
			for deadline := time.Now().Add(time.Minute); e.Outcome == "" && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
				e = w.plans()[0]
			}
			if e.State != tc.state || e.Outcome != outcomeNotRecovered || looks.Load() == 0 {
				t.Errorf("it is %s (%s), %s: %s", e.State, e.Reason, e.Outcome, e.Verdict)
			}
			if len(e.Output) > listedOutput {
				t.Errorf("%d bytes of output are listed", len(e.Output))
			}
			pid, _, _ := strings.Cut(e.Output, "\n")
			gone(t, pid)
			left, err := groupOf(pid)
			if err != nil || left > 0 {
				t.Errorf("%d processes of its group are left: %v", left, err)
			}
		})
	}
}

// groupOf counts the living processes of the group of that number.
func groupOf(pid string) (n int, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it ended meanwhile
		}
		_, rest, _ := strings.Cut(string(text), ") ") // state, parent, group
		var state, group string
		var parent int
		if _, err := fmt.Sscan(rest, &state, &parent, &group); err == nil && group == pid && state != "Z" && state != "X" {
			n++
		}
	}
	return n, err
}
