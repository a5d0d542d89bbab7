package remediation

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

// script makes a command of a shell script, which a user could have written.
func script(t *testing.T, text string, arguments ...string) *command {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hook.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	c := DefaultExecConfig()
	c.Command = append([]string{path}, arguments...)
	c.Timeout = model.Duration(time.Minute) // the machine may be busy
	built, err := c.build()
	if err != nil {
		t.Fatal(err)
	}
	cmd := built.(*command)
	cmd.killDelay = 200 * time.Millisecond
	return cmd
}

var examplePlan = plan{
	Rule: "restart-pod", Action: "restart", Target: "cart-7", Status: "firing", Fingerprint: "0123456789abcdef",
	Labels:   map[string]string{"alertname": "Stuck", "evil": "$(touch /tmp/owned); `id` \x00\n--force"},
	StartsAt: time.Unix(1700000000, 0).UTC(),
}

func act(t *testing.T, c *command) (string, error) {
	t.Helper()
	d, err := c.prepare(examplePlan)
	if err != nil {
		t.Fatal(err)
	}
	return d.do(t.Context())
}

func TestExecTellsThePlan(t *testing.T) {
	t.Setenv("CANARY_SECRET", "canary")
	out, err := act(t, script(t, `cat; env | sort; echo "args: $*"; echo "in: $(pwd)"; ls -A`, "--pod", targetPlaceholder))
	if err != nil {
		t.Fatal(err, out)
	}
	first, rest, _ := strings.Cut(out, "\n")
	var p plan
	if err := json.Unmarshal([]byte(first), &p); err != nil || p.Labels["evil"] != examplePlan.Labels["evil"] || p.Target != "cart-7" {
		t.Errorf("standard input was %q: %v", first, err)
	}
	home := ""
	var names []string
	for line := range strings.Lines(rest) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok {
			names = append(names, name)
		}
		if name == "HOME" {
			home = value
		}
	}
	// PWD, SHLVL and _ are the shell's own.
	names = slices.DeleteFunc(names, func(n string) bool { return n == "PWD" || n == "OLDPWD" || n == "SHLVL" || n == "_" })
	want := []string{
		"FORESHOCK_ACTION", "FORESHOCK_FINGERPRINT", "FORESHOCK_RULE", "FORESHOCK_STARTS_AT", "FORESHOCK_STATUS",
		"FORESHOCK_TARGET", "HOME", "PATH",
	}
	if !slices.Equal(names, want) {
		t.Errorf("environment has %q, want %q", names, want)
	}
	if !strings.Contains(rest, "FORESHOCK_STARTS_AT=2023-11-14T22:13:20Z\n") || !strings.HasSuffix(rest, "args: --pod cart-7\nin: "+home+"\n") {
		t.Errorf("it said %q", rest)
	}
	if _, err := os.Stat(home); home == "" || !os.IsNotExist(err) {
		t.Errorf("the directory %q it ran in is still there: %v", home, err)
	}
}

func TestExecInheritsNoFiles(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, err := act(t, script(t, "ls /proc/$$/fd"))
	if err != nil {
		t.Fatal(err)
	}
	// The shell keeps the script itself open as 10 or above.
	for fd := range strings.FieldsSeq(out) {
		if n, err := strconv.Atoi(fd); err != nil || n > 2 && n < 10 {
			t.Errorf("descriptors %q", out)
		}
	}
}

func TestExecExitStatusIsTheOutcome(t *testing.T) {
	out, err := act(t, script(t, "echo out; echo err >&2; exit 3"))
	if err == nil || err.Error() != "exit status 3" || out != "out\nerr\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// gone waits until no process has the PID, or only a zombie of somebody else's.
func gone(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(3 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if syscall.Kill(n, 0) != nil || err == nil && strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %s is still there: %s", pid, stat)
		}
	}
}

