package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSignalPauses: SIGUSR1 to the real process is the kill switch. What waits for a person is
// cancelled, nothing starts any more, kill -9 and a new process change nothing, and a person
// ends it.
func TestSignalPauses(t *testing.T) {
	s := start(t, "testdata/stack")
	write(t, s, "rules.yml", `groups: [{name: all, rules: [{remedy: touch, match: '{alertname="Stuck"}', action: touch}]}]`)
	write(t, s, "foreshock.yml", `
rule_files: [rules.yml]
remediation:
  mode: approve
  single_instance: true
  webhook_token_file: webhook.token
  approval_token_file: approval.token
  cooldown: 0s
  actions: [{name: touch, exec: {command: [/usr/bin/touch, "./touched"]}, verify: {within: 0s}}]
`)
	p := sidecar(t, s)
	send := func(method, path, token, body string) []byte {
		t.Helper()
		req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), method, s.URL(9797, path), strings.NewReader(body)))
		req.Header.Set("Authorization", "Bearer "+read(t, s, token))
		req.Header.Set("Content-Type", "application/json")
		resp := must[*http.Response](t)(http.DefaultClient.Do(req))
		defer resp.Body.Close()
		text := must[[]byte](t)(io.ReadAll(resp.Body))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %s: %s", method, path, resp.Status, text)
		}
		return text
	}
	alert := func(n string) {
		t.Helper()
		send(http.MethodPost, "/api/v1/alertmanager/webhook", "webhook.token", string(must[[]byte](t)(json.Marshal(map[string]any{
			"version": "4", "alerts": []any{map[string]any{
				"status": "firing", "startsAt": time.Now(), "labels": map[string]string{"alertname": "Stuck", "n": n},
			}},
		}))))
	}
	ask := func(words ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program(t), append(append([]string{"remediation"}, words...), "--url", s.URL(9797, ""), "--http.config.file", "person.yml")...)
		cmd.Dir = s.Dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	newest := func() (id, hash, state, reason string) {
		t.Helper()
		var answer struct {
			Data []struct{ ID, Hash, State, Reason string }
		}
		if err := json.Unmarshal(send(http.MethodGet, "/api/v1/remediations", "approval.token", ""), &answer); err != nil || len(answer.Data) == 0 {
			t.Fatalf("%v: %d plans", err, len(answer.Data))
		}
		e := answer.Data[0]
		return e.ID, e.Hash, e.State, e.Reason
	}

	alert("1")
	if _, _, state, _ := newest(); state != "waiting" {
		t.Fatalf("the plan is %s", state)
	}
	if err := p.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "what waited is cancelled", func() bool {
		_, _, state, reason := newest()
		return state == "cancelled" && strings.HasPrefix(reason, "paused by SIGUSR1 at ")
	})
	paused := func(n string) {
		t.Helper()
		if text := ask("status"); !strings.Contains(text, "paused by SIGUSR1 at ") {
			t.Errorf("status: %s", text)
		}
		alert(n)
		if _, _, state, reason := newest(); state != "refused" || !strings.HasPrefix(reason, "paused by SIGUSR1 at ") {
			t.Errorf("an alert's plan is %s: %s", state, reason)
		}
	}
	paused("2")
	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait() // killed
	sidecar(t, s)
	paused("3")

	ask("resume")
	alert("4")
	id, hash, state, reason := newest()
	if state != "waiting" {
		t.Fatalf("after resume the plan is %s: %s", state, reason)
	}
	ask("approve", id, "--hash", hash)
	eventually(t, 10*time.Second, "the remedy", func() bool {
		_, err := os.Stat(filepath.Join(s.Dir, "touched"))
		return err == nil
	})
}
