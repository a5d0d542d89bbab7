package remediation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

// armed is an action of some kind whose deeds can be counted.
type armed struct {
	action ActionConfig
	// target is the one of its targets that the alert selects.
	target string
	// acted are its deeds as the world saw them, whoever caused them.
	acted func() []string
	// want is the one deed for the target.
	want string
}

// TestHostileLabelsAndPayloads points an attacker's webhooks at every kind of action:
// nothing is done beyond the plan, and nothing falls over. TestSystemd has the row of
// systemd.
func TestHostileLabelsAndPayloads(t *testing.T) {
	for kind, arm := range map[string]func(t *testing.T) armed{
		"webhook": armedWebhook, "slack": armedSlack, "exec": armedExec, "ansible": armedAnsible, "lambda": armedLambda,
		"kubernetes": armedKubernetes,
	} {
		t.Run(kind, func(t *testing.T) { attack(t, arm(t)) })
	}
}

// deeds is a list that several may write to.
type deeds struct {
	mu   sync.Mutex
	list []string
}

func (d *deeds) add(format string, a ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, fmt.Sprintf(format, a...))
}

func (d *deeds) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.list)
}

func armedWebhook(t *testing.T) armed {
	return armedServer(t, false, "POST /restart?who=us application/json")
}

func armedSlack(t *testing.T) armed {
	return armedServer(t, true, "POST /restart?who=us application/json")
}

func armedServer(t *testing.T, slack bool, want string) armed {
	var d deeds
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		d.add("%s %s %s", r.Method, r.RequestURI, r.Header.Get("Content-Type"))
		body, err := io.ReadAll(r.Body)
		if err != nil || slack && strings.ContainsAny(string(body), "<>") {
			t.Errorf("%v: %s", err, body)
		}
		for name := range r.Header {
			if !slices.Contains([]string{"Accept-Encoding", "Connection", "Content-Length", "Content-Type", "Foreshock-Remediation", "User-Agent"}, name) {
				t.Errorf("header %s", name)
			}
		}
	}))
	t.Cleanup(server.Close)
	hook := DefaultWebhookConfig()
	hook.URL, hook.Slack = promconfig.Secret(server.URL+"/restart?who=us"), slack
	return armed{ActionConfig{Targets: []string{"a"}, Webhook: &hook}, "a", d.all, want}
}

// lines are those of a file that may not be there yet.
func lines(t *testing.T, file string) func() []string {
	return func() []string {
		b, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
		return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")[:strings.Count(string(b), "\n")]
	}
}

func armedExec(t *testing.T) armed {
	dir := t.TempDir()
	script := filepath.Join(dir, "restart.sh")
	text := "#!/bin/sh\ncat >/dev/null\necho \"$# $* $(env | cut -d= -f1 | grep -v -x -e PWD -e OLDPWD -e SHLVL -e _ | sort | tr '\\n' ' ')\" >>" + filepath.Join(dir, "deeds") + "\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	run := DefaultExecConfig()
	run.Command, run.Timeout = []string{script, "--pod", targetPlaceholder}, model.Duration(time.Minute)
	return armed{
		ActionConfig{Targets: []string{"a"}, Exec: &run},
		"a", lines(t, filepath.Join(dir, "deeds")),
		"2 --pod a FORESHOCK_ACTION FORESHOCK_FINGERPRINT FORESHOCK_RULE FORESHOCK_STARTS_AT FORESHOCK_STATUS FORESHOCK_TARGET HOME PATH ",
	}
}

func armedAnsible(t *testing.T) armed {
	a, out := playbook(t, `
- hosts: web
  gather_facts: false
  vars: {all: "{{ foreshock.labels.values() | join(' ') }}"}
  tasks:
    - ansible.builtin.lineinfile: {path: OUT/deeds, line: "{{ inventory_hostname }} {{ all | length > 100 }}", create: true}
`, nil)
	return armed{ActionConfig{Targets: []string{"web-1"}, Ansible: &a.config}, "web-1", lines(t, filepath.Join(out, "deeds")), "web-1 True"}
}

func armedLambda(t *testing.T) armed {
	c := newCloud(t)
	config := c.config()
	return armed{
		ActionConfig{Targets: []string{"web"}, Lambda: &config},
		"web",
		func() (all []string) {
			for range c.invocations() {
				all = append(all, fmt.Sprintf("%d wanted", c.desired()))
			}
			return all
		}, "3 wanted",
	}
}

