package remediation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

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
	// exactly "${target}" is replaced by the plan's target, and "${value}" by the value of
	// an action that scales; nothing else is.
	Command []string `yaml:"command"`

	// DryRun is a command that changes nothing and says what Command would do, by the
	// same rules.
	DryRun []string `yaml:"dry_run,omitempty"`

	// Rollback is a command that takes back what Command did, by the same rules.
	Rollback []string `yaml:"rollback,omitempty"`

	// TargetPattern must match the whole of a target before it can become an
	// argument. None may begin with "-".
	TargetPattern string `yaml:"target_pattern"`

	// Timeout is how long the command may run. Then its whole process group gets
	// SIGTERM, and 2s later SIGKILL. From 1ms to 10m.
	Timeout model.Duration `yaml:"timeout"`

	// Idempotent says that running the command twice is running it once. If Foreshock
	// dies meanwhile it is run once more, when all guards still let it.
	Idempotent bool `yaml:"idempotent,omitempty"`
}

// targetPlaceholder stands for the plan's target in a command.
const targetPlaceholder = "${target}"

// valuePlaceholder stands for the plan's value in a command.
const valuePlaceholder = "${value}"

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

// SetDirectory makes the elements of the commands that are relative file names
// relative to dir.
func (c *ExecConfig) SetDirectory(dir string) {
	for _, words := range [][]string{c.Command, c.DryRun, c.Rollback} {
		for i, element := range words {
			words[i] = joinDir(dir, element)
		}
	}
}

func (c ExecConfig) validate(path string, targets []string) error {
	errs := []error{checkCommand(path+".command", c.Command)}
	if c.DryRun != nil {
		errs = append(errs, checkCommand(path+".dry_run", c.DryRun))
	}
	if c.Rollback != nil {
		errs = append(errs, checkCommand(path+".rollback", c.Rollback))
	}
	errs = append(errs, checkTimeout(path, c.Timeout))
	pattern, err := c.pattern()
	if err != nil {
		return errors.Join(append(errs, fmt.Errorf("%s.target_pattern: %w", path, err))...)
	}
	if !slices.Contains(slices.Concat(c.Command, c.DryRun, c.Rollback), targetPlaceholder) {
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

// checkCommand refuses a command of which more than whole arguments could change.
func checkCommand(path string, words []string) error {
	var errs []error
	if len(words) == 0 || words[0] == "" {
		errs = append(errs, fmt.Errorf("%s: must name an executable, got none", path))
	}
	for i, element := range words {
		switch {
		case strings.ContainsRune(element, 0):
			errs = append(errs, fmt.Errorf("%s[%d]: must not hold a NUL, got %q", path, i, element))
		case (element == targetPlaceholder || element == valuePlaceholder) && i > 0:
		case strings.Contains(element, "${") || strings.Contains(element, "{{"):
			errs = append(errs, fmt.Errorf("%s[%d]: must be fixed, or an argument that is exactly %s or %s, got %q", path, i, targetPlaceholder, valuePlaceholder, element))
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

// command is the action made ready.
type command struct {
	argv      []string
	pattern   *regexp.Regexp
	timeout   time.Duration
	killDelay time.Duration

	idempotent bool
}

func (c ExecConfig) build() (action, error) {
	act, err := c.ready("command")
	if err != nil {
		return nil, err
	}
	if c.DryRun == nil && c.Rollback == nil {
		return act, nil
	}
	h := &hooks{act: act}
	if c.DryRun != nil {
		c.Command = c.DryRun
		if h.dryRun, err = c.ready("dry_run"); err != nil {
			return nil, err
		}
	}
	if c.Rollback != nil {
		c.Command = c.Rollback
		if h.rollback, err = c.ready("rollback"); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// ready finds the executable of the command, which the configuration calls key.
func (c ExecConfig) ready(key string) (*command, error) {
	pattern, err := c.pattern()
	if err != nil {
		return nil, fmt.Errorf("target_pattern: %w", err)
	}
	path, err := executable(c.Command[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	argv := append([]string{path}, c.Command[1:]...)
	return &command{argv, pattern, time.Duration(c.Timeout), killDelay, c.Idempotent}, nil
}

func (c *command) prepare(p plan) (deed, error) {
	argv := slices.Clone(c.argv)
	for i, element := range argv {
		if element == valuePlaceholder {
			if p.Value == "" {
				return deed{}, errors.New("the action does not scale, so that there is no value")
			}
			argv[i] = p.Value
		}
		if element != targetPlaceholder {
			continue
		}
		if !fitsArgument(c.pattern, p.Target) {
			return deed{}, fmt.Errorf("target %.100q is no argument", p.Target)
		}
		argv[i] = p.Target
	}
	return deed{
		digest:     digest(append([]string{"exec"}, argv...)...),
		idempotent: c.idempotent,
		do:         func(ctx context.Context) (string, error) { return c.run(ctx, argv, p) },
	}, nil
}

// hooks are a command and those that belong to it, nil where there is none.
type hooks struct{ act, dryRun, rollback *command }

func (h *hooks) prepare(p plan) (deed, error) {
	d, err := h.act.prepare(p)
	if err != nil {
		return deed{}, err
	}
	all := []string{"hooks", string(d.digest[:])}
	for _, one := range []struct {
		hook *command
		into *func(context.Context) (string, error)
	}{{h.dryRun, &d.rehearse}, {h.rollback, &d.undo}} {
		if one.hook == nil {
			all = append(all, "")
			continue
		}
		other, err := one.hook.prepare(p)
		if err != nil {
			return deed{}, err
		}
		*one.into = other.do
		all = append(all, string(other.digest[:]))
	}
	d.digest = digest(all...)
	return d, nil
}

// run tells the command the plan, whose labels are as others wrote them.
func (c *command) run(ctx context.Context, argv []string, p plan) (string, error) {
	stdin, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("write the plan: %w", err)
	}
	return process{
		argv:      argv,
		env:       environment(p),
		stdin:     append(stdin, '\n'),
		timeout:   c.timeout,
		killDelay: c.killDelay,
	}.run(ctx)
}

// environment is what a command is told beside its standard input. Its names are
// fixed; of the values, none is a label as it came: the target is one of the
// configured.
func environment(p plan) []string {
	return []string{
		"FORESHOCK_RULE=" + p.Rule,
		"FORESHOCK_ACTION=" + p.Action,
		"FORESHOCK_TARGET=" + p.Target,
		"FORESHOCK_STATUS=" + p.Status,
		"FORESHOCK_FINGERPRINT=" + p.Fingerprint,
		"FORESHOCK_STARTS_AT=" + p.StartsAt.Format(time.RFC3339Nano),
	}
}