func TestExecHostileCommands(t *testing.T) {
	for name, tc := range map[string]struct {
		script string
		want   string // of the error
		within time.Duration
	}{
		// Each script's output begins with the PID that must be gone afterwards.
		"runs for ever":          {`echo $$; sleep 600`, "did not finish within 300ms, and was killed", 450 * time.Millisecond},
		"ignores SIGTERM":        {`trap "" TERM; echo $$; while :; do sleep 0.01; done`, "did not finish within 300ms, and was killed", 900 * time.Millisecond},
		"stops itself":           {`echo $$; kill -STOP $$`, "did not finish within 300ms, and was killed", 900 * time.Millisecond},
		"leaves an orphan":       {`sleep 600 & echo $!`, "", 250 * time.Millisecond},
		"orphan ignores SIGTERM": {`(trap "" TERM; while :; do sleep 0.01; done) & echo $!; exec sleep 600`, "did not finish within 300ms, and was killed", 900 * time.Millisecond},
		"forks children":         {`sh -c 'sleep 600 & sleep 600' & echo $!; for i in 1 2 3 4 5 6 7; do sh -c 'sleep 600 & sleep 600' & done; wait`, "did not finish within 300ms, and was killed", 900 * time.Millisecond},
		"lies on SIGTERM":        {`trap "exit 0" TERM; echo $$; while :; do sleep 0.01; done 2>/dev/null`, "did not finish within 300ms, and was killed", 900 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := script(t, tc.script)
			c.timeout = 300 * time.Millisecond
			began := time.Now()
			out, err := act(t, c)
			if took := time.Since(began); took > tc.within+time.Second { // the machine may be busy
				t.Errorf("took %s", took)
			}
			if got := errorText(err); got != tc.want {
				t.Errorf("error %q, want %q", got, tc.want)
			}
			gone(t, strings.TrimSpace(out))
		})
	}
}

