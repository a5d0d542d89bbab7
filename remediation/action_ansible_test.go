package remediation

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// needAnsible ends a test where there is no Ansible: make test installs it where it may.
func needAnsible(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		t.Skip("NOT TESTED: ansible-playbook is not installed (apt-get install ansible-core)")
	}
}

// inventory has two hosts, which are this machine under other names, in one group.
const inventory = `
web:
  hosts: {web-1: , web-2: }
  vars:
    ansible_connection: local
    ansible_python_interpreter: /usr/bin/python3
`

// playbook makes an Ansible action that would run the text, where OUT is the folder
// that is returned.
func playbook(t *testing.T, text string, change func(*AnsibleConfig)) (*ansible, string) {
	t.Helper()
	needAnsible(t)
	dir, out := t.TempDir(), t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "OUT", out)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c := DefaultAnsibleConfig()
	c.Playbook, c.Inventory = write("remedy.yml", text), write("inventory.yml", inventory)
	c.Rollback = write("rollback.yml", "- hosts: web\n  gather_facts: false\n  tasks: [{ansible.builtin.file: {path: OUT/web-1, state: absent}}]\n")
	if change != nil {
		change(&c)
	}
	if err := c.validate("ansible", []string{"web-1"}); err != nil {
		t.Fatal(err)
	}
	built, err := c.build()
	if err != nil {
		t.Fatal(err)
	}
	a := built.(*ansible)
	a.killDelay = 200 * time.Millisecond
	return a, out
}

// on is examplePlan for another target.
func on(target string) plan {
	p := examplePlan
	p.Target = target
	return p
}

// quoted shows the labels in every way in which a playbook might use them.
const quoted = `
- hosts: web
  gather_facts: false
  vars: {indirect: "{{ foreshock.labels.evil }}"}
  tasks:
    - ansible.builtin.copy: {dest: "OUT/{{ inventory_hostname }}", content: "{{ foreshock.labels.evil }}|{{ indirect }}|{{ foreshock.target }}"}
    - ansible.builtin.debug: {msg: "{{ foreshock }}"}
      when: foreshock.labels.evil != indirect + "x"
`

func TestAnsibleActsOnTheTargetAlone(t *testing.T) {
	a, out := playbook(t, quoted, nil)
	owned := filepath.Join(out, "owned")
	evil := `{{ lookup('pipe', 'touch ` + owned + `') }}{% if 1 %}!unsafe "'` + "\n\x00\x7f\u2028\U0001F600"
	p := on("web-1")
	p.Labels = map[string]string{
		"alertname": "Stuck", "evil": evil, "{{ lookup('pipe', 'touch " + owned + "') }}": evil,
		"__ansible_unsafe": evil, "__ansible_vault": evil, strings.Repeat("k", 4000): "}}}",
	}
	d, err := a.prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.check(t.Context()); err != nil {
		t.Fatal(err)
	}
	said, err := d.rehearse(t.Context())
	if err != nil || !strings.Contains(said, "changed=1") {
		t.Errorf("rehearsed: %v\n%s", err, said)
	}
	if files, err := os.ReadDir(out); err != nil || len(files) > 0 {
		t.Errorf("the rehearsal left %v, %v", files, err)
	}
	if said, err = d.do(t.Context()); err != nil {
		t.Fatal(err, said)
	}
	got, err := os.ReadFile(filepath.Join(out, "web-1"))
	if err != nil || string(got) != evil+"|"+evil+"|web-1" {
		t.Errorf("the playbook saw %q, %v", got, err)
	}
	if files, err := os.ReadDir(out); err != nil || len(files) != 1 {
		t.Errorf("it left %v, %v", files, err)
	}
	if said, err = d.undo(t.Context()); err != nil {
		t.Fatal(err, said)
	}
	if files, err := os.ReadDir(out); err != nil || len(files) > 0 {
		t.Errorf("the rollback left %v, %v", files, err)
	}
}

// A name in the inventory may have become a group of many, or nobody's.
func TestAnsibleRefusesWhatIsNotOneHost(t *testing.T) {
	a, _ := playbook(t, quoted, nil)
	for target, want := range map[string]string{
		"web":  `would touch ["web-1" "web-2"], not the host web alone`,
		"gone": "ansible cannot say what it would touch",
	} {
		d, err := a.prepare(on(target))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.check(t.Context()); !strings.Contains(errorText(err), want) {
			t.Errorf("%s: %v, want %q", target, err, want)
		}
	}
	for _, target := range []string{
		"", "all", "ungrouped", "localhost", "*", "web*", "!web-1", "web:!web-1", "web-1,web-2", "web[0]", "@/etc/passwd",
		"~.*", "-e", "--limit=all", "../web", "{{ x }}", "web-1\nweb-2", "web-1 ",
	} {
		if _, err := a.prepare(on(target)); err == nil {
			t.Errorf("target %q was accepted", target)
		}
		if err := a.config.validate("ansible", []string{target}); err == nil {
			t.Errorf("target %q was configured", target)
		}
	}
}

