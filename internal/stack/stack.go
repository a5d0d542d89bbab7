// Package stack starts the real programs Foreshock lives among, on loopback, in a
// directory of their own, and stops every one of them again.
//
// The demo and the end-to-end tests share it, so that both run the files of
// examples/quickstart, which is what a user copies. The comparison with Prometheus runs
// the same programs on settings of its own.
package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Ports are the ports the files of examples/quickstart name, and foreshock record's.
var Ports = []int{9797, 9090, 9093, 9100, 9798}

// Stack is a set of running programs and the directory they run in.
type Stack struct {
	Dir   string   // the programs' working directory: configuration, data, logs
	Bin   string   // where the programs are: prometheus, alertmanager, node_exporter
	Env   []string // the programs' environment beyond our own: NAME=value
	ports map[int]int
	procs []*Process
}

// New prepares dir with a copy of the files under from. A port that another
// program holds is replaced in the copy by a free one, as is every port if fresh.
func New(dir, bin, from string, fresh bool) (*Stack, error) {
	s := &Stack{Dir: dir, Bin: bin, ports: map[int]int{}}
	for _, want := range Ports {
		got, err := choosePort(want, fresh)
		if err != nil {
			return nil, err
		}
		s.ports[want] = got
	}
	if err := s.copyFiles(from); err != nil {
		return nil, fmt.Errorf("copy %s to %s: %w", from, dir, err)
	}
	return s, nil
}

// choosePort returns want if it may be listened on, else a port that may.
func choosePort(want int, fresh bool) (int, error) {
	if fresh {
		want = 0
	}
	l, err := net.Listen("tcp", net.JoinHostPort("localhost", strconv.Itoa(want)))
	if err != nil && want != 0 {
		return choosePort(0, true)
	}
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Local puts the stack's ports where text names the quickstart's.
func (s *Stack) Local(text string) string {
	var replace []string
	for want, got := range s.ports {
		replace = append(replace, s.addr(want), s.addr(got))
	}
	return strings.NewReplacer(replace...).Replace(text)
}

func (s *Stack) copyFiles(from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		to := filepath.Join(s.Dir, rel)
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, []byte(s.Local(string(text))), info.Mode().Perm())
	})
}

func (s *Stack) addr(port int) string { return fmt.Sprintf("localhost:%d", port) }

// Addr is where the program listens that the quickstart's files expect on port.
func (s *Stack) Addr(port int) string { return s.addr(s.ports[port]) }

// URL is the address of path at the program expected on port.
func (s *Stack) URL(port int, path string) string { return "http://" + s.Addr(port) + path }

// Prometheus starts Prometheus on the copied prometheus.yml.
func (s *Stack) Prometheus(ctx context.Context) (*Process, error) {
	return s.startReady(ctx, 9090, "/-/ready", filepath.Join(s.Bin, "prometheus"),
		"--config.file=prometheus.yml",
		"--storage.tsdb.path=prometheus-data",
		"--web.enable-remote-write-receiver",
		"--web.listen-address="+s.Addr(9090))
}

// Alertmanager starts Alertmanager on the copied alertmanager.yml.
func (s *Stack) Alertmanager(ctx context.Context) (*Process, error) {
	return s.startReady(ctx, 9093, "/-/ready", filepath.Join(s.Bin, "alertmanager"),
		"--config.file=alertmanager.yml",
		"--storage.path=alertmanager-data",
		"--cluster.listen-address=", // alone: no gossip port
		"--web.listen-address="+s.Addr(9093))
}

// NodeExporter starts node_exporter.
func (s *Stack) NodeExporter(ctx context.Context) (*Process, error) {
	return s.startReady(ctx, 9100, "/", filepath.Join(s.Bin, "node_exporter"),
		"--web.listen-address="+s.Addr(9100))
}

// Foreshock starts the given build of Foreshock on the copied foreshock.yml.
func (s *Stack) Foreshock(ctx context.Context, binary string, args ...string) (*Process, error) {
	return s.startReady(ctx, 9797, "/-/ready", binary, append([]string{
		"serve",
		"--config.file=foreshock.yml",
		"--storage.path=foreshock-data",
		"--web.listen-address=" + s.Addr(9797),
	}, args...)...)
}

func (s *Stack) startReady(ctx context.Context, port int, path, binary string, args ...string) (*Process, error) {
	p, err := s.Start(binary, args...)
	if err != nil {
		return nil, err
	}
	if err := p.waitReady(ctx, s.URL(port, path)); err != nil {
		p.Stop(time.Second)
		return nil, err
	}
	return p, nil
}

// Start runs binary in the stack's directory; its output goes to NAME.log there.
func (s *Stack) Start(binary string, args ...string) (*Process, error) {
	name := filepath.Base(binary)
	log, err := os.OpenFile(filepath.Join(s.Dir, name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child keeps its own
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Dir, log, log
	cmd.Env = append(os.Environ(), s.Env...)
	// A group of its own keeps Ctrl-C for us alone, so that we stop things in order;
	// the death signal sees to it that nothing outlives us, however we end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("start %s: not built yet: run `make build tools`: %w", name, err)
		}
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{Name: name, cmd: cmd, log: log.Name(), exited: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	s.procs = append(s.procs, p)
	return p, nil
}

// Stop ends every program, the last started first, and waits for it.
func (s *Stack) Stop() {
	for i := len(s.procs) - 1; i >= 0; i-- {
		s.procs[i].Stop(20 * time.Second)
	}
}

// Process is one running program.
type Process struct {
	Name   string
	cmd    *exec.Cmd
	log    string
	exited chan struct{}
	err    error // valid once exited is closed
}

// Pid is the process's id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Exited is closed once the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Signal sends sig to the process alone.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// State is how the process ended; call it only once Exited is closed.
func (p *Process) State() syscall.WaitStatus {
	return p.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// Wait returns how the process ended: nil for exit code 0.
func (p *Process) Wait() error {
	<-p.exited
	return p.err
}

// Stop asks the process to end and kills its group if it has not within grace.
func (p *Process) Stop(grace time.Duration) {
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(grace):
	}
	syscall.Kill(-p.Pid(), syscall.SIGKILL) // whatever of the group is left
	<-p.exited
}

// Log is what the process has printed so far.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (p *Process) waitReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if _, err := Fetch(ctx, url); err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended before it was ready (%v); it said:\n%s", p.Name, p.err, tail(p.Log(), 20))
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready at %s: %w; it said:\n%s", p.Name, url, ctx.Err(), tail(p.Log(), 20))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Fetch returns the body at url; any status but 200 is an error.
func Fetch(ctx context.Context, url string) ([]byte, error) { return FetchAs(ctx, url, "") }

// FetchAs is Fetch with a bearer token, unless that is empty.
func FetchAs(ctx context.Context, url, token string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s: %s", url, resp.Status, bytes.TrimSpace(body))
	}
	return body, nil
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
