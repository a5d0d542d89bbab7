package config

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/emitter"
	"github.com/foreshock/foreshock/evidence"
	"github.com/foreshock/foreshock/remediation"
	"github.com/foreshock/foreshock/rules"
)

// Every configuration among the examples must start, as it stands; the quickstart's
// once its README was followed, which has the tokens made.
func TestExamples(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../examples")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"quickstart/webhook.token", "quickstart/approval.token", "kubernetes/webhook.token", "kubernetes/approval.token"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("canary of "+name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"foreshock.yml", "quickstart/foreshock.yml", "kubernetes/foreshock.yml", "ansible/foreshock.yml", "lambda/foreshock.yml"} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath("ansible-playbook"); err != nil && strings.HasPrefix(name, "ansible") {
				t.Skip("NOT TESTED: ansible-playbook is not installed (apt-get install ansible-core)")
			}
			if strings.HasPrefix(name, "ansible") || strings.HasPrefix(name, "lambda") { // as their READMEs have it
				if err := os.WriteFile(filepath.Join(dir, filepath.Dir(name), "webhook.token"), []byte("canary\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c, err := Load(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if c.Rules.Len() == 0 {
				t.Error("has no rules")
			}
			if name == "foreshock.yml" && len(c.Evidence.Sources) == 0 {
				t.Error("shows no source of evidence")
			}
			begin(t, c)
		})
	}
}

// begin starts and ends what can refuse a configuration.
func begin(t *testing.T, c *Config) {
	t.Helper()
	r, err := remediation.New(remediation.Options{Config: c.Remediation, Remedies: c.Rules.Remedies, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	e, err := emitter.New(emitter.Options{
		Config: c.Emitter, RemoteWrite: c.RemoteWrite, Alerting: c.Alerting,
		ExternalLabels: c.Global.ExternalLabels, ExternalURL: c.Global.ExternalURL, Rules: c.Rules,
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := evidence.New(evidence.Options{Config: c.Evidence, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	for _, end := range []func(context.Context) error{e.Close, r.Close} {
		if err := end(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(groups:.*?)```")

// Rules shown in the pages are meant to be copied.
func TestRulesInDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllSubmatch(page, -1)
	if len(blocks) == 0 {
		t.Fatal("no rules in docs/rules.md")
	}
	for _, block := range blocks {
		if _, err := rules.ParseFile("docs/rules.md", block[1]); err != nil {
			t.Error(err)
		}
	}
}
