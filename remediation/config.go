package remediation

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

// Mode says how far a remedy may go by itself.
type Mode string

// The modes, from the most careful to the least.
const (
	Off     Mode = "off"     // alerts are acknowledged and forgotten
	Suggest Mode = "suggest" // what would be done is recorded, and nothing done
	Approve Mode = "approve" // nothing is done until a person says so
	Auto    Mode = "auto"    // remedies run at once
)

// acts reports whether the mode can lead to an action.
func (m Mode) acts() bool { return m == Approve || m == Auto }

// Config is the remediation block of the configuration file.
type Config struct {
	// Mode is off, suggest, approve or auto: forget alerts, record what would be
	// done, wait for a person's approval, or act at once. Decisions are remembered
	// for 30 days: an alert that has been firing for longer may be refused, so that
	// none is treated twice.
	Mode Mode `yaml:"mode"`

	// WebhookToken is the bearer token that Alertmanager must send with its
	// webhook, and a person with an approval. The modes approve and auto need one.
	// Without one the webhook is closed, unless the listener demands client
	// certificates.
	WebhookToken promconfig.Secret `yaml:"webhook_token,omitempty"`

	// WebhookTokenFile names a file that holds the token instead; white space
	// around it is ignored. It is read at start and at every reload.
	WebhookTokenFile string `yaml:"webhook_token_file,omitempty"`

	// ApprovalTTL is how long a plan waits for approval. Then the answer is no.
	// From 1s to 24h.
	ApprovalTTL model.Duration `yaml:"approval_ttl"`

	// MaxPerHour bounds how often one rule may act within any hour, however many
	// alerts match it. From 1 to 60. What goes beyond is refused, not postponed.
	MaxPerHour int `yaml:"max_per_hour"`

	// QueueSize bounds the plans that wait, for approval or for their turn. From 1
	// to 1000. What goes beyond is refused.
	QueueSize int `yaml:"queue_size"`

	// Actions are what a rule may ask for, by name. Nothing else can be done.
	Actions []ActionConfig `yaml:"actions,omitempty"`
}

// ActionConfig is one thing that can be done: a webhook or an exec.
type ActionConfig struct {
	// Name is what a remedy rule calls the action: letters, digits, ".", "_", "-".
	// Required.
	Name string `yaml:"name"`

	// Targets lists everything the action may be pointed at. An alert's label can
	// select one of them and never add one.
	Targets []string `yaml:"targets,omitempty"`

	// Webhook posts JSON to a fixed URL.
	Webhook *WebhookConfig `yaml:"webhook,omitempty"`

	// Exec runs a fixed command.
	Exec *ExecConfig `yaml:"exec,omitempty"`
}

// kind is the configuration of one way of acting.
type kind interface {
	// SetDirectory makes relative file names relative to dir.
	SetDirectory(dir string)
	// validate reports every mistake that shows without opening a file, each with
	// its path, which begins with the one given.
	validate(path string, targets []string) error
	// build makes it ready: it reads the files that it names.
	build() (action, error)
}

// kindNames are the keys of all kinds.
const kindNames = "webhook and exec"

type named struct {
	name string // its key
	kind kind
}

// kinds are those that are set. A valid action has one.
func (c ActionConfig) kinds() (set []named) {
	if c.Webhook != nil {
		set = append(set, named{"webhook", c.Webhook})
	}
	if c.Exec != nil {
		set = append(set, named{"exec", c.Exec})
	}
	return set
}

const (
	shortestApproval, longestApproval = time.Second, 24 * time.Hour
	highestPerHour                    = 60
	longestQueue                      = 1000
)

// DefaultConfig suggests and never acts.
func DefaultConfig() Config {
	return Config{
		Mode:        Suggest,
		ApprovalTTL: model.Duration(15 * time.Minute),
		MaxPerHour:  3,
		QueueSize:   64,
	}
}

// SetDirectory makes relative file names relative to dir.
func (c *Config) SetDirectory(dir string) {
	c.WebhookTokenFile = promconfig.JoinDir(dir, c.WebhookTokenFile)
	for _, a := range c.Actions {
		for _, k := range a.kinds() {
			k.kind.SetDirectory(dir)
		}
	}
}

// Validate reports every mistake that shows without opening a file.
func (c Config) Validate() error {
	var errs []error
	if !slices.Contains([]Mode{Off, Suggest, Approve, Auto}, c.Mode) {
		errs = append(errs, fmt.Errorf("remediation.mode: must be off, suggest, approve or auto, got %q", c.Mode))
	}
	if c.WebhookToken != "" && c.WebhookTokenFile != "" {
		errs = append(errs, errors.New("remediation.webhook_token: must not be set beside webhook_token_file"))
	}
	if c.Mode.acts() && c.WebhookToken == "" && c.WebhookTokenFile == "" {
		errs = append(errs, fmt.Errorf("remediation.mode: must not be %s without webhook_token or webhook_token_file: anybody could act", c.Mode))
	}
	if ttl := time.Duration(c.ApprovalTTL); ttl < shortestApproval || ttl > longestApproval {
		errs = append(errs, fmt.Errorf("remediation.approval_ttl: must be from 1s to 24h, got %s", c.ApprovalTTL))
	}
	if c.MaxPerHour < 1 || c.MaxPerHour > highestPerHour {
		errs = append(errs, fmt.Errorf("remediation.max_per_hour: must be from 1 to %d, got %d", highestPerHour, c.MaxPerHour))
	}
	if c.QueueSize < 1 || c.QueueSize > longestQueue {
		errs = append(errs, fmt.Errorf("remediation.queue_size: must be from 1 to %d, got %d", longestQueue, c.QueueSize))
	}
	names := map[string]bool{}
	for i, a := range c.Actions {
		path := fmt.Sprintf("remediation.actions[%d]", i)
		if names[a.Name] {
			errs = append(errs, fmt.Errorf("%s.name: must be unique, got %q again", path, a.Name))
		}
		names[a.Name] = true
		errs = append(errs, a.validate(path))
	}
	return errors.Join(errs...)
}

var actionName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (c ActionConfig) validate(path string) error {
	var errs []error
	if !actionName.MatchString(c.Name) {
		errs = append(errs, fmt.Errorf("%s.name: must be 1 to 64 letters, digits, dots, dashes or underscores, got %q", path, c.Name))
	}
	seen := map[string]bool{}
	for i, target := range c.Targets {
		if target == "" || seen[target] {
			errs = append(errs, fmt.Errorf("%s.targets[%d]: must be unique and not empty, got %q", path, i, target))
		}
		seen[target] = true
	}
	switch kinds := c.kinds(); len(kinds) {
	case 0:
		errs = append(errs, fmt.Errorf("%s: must have one of %s, got none", path, kindNames))
	case 1:
		errs = append(errs, kinds[0].kind.validate(path+"."+kinds[0].name, c.Targets))
	default:
		errs = append(errs, fmt.Errorf("%s: must have one of %s, got %s and %s", path, kindNames, kinds[0].name, kinds[1].name))
	}
	return errors.Join(errs...)
}

// An action's timeout is bounded: whatever waits behind it in the queue waits that
// long.
const shortestAction, longestAction = time.Millisecond, 10 * time.Minute

func checkTimeout(path string, d model.Duration) error {
	if t := time.Duration(d); t < shortestAction || t > longestAction {
		return fmt.Errorf("%s.timeout: must be from 1ms to 10m, got %s", path, d)
	}
	return nil
}
