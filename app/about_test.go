package app

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/config"
)

// Whoever may look at the console learns no secret from it, wherever somebody put one.
func TestTheConfigurationIsShownWithoutSecrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "foreshock.yml")
	text := `
global: {external_url: "https://foreshock.example.com"}
remote_write:
  - url: https://kim:hush-1@write.example.com/api?key=hush-2
    headers: {X-Key: hush-3}
    basic_auth: {username: kim, password: hush-4}
  - url: https://write.example.com/push
    bearer_token: hush-5
alerting:
  alertmanagers:
    - scheme: https
      path_prefix: /am
      static_configs: [{targets: ["am-1:9093"]}]
      authorization: {credentials: hush-6}
remediation:
  mode: approve
  single_instance: true
  webhook_token: hush-7-hush-7-hush-7
  approval_token: hush-8-hush-8-hush-8
  actions:
    - name: call
      webhook: {url: "https://hooks.example.com/services/T0/B0/hush-9", body: '{"token": "hush-10"}'}
    - name: run
      exec: {command: [/bin/true, "--password=hush-11"]}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := masked(c)
	if err != nil {
		t.Fatal(err)
	}
	if at := strings.Index(shown, "hush"); at >= 0 {
		t.Errorf("a secret is shown: %s", shown[max(0, at-200):at+20])
	}
	for _, want := range []string{"write.example.com", "mode: approve", "external_url: https://foreshock.example.com", "name: call", "warm_up: 100"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%s is not shown:\n%s", want, shown)
		}
	}
	if got := alertmanagers(&c.Alerting); !slices.Equal(got, []string{"https://am-1:9093/am"}) {
		t.Errorf("Alertmanagers %v", got)
	}
}
