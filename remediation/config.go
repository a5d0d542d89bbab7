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

	// SingleInstance says that no other Foreshock gets the alerts that this one does.
	// The modes approve and auto need that, or a lease.
	SingleInstance bool `yaml:"single_instance,omitempty"`

	// Lease is where replicas that get the same alerts agree which of them acts, once
	// for an episode. Without it in reach none does. A reload cannot change it.
	Lease *LeaseConfig `yaml:"lease,omitempty"`

	// WebhookToken is the bearer token that Alertmanager must send with its
	// webhook, and a person with an approval. The modes approve and auto need one.
	// Without one the webhook is closed, unless the listener demands client
	// certificates. Where the listener demands a password, which takes the place of
	// a bearer token, X-Foreshock-Token is the header for it.
	WebhookToken promconfig.Secret `yaml:"webhook_token,omitempty"`

	// WebhookTokenFile names a file that holds the token instead; white space
	// around it is ignored. It is read at start and at every reload.
	WebhookTokenFile string `yaml:"webhook_token_file,omitempty"`

	// ApprovalToken is the bearer token that a person must send to approve or deny a
	// plan, to resume remedies, and to close a circuit breaker. It differs from the
	// webhook's, so that nobody who can send an alert can approve of what follows. The
	// modes approve and auto need one.
	ApprovalToken promconfig.Secret `yaml:"approval_token,omitempty"`

	// ApprovalTokenFile names a file that holds that token instead, as
	// webhook_token_file does.
	ApprovalTokenFile string `yaml:"approval_token_file,omitempty"`

	// ApprovalTTL is how long a plan waits for approval. Then the answer is no.
	// From 1s to 24h.
	ApprovalTTL model.Duration `yaml:"approval_ttl"`

	// MaxPerHour bounds how often one rule may act within any hour, however many
	// alerts match it. From 1 to 60. What goes beyond is refused, not postponed.
	MaxPerHour int `yaml:"max_per_hour"`

	// MaxPerDay bounds how often one rule may act within any 24 hours. From 1 to 200.
	MaxPerDay int `yaml:"max_per_day"`

	// MaxTotalPerHour bounds how often all rules together may act within any hour.
	// From 1 to 200.
	MaxTotalPerHour int `yaml:"max_total_per_hour"`

	// MaxConcurrent bounds how many actions run at the same time. From 1 to 8. What
	// goes beyond waits for its turn, for a minute at most.
	MaxConcurrent int `yaml:"max_concurrent"`

	// Cooldown is how long a target is left alone after an action began on it,
	// whichever it was; an action without targets has one cooldown. From 0s to 24h.
	Cooldown model.Duration `yaml:"cooldown"`

	// BlastRadius is the share of an action's targets that may be acted on within
	// blast_window: above 0, and at most 1. One target always may.
	BlastRadius float64 `yaml:"blast_radius"`

	// BlastWindow is how far blast_radius looks back. From 1m to 24h.
	BlastWindow model.Duration `yaml:"blast_window"`

	// ProtectedTargets are never acted on, though an action lists them. This host and
	// this process are protected by themselves, under their names and addresses.
	ProtectedTargets []string `yaml:"protected_targets,omitempty"`

	// ChangeWindows are the times of the week in which remedies may act; none means
	// always. What comes outside of them is refused, not postponed.
	ChangeWindows []ChangeWindow `yaml:"change_windows,omitempty"`

	// QueueSize bounds the plans that wait, for approval or for their turn. From 1
	// to 1000. What goes beyond is refused.
	QueueSize int `yaml:"queue_size"`

	// Actions are what a rule may ask for, by name. Nothing else can be done.
	Actions []ActionConfig `yaml:"actions,omitempty"`
}

// ActionConfig is one thing that can be done. Of the keys beside name and targets it
// has exactly one.
type ActionConfig struct {
	// Name is what a remedy rule calls the action: letters, digits, ".", "_", "-".
	// Required.
	Name string `yaml:"name"`

	// Targets lists everything the action may be pointed at. An alert's label can
	// select one of them and never add one.
	Targets []string `yaml:"targets,omitempty"`

	// Verify says how it is judged whether the action helped. Without it the series that
	// fired have 5m to recover and 1m to stay so, and what did not help is taken back.
	Verify *VerifyConfig `yaml:"verify,omitempty"`

	// Scale has the action scale by a forecast. Its plan then has a value.
	Scale *ScaleConfig `yaml:"scale,omitempty"`

	// Webhook posts JSON to a fixed URL.
	Webhook *WebhookConfig `yaml:"webhook,omitempty"`

	// Exec runs a fixed command.
	Exec *ExecConfig `yaml:"exec,omitempty"`

	// Ansible runs a fixed playbook on one host.
	Ansible *AnsibleConfig `yaml:"ansible,omitempty"`

	// Systemd restarts one service.
	Systemd *SystemdConfig `yaml:"systemd,omitempty"`

	// Lambda invokes a fixed AWS Lambda function.
	Lambda *LambdaConfig `yaml:"lambda,omitempty"`

	// Kubernetes scales or restarts a workload, or evicts a pod.
	Kubernetes *KubernetesConfig `yaml:"kubernetes,omitempty"`
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
const kindNames = "webhook, exec, ansible, systemd, lambda and kubernetes"

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
	if c.Ansible != nil {
		set = append(set, named{"ansible", c.Ansible})
	}
	if c.Systemd != nil {
		set = append(set, named{"systemd", c.Systemd})
	}
	if c.Lambda != nil {
		set = append(set, named{"lambda", c.Lambda})
	}
	if c.Kubernetes != nil {
		set = append(set, named{"kubernetes", c.Kubernetes})
	}
	return set
}

