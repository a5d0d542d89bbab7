package remediation

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock/rules"
)

func decode(t *testing.T, text string) Config {
	t.Helper()
	c := DefaultConfig()
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaultConfigIsValidAndActsOnNothing(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(); err != nil || c.Mode != Suggest {
		t.Errorf("mode %s, %v", c.Mode, err)
	}
}

func TestConfigAsAUserWritesIt(t *testing.T) {
	c := decode(t, `
mode: auto
webhook_token_file: token
actions:
  - name: stop-burner
    exec: {command: [./stop-burner.sh, ./burner.pid, "${target}", kill], timeout: 10s}
    targets: [cpu]
  - name: tell
    webhook: {url_file: slack.url, slack: true, http_config: {authorization: {credentials_file: secret}}}
`)
	c.SetDirectory("/etc/foreshock")
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	run, hook := c.Actions[0].Exec, c.Actions[1].Webhook
	want := []string{"/etc/foreshock/stop-burner.sh", "/etc/foreshock/burner.pid", "${target}", "kill"}
	if !reflect.DeepEqual(run.Command, want) || run.Timeout != model.Duration(10*time.Second) || run.TargetPattern == "" {
		t.Errorf("exec %+v", run)
	}
	if c.WebhookTokenFile != "/etc/foreshock/token" || hook.URLFile != "/etc/foreshock/slack.url" || hook.HTTPConfig.Authorization.CredentialsFile != "/etc/foreshock/secret" {
		t.Errorf("webhook %+v, token %s", hook, c.WebhookTokenFile)
	}
	if c.ApprovalTTL != DefaultConfig().ApprovalTTL || hook.Timeout != DefaultWebhookConfig().Timeout || !hook.HTTPConfig.EnableHTTP2 {
		t.Error("the defaults are gone")
	}
}

func TestEveryMistakeIsReportedByItsPath(t *testing.T) {
	c := decode(t, `
mode: always
webhook_token: a
webhook_token_file: b
approval_ttl: 2d
max_per_hour: 61
queue_size: 0
actions:
  - name: -rf
    targets: [a, a, ""]
    exec: {command: []}
  - name: x
  - name: x
    webhook: {url: ftp://example.com, slack: true, body: "{}", timeout: 0s}
    exec: {command: [ls]}
  - name: y
    webhook: {url_file: u, url: http://localhost, body: "{{.Rule}}"}
  - name: z
    targets: [-v, ok]
    exec: {command: ["${target}", "--pod=${target}", "{{.Target}}", "${target}"], timeout: 1h, target_pattern: "[a-z-]+"}
  - name: w
    exec: {command: [ls, "${target}"]}
  - name: v
    exec: {command: [ls], target_pattern: "("}
  - name: u
    webhook: {}
`)
	err := c.Validate()
	if err == nil {
		t.Fatal("no mistake was found")
	}
	got := err.Error()
	for _, want := range []string{
		`remediation.mode: must be off, suggest, approve or auto, got "always"`,
		`remediation.webhook_token: must not be set beside webhook_token_file`,
		`remediation.approval_ttl: must be from 1s to 24h, got 2d`,
		`remediation.max_per_hour: must be from 1 to 60, got 61`,
		`remediation.queue_size: must be from 1 to 1000, got 0`,
		`remediation.actions[0].name: must be 1 to 64 letters`,
		`remediation.actions[0].targets[1]: must be unique and not empty, got "a"`,
		`remediation.actions[0].targets[2]: must be unique and not empty, got ""`,
		`remediation.actions[0].exec.command: must name an executable, got none`,
		`remediation.actions[1]: must have one of webhook and exec, got none`,
		`remediation.actions[2].name: must be unique, got "x" again`,
		`remediation.actions[2]: must have one of webhook and exec, got webhook and exec`,
		`remediation.actions[3].webhook.url: must not be set beside url_file`,
		`remediation.actions[3].webhook.body: line 1: {{.Rule}} must end in | json`,
		`remediation.actions[4].exec.command[0]: must be fixed`,
		`remediation.actions[4].exec.command[1]: must be fixed`,
		`remediation.actions[4].exec.command[2]: must be fixed`,
		`remediation.actions[4].exec.timeout: must be from 1ms to 10m, got 1h`,
		`remediation.actions[4].exec.target_pattern: must match every target, got "-v"`,
		`remediation.actions[5].exec.command: must not use ${target} without targets`,
		`remediation.actions[6].exec.target_pattern: error parsing regexp`,
		`remediation.actions[7].webhook.url: must be set, or url_file`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestWhatNewRefuses(t *testing.T) {
	w := newWorld(t, Auto)
	w.stop()
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Options){
		"no directory":           func(o *Options) { o.Dir = "" },
		"remediation.queue_size": func(o *Options) { o.Config.QueueSize = -1 },
		"remediation.webhook_token_file: read " + empty + ": empty":         func(o *Options) { o.Config.WebhookToken, o.Config.WebhookTokenFile = "", empty },
		"remediation.webhook_token_file: read " + empty + "x: no such file": func(o *Options) { o.Config.WebhookToken, o.Config.WebhookTokenFile = "", empty+"x" },
		"must name the label that selects":                                  remedy(func(r *rules.Remedy) { r.Target = "" }),
		"must match something":                                              remedy(func(r *rules.Remedy) { r.Match = nil }),
		`action: "reboot" is not among`:                                     remedy(func(r *rules.Remedy) { r.Action = "reboot" }),
		`must not be set: action "restart" has no targets`: func(o *Options) {
			o.Config.Actions = []ActionConfig{{Name: "restart", Webhook: o.Config.Actions[0].Webhook}}
		},
		"remediation.actions[0].exec.command: ": func(o *Options) {
			o.Config.Actions = []ActionConfig{{Name: "restart", Targets: []string{"a"}, Exec: &ExecConfig{Command: []string{"/none"}, Timeout: 1e9}}}
		},
	} {
		o := w.o
		change(&o)
		if r, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("started with %v, want %q", err, want)
			if err == nil {
				r.Close(t.Context())
			}
		}
	}
	// One process at a time has the ledger.
	w.start()
	if _, err := New(w.o); err == nil || !strings.Contains(err.Error(), "in use by process") {
		t.Errorf("started beside itself with %v", err)
	}
}

// remedy changes the only remedy of the options.
func remedy(f func(*rules.Remedy)) func(*Options) {
	return func(o *Options) {
		r := *restart
		f(&r)
		o.Remedies = []*rules.Remedy{&r}
	}
}