// A child that leaves the process group is ended too, as long as it still has something of the
// run: its environment, its directory or its output.
func TestExecEndsWhatLeftItsGroup(t *testing.T) {
	for name, tc := range map[string]struct{ script, want string }{
		"a session of its own":   {`setsid sleep 600 & echo $!; sleep 0.2`, ""},
		"a session of a session": {`setsid sh -c 'trap "" TERM HUP; setsid sleep 600 & echo $!; sleep 0.2'`, ""},
		"no environment":         {`env -i setsid sleep 600 & echo $!; sleep 0.2`, ""},
		"somewhere else":         {`cd / && { env -i setsid sleep 600 & echo $!; sleep 0.2; }`, ""},
		"without its output":     {`cd / && { setsid sleep 600 >/dev/null 2>&1 & echo $!; sleep 0.2; }`, ""},
		"one that never ends":    {`setsid sh -c 'trap "" TERM; setsid sleep 600 & sleep 600' & echo $!; wait`, "did not finish within 3s, and was killed"},
	} {
		t.Run(name, func(t *testing.T) {
			c := script(t, tc.script)
			c.timeout = time.Minute
			if tc.want != "" {
				c.timeout = 3 * time.Second
			}
			out, err := act(t, c)
			if got := errorText(err); got != tc.want {
				t.Errorf("error %q, want %q", got, tc.want)
			}
			gone(t, strings.TrimSpace(out))
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A process that leaves the group cannot be found again; it cannot hold us up
// either.
func TestExecDaemonDoesNotHoldTheOutput(t *testing.T) {
	began := time.Now()
	out, err := act(t, script(t, `setsid sh -c 'echo $$; exec sleep 600' & while :; do sleep 0.05; [ "$i" = 111 ] && exit; i=1$i; done`))
	if pid, convErr := strconv.Atoi(strings.TrimSpace(out)); convErr == nil {
		defer syscall.Kill(pid, syscall.SIGKILL)
	} else {
		t.Errorf("output %q", out)
	}
	if took := time.Since(began); err != nil || took > drainDelay+2*time.Second {
		t.Errorf("took %s: %v", took, err)
	}
}

func TestExecGigabyteOfOutput(t *testing.T) {
	c := script(t, `echo first; head -c 1000000000 /dev/zero; echo last`)
	out, err := act(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) > maxOutput || !strings.HasPrefix(out, "first\n") || !strings.HasSuffix(out, "last\n") || !strings.Contains(out, " bytes left out]") {
		t.Errorf("kept %d bytes: %.20q … %q", len(out), out, out[len(out)-20:])
	}
}

func TestExecStopsWithForeshock(t *testing.T) {
	c := script(t, "echo $$; sleep 600")
	d, err := c.prepare(examplePlan)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	time.AfterFunc(100*time.Millisecond, cancel)
	out, err := d.do(ctx)
	if errorText(err) != "foreshock stopped meanwhile, and was killed" {
		t.Errorf("error %v", err)
	}
	gone(t, strings.TrimSpace(out))
}

// Foreshock has 15 s to stop in all: a command that ignores SIGTERM gets 2 of them.
func TestStubbornCommandHoldsUpTheStopForTwoSeconds(t *testing.T) {
	c := script(t, "trap '' TERM; echo $$; while :; do sleep 0.1; done")
	c.killDelay = killDelay
	d, err := c.prepare(examplePlan)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	began := time.Now()
	out, err := d.do(ctx)
	if took := time.Since(began); err == nil || took < 2*time.Second || took > 5*time.Second {
		t.Errorf("took %s, %v", took, err)
	}
	gone(t, strings.TrimSpace(out))
}

func TestExecTargetIsNeverAFlag(t *testing.T) {
	c := script(t, "echo never", targetPlaceholder)
	for _, target := range []string{"", "-rf", "--all", "a b", "a;b", "$(id)", "../etc", "a\nb", "a\x00b", "a\n"} {
		p := examplePlan
		p.Target = target
		if _, err := c.prepare(p); err == nil {
			t.Errorf("target %q became an argument", target)
		}
	}
}

func TestExecThatCannotStart(t *testing.T) {
	c := DefaultExecConfig()
	c.Command = []string{"no-such-executable"}
	if _, err := c.build(); err == nil {
		t.Error("an executable that does not exist was accepted")
	}
	dir := t.TempDir()
	c.Command = []string{dir}
	if _, err := c.build(); err == nil {
		t.Error("a directory was accepted")
	}
	gone := script(t, "")
	if err := os.Remove(gone.argv[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := act(t, gone); err == nil || !strings.HasPrefix(err.Error(), "start: ") {
		t.Errorf("error %v", err)
	}
}

func TestExecDigestIsOfWhatRuns(t *testing.T) {
	one, err := script(t, "", "x", targetPlaceholder).prepare(examplePlan)
	if err != nil {
		t.Fatal(err)
	}
	c := script(t, "", "x", targetPlaceholder)
	two, err := c.prepare(examplePlan)
	if err != nil {
		t.Fatal(err)
	}
	three, err := c.prepare(examplePlan)
	if err != nil {
		t.Fatal(err)
	}
	if one.digest == two.digest || two.digest != three.digest {
		t.Error("the digest does not follow the executable's path")
	}
}

// What belongs to a command runs as it does, with the same target, and is part of what a
// person approves.
func TestExecDryRunAndRollback(t *testing.T) {
	c := DefaultExecConfig()
	c.Command, c.DryRun, c.Rollback = []string{"/bin/echo", "do", targetPlaceholder}, []string{"/bin/echo", "would do", targetPlaceholder}, []string{"/bin/echo", "undo", targetPlaceholder}
	if err := c.validate("exec", []string{"cart-7"}); err != nil {
		t.Fatal(err)
	}
	prepare := func(c ExecConfig) deed {
		t.Helper()
		built, err := c.build()
		if err != nil {
			t.Fatal(err)
		}
		d, err := built.prepare(examplePlan)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := prepare(c)
	for want, f := range map[string]func(context.Context) (string, error){"do cart-7\n": d.do, "would do cart-7\n": d.rehearse, "undo cart-7\n": d.undo} {
		if said, err := f(t.Context()); err != nil || said != want {
			t.Errorf("said %q, %v, want %q", said, err, want)
		}
	}
	seen := map[[32]byte]bool{d.digest: true}
	for _, change := range []func(*ExecConfig){
		func(c *ExecConfig) { c.DryRun = nil },
		func(c *ExecConfig) { c.Rollback = nil },
		func(c *ExecConfig) { c.DryRun, c.Rollback = c.Rollback, c.DryRun },
		func(c *ExecConfig) { c.DryRun, c.Rollback = nil, nil },
	} {
		other := c
		change(&other)
		d := prepare(other)
		if seen[d.digest] || (d.rehearse == nil) != (other.DryRun == nil) || (d.undo == nil) != (other.Rollback == nil) {
			t.Errorf("%+v has the digest of another, or can what it cannot", other)
		}
		seen[d.digest] = true
	}
	c.Rollback, c.DryRun = []string{"/no/such", "{{.Target}}"}, []string{}
	err := c.validate("exec", []string{"cart-7"})
	for _, want := range []string{"exec.rollback[1]: must be fixed", "exec.dry_run: must name an executable"} {
		if !strings.Contains(errorText(err), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	c.DryRun = nil
	if _, err := c.build(); !strings.HasPrefix(errorText(err), "rollback: ") {
		t.Errorf("built with %v", err)
	}
}
