package remediation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// SystemdConfig is an action that restarts one systemd service, by systemctl: the
// target, which is the full name of a service. One that is not running, that somebody
// works on already, or that Foreshock itself is part of, is not restarted.
type SystemdConfig struct {
	// User asks the service manager of the user that Foreshock runs as, instead of the
	// system's. The system's asks polkit where Foreshock does not run as root.
	User bool `yaml:"user,omitempty"`

	// Timeout is how long to wait for the service to have stopped and started. The
	// restart itself goes on afterwards. From 1ms to 10m.
	Timeout model.Duration `yaml:"timeout"`
}

// DefaultSystemdConfig is what a systemd action starts from.
func DefaultSystemdConfig() SystemdConfig {
	return SystemdConfig{Timeout: model.Duration(2 * time.Minute)} // systemd itself gives a stop and a start 90 s each
}

// UnmarshalYAML decodes over the defaults.
func (c *SystemdConfig) UnmarshalYAML(unmarshal func(any) error) error {
	type plain SystemdConfig
	*c = DefaultSystemdConfig()
	return unmarshal((*plain)(c))
}

// SetDirectory does nothing: no file is named.
func (c *SystemdConfig) SetDirectory(string) {}

// serviceName is systemd's own rule for names, without the glob patterns that
// systemctl takes too.
var serviceName = regexp.MustCompile(`\A[A-Za-z0-9][A-Za-z0-9:_.\\@-]{0,246}\.service\z`) // 255 bytes in all

func isService(target string) bool {
	return serviceName.MatchString(target) && !strings.HasSuffix(target, "@.service") // a template is no service
}

func (c SystemdConfig) validate(path string, targets []string) error {
	errs := []error{checkTimeout(path, c.Timeout)}
	if len(targets) == 0 {
		errs = append(errs, fmt.Errorf("%s: must have targets, the services it may restart", path))
	}
	for _, target := range targets {
		if !isService(target) {
			errs = append(errs, fmt.Errorf("%s: must have as targets full names of services, such as nginx.service, got %q", path, target))
		}
	}
	return errors.Join(errs...)
}

// systemd is the action made ready.
type systemd struct {
	systemctl []string // with what every call has
	env       []string
	timeout   time.Duration
	killDelay time.Duration
}

func (c SystemdConfig) build() (action, error) {
	path, err := executable("systemctl")
	if err != nil {
		return nil, fmt.Errorf("systemctl: %w", err)
	}
	s := &systemd{
		systemctl: []string{path, "--system", "--no-ask-password", "--no-pager"},
		env:       []string{"LC_ALL=C.UTF-8", "SYSTEMD_COLORS=0"},
		timeout:   time.Duration(c.Timeout),
		killDelay: killDelay,
	}
	if c.User {
		s.systemctl[1] = "--user"
		s.env = append(s.env, fmt.Sprintf("XDG_RUNTIME_DIR=/run/user/%d", os.Getuid()))
	}
	return s, nil
}

func (s *systemd) prepare(p plan) (deed, error) {
	unit := p.Target
	if !isService(unit) {
		return deed{}, fmt.Errorf("target %.100q is no service", unit)
	}
	return deed{
		digest: digest("systemd", strings.Join(s.systemctl, " "), "restart", unit),
		check: func(ctx context.Context) error {
			now, err := s.show(ctx, unit)
			if err != nil {
				return &refusal{refusedTarget, fmt.Sprintf("systemd cannot say how %s is: %v", unit, err)}
			}
			return now.admit()
		},
		rehearse: func(ctx context.Context) (string, error) {
			now, err := s.show(ctx, unit)
			if err == nil {
				err = now.admit()
			}
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%s, and would be restarted", now), nil
		},
		do: func(ctx context.Context) (string, error) { return s.restart(ctx, unit) },
	}, nil
}

// restart waits until systemd has done so, and looks how the service is then.
func (s *systemd) restart(ctx context.Context, unit string) (string, error) {
	before, err := s.show(ctx, unit)
	if err != nil {
		return "", err
	}
	// Where somebody is stopping it meanwhile, systemd is not to do this instead.
	if out, err := s.run(ctx, "--job-mode=fail", "restart", "--", unit); err != nil {
		return out, err
	}
	now, err := s.show(ctx, unit)
	if err != nil {
		return "", fmt.Errorf("restarted, but: %w", err)
	}
	out := fmt.Sprintf("restarted: %s; before: %s", now, before)
	if now.active == "failed" || now.sub == autoRestart || now.result != "success" {
		return out, fmt.Errorf("it was restarted and ended: %s", now.result)
	}
	return out, nil
}

func (s *systemd) run(ctx context.Context, arguments ...string) (string, error) {
	return process{
		argv:    append(s.systemctl[:len(s.systemctl):len(s.systemctl)], arguments...),
		env:     s.env,
		timeout: s.timeout, killDelay: s.killDelay,
	}.run(ctx)
}

// service is how systemd says a service is. The fields are its properties, see
// org.freedesktop.systemd1(5).
type service struct {
	unit, load, active, sub, result, pid, cgroup, job string
}

func (s service) String() string {
	return fmt.Sprintf("%s is %s (%s), main PID %s", s.unit, s.active, s.sub, s.pid)
}

// autoRestart is the state between two tries of a service that keeps failing.
const autoRestart = "auto-restart"

// admit returns a refusal unless the service may be restarted.
func (s service) admit() error {
	why := ""
	switch {
	case s.load != "loaded":
		why = "is " + s.load
	case isPartOf(s.cgroup):
		why = "is what Foreshock runs in"
	case s.job != "" && s.sub != autoRestart:
		why = "has a job of systemd's under way already"
	case s.active != "active" && s.active != "failed" && s.sub != autoRestart:
		why = fmt.Sprintf("is %s (%s): somebody stopped it, or it starts or stops by itself", s.active, s.sub)
	default:
		return nil
	}
	return &refusal{refusedTarget, s.unit + " " + why}
}

func (s *systemd) show(ctx context.Context, unit string) (service, error) {
	now := service{unit: unit}
	properties := map[string]*string{
		"LoadState": &now.load, "ActiveState": &now.active, "SubState": &now.sub, "Result": &now.result,
		"MainPID": &now.pid, "ControlGroup": &now.cgroup, "Job": &now.job,
	}
	out, err := s.run(ctx, "show", "--property=LoadState,ActiveState,SubState,Result,MainPID,ControlGroup,Job", "--", unit)
	if err != nil {
		return service{}, fmt.Errorf("%w: %s", err, clip(lastLine(out), 200))
	}
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if into, ok := properties[name]; ok {
			*into = value
		}
	}
	return now, nil
}

// isPartOf reports whether this process runs in the control group, or cannot tell.
func isPartOf(cgroup string) bool {
	own, err := os.ReadFile("/proc/self/cgroup")
	return err != nil || within(string(own), cgroup)
}

// within reads /proc/PID/cgroup, see cgroups(7): hierarchy:controllers:path.
func within(lines, cgroup string) bool {
	if cgroup == "" {
		return false // nothing runs in it
	}
	for line := range strings.Lines(lines) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) == 3 && strings.HasPrefix(fields[2]+"/", cgroup+"/") {
			return true
		}
	}
	return false
}
