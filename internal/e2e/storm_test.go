package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/internal/stack"
)

var realStorms = flag.Int("real-storms", 1, "how many storms TestRealStorm goes through")

const stormConfig = `
remediation:
  mode: auto
  single_instance: true
  webhook_token_file: webhook.token
  approval_token_file: approval.token
  max_per_hour: 6
  max_per_day: 6
  max_total_per_hour: 6
  cooldown: 1h
  blast_radius: 0.5
  actions:
    - name: act
      targets: [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9]
      exec: {command: [/bin/sh, ./act.sh, ./acted, "${target}"]}
`

// The action takes long enough to be killed in the middle of it.
const stormAction = `echo "$2 $FORESHOCK_FINGERPRINT" >> "$1"
sleep 0.4
`

// TestRealStorm: three real Alertmanagers, which know nothing of each other, deliver the same
// alerts again and again, and the process is killed at random instants, in the middle of what
// it does. No alert is treated twice, no target within its cooldown, and never more than may
// be; and the ledger is as it was written.
func TestRealStorm(t *testing.T) {
	acted := 0
	for seed := range uint64(*realStorms) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { acted += realStorm(t, seed) })
	}
	if acted == 0 {
		t.Error("nothing acted, so nothing was shown")
	}
}

func realStorm(t *testing.T, seed uint64) int {
	rng := rand.New(rand.NewPCG(seed, 3))
	s := start(t, "testdata/stack")
	write(t, s, "foreshock.yml", "rule_files: [rules.yml]\n"+stormConfig)
	write(t, s, "rules.yml", "groups: [{name: all, rules: [{remedy: do_it, match: '{remediation=\"act\"}', action: act, target: pod}]}]\n")
	write(t, s, "act.sh", stormAction)
	// Each tells again of what still fires whenever it may.
	write(t, s, "alertmanager.yml", strings.Replace(read(t, s, "alertmanager.yml"), "group_interval: 1s", "group_interval: 1s\n  repeat_interval: 1s", 1))
	var managers []string
	for i := range 3 {
		managers = append(managers, alertmanager(t, s, i))
	}
	p := sidecar(t, s)
	resume(t, s)

	for i := range 40 { // of which some are on the same target
		fire(t, managers, map[string]string{"alertname": "Stuck", "remediation": "act", "pod": fmt.Sprint("t", i%12), "n": fmt.Sprint(i)})
	}
	for range 4 {
		time.Sleep(time.Duration(rng.IntN(1500)) * time.Millisecond)
		if err := p.Signal(os.Kill); err != nil {
			t.Fatal(err)
		}
		<-p.Exited()
		p = sidecar(t, s)
	}
	type plan struct{ State string }
	eventually(t, time.Minute, "all alerts to be decided about", func() bool {
		var plans struct{ Data []plan }
		getJSON(t, s.URL(9797, "/api/v1/remediations"), &plans)
		open := 0
		for _, one := range plans.Data {
			if one.State == "approved" || one.State == "running" {
				open++
			}
		}
		return len(plans.Data) == 40 && open == 0
	})
	p.Stop(20 * time.Second)

	targets, alerts, n := map[string]bool{}, map[string]bool{}, 0
	text, err := os.ReadFile(filepath.Join(s.Dir, "acted"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		target, alert, _ := strings.Cut(strings.TrimSpace(line), " ")
		if alerts[alert] || targets[target] {
			t.Errorf("seed %d: acted again: %s", seed, line)
		}
		alerts[alert], targets[target] = true, true
		n++
	}
	if n > 5 { // half of the targets, which is below the ceiling of the rule
		t.Errorf("seed %d: acted %d times", seed, n)
	}
	cmd := exec.CommandContext(t.Context(), program(t), "remediation", "verify-ledger", "--storage.path", "foreshock-data")
	cmd.Dir = s.Dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("seed %d: %v: %s", seed, err, out)
	}
	return n
}

// alertmanager starts one that hears of no other, and returns where its API is.
func alertmanager(t *testing.T, s *stack.Stack, i int) string {
	t.Helper()
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	must[*stack.Process](t)(s.Start(filepath.Join(s.Bin, "alertmanager"), "--config.file=alertmanager.yml", fmt.Sprint("--storage.path=alertmanager-", i),
		"--cluster.listen-address=", "--web.listen-address="+addr))
	url := "http://" + addr
	eventually(t, time.Minute, "an Alertmanager to be ready", func() bool {
		resp, err := http.Get(url + "/-/ready")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return url
}

// fire tells every Alertmanager that the alert fires, as a Prometheus does.
func fire(t *testing.T, managers []string, labels map[string]string) {
	t.Helper()
	body, err := json.Marshal([]map[string]any{{"labels": labels, "startsAt": time.Now().Add(-time.Second), "endsAt": time.Now().Add(time.Hour)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range managers {
		resp, err := http.Post(m+"/api/v2/alerts", "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s answered %s", m, resp.Status)
		}
	}
}
