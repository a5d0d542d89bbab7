package remediation

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A child that calls setsid leaves its process group, and killing the group leaves it. Without
// privileges there is no other fence around it, but it still has something of the run that
// started it: strays are found by that, in /proc, among the processes of our own user.

// trace is what a process has of a run. Who gets rid of all three goes unseen.
type trace struct {
	home   []byte // in the environment that it was started with
	dir    string // that it is in
	output string // that it writes to, as /proc has it
}

// traceOf is the trace of a run in dir whose output is read from there.
func traceOf(dir string, output *os.File) (trace, error) {
	t := trace{home: []byte("HOME=" + dir + "\x00"), dir: dir}
	info, err := output.Stat()
	if err != nil {
		return t, err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		t.output = fmt.Sprintf("pipe:[%d]", stat.Ino)
	}
	return t, nil
}

// isOn reports whether the process has it. One that is gone, or another user's, has not.
func (t trace) isOn(pid int) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	if environ, err := os.ReadFile(filepath.Join(proc, "environ")); err == nil && bytes.Contains(environ, t.home) {
		return true
	}
	if dir, err := os.Readlink(filepath.Join(proc, "cwd")); err == nil && (dir == t.dir || strings.HasPrefix(dir, t.dir+"/")) {
		return true
	}
	for _, fd := range []string{"1", "2"} {
		if to, err := os.Readlink(filepath.Join(proc, "fd", fd)); err == nil && to == t.output {
			return true
		}
	}
	return false
}

const (
	// strayPatience is for how long strays are killed that may start others meanwhile.
	strayPatience = time.Second

	// strayInterval is how often it is looked for them: a killed process takes a moment.
	strayInterval = 10 * time.Millisecond
)

// end kills all processes that have the trace, and those that they start meanwhile.
func (t trace) end() error {
	for deadline := time.Now().Add(strayPatience); ; time.Sleep(strayInterval) {
		n, err := t.kill()
		if n == 0 || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes that it left behind could not be killed within %s", n, strayPatience)
		}
	}
}

// kill sends SIGKILL to the processes that have the trace, and returns how many there were.
func (t trace) kill() (n int, err error) {
	all, err := os.ReadDir("/proc")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // not Linux
	}
	if err != nil {
		return 0, fmt.Errorf("look for what it left behind: %w", err)
	}
	for _, entry := range all {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || !t.isOn(pid) {
			continue
		}
		n++
		// A handle of the process, not its number, which may be another's by now; hence
		// the second look.
		if p, err := os.FindProcess(pid); err == nil {
			if t.isOn(pid) {
				_ = p.Kill() // it may be gone, which is as well
			}
			_ = p.Release()
		}
	}
	return n, nil
}
