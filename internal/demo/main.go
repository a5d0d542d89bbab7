// Command demo shows Foreshock at work among the real programs: it starts
// node_exporter, Prometheus, Alertmanager and Foreshock on loopback with the files
// of examples/quickstart, burns CPU, and tells what happens as it is seen through
// each program's own API. With --check it does so unattended and exits 0 only if
// every step was seen.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/foreshock/foreshock/internal/stack"
)

// checkTime is what the unattended run may take, from the first program's start.
const checkTime = 6 * time.Minute

// Where things are, from the repository's root, which `make demo` runs in.
const (
	runDir    = ".demo"
	toolsDir  = ".tools/bin"
	binary    = "bin/foreshock"
	filesFrom = "examples/quickstart"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "burn" {
		burn(os.Args[2])
		return
	}
	check := flag.Bool("check", false, "run unattended: no waiting at the end, exit 1 if a step was not seen")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *check {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, checkTime, fmt.Errorf("not done within %s", checkTime))
		defer cancel()
	}
	if err := run(ctx, *check); err != nil && !(errors.Is(err, context.Canceled) && !*check) {
		fmt.Fprintf(os.Stderr, "\ndemo: %v\nThe programs' logs are in %s.\n", err, runDir)
		os.Exit(1)
	}
}

func run(ctx context.Context, check bool) error {
	token, approval := rand.Text(), rand.Text()
	s, err := prepare(token, approval)
	if err != nil {
		return err
	}
	defer s.Stop()
	tell := newNarrator(os.Stdout)
	story := &story{stack: s, approval: approval, tell: tell}
	if err := story.run(ctx); err != nil {
		return err
	}

	tell.say("That was the whole way round, each step seen through the program's own API.")
	fmt.Printf(`
  Foreshock     %s
  Prometheus    %s   try  foreshock_anomaly_score > 1
  Alertmanager  %s   its web page is not built here; its API is
  files, logs   %s

`, s.URL(9797, "/"), s.URL(9090, "/"), s.URL(9093, "/api/v2/alerts"), runDir)
	if check {
		return nil
	}
	fmt.Println("It all goes on running. Ctrl-C stops everything.")
	<-ctx.Done()
	fmt.Println("\nstopping …")
	return nil
}

// prepare makes an empty run directory with the quickstart's files, the token that
// Alertmanager's webhook is to send, and that of who approves.
func prepare(token, approval string) (*stack.Stack, error) {
	if err := os.RemoveAll(runDir); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(runDir)
	if err != nil {
		return nil, err
	}
	bin, err := filepath.Abs(toolsDir)
	if err != nil {
		return nil, err
	}
	s, err := stack.New(dir, bin, filesFrom, false)
	if err != nil {
		return nil, err
	}
	for name, text := range map[string]string{
		"webhook.token":  token,
		"approval.token": approval,
		clientFile:       "authorization: {credentials_file: approval.token}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// clientFile is what foreshock remediation is given to be let in as a person.
const clientFile = "person.yml"

// approve says yes to the plan, as the person at this terminal would.
func approve(ctx context.Context, s *stack.Stack, id, hash string) error {
	program, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, "remediation", "approve", id, "--hash", hash,
		"--url", s.URL(9797, ""), "--http.config.file", clientFile)
	cmd.Dir = s.Dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("approve: %w: %s", err, out)
	}
	return nil
}

// burn keeps every core busy until it is stopped, or for three minutes, and leaves
// its pid in pidFile for the remedy to find.
func burn(pidFile string) {
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "burn:", err)
		os.Exit(1)
	}
	for range runtime.NumCPU() {
		go func() {
			for x := 0; ; x++ {
				_ = x * x
			}
		}()
	}
	time.Sleep(3 * time.Minute)
}
