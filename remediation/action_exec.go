package remediation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

// ExecConfig is an action that runs a fixed command, without a shell. The plan
// comes as JSON on its standard input; its environment holds FORESHOCK_RULE,
// FORESHOCK_ACTION, FORESHOCK_TARGET, FORESHOCK_STATUS, FORESHOCK_FINGERPRINT and
// FORESHOCK_STARTS_AT (RFC 3339), a plain PATH, and as HOME the empty directory it
// runs in, which is removed afterwards. Exit status 0 is success.
type ExecConfig struct {
	// Command is the executable and its arguments. Elements that begin with "./" or
	// "../" are relative to the configuration file; an executable without a slash
	// is looked up once, when the configuration is loaded. An argument that is
	// exactly "${target}" is replaced by the plan's target; nothing else is.
	Command []string `yaml:"command"`

	// TargetPattern must match the whole of a target before it can become an
	// argument. None may begin with "-".
	TargetPattern string `yaml:"target_pattern"`

	// Timeout is how long the command may run. Then its whole process group gets
	// SIGTERM, and 2s later SIGKILL. From 1ms to 10m.
	Timeout model.Duration `yaml:"timeout"`
}

// targetPlaceholder stands for the plan's target in a command.
const targetPlaceholder = "${target}"

// DefaultExecConfig is what an exec action starts from.
func DefaultExecConfig() ExecConfig {
	return ExecConfig{
		TargetPattern: `[A-Za-z0-9][A-Za-z0-9._:@-]*`,
		Timeout:       model.Duration(30 * time.Second),
	}
}

// UnmarshalYAML decodes over the defaults.
func (c *ExecConfig) UnmarshalYAML(unmarshal func(any) error) error {
	type plain ExecConfig
	*c = DefaultExecConfig()
	return unmarshal((*plain)(c))
}

// SetDirectory makes the elements of the command that are relative file names
// relative to dir.
func (c *ExecConfig) SetDirectory(dir string) {
	for i, element := range c.Command {
		if strings.HasPrefix(element, "./") || strings.HasPrefix(element, "../") {
			c.Command[i] = promconfig.JoinDir(dir, element)
		}
	}
}

func (c ExecConfig) validate(path string, targets []string) error {
	var errs []error
	if len(c.Command) == 0 || c.Command[0] == "" {
		errs = append(errs, fmt.Errorf("%s.command: must name an executable, got none", path))
	}
	for i, element := range c.Command {
		switch {
		case strings.ContainsRune(element, 0):
			errs = append(errs, fmt.Errorf("%s.command[%d]: must not hold a NUL, got %q", path, i, element))
		case element == targetPlaceholder && i > 0:
		case strings.Contains(element, "${") || strings.Contains(element, "{{"):
			errs = append(errs, fmt.Errorf("%s.command[%d]: must be fixed, or an argument that is exactly %s, got %q", path, i, targetPlaceholder, element))
		}
	}
	errs = append(errs, checkTimeout(path, c.Timeout))
	pattern, err := c.pattern()
	if err != nil {
		return errors.Join(append(errs, fmt.Errorf("%s.target_pattern: %w", path, err))...)
	}
	if !slices.Contains(c.Command, targetPlaceholder) {
		return errors.Join(errs...)
	}
	if len(targets) == 0 {
		errs = append(errs, fmt.Errorf("%s.command: must not use %s without targets", path, targetPlaceholder))
	}
	for _, target := range targets {
		if !fitsArgument(pattern, target) {
			errs = append(errs, fmt.Errorf("%s.target_pattern: must match every target, got %q", path, target))
		}
	}
	return errors.Join(errs...)
}

func (c ExecConfig) pattern() (*regexp.Regexp, error) {
	return regexp.Compile(`\A(?:` + c.TargetPattern + `)\z`)
}

// fitsArgument reports whether target may stand among a command's arguments.
func fitsArgument(pattern *regexp.Regexp, target string) bool {
	return target != "" && !strings.HasPrefix(target, "-") && pattern.MatchString(target)
}

