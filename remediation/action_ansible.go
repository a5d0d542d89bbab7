package remediation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock/internal/yamlstrict"
)

// AnsibleConfig is an action that runs a fixed playbook on one host of a fixed
// inventory, by ansible-playbook. The host is the target. The playbook finds the plan
// in the variable foreshock, marked unsafe to the last label: what a label says is
// text to Ansible and never a template. Success is exit status 0 and a recap that
// names the target and nobody else.
type AnsibleConfig struct {
	// Playbook is the file to run. Its text is part of what a person approves, the
	// roles and files that it includes are not.
	Playbook string `yaml:"playbook"`

	// Inventory is a file, a folder or a program that tells Ansible its hosts.
	Inventory string `yaml:"inventory"`

	// Rollback is a playbook that takes back what the first did. Without one the
	// action cannot be rolled back.
	Rollback string `yaml:"rollback,omitempty"`

	// Idempotent says that running the playbook twice is as good as once.
	Idempotent bool `yaml:"idempotent,omitempty"`

	// ConfigFile is an ansible.cfg. Without one none is read, not even Ansible's own
	// in /etc, and no SSH connection outlives the run.
	ConfigFile string `yaml:"config_file,omitempty"`

	// Executable is ansible-playbook. Without a slash it is looked up once, when the
	// configuration is loaded.
	Executable string `yaml:"executable"`

	// Timeout is how long the playbook may run. Then its whole process group gets
	// SIGTERM, and 2s later SIGKILL. From 1ms to 10m.
	Timeout model.Duration `yaml:"timeout"`
}

// DefaultAnsibleConfig is what an Ansible action starts from.
func DefaultAnsibleConfig() AnsibleConfig {
	return AnsibleConfig{Executable: "ansible-playbook", Timeout: model.Duration(5 * time.Minute)}
}

// UnmarshalYAML decodes over the defaults.
func (c *AnsibleConfig) UnmarshalYAML(unmarshal func(any) error) error {
	type plain AnsibleConfig
	*c = DefaultAnsibleConfig()
	return unmarshal((*plain)(c))
}

// SetDirectory makes relative file names relative to dir.
func (c *AnsibleConfig) SetDirectory(dir string) {
	for _, name := range []*string{&c.Playbook, &c.Inventory, &c.Rollback, &c.ConfigFile} {
		*name = promconfig.JoinDir(dir, *name)
	}
	c.Executable = joinDir(dir, c.Executable)
}

// hostName is what a target of Ansible may look like: none of the signs that make a
// pattern of hosts, a range or a file name.
var hostName = regexp.MustCompile(`\A[A-Za-z0-9][A-Za-z0-9._-]*\z`)

// everyHost are names that Ansible itself gives to more than one host, or to ours.
var everyHost = []string{"all", "ungrouped", "localhost", "127.0.0.1"}

// isOneHost reports whether target can be the name of one host other than ours.
func isOneHost(target string) bool {
	return hostName.MatchString(target) && !slices.Contains(everyHost, target)
}

func (c AnsibleConfig) validate(path string, targets []string) error {
	errs := []error{checkTimeout(path, c.Timeout)}
	if c.Playbook == "" {
		errs = append(errs, fmt.Errorf("%s.playbook: must name a file, got none", path))
	}
	if c.Inventory == "" || strings.Contains(c.Inventory, ",") {
		errs = append(errs, fmt.Errorf("%s.inventory: must name a file or folder, without a comma, got %q", path, c.Inventory))
	}
	if c.Executable == "" {
		errs = append(errs, fmt.Errorf("%s.executable: must name ansible-playbook, got none", path))
	}
	if len(targets) == 0 {
		errs = append(errs, fmt.Errorf("%s: must have targets, the hosts it may be limited to", path))
	}
	for _, target := range targets {
		if !isOneHost(target) {
			errs = append(errs, fmt.Errorf("%s: must have as targets names of single hosts other than this, without a pattern, got %q", path, target))
		}
	}
	return errors.Join(errs...)
}

