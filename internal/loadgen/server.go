package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/foreshock/foreshock/internal/stack"
)

// program is one of the two that are compared.
type program string

const (
	foreshock  program = "foreshock"
	prometheus program = "prometheus"
)

// both are the programs, in the order of their turns.
var both = []program{foreshock, prometheus}

// title is the program's name as people write it.
func (p program) title() string {
	if p == prometheus {
		return "Prometheus"
	}
	return "Foreshock"
}

// port is the quickstart's, by which internal/stack knows the program.
func (p program) port() int {
	if p == prometheus {
		return 9090
	}
	return 9797
}

// server is a running program, alone in a directory that goes when it stops.
type server struct {
	program program
	stack   *stack.Stack
	process *stack.Process
	idle    int64 // bytes resident before the first sample
}

// programs says where the two are, and where they may put their data.
type programs struct {
	compared  []program // both, or one by itself
	foreshock string    // binary
	tools     string    // directory of the binary prometheus
	dir       string    // of temporary directories; "" is the system's
	cpus      []int     // that may be used
	profile   string    // file for a CPU profile of Foreshock; "" for none
}

// start starts a program for a row, on its cores, and waits until it is ready.
func (ps *programs) start(ctx context.Context, p program, r *row) (*server, error) {
	on, own, err := place(ps.cpus, r.Cores)
	if err != nil {
		return nil, err
	}
	if err := pinSelf(own); err != nil {
		return nil, err
	}
	s := &server{program: p}
	if s.stack, err = ps.prepare(r); err != nil {
		return nil, err
	}
	err = pinned(on, own, func() (err error) {
		if p == prometheus {
			s.process, err = s.stack.Prometheus(ctx)
		} else {
			s.process, err = s.stack.Foreshock(ctx, ps.foreshock, "--web.enable-pprof")
		}
		return err
	})
	if err == nil {
		err = s.rest(ctx)
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// prepare makes a stack with the configurations of both programs.
func (ps *programs) prepare(r *row) (_ *stack.Stack, err error) {
	dir, err := os.MkdirTemp(ps.dir, "bench-ingest-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	files := filepath.Join(dir, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{"prometheus.yml": "{}\n", "foreshock.yml": settings(r), "rules.yml": expressions(r.Rules)} {
		if err := os.WriteFile(filepath.Join(files, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	s, err := stack.New(dir, ps.tools, files, true)
	if err != nil {
		return nil, err
	}
	s.Env = []string{fmt.Sprintf("GOMAXPROCS=%d", r.Cores)}
	return s, nil
}

// settings is Foreshock's configuration: its defaults and the rules for hosts, but that
// the limits leave room for the row's series, replaced ones included.
func settings(r *row) string {
	known := max(1_000_000, 2*r.Series)
	return fmt.Sprintf(`presets: [node]
rule_files: [rules.yml]
receiver:
  max_cached_series: %d
  max_cached_bytes: %dMiB
detector:
  max_series: %d
`, known, max(1024, known*4096>>20), known)
}

// expressions is a rule file of n rules such as people have of their hosts: each reads one
// metric of all of them, a few series of each, over five minutes where it is a counter.
func expressions(n int) string {
	var of []string
	for _, m := range nodeMetrics() {
		if len(combinations(m.own)) > 8 {
			continue
		}
		expr := "max by (instance) (" + m.name + ")"
		if m.moves == growing {
			expr = "sum by (instance) (rate(" + m.name + "[5m]))"
		}
		of = append(of, expr)
	}
	text := "groups:\n- name: hosts\n  interval: 15s\n  rules:\n"
	for i := range n {
		text += fmt.Sprintf("  - {watch: expression_%d, expr: '%s'}\n", i, of[i%len(of)])
	}
	if n == 0 {
		return "groups: []\n"
	}
	return text
}

// rest waits until the server has calmed down from starting, and notes its size.
func (s *server) rest(ctx context.Context) (err error) {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(500 * time.Millisecond):
	}
	s.idle, err = resident(s.process.Pid())
	return err
}

// stop ends the server and removes what it wrote.
func (s *server) stop() {
	s.stack.Stop()
	os.RemoveAll(s.stack.Dir)
}

func (s *server) url(path string) string { return s.stack.URL(s.program.port(), path) }

// settle waits until everything the server acknowledged is dealt with, and returns what
// it says of itself then. Prometheus acknowledges what it has written; Foreshock what
// waits in the detector's queue.
func (s *server) settle(ctx context.Context) (stack.Metrics, error) {
	for waited := false; ; waited = true {
		m, err := stack.FetchMetrics(ctx, s.url("/metrics"))
		if err != nil {
			return nil, err
		}
		if m.Sum("foreshock_detector_queue_samples", nil) == 0 {
			if !waited {
				return m, nil
			}
			return stack.FetchMetrics(ctx, s.url("/metrics")) // the counters, surely after the queue
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.process.Exited():
			return nil, fmt.Errorf("%s ended: %v", s.process.Name, s.process.Wait())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// kept is how many samples the server says it did with what it is for: Prometheus
// appended them to its head, Foreshock scored and learned them. The first sample of a
// counter has no rate and is not scored, but remembered. What is not finite was not sent: it
// is among what the rules' expressions result in.
func (p program) kept(m stack.Metrics) int {
	if p == prometheus {
		return int(m.Sum("prometheus_tsdb_head_samples_appended_total", map[string]string{"type": "float"}))
	}
	return int(m.Sum("foreshock_detector_samples_scored_total", nil) +
		m.Sum("foreshock_detector_samples_skipped_total", map[string]string{"reason": "first"}) +
		m.Sum("foreshock_detector_samples_skipped_total", map[string]string{"reason": "not_finite"}) -
		m.Sum("foreshock_query_results_total", nil))
}

// longestPause is how long the collector stopped everything at most, in the last 256 of
// its cycles, in seconds.
func longestPause(m stack.Metrics) float64 {
	longest := 0.0
	for _, s := range m["go_gc_duration_seconds"].GetMetric() {
		for _, q := range s.GetSummary().GetQuantile() {
			longest = max(longest, q.GetValue())
		}
	}
	return longest
}