// killDelay is how long a process group has between SIGTERM and SIGKILL. Stopping
// Foreshock can take that much longer, beside drainDelay.
const killDelay = 2 * time.Second

// drainDelay is how long output is waited for when the group is gone: only a
// process that left the group can still hold the pipe.
const drainDelay = time.Second

// plainPath is the PATH of every command: Foreshock's own is the operator's, and
// may lead anywhere.
const plainPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// command is the action made ready.
type command struct {
	argv      []string
	pattern   *regexp.Regexp
	timeout   time.Duration
	killDelay time.Duration
}

func (c ExecConfig) build() (action, error) {
	pattern, err := c.pattern()
	if err != nil {
		return nil, fmt.Errorf("target_pattern: %w", err)
	}
	path, err := exec.LookPath(c.Command[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, fmt.Errorf("command: %w", err)
	}
	argv := append([]string{path}, c.Command[1:]...)
	return &command{argv, pattern, time.Duration(c.Timeout), killDelay}, nil
}

func (c *command) prepare(p plan) (deed, error) {
	argv := slices.Clone(c.argv)
	for i, element := range argv {
		if element != targetPlaceholder {
			continue
		}
		if !fitsArgument(c.pattern, p.Target) {
			return deed{}, fmt.Errorf("target %.100q is no argument", p.Target)
		}
		argv[i] = p.Target
	}
	return deed{
		digest: digest(append([]string{"exec"}, argv...)...),
		do:     func(ctx context.Context) (string, error) { return c.run(ctx, argv, p) },
	}, nil
}

// run starts the command in a process group of its own and returns when the group
// is gone.
func (c *command) run(ctx context.Context, argv []string, p plan) (string, error) {
	dir, err := os.MkdirTemp("", "foreshock-")
	if err != nil {
		return "", fmt.Errorf("make a directory to run in: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // it holds nothing of ours
	stdin, err := planFile(dir, p)
	if err != nil {
		return "", fmt.Errorf("write the plan: %w", err)
	}
	defer stdin.Close()
	output, stdout, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("make a pipe: %w", err)
	}
	defer output.Close()

	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = environment(dir, p)
	// Files, not readers and writers: Wait returns when the command ends, whoever
	// else holds its output.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var kill *time.Timer
	cmd.Cancel = func() error {
		group := cmd.Process.Pid
		kill = time.AfterFunc(c.killDelay, func() {
			_ = signalGroup(group, syscall.SIGKILL) // it may be gone, which is as well
		})
		return signalGroup(group, syscall.SIGTERM)
	}
	err = cmd.Start()
	_ = stdout.Close() // the command has its own
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
	// The command is gone; what it left behind goes too. The kernel gives nobody
	// else the group's number while a member lives, and an empty group is no error.
	_ = signalGroup(cmd.Process.Pid, syscall.SIGKILL)
	_ = output.SetReadDeadline(time.Now().Add(drainDelay)) // a pipe of ours has deadlines
	<-drained
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w, and was killed", interrupted(ctx, c.timeout))
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

// planFile holds the plan as JSON, ready to be read, and has no name any more.
func planFile(dir string, p plan) (_ *os.File, err error) {
	f, err := os.CreateTemp(dir, "plan")
	if err != nil {
		return nil, err
	}
	err = errors.Join(json.NewEncoder(f).Encode(p), os.Remove(f.Name()))
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// environment is all of the command's environment. Its names are fixed; of the
// values, none is a label as it came: the target is one of the configured.
func environment(home string, p plan) []string {
	return []string{
		"PATH=" + plainPath,
		"HOME=" + home,
		"FORESHOCK_RULE=" + p.Rule,
		"FORESHOCK_ACTION=" + p.Action,
		"FORESHOCK_TARGET=" + p.Target,
		"FORESHOCK_STATUS=" + p.Status,
		"FORESHOCK_FINGERPRINT=" + p.Fingerprint,
		"FORESHOCK_STARTS_AT=" + p.StartsAt.Format(time.RFC3339Nano),
	}
}
