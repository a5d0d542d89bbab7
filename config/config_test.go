package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/emitter"
	"github.com/foreshock/foreshock/incident"
	"github.com/foreshock/foreshock/internal/yamlstrict"
	"github.com/foreshock/foreshock/receiver"
	"github.com/foreshock/foreshock/remediation"
)

// write makes a folder of files and returns the path of foreshock.yml in it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "foreshock.yml")
}

func TestNoFileIsDefault(t *testing.T) {
	c, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, Default()) {
		t.Errorf("got %v, want the default", c)
	}
}

func TestEmptyFileIsDefault(t *testing.T) {
	for _, file := range []string{"", "# nothing yet\n", "{}", "detector:\nreceiver: {}\npresets:\n"} {
		c, err := Load(write(t, map[string]string{"foreshock.yml": file}))
		if err != nil {
			t.Errorf("%q: %v", file, err)
		} else if shown(t, c) != shown(t, Default()) {
			t.Errorf("%q: got\n%s\nwant the default", file, shown(t, c))
		}
	}
}

// shown is the configuration as YAML, defaults filled in and secrets masked.
func shown(t *testing.T, c *Config) string {
	t.Helper()
	b, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// full uses every kind of block, and secrets wherever there can be one.
const full = `
global:
  external_labels: {cluster: eu-1}
  external_url: https://foreshock.example.com/
  grafana_url: https://grafana.example.com/?orgId=2
presets: [node]
rule_files: ["rules/*.yml"]
detector: {max_series: 1000, window: 2h}
receiver: {max_body: 8MiB}
incident: {join_within: 5m, affinity: [[instance]]}
evidence:
  before: 10m
  sources:
    - name: loki
      kind: loki
      url: http://loki:3100
      queries: ['{namespace=${namespace}} |= "error"']
      http_config:
        basic_auth: {username: me, password: canary}
        http_headers: {X-Scope-OrgID: {secrets: [canary]}}
    - {name: splunk, kind: splunk, url: "https://splunk:8089", http_config: {authorization: {credentials_file: secret}}}
emitter: {names: vmanomaly, json_lines: {file: out.jsonl, max_size: 2MiB}}
remote_write:
  - url: http://me:canary@localhost:9090/api/v1/write
    name: one
    basic_auth: {username: me, password: canary}
    queue_config: {max_shards: 3}
  - url: http://localhost:9091/api/v1/write
    tls_config: {insecure_skip_verify: true}
    authorization: {credentials_file: secret}
    protobuf_message: io.prometheus.write.v2.Request
    write_relabel_configs: [{source_labels: [a], regex: "x(.*)", target_label: b}]
alerting:
  alert_relabel_configs: [{regex: noise, action: labeldrop}]
  alertmanagers:
    - scheme: https
      oauth2: {client_id: me, client_secret: canary, token_url: "http://localhost/token"}
      static_configs: [{targets: ["localhost:9093"]}]
      dns_sd_configs: [{names: [alertmanager.example.com], type: A, port: 9093}]
remediation:
  mode: approve
  single_instance: true
  webhook_token: canary
  approval_token: canary-of-a-person
  actions:
    - name: restart
      targets: [web-1]
      exec: {command: [./restart.sh, "${target}"]}
    - name: tell
      webhook: {url: "https://hooks.example.com/canary", slack: true}
`

var fullFiles = map[string]string{
	"foreshock.yml": full,
	"restart.sh":    "#!/bin/sh\n",
	"rules/a.yml": `groups:
- name: a
  rules:
  - watch: web
    select: http_requests_total
  - remedy: restart_web
    match: '{rule="web"}'
    action: restart
    target: instance
`,
}

func TestLoad(t *testing.T) {
	path := write(t, fullFiles)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	want := Default()
	for _, check := range []struct {
		what      string
		got, want any
	}{
		{"external labels", c.Global.ExternalLabels, labels.FromStrings("cluster", "eu-1")},
		{"what is set", c.Detector.Window, model.Duration(2 * time.Hour)},
		{"what is not set", c.Detector.Threshold, want.Detector.Threshold},
		{"a list replaces the default", c.Incident.Affinity, [][]string{{"instance"}}},
		{"a relative path", c.Emitter.JSONLines.File, filepath.Join(dir, "out.jsonl")},
		{"a relative path in Prometheus's block", c.RemoteWrite[1].HTTPClientConfig.Authorization.CredentialsFile, filepath.Join(dir, "secret")},
		{"a relative path of a source of logs", c.Evidence.Sources[1].HTTPConfig.Authorization.CredentialsFile, filepath.Join(dir, "secret")},
		{"a source's default", c.Evidence.Sources[0].Timeout, model.Duration(10 * time.Second)},
		{"Prometheus's own default", c.RemoteWrite[0].RemoteTimeout, model.Duration(30 * time.Second)},
		{"within a partly given block", c.RemoteWrite[0].QueueConfig.Capacity, 10000},
		{"service discoveries", len(c.Alerting.AlertmanagerConfigs[0].ServiceDiscoveryConfigs), 2},
		{"rules after those of the preset", c.Rules.Watches[len(c.Rules.Watches)-1].Name, "web"},
		{"remedies", len(c.Rules.Remedies), 1},
	} {
		if !reflect.DeepEqual(check.got, check.want) {
			t.Errorf("%s: got %v, want %v", check.what, check.got, check.want)
		}
	}
}

// YAML 1.1 reads off as false; who switches remediation off must not be told so.
func TestModeOffIsAWord(t *testing.T) {
	c, err := Load(write(t, map[string]string{"foreshock.yml": "remediation: {mode: off}"}))
	if err != nil || c.Remediation.Mode != remediation.Off {
		t.Errorf("got %v, %v", c, err)
	}
}

// A mistake is placed in the file by the path that a component gives, so each must
// give one that begins with its block.
func TestComponentsNameTheirBlock(t *testing.T) {
	for block, err := range map[string]error{
		"receiver":    receiver.Config{}.Validate(),
		"detector":    detector.Config{}.Validate(),
		"incident":    incident.Config{}.Validate(),
		"emitter":     emitter.Config{}.Validate(),
		"remediation": remediation.Config{}.Validate(),
	} {
		for _, e := range yamlstrict.Leaves(err) {
			if !strings.HasPrefix(e.Error(), block+".") || !strings.Contains(e.Error(), ": ") {
				t.Errorf("%s: %v", block, e)
			}
		}
		if err == nil {
			t.Errorf("%s: the zero Config is valid", block)
		}
	}
}

// P29: a configuration that is shown holds no secret, and with
// the secrets put back is a configuration again.
func TestSecretsAreMasked(t *testing.T) {
	c, err := Load(write(t, fullFiles))
	if err != nil {
		t.Fatal(err)
	}
	text := shown(t, c)
	if strings.Contains(text, "canary") {
		t.Errorf("a secret shows:\n%s", text)
	}
	for _, want := range []string{"window: 2h", "cluster: eu-1", "max_body: 8MiB", "- localhost:9093", "names:\n", "command:\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing from\n%s", want, text)
		}
	}
	again, err := Load(write(t, map[string]string{
		"foreshock.yml": strings.NewReplacer("url: <secret>", "url: https://hooks.example.com/canary",
			"approval_token: <secret>", "approval_token: canary-of-a-person").Replace(text),
		"rules/a.yml": fullFiles["rules/a.yml"],
	}))
	if err != nil {
		t.Fatal(err)
	}
	if shown(t, again) != text {
		t.Errorf("shown\n%s\nread again\n%s", text, shown(t, again))
	}
}

// FuzzLoad looks for a file that panics one of the components or of Prometheus's
// types.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(full))
	for _, block := range strings.SplitAfter(full, "\n") {
		f.Add([]byte(block))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "foreshock.yml")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path)
		if (c == nil) == (err == nil) {
			t.Fatalf("got %v and %v", c, err)
		}
		if c != nil {
			shown(t, c)
		}
	})
}

// Windows that an expression lengthens are memory somebody should know about.
func TestNotes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("rules.yml", `groups: [{name: g, rules: [{watch: w, expr: 'rate(up{job="a"}[2h]) + rate(down[5m])'}]}]`)
	c, err := Load(write("foreshock.yml", "rule_files: [rules.yml]\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := `[rule w reads 2h back: the windows of {__name__="up",job="a"} are kept as long, not only for detector.window, 1h]`
	if got := fmt.Sprint(c.Notes()); got != want {
		t.Errorf("notes %s\nwant  %s", got, want)
	}
}