func TestAnsiblePlaybookChangedAfterApproval(t *testing.T) {
	a, _ := playbook(t, quoted, nil)
	d, err := a.prepare(on("web-1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.config.Playbook, []byte("- hosts: all\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.check(t.Context()); !strings.Contains(errorText(err), "is not as it was when the configuration was loaded") {
		t.Errorf("checked with %v", err)
	}
	b, err := a.config.build()
	if err != nil {
		t.Fatal(err)
	}
	if other, err := b.prepare(on("web-1")); err != nil || other.digest == d.digest {
		t.Errorf("another playbook has the same digest: %v", err)
	}
}

// Ansible ends with 0 where no host matched, and with 2 where a task failed.
func TestAnsibleSuccessIsNotItsExitStatusAlone(t *testing.T) {
	for text, want := range map[string]string{
		"- hosts: database\n  gather_facts: false\n  tasks: []\n":                                          `the recap names [], not the host web-1 alone`,
		"- hosts: web\n  gather_facts: false\n  tasks: [{ansible.builtin.fail: {msg: out of patience}}]\n": "a task failed: exit status 2",
	} {
		a, _ := playbook(t, text, nil)
		d, err := a.prepare(on("web-1"))
		if err != nil {
			t.Fatal(err)
		}
		if said, err := d.do(t.Context()); errorText(err) != want {
			t.Errorf("%v, want %q\n%s", err, want, said)
		}
	}
}

func TestAnsibleThatHangsIsKilled(t *testing.T) {
	a, out := playbook(t, `
- hosts: web
  gather_facts: false
  tasks: [{ansible.builtin.shell: "echo $$ > OUT/pid.new; mv OUT/pid.new OUT/pid; exec sleep 600"}]
`, nil)
	d, err := a.prepare(on("web-1"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pid := make(chan string, 1)
	go func() {
		defer cancel()
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if b, err := os.ReadFile(filepath.Join(out, "pid")); err == nil {
				pid <- strings.TrimSpace(string(b))
				return
			}
		}
	}()
	said, err := d.do(ctx)
	if errorText(err) != "foreshock stopped meanwhile, and was killed" {
		t.Fatalf("%v\n%s", err, said)
	}
	gone(t, <-pid)
}

// The file of variables is what it was made of to every reader of YAML.
func FuzzAnsibleVariables(f *testing.F) {
	f.Add("evil", "{{ 1 }}")
	f.Add("? : , } ] \" '", "\x00\x01\x7f\u0085\ufffe\U0001F600\n---\n...")
	f.Add(strings.Repeat("k", 2000), "\\")
	f.Fuzz(func(t *testing.T, name, value string) {
		name, value = strings.ToValidUTF8(name, "?"), strings.ToValidUTF8(value, "?")
		p := on("web-1")
		p.Labels = map[string]string{name: value}
		var got struct {
			Foreshock struct {
				Labels map[string]yaml.Node
				Target string
			}
		}
		if err := yaml.Unmarshal([]byte(variables(p)), &got); err != nil {
			t.Fatalf("%v in %s", err, variables(p))
		}
		node, ok := got.Foreshock.Labels[name]
		if len(got.Foreshock.Labels) != 1 || !ok || node.Value != value || node.Tag != "!unsafe" {
			t.Errorf("%q: %q became %+v", name, value, got.Foreshock.Labels)
		}
	})
}

func TestAnsibleConfigMistakes(t *testing.T) {
	c := DefaultAnsibleConfig()
	c.Timeout, c.Executable, c.Inventory = model.Duration(time.Hour), "", "web-1,web-2"
	err := c.validate("ansible", nil)
	for _, want := range []string{
		"ansible.playbook: must name a file", "ansible.inventory: must name a file or folder, without a comma",
		"ansible.executable: must name ansible-playbook", "ansible: must have targets", "ansible.timeout: must be from 1ms to 10m, got 1h",
	} {
		if !strings.Contains(errorText(err), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
	needAnsible(t)
	c = DefaultAnsibleConfig()
	c.Playbook = filepath.Join(t.TempDir(), "none.yml")
	if _, err := c.build(); !strings.HasPrefix(errorText(err), "playbook: ") {
		t.Errorf("built with %v", err)
	}
	c.Executable = "no-such-ansible"
	if _, err := c.build(); !strings.HasPrefix(errorText(err), "executable: ") {
		t.Errorf("built with %v", err)
	}
}
