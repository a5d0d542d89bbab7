package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/foreshock/foreshock/internal/stack"
)

// broken is one way in which what lies at foreshock.yml, or what that names, is no
// configuration.
type broken struct {
	name  string
	files map[string]string      // by their paths beside foreshock.yml
	make  func(dir string) error // what is no file that one writes; may be nil
	told  string                 // a regular expression of what its author is told
}

// patience is how long a person waits for the answer, whatever they point us to.
const patience = 5 * time.Second

// TestBrokenFiles puts every broken file in the place of a good one. `foreshock check`
// must say what is wrong and where within five seconds. The running process must say the
// same when it is asked to reload, keep the rules it has and go on scoring by them; and
// take the next good file.
func TestBrokenFiles(t *testing.T) {
	s := start(t, "testdata/stack")
	live := filepath.Join(s.Dir, "live")
	place(t, live, broken{files: goodFiles("old")})
	p := must[*stack.Process](t)(s.Start(program(t), "serve", "--config.file=live/foreshock.yml", "--storage.path=foreshock-data",
		"--web.listen-address="+s.Addr(9797), "--web.enable-lifecycle"))
	eventually(t, time.Minute, "the process, ready", func() bool {
		_, err := stack.Fetch(t.Context(), s.URL(9797, "/-/ready"))
		return err == nil
	})
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	scores := func(rule string) {
		t.Helper()
		at = at.Add(time.Second)
		status, err := post(s.URL(9797, "/api/v1/write"), loadRequest(0, at.UnixMilli(), 1), nil)
		if err != nil || status != http.StatusNoContent {
			t.Fatalf("a sample: status %d, %v", status, err)
		}
		eventually(t, patience, "the sample, scored by rule "+rule, func() bool { return scoredBy(t, s) == scored{rule, at.UnixMilli()} })
	}
	scores("old")

	all := append(brokenFiles(), toldFiles(t)...)
	if len(all) < 88 {
		t.Errorf("only %d kinds", len(all))
	}
	slowest := time.Duration(0)
	for _, b := range all {
		t.Run(b.name, func(t *testing.T) {
			place(t, live, b)
			told := regexp.MustCompile(b.told)
			check, took := checked(t, s.Dir)
			slowest = max(slowest, took)
			reload := reloaded(t, s)
			for what, said := range map[string]string{"check": check, "reload": reload} {
				if !told.MatchString(said) {
					t.Errorf("%s said\n%swant %s", what, said, b.told)
				}
				if strings.Contains(said, "canary") || strings.Contains(said, "\x1b") {
					t.Errorf("%s repeats what it must not:\n%s", what, said)
				}
			}
			if b.make != nil { // the other way to ask
				hangUp(t, s, p)
			}
			if ok := metric(t, s, 9797, "foreshock_app_config_last_reload_successful", nil); ok != 0 {
				t.Errorf("last reload successful: %g", ok)
			}
			scores("old")
		})
	}
	t.Logf("%d kinds; the slowest check took %s", len(all), slowest.Round(time.Millisecond))
	if strings.Contains(p.Log(), "canary") {
		t.Error("the log repeats a secret")
	}

	place(t, live, broken{files: goodFiles("new")})
	reloaded(t, s)
	if ok := metric(t, s, 9797, "foreshock_app_config_last_reload_successful", nil); ok != 1 {
		t.Errorf("the good file: last reload successful: %g", ok)
	}
	scores("new")
}

func goodFiles(rule string) map[string]string {
	return map[string]string{
		"foreshock.yml": "rule_files: [rules.yml]\n",
		"rules.yml":     "groups: [{name: g, rules: [{watch: " + rule + ", select: load, emit: all}]}]\n",
	}
}

