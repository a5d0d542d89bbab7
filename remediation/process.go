package remediation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	promconfig "github.com/prometheus/common/config"
)

// killDelay is how long a process group has between SIGTERM and SIGKILL. Stopping
// Foreshock can take that much longer, beside drainDelay.
const killDelay = 2 * time.Second

// drainDelay is how long output is waited for when the group is gone: only a
// process of another user, or one that could not be killed, can still hold the pipe.
const drainDelay = time.Second

// plainPath is the PATH of every process: Foreshock's own is the operator's, and
// may lead anywhere.
const plainPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// process is a program to run once, without a shell, in a group of its own and in
// an empty directory that is removed afterwards. It inherits nothing: no files, and
// of the environment a plain PATH and that directory as HOME.
type process struct {
	argv []string
	// env is the rest of its environment.
	env []string
	// stdin is its standard input.
	stdin []byte
	// files are laid into its directory, by their names.
	files map[string]string
	// timeout is how long it may run before its group is ended, SIGTERM first and
	// SIGKILL killDelay later.
	timeout, killDelay time.Duration
}

// run returns when the whole group is gone, and what left it and can still be told to be of this
// run, with an excerpt of what it wrote. The error is nil for exit status 0.
func (p process) run(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "foreshock-")
	if err != nil {
		return "", fmt.Errorf("make a directory to run in: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // it holds nothing of ours
	for name, text := range p.files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("lay out %s: %w", name, err)
		}
	}
	stdin, err := namelessFile(dir, p.stdin)
	if err != nil {
		return "", fmt.Errorf("write standard input: %w", err)
	}
	defer stdin.Close()
	output, stdout, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("make a pipe: %w", err)
	}
	defer output.Close()
	trace, err := traceOf(dir, output)
	if err != nil {
		return "", errors.Join(err, stdout.Close())
	}

	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.argv[0], p.argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + plainPath, "HOME=" + dir}, p.env...)
	// Files, not readers and writers: Wait returns when the command ends, whoever
	// else holds its output.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var kill *time.Timer
	cmd.Cancel = func() error {
		group := cmd.Process.Pid
		kill = time.AfterFunc(p.killDelay, func() {
			_ = signalGroup(group, syscall.SIGKILL) // it may be gone, which is as well
		})
		return signalGroup(group, syscall.SIGTERM)
	}
	err = cmd.Start()
	_ = stdout.Close() // the process has its own
	if err != nil {
		return "", fmt.Errorf("start: %w", err)
	}
	var out excerpt
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(&out, output) // what could be read is kept
	}()
	err = cmd.Wait()
	if kill != nil {
		kill.Stop()
	}
	// The process is gone; what it left behind goes too. The kernel gives nobody
	// else the group's number while a member lives, and an empty group is no error.
	_ = signalGroup(cmd.Process.Pid, syscall.SIGKILL)
	left := trace.end()
	_ = output.SetReadDeadline(time.Now().Add(drainDelay)) // a pipe of ours has deadlines
	<-drained
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w, and was killed", interrupted(ctx, p.timeout))
	}
	if left != nil {
		err = errors.Join(err, left)
	}
	return out.String(), err
}

// signalGroup sends the signal to every process of the group.
func signalGroup(group int, sig syscall.Signal) error {
	err := syscall.Kill(-group, sig)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// namelessFile holds the bytes, ready to be read, and has no name any more.
func namelessFile(dir string, b []byte) (_ *os.File, err error) {
	f, err := os.CreateTemp(dir, "stdin")
	if err != nil {
		return nil, err
	}
	_, err = f.Write(b)
	err = errors.Join(err, os.Remove(f.Name()))
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// executable finds a program once, when the configuration is loaded.
func executable(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// joinDir makes what is plainly a relative file name relative to dir; a bare word is
// a program to look up.
func joinDir(dir, name string) string {
	if strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../") {
		return promconfig.JoinDir(dir, name)
	}
	return name
}