// ansible is the action made ready.
type ansible struct {
	config    AnsibleConfig // its executable has a path
	playbooks map[string]string
	killDelay time.Duration
}

func (c AnsibleConfig) build() (action, error) {
	path, err := executable(c.Executable)
	if err != nil {
		return nil, fmt.Errorf("executable: %w", err)
	}
	a := &ansible{config: c, playbooks: map[string]string{}, killDelay: killDelay}
	a.config.Executable = path
	for _, file := range []struct{ key, name string }{{"playbook", c.Playbook}, {"rollback", c.Rollback}} {
		if file.name == "" {
			continue
		}
		text, err := yamlstrict.Read(file.name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.key, err)
		}
		a.playbooks[file.name] = string(text)
	}
	return a, nil
}

func (a *ansible) prepare(p plan) (deed, error) {
	if !isOneHost(p.Target) {
		return deed{}, fmt.Errorf("target %.100q is no host", p.Target)
	}
	c := a.config
	fields := []string{"ansible", c.Executable, c.Inventory, c.ConfigFile, p.Target, variables(p)}
	for _, name := range slices.Sorted(maps.Keys(a.playbooks)) {
		fields = append(fields, name, a.playbooks[name])
	}
	d := deed{
		digest:     digest(fields...),
		idempotent: c.Idempotent,
		check:      func(ctx context.Context) error { return a.check(ctx, p) },
		rehearse:   func(ctx context.Context) (string, error) { return a.play(ctx, p, c.Playbook, "--check") },
		do:         func(ctx context.Context) (string, error) { return a.play(ctx, p, c.Playbook) },
	}
	if c.Rollback != "" {
		d.undo = func(ctx context.Context) (string, error) { return a.play(ctx, p, c.Rollback) }
	}
	return d, nil
}

// check asks Ansible which hosts the playbooks would touch. A target that is by now a
// group, or nothing, is refused, and so is a playbook that is not the one approved.
func (a *ansible) check(ctx context.Context, p plan) error {
	for _, name := range slices.Sorted(maps.Keys(a.playbooks)) {
		if text, err := yamlstrict.Read(name); err != nil || string(text) != a.playbooks[name] {
			return &refusal{refusedChanged, fmt.Sprintf("%s is not as it was when the configuration was loaded", name)}
		}
	}
	out, err := a.run(ctx, p, a.config.Playbook, "--list-hosts")
	if err != nil {
		return &refusal{refusedTarget, fmt.Sprintf("ansible cannot say what it would touch: %v: %s", err, clip(lastLine(out), 200))}
	}
	if hosts := listedHosts(out); !slices.Equal(hosts, []string{p.Target}) {
		return &refusal{refusedTarget, fmt.Sprintf("the playbook would touch %.200q, not the host %s alone", hosts, p.Target)}
	}
	return nil
}

// play runs the playbook and does not believe its exit status alone: Ansible calls it
// a success when no host matched.
func (a *ansible) play(ctx context.Context, p plan, playbook string, flags ...string) (string, error) {
	out, err := a.run(ctx, p, playbook, flags...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		switch exit.ExitCode() {
		case 2:
			err = fmt.Errorf("a task failed: %w", err)
		case 4:
			err = fmt.Errorf("the host is unreachable: %w", err)
		}
	}
	if err != nil {
		return out, err
	}
	if hosts := recappedHosts(out); !slices.Equal(hosts, []string{p.Target}) {
		return out, fmt.Errorf("the recap names %.200q, not the host %s alone", hosts, p.Target)
	}
	return out, nil
}

const (
	// variablesFile and configFile lie in the directory that Ansible runs in, where it
	// looks for an ansible.cfg first.
	variablesFile, configFile = "variables.yml", "ansible.cfg"

	// ownConfig holds where the user has no ansible.cfg: without ControlPersist no
	// connection stays open.
	ownConfig = "[ssh_connection]\nssh_args = -C\n"
)