// place makes dir hold b and nothing else.
func place(t *testing.T, dir string, b broken) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range b.files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if b.make != nil {
		if err := b.make(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// checked is what foreshock check says of live/foreshock.yml, which it must refuse.
func checked(t *testing.T, dir string) (said string, took time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program(t), "check", "live/foreshock.yml")
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = dir, &stdout, &stderr, time.Second
	begun := time.Now()
	err := cmd.Run()
	took = time.Since(begun)
	if ended := (*exec.ExitError)(nil); ctx.Err() != nil || !errors.As(err, &ended) || ended.ExitCode() != 1 {
		t.Errorf("check ended with %v after %s:\n%s%.2000s", err, took, stdout.String(), stderr.String())
	}
	return stderr.String(), took
}

// reloaded is what the process says when it is asked to reload over HTTP.
func reloaded(t *testing.T, s *stack.Stack) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req := must[*http.Request](t)(http.NewRequestWithContext(ctx, http.MethodPost, s.URL(9797, "/-/reload"), nil))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("reload: %v", err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return body.String()
}

// hangUp asks by signal, and waits for one more refusal.
func hangUp(t *testing.T, s *stack.Stack, p *stack.Process) {
	t.Helper()
	refused := func() float64 { return metric(t, s, 9797, "foreshock_app_config_reloads_failed_total", nil) }
	before := refused()
	if err := p.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "a refusal after SIGHUP", func() bool { return refused() == before+1 })
}

// scored is by which rule the series load is judged, and when it was last.
type scored struct {
	rule string
	at   int64
}

func scoredBy(t *testing.T, s *stack.Stack) scored {
	t.Helper()
	var answer struct {
		Data []struct {
			Rule    string
			Samples [][2]float64
		}
	}
	getJSON(t, s.URL(9797, "/api/v1/windows?match[]="+url.QueryEscape(`load`)), &answer)
	if len(answer.Data) != 1 || len(answer.Data[0].Samples) == 0 {
		return scored{}
	}
	one := answer.Data[0]
	return scored{one.Rule, int64(one.Samples[len(one.Samples)-1][0])}
}

// toldFiles are the files that the TestBroken of config and of rules go through: here a
// process lives through them too.
func toldFiles(t *testing.T) []broken {
	t.Helper()
	var all []broken
	for _, of := range [][2]string{{"config", "foreshock.yml"}, {"rules", "rules.yml"}} {
		file, as := of[0], of[1]
		archive, err := txtar.ParseFile(filepath.Join(root, file, "testdata/broken.txtar"))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(archive.Files); i += 2 {
			bad, told := archive.Files[i], archive.Files[i+1]
			b := broken{name: file + "/" + bad.Name, files: map[string]string{
				"foreshock.yml": "rule_files: [rules.yml]\n", as: string(bad.Data),
				"rules/remedy.yml": remedyOfNothing,
			}}
			first, _, _ := strings.Cut(strings.Replace(string(told.Data), bad.Name, as, 1), "\n")
			if m := placed.FindString(first); m != "" {
				first = m
			}
			b.told = `(?m)(^|/)` + regexp.QuoteMeta(first)
			all = append(all, b)
		}
	}
	return all
}

// placed matches a mistake as far as its place goes.
var placed = regexp.MustCompile(`^[^:]+:\d+:\d+: `)

const remedyOfNothing = `groups:
- name: g
  rules:
  - remedy: r
    match: '{job="web"}'
    action: restrat
`

// fifo, socket and link make what one finds where a file should be.
func fifo(name string) func(string) error {
	return func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, name), 0o600) }
}

func socket(name string) func(string) error {
	return func(dir string) error {
		return syscall.Mknod(filepath.Join(dir, name), syscall.S_IFSOCK|0o600, 0)
	}
}

func link(to, name string) func(string) error {
	return func(dir string) error { return os.Symlink(to, filepath.Join(dir, name)) }
}

// sparse makes a file of a size that takes no room on the disk.
func sparse(name string, size int64) func(string) error {
	return func(dir string) error {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		return errors.Join(f.Truncate(size), f.Close())
	}
}

// many makes n of what one makes, as rules/N.yml.
func many(n int, one func(name string) func(string) error) func(string) error {
	return func(dir string) error {
		if err := os.Mkdir(filepath.Join(dir, "rules"), 0o755); err != nil {
			return err
		}
		for i := range n {
			if err := one(fmt.Sprintf("rules/%d.yml", i))(dir); err != nil {
				return err
			}
		}
		return nil
	}
}