// armedKubernetes talks to an API server that has one Deployment and says of it what a real
// one said: who asks for anything but what scaling that takes, another object's path for
// example, fails the test.
func armedKubernetes(t *testing.T) armed {
	text, err := os.ReadFile("testdata/kubernetes/scale-down.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded []exchange
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	var d deeds
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		request := r.Method + " " + r.RequestURI
		i := slices.IndexFunc(recorded, func(x exchange) bool {
			return x.Request == request && bytes.Equal(encoded(x.Body), encoded(decoded(body)))
		})
		if err != nil || i < 0 {
			t.Errorf("%v: asked %s: %s", err, request, body)
			w.WriteHeader(http.StatusTeapot)
			return
		}
		if r.Method != http.MethodGet {
			d.add("%s", request)
		}
		w.WriteHeader(recorded[i].Status)
		_, _ = w.Write(encoded(recorded[i].Answer))
	}))
	t.Cleanup(server.Close)
	config := DefaultKubernetesConfig()
	config.Kubeconfig, config.Timeout = kubeconfig(t, server.URL, "", "recorded"), model.Duration(time.Minute)
	config.Scale = &KubernetesScaleConfig{By: -2, Min: 2, Max: 6}
	return armed{
		ActionConfig{Targets: []string{"shop/Deployment/c*t"}, Kubernetes: &config},
		"shop/Deployment/cart", d.all,
		"PUT " + deployments + "cart/scale?fieldManager=foreshock",
	}
}

// injections are what a label's value tries; OWNED is a file that must not come to be.
var injections = []string{
	// shell
	"$(touch OWNED)", "`touch OWNED`", "; touch OWNED", "| touch OWNED", "&& touch OWNED", "\ntouch OWNED\n", "'; touch OWNED; '", `"; touch OWNED; "`,
	// arguments
	"-rf", "--help", "--limit=all", "-e@/etc/passwd", "--extra-vars={\"a\":1}", "--force", "-", "--", "-H root@127.0.0.1", "a --all",
	// templates
	"{{ lookup('pipe', 'touch OWNED') }}", "{% for x in [1] %}{{ lookup('pipe','touch OWNED') }}{% endfor %}", "{{.Labels}}{{json .}}", "${target}", "${HOME}", "$HOME", "%t", "%n", "!unsafe x", "!!python/object/apply:os.system ['touch OWNED']", "#{1}", "<%= 1 %>", "${jndi:ldap://127.0.0.1/a}",
	// paths
	"../../../etc/passwd", "/etc/passwd", "..\\..\\x", "/dev/zero", "file:///etc/passwd", "~root/.ssh/id_rsa", "a/../../b", "a%2f..%2fb", "\x00", "a\x00b",
	// patterns of hosts and units
	"*", "all", "web*", "*.service", "web:db", "web:!web-1", "web:&all", "~.*", "web[0:9]", "web-1,web-2", "localhost,", "@/etc/hosts", "?", "[a-z]",
	// objects
	"shop/Deployment/c*t", "shop/Deployment/..", "shop/Deployment/cart/scale", "shop/Deployment/cart?dryRun=All", "shop/Deployment/c%2ft", "mall/Deployment/cart", "shop/Secret/cat", "shop/Pod/cart", "shop/Deployment/c\nt", "../shop/Deployment/cart",
	// requests
	"http://169.254.169.254/latest/meta-data/", "a@127.0.0.1:1/", "a#b", "a?b=c", "//evil.example", "a\r\nX-Evil: 1", "arn:aws:lambda:eu-central-1:123456789012:function:other", "<!channel>", "<https://evil.example|ok>",
	// text
	"", " ", "a ", " a", "A", "\u202ea", "a\u200b", "ａ", "\ufeffa", "web-1 ", "web-1\n", strings.Repeat("a", 10<<10),
}

// names are labels that would matter as names of something else.
var names = []string{
	"PATH", "LD_PRELOAD", "BASH_ENV", "HOME", "IFS", "FORESHOCK_TARGET", "ANSIBLE_CONFIG", "ANSIBLE_LIBRARY", "PYTHONPATH", "XDG_RUNTIME_DIR",
	"AWS_ENDPOINT_URL", "HTTP_PROXY", "Host", "Content-Type", "idempotency_key", "operation", "target", "__ansible_unsafe", "__ansible_vault",
	"ansible_host", "ansible_connection", "ansible_python_interpreter", "inventory_hostname", "$(touch OWNED)", "{{ lookup('pipe', 'touch OWNED') }}", "__proto__",
}