func (a *ansible) run(ctx context.Context, p plan, playbook string, flags ...string) (string, error) {
	c := a.config
	argv := []string{c.Executable, "--inventory", c.Inventory, "--limit", p.Target, "--extra-vars", "@" + variablesFile}
	argv = append(append(argv, flags...), "--", playbook)
	files := map[string]string{variablesFile: variables(p)}
	env := []string{
		"LC_ALL=C.UTF-8", // Ansible refuses what is not UTF-8
		"ANSIBLE_NOCOLOR=1",
		"ANSIBLE_STDOUT_CALLBACK=default", // whose recap is read
		"ANSIBLE_RETRY_FILES_ENABLED=0",
		"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=1",
	}
	if c.ConfigFile != "" {
		env = append(env, "ANSIBLE_CONFIG="+c.ConfigFile)
	} else {
		files[configFile] = ownConfig
	}
	return process{
		argv: argv, env: env, files: files,
		timeout: time.Duration(c.Timeout), killDelay: a.killDelay,
	}.run(ctx)
}

// variables is the plan as JSON whose every string is tagged !unsafe, which makes it
// YAML: Ansible renders no template in such a string, wherever the playbook puts it. A
// plain variable would be evaluated, {{ lookup('pipe', …) }} and all. Ansible's other
// notation, {"__ansible_unsafe": …}, would let a label of that name take part.
func variables(p plan) string {
	var b strings.Builder
	unsafe := func(name, value string) {
		// A key of its own after "?" may be of any length. Of Go's escapes each is YAML's
		// too, and no byte remains that YAML's readers refuse.
		fmt.Fprintf(&b, "? !unsafe %s : !unsafe %s,\n", strconv.QuoteToASCII(name), strconv.QuoteToASCII(strings.ToValidUTF8(value, "\uFFFD")))
	}
	b.WriteString("{foreshock: {\n")
	unsafe("id", p.id())
	unsafe("rule", p.Rule)
	unsafe("action", p.Action)
	unsafe("target", p.Target)
	if p.Value != "" {
		unsafe("value", p.Value)
	}
	unsafe("status", p.Status)
	unsafe("fingerprint", p.Fingerprint)
	unsafe("starts_at", p.StartsAt.Format(time.RFC3339Nano))
	b.WriteString("labels: {\n")
	for _, name := range slices.Sorted(maps.Keys(p.Labels)) {
		unsafe(name, p.Labels[name])
	}
	b.WriteString("}}}\n")
	return b.String()
}

var (
	hostsHeading = regexp.MustCompile(`^ +hosts \((\d+)\):$`)
	recapLine    = regexp.MustCompile(`^(\S+) +: ok=\d+ `)
)

// listedHosts are the hosts in the output of --list-hosts, each once.
func listedHosts(out string) (hosts []string) {
	left := 0
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		if m := hostsHeading.FindStringSubmatch(line); m != nil {
			left, _ = strconv.Atoi(m[1]) // digits; too many of them are no host's
			continue
		}
		if left > 0 {
			hosts = append(hosts, strings.TrimSpace(line))
			left--
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// recappedHosts are those below the last heading of a recap: nothing that a task
// prints comes after it.
func recappedHosts(out string) (hosts []string) {
	i := strings.LastIndex(out, "\nPLAY RECAP ***")
	if i < 0 {
		return nil
	}
	for line := range strings.Lines(out[i:]) {
		if m := recapLine.FindStringSubmatch(line); m != nil {
			hosts = append(hosts, m[1])
		}
	}
	return hosts
}

// lastLine is the last that says something.
func lastLine(out string) string {
	out = strings.TrimSpace(out)
	return out[strings.LastIndexByte(out, '\n')+1:]
}
