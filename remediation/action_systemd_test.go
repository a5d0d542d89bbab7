package remediation

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// insideManager is set in the process that runs beside a service manager of its own.
const insideManager = "FORESHOCK_TEST_INSIDE_MANAGER"

// units are what that manager knows, beside a web.service that sleeps. %t is /run/user/UID.
var units = map[string]string{
	"web.service":      "[Service]\nExecStart=/bin/sleep 600\n",
	"stopped.service":  "[Service]\nExecStart=/bin/sleep 600\n",
	"broken.service":   "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'test ! -e %t/broken'\n",
	"looping.service":  "[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=600\n",
	"stubborn.service": "[Service]\nExecStart=/bin/sleep 600\nExecStop=/bin/sleep 600\nTimeoutStopSec=600\n",
	"counted.service":  "[Service]\nExecStartPre=/bin/sh -c 'echo started >>%t/counted'\nExecStart=/bin/sleep 600\n",
	"stuck.service":    "[Service]\nType=notify\nExecStart=/bin/sleep 600\nTimeoutStartSec=600\n",
}

// TestSystemd runs itself again beside a real user manager, in namespaces of their own:
// no service of this machine is touched.
func TestSystemd(t *testing.T) {
	if os.Getenv(insideManager) != "" {
		t.Run("restart", serviceIsRestarted)
		t.Run("failed", failedServiceComesBack)
		t.Run("refused", serviceIsRefused)
		t.Run("hangs", restartThatHangs)
		t.Run("keeps ending", serviceThatKeepsEnding)
		t.Run("ansible", exampleRestartsAService)
		t.Run("hostile", func(t *testing.T) { attack(t, armedSystemd(t)) })
		return
	}
	const manager = "/usr/lib/systemd/systemd"
	if _, err := os.Stat(manager); err != nil || os.Getuid() != 0 {
		t.Skip("NOT TESTED: systemd's manager needs root and " + manager)
	}
	script := filepath.Join(t.TempDir(), "manager.sh")
	if err := os.WriteFile(script, []byte(`#!/bin/sh
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/user/0/systemd/user /run/systemd/system # the latter says that systemd is there
export XDG_RUNTIME_DIR=/run/user/0 HOME="$2" GOCOVERDIR="$2"
`+manager+` --user >/dev/null 2>&1 &
exec "$1" -test.v -test.run '^TestSystemd$' -test.timeout 5m
`), 0o700); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The namespace of processes ends with its first, and all in it.
	cmd := exec.CommandContext(t.Context(), "unshare", "--cgroup", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", script, self, t.TempDir())
	cmd.Env = append(os.Environ(), insideManager+"=1")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "unshare failed") {
		t.Skipf("NOT TESTED: no namespaces here: %s", out)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestSystemd/hostile") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// newServices waits for the manager, gives it the units and returns the action.
func newServices(t *testing.T) *systemd {
	t.Helper()
	for name, text := range units {
		if err := os.WriteFile(filepath.Join("/run/user/0/systemd/user", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := DefaultSystemdConfig()
	c.User = true
	built, err := c.build()
	if err != nil {
		t.Fatal(err)
	}
	s := built.(*systemd)
	s.killDelay = 200 * time.Millisecond
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		out, err := s.run(t.Context(), "daemon-reload")
		if err == nil {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("no manager: %v %s", err, out)
		}
	}
}

// must runs systemctl as a person would.
func (s *systemd) must(t *testing.T, arguments ...string) {
	t.Helper()
	if out, err := s.run(t.Context(), arguments...); err != nil {
		t.Fatalf("systemctl %s: %v: %s", strings.Join(arguments, " "), err, out)
	}
}

func (s *systemd) state(t *testing.T, unit string) service {
	t.Helper()
	now, err := s.show(t.Context(), unit)
	if err != nil {
		t.Fatal(err)
	}
	return now
}

func serviceIsRestarted(t *testing.T) {
	s := newServices(t)
	s.must(t, "start", "web.service")
	before := s.state(t, "web.service")
	d, err := s.prepare(on("web.service"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.check(t.Context()); err != nil {
		t.Fatal(err)
	}
	said, err := d.rehearse(t.Context())
	if want := "web.service is active (running), main PID " + before.pid + ", and would be restarted"; err != nil || said != want {
		t.Errorf("rehearsed %q, %v, want %q", said, err, want)
	}
	if now := s.state(t, "web.service"); now != before {
		t.Errorf("the rehearsal made %v of %v", now, before)
	}
	said, err = d.do(t.Context())
	now := s.state(t, "web.service")
	if err != nil || now.active != "active" || now.pid == before.pid {
		t.Errorf("%v: %v", now, err)
	}
	if want := fmt.Sprintf("restarted: %s; before: %s", now, before); said != want {
		t.Errorf("it said %q, want %q", said, want)
	}
	if d.undo != nil || d.idempotent {
		t.Error("a restart can be neither taken back nor had twice for one")
	}
}

func failedServiceComesBack(t *testing.T) {
	s := newServices(t)
	broken := filepath.Join("/run/user/0", "broken")
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.run(t.Context(), "start", "broken.service"); err == nil {
		t.Fatal("broken.service starts")
	}
	d, err := s.prepare(on("broken.service"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.check(t.Context()); err != nil {
		t.Errorf("a failed service is refused: %v", err)
	}
	if said, err := d.do(t.Context()); errorText(err) != "exit status 1" || !strings.Contains(said, "broken.service") {
		t.Errorf("%v: %s", err, said)
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	if said, err := d.do(t.Context()); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}

func serviceIsRefused(t *testing.T) {
	s := newServices(t)
	s.must(t, "start", "--no-block", "stuck.service")
	s.must(t, "mask", "--runtime", "masked.service")
	for unit, want := range map[string]string{
		"stopped.service": "stopped.service is inactive (dead): somebody stopped it, or it starts or stops by itself",
		"none.service":    "none.service is not-found",
		"masked.service":  "masked.service is masked",
		"stuck.service":   "stuck.service has a job of systemd's under way already",
	} {
		d, err := s.prepare(on(unit))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.rehearse(t.Context()); errorText(err) != want {
			t.Errorf("rehearsed %v, want %q", err, want)
		}
		if err := d.check(t.Context()); errorText(err) != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
	// Nobody checked, and somebody is stopping it: the restart does not take their place.
	s.must(t, "start", "stubborn.service")
	s.must(t, "stop", "--no-block", "stubborn.service")
	d, err := s.prepare(on("stubborn.service"))
	if err != nil {
		t.Fatal(err)
	}
	if said, err := d.do(t.Context()); err == nil {
		t.Errorf("restarted: %s", said)
	}
}

func restartThatHangs(t *testing.T) {
	s := newServices(t)
	// It was active once, and its next start waits for a word that never comes.
	if err := os.WriteFile("/run/user/0/systemd/user/slow.service", []byte("[Service]\nExecStart=/bin/sleep 600\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.must(t, "daemon-reload")
	s.must(t, "start", "slow.service")
	if err := os.WriteFile("/run/user/0/systemd/user/slow.service", []byte(units["stuck.service"]), 0o600); err != nil {
		t.Fatal(err)
	}
	s.must(t, "daemon-reload")
	d, err := s.prepare(on("slow.service"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if now, err := s.show(ctx, "slow.service"); err == nil && now.active == "activating" {
				cancel()
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	if said, err := d.do(ctx); errorText(err) != "foreshock stopped meanwhile, and was killed" {
		t.Errorf("%v: %s", err, said)
	}
}

func serviceThatKeepsEnding(t *testing.T) {
	s := newServices(t)
	s.must(t, "start", "looping.service") // which systemd calls a success
	for deadline := time.Now().Add(time.Minute); s.state(t, "looping.service").sub != autoRestart; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(s.state(t, "looping.service"))
		}
	}
	d, err := s.prepare(on("looping.service"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.check(t.Context()); err != nil {
		t.Errorf("a service that keeps failing is refused: %v", err)
	}
}

// The playbook of examples/ansible restarts a real service.
func exampleRestartsAService(t *testing.T) {
	needAnsible(t)
	s := newServices(t)
	s.must(t, "start", "web.service")
	before := s.state(t, "web.service")
	here := filepath.Join(t.TempDir(), "here.yml")
	if err := os.WriteFile(here, []byte(inventory+"    service: web.service\n    scope: user\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := DefaultAnsibleConfig()
	c.Playbook, c.Inventory = "../examples/ansible/restart.yml", "../examples/ansible/inventory.yml"
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	c.SetDirectory(wd)
	example, err := c.build()
	if err != nil {
		t.Fatal(err)
	}
	d, err := example.prepare(on("web-1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.check(t.Context()); err != nil {
		t.Errorf("in its own inventory: %v", err)
	}
	c.Inventory = here
	if example, err = c.build(); err != nil {
		t.Fatal(err)
	}
	if d, err = example.prepare(on("web-1")); err != nil {
		t.Fatal(err)
	}
	said, err := d.do(t.Context())
	if err != nil || !strings.Contains(said, "web.service on web-1, for Stuck since 2023-11-14T22:13:20Z") {
		t.Errorf("%v\n%s", err, said)
	}
	if now := s.state(t, "web.service"); now.active != "active" || now.pid == before.pid {
		t.Errorf("%v; before: %v", now, before)
	}
}

func armedSystemd(t *testing.T) armed {
	s := newServices(t)
	s.must(t, "start", "counted.service")
	c := DefaultSystemdConfig()
	c.User = true
	started := lines(t, "/run/user/0/counted")
	return armed{
		ActionConfig{Targets: []string{"counted.service"}, Systemd: &c},
		"counted.service",
		func() []string { return started()[1:] }, "started", // the first is ours
	}
}

func TestServiceNames(t *testing.T) {
	for _, unit := range []string{"nginx.service", "web@7.service", `dev-disk\x2dby.service`, "a.b:c_d-e.service"} {
		if !isService(unit) {
			t.Errorf("%q is no service", unit)
		}
	}
	for _, unit := range []string{
		"", "nginx", "*.service", "ngin?.service", "[a-z].service", "a.service b.service", "-.service", "--user.service",
		"../nginx.service", "/etc/x.service", "web@.service", "multi-user.target", "reboot.target", "tmp.mount", "nginx.service\n",
		"$(id).service", "{{x}}.service", "a\x00.service", strings.Repeat("a", 248) + ".service",
	} {
		if isService(unit) {
			t.Errorf("%q is a service", unit)
		}
		c := DefaultSystemdConfig()
		if err := c.validate("systemd", []string{unit}); err == nil {
			t.Errorf("%q was configured", unit)
		}
		if _, err := (&systemd{}).prepare(on(unit)); err == nil {
			t.Errorf("%q was planned", unit)
		}
	}
}

// Whatever the allow-list says, Foreshock does not restart what it runs in.
func TestOwnServiceIsNeverATarget(t *testing.T) {
	const v2, v1 = "0::/system.slice/foreshock.service/child\n", "9:name=systemd:/system.slice/foreshock.service\n0::/\n"
	for _, lines := range []string{v2, v1} {
		for cgroup, want := range map[string]bool{
			"/system.slice/foreshock.service": true, "/system.slice": true, "/system.slice/fore": false,
			"/system.slice/nginx.service": false, "": false,
		} {
			if got := within(lines, cgroup); got != want {
				t.Errorf("%q within %q: %t", lines, cgroup, got)
			}
		}
	}
	own := service{unit: "foreshock.service", load: "loaded", active: "active", sub: "running", cgroup: "/system.slice/foreshock.service"}
	if err := own.admit(); err != nil {
		t.Errorf("the tests run in no such service: %v", err)
	}
}