// attack delivers everything hostile to an action, then one alert that is hostile but
// for its target.
func attack(t *testing.T, a armed) {
	owned := filepath.Join(t.TempDir(), "owned")
	spell := func(s string) string { return strings.ReplaceAll(s, "OWNED", owned) }
	w := newWorld(t, Auto)
	w.stop()
	a.action.Name = "restart"
	w.o.Config.Actions, w.o.Config.QueueSize = []ActionConfig{a.action}, longestQueue
	w.start()

	good := body(t, w.an(a.target))
	broken := map[string]string{
		"null": "null", "a list": "[" + good + "]", "a string": `"` + strings.ReplaceAll(good, `"`, `\"`) + `"`, "half": good[:len(good)/2], "two": good + good,
		"alerts as an object":     `{"version":"4","alerts":{"0":{}}}`,
		"alerts as a string":      `{"version":"4","alerts":"x"}`,
		"version as a number":     strings.Replace(good, `"version":"4"`, `"version":4`, 1),
		"truncated by a fraction": `{"version":"4","alerts":[],"truncatedAlerts":0.5}`,
		"nested 200k deep":        `{"version":"4","alerts":` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000) + "}",
		"objects 200k deep":       `{"version":"4","alerts":[{"labels":` + strings.Repeat(`{"a":`, 200_000) + "1" + strings.Repeat("}", 200_000) + "}]}",
		"a YAML bomb":             "a: &a [x]\nb: &b [*a,*a]\n", "XML": "<?xml version='1.0'?><alerts/>", "binary": "\x1f\x8b\x08\x00\xff\xfe",
		"50 MiB": strings.Replace(good, `"alertname":"`, `"alertname":"`+strings.Repeat("x", 50<<20), 1),
	}
	for name, text := range broken {
		if status := w.post(w.Webhook(), "/", text, nil); status < 400 || status > 499 {
			t.Errorf("%s: status %d", name, status)
		}
	}
	wrong := map[string]string{ // one alert of the wrong types is left out of its notification
		`"pod":"` + a.target + `"`: `"pod":["` + a.target + `"]`,
		`"firing","labels"`:        `1,"labels"`,
		`"labels":{`:               `"labels":"` + a.target + `","x":{`,
		`"alertname":"Stuck"`:      `"alertname":null,"n":1e999`,
	}
	for from, to := range wrong {
		text := strings.Replace(good, from, to, 1)
		if status := w.post(w.Webhook(), "/", text, nil); text == good || status != http.StatusOK && status != http.StatusBadRequest {
			t.Errorf("%s: status %d", to, status)
		}
	}
	if l := w.plans(); len(l) > 0 || len(a.acted()) > 0 {
		t.Fatalf("broken bodies led to %+v and %q", l, a.acted())
	}

	var alerts []alert
	for i, value := range injections {
		alert := w.an(spell(value))
		alert.Labels["n"] = fmt.Sprint(i)
		alerts = append(alerts, alert)
	}
	for batch := range slices.Chunk(alerts, 8) {
		if status := w.deliver(batch...); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	for _, e := range w.plans() {
		if e.State != stateRefused || e.Plan.Target != "" {
			t.Errorf("target %q of %q is %s", e.Plan.Target, e.Plan.Labels["pod"], e.State)
		}
	}
	if l := w.plans(); len(l) != len(injections) || len(a.acted()) > 0 {
		t.Fatalf("%d of %d plans, and %q", len(l), len(injections), a.acted())
	}

	last := w.an(a.target)
	size := 0
	for i, value := range injections[:len(injections)-1] {
		last.Labels[fmt.Sprintf("evil_%d", i)] = spell(value)
		size += len(value)
	}
	for i, name := range names {
		last.Labels[spell(name)] = spell(injections[i])
	}
	if status := w.deliver(last); status != http.StatusOK {
		t.Fatal(status)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) { // Ansible takes its time
		e := w.plans()[0]
		if e.State == stateSucceeded && e.Plan.Target == a.target {
			break
		}
		if e.State.settled() || time.Now().After(deadline) {
			t.Fatalf("%s: %s\n%s", e.State, e.Reason, e.Output)
		}
	}
	w.stop()
	if got := a.acted(); !slices.Equal(got, []string{a.want}) {
		t.Errorf("it did %q, want %q", got, a.want)
	}
	if _, err := os.Stat(owned); !os.IsNotExist(err) {
		t.Errorf("%s is there: %v", owned, err)
	}
}