// verify is how it is judged whether the action helped.
func (c ActionConfig) verify() VerifyConfig {
	if c.Verify == nil {
		return DefaultVerifyConfig()
	}
	return *c.Verify
}

const (
	shortestApproval, longestApproval = time.Second, 24 * time.Hour
	highestPerHour                    = 60
	highestPerDay                     = 200
	highestTotal                      = 200
	highestConcurrent                 = 8
	longestCooldown                   = launchesWindow
	shortestBlast, longestBlast       = time.Minute, launchesWindow
	longestQueue                      = 1000
	mostProtected, mostWindows        = 1000, 100
)

// DefaultConfig suggests and never acts.
func DefaultConfig() Config {
	return Config{
		Mode:            Suggest,
		ApprovalTTL:     model.Duration(15 * time.Minute),
		MaxPerHour:      3,
		MaxPerDay:       12,
		MaxTotalPerHour: 10,
		MaxConcurrent:   1,
		Cooldown:        model.Duration(5 * time.Minute),
		BlastRadius:     0.1,
		BlastWindow:     model.Duration(time.Hour),
		QueueSize:       64,
	}
}

// SetDirectory makes relative file names relative to dir.
func (c *Config) SetDirectory(dir string) {
	c.WebhookTokenFile = promconfig.JoinDir(dir, c.WebhookTokenFile)
	c.ApprovalTokenFile = promconfig.JoinDir(dir, c.ApprovalTokenFile)
	if c.Lease != nil {
		c.Lease.setDirectory(dir)
	}
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
	if c.ApprovalToken != "" && c.ApprovalTokenFile != "" {
		errs = append(errs, errors.New("remediation.approval_token: must not be set beside approval_token_file"))
	}
	if c.Mode.acts() && c.WebhookToken == "" && c.WebhookTokenFile == "" {
		errs = append(errs, fmt.Errorf("remediation.mode: must not be %s without webhook_token or webhook_token_file: anybody could act", c.Mode))
	}
	if c.Mode.acts() && c.ApprovalToken == "" && c.ApprovalTokenFile == "" {
		errs = append(errs, fmt.Errorf("remediation.mode: must not be %s without approval_token or approval_token_file: nobody could approve or resume", c.Mode))
	}
	errs = append(errs, c.validateReplicas(), c.validateCeilings())
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

// validateReplicas refuses to leave open how many replicas would act.
func (c Config) validateReplicas() error {
	switch {
	case c.Lease != nil && c.SingleInstance:
		return errors.New("remediation.single_instance: must not be set beside lease")
	case c.Lease != nil:
		return c.Lease.validate("remediation.lease")
	case c.Mode.acts() && !c.SingleInstance:
		return fmt.Errorf("remediation.mode: must not be %s without a lease, or single_instance: true where no other Foreshock gets the same alerts: two would act twice", c.Mode)
	}
	return nil
}

// validateCeilings refuses what would lift a ceiling. What is no number at all, or too large
// for one, is none of the file's numbers and was refused before.
func (c Config) validateCeilings() error {
	var errs []error
	for _, one := range []struct {
		name          string
		value, lo, hi int
	}{
		{"max_per_hour", c.MaxPerHour, 1, highestPerHour},
		{"max_per_day", c.MaxPerDay, 1, highestPerDay},
		{"max_total_per_hour", c.MaxTotalPerHour, 1, highestTotal},
		{"max_concurrent", c.MaxConcurrent, 1, highestConcurrent},
		{"queue_size", c.QueueSize, 1, longestQueue},
	} {
		if one.value < one.lo || one.value > one.hi {
			errs = append(errs, fmt.Errorf("remediation.%s: must be from %d to %d, got %d", one.name, one.lo, one.hi, one.value))
		}
	}
	for _, one := range []struct {
		name, want string
		value      model.Duration
		lo, hi     time.Duration
	}{
		{"approval_ttl", "1s to 24h", c.ApprovalTTL, shortestApproval, longestApproval},
		{"cooldown", "0s to 24h", c.Cooldown, 0, longestCooldown},
		{"blast_window", "1m to 24h", c.BlastWindow, shortestBlast, longestBlast},
	} {
		if d := time.Duration(one.value); d < one.lo || d > one.hi {
			errs = append(errs, fmt.Errorf("remediation.%s: must be from %s, got %s", one.name, one.want, one.value))
		}
	}
	if !(c.BlastRadius > 0 && c.BlastRadius <= 1) { // NaN is neither
		errs = append(errs, fmt.Errorf("remediation.blast_radius: must be above 0 and at most 1, got %v", c.BlastRadius))
	}
	if n := len(c.ProtectedTargets); n > mostProtected {
		errs = append(errs, fmt.Errorf("remediation.protected_targets: must be at most %d, got %d", mostProtected, n))
	}
	if n := len(c.ChangeWindows); n > mostWindows {
		errs = append(errs, fmt.Errorf("remediation.change_windows: must be at most %d, got %d", mostWindows, n))
	}
	for i, w := range c.ChangeWindows {
		_, err := w.build(fmt.Sprintf("remediation.change_windows[%d]", i))
		errs = append(errs, err)
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
	errs = append(errs, c.verify().validate(path+".verify"), c.Scale.validate(path+".scale"))
	if c.Kubernetes != nil {
		errs = append(errs, c.Kubernetes.validateAhead(path+".kubernetes", c.Scale))
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
