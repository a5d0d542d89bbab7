// Command soak puts the real Foreshock through what a long life brings, and fails where it
// comes out another than it went in:
//
//	soak soak    a day of samples in an hour: churn, restarts, a downstream that flaps;
//	             memory, goroutines and descriptors must stay flat, and no score be missing
//	soak chaos   kill -9 at random times under load, programs that stop dead, a downstream
//	             that lies, damaged state; nothing acknowledged may be lost
//	soak disk    a state directory on a small file system that is filled up and freed: what
//	             comes is taken and scored, and covered once there is room
//	soak restart a million series: ready 20 s after kill -9, and no anomaly because of it
//	soak apart   beside a downstream that is dead or hostile requests take no longer than
//	             beside one that is well
//
// It listens and sends on loopback only and stops nothing but what it started.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"golang.org/x/term"

	"github.com/foreshock/foreshock/internal/stack"
)

// options are the flags.
type options struct {
	foreshock, tools, dir string
	seed                  uint64
	duration              time.Duration
	series, speed         int
	kills                 int
	pause                 time.Duration
	brief                 bool
	requests              int
	most                  float64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr *os.File) int {
	var o options
	k := kingpin.New("soak", "Put the real Foreshock through what a long life brings.")
	k.UsageWriter(stdout).ErrorWriter(stderr)
	k.HelpFlag.Short('h')
	k.Flag("foreshock", "Foreshock's binary.").Default("bin/foreshock").StringVar(&o.foreshock)
	k.Flag("tools", "Directory of prometheus and alertmanager.").Default(".tools/bin").StringVar(&o.tools)
	k.Flag("dir", "Where to make the directory that the programs run in and that goes afterwards; by default the system's temporary one.").StringVar(&o.dir)
	k.Flag("seed", "Of what is random: what happens when.").Default("1").Uint64Var(&o.seed)
	soak := k.Command("soak", "A day of samples in an hour; fails where anything grows or a score is missing.")
	soak.Flag("duration", "How long.").Default("60m").DurationVar(&o.duration)
	soak.Flag("series", "Series sent every 15 s of their time.").Default("5000").IntVar(&o.series)
	soak.Flag("speed", "How many times faster than time the samples' time goes.").Default("24").IntVar(&o.speed)
	chaos := k.Command("chaos", "Kill, stop, lie and damage; fails where anything acknowledged is lost.")
	chaos.Flag("kills", "How often to kill -9 at a random time.").Default("50").IntVar(&o.kills)
	chaos.Flag("pause", "How long a program stands still, or a downstream misbehaves.").Default("10s").DurationVar(&o.pause)
	chaos.Flag("brief", "Leave out what takes long: programs that stand still, and damaged state.").BoolVar(&o.brief)
	disk := k.Command("disk", "Fill up the file system of the state and free it; fails where that stops anything. It mounts one: run it as root, or by unshare --map-root-user --mount.")
	restart := k.Command("restart", "Kill a process of many series; fails where it is not ready soon, or tells then what it would not have told.")
	restart.Flag("series", "Series sent every 15 s of their time.").Default("1000000").IntVar(&o.series)
	apart := k.Command("apart", "Take in beside a downstream that is dead or hostile; fails where requests take longer than beside one that is well.")
	apart.Flag("requests", "How many to each of the two processes, 20 a second, in each way of not being well.").Default("1000").IntVar(&o.requests)
	apart.Flag("most", "The most that the p99 may be of what it is beside one that is well.").Default("1.2").Float64Var(&o.most)
	command, err := k.Parse(args)
	if err != nil {
		fmt.Fprintln(stderr, "soak:", err)
		return 2
	}
	j, err := begin(o, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "soak:", err)
		return 2
	}
	defer j.end()
	switch command {
	case soak.FullCommand():
		err = j.soak(ctx)
	case chaos.FullCommand():
		err = j.chaos(ctx)
	case disk.FullCommand():
		err = j.crammed(ctx)
	case apart.FullCommand():
		err = j.apart(ctx, stderr)
	default:
		err = j.restarted(ctx)
	}
	j.report(stdout)
	if err != nil {
		fmt.Fprintln(stderr, "soak:", err)
		fmt.Fprintln(stderr, tail(j.log(), 4<<10))
		return 1
	}
	if j.failed {
		return 1
	}
	return 0
}

// job is one run: the programs, what was found, and where progress is told.
type job struct {
	options
	stack   *stack.Stack
	down    *downstream
	sidecar *stack.Process
	stderr  io.Writer // of progress; io.Discard where nobody looks
	results []result
	failed  bool
}

// result is one thing that was looked at.
type result struct{ what, seen, gate, verdict string }

// begin makes the directory; nothing runs yet.
func begin(o options, stderr *os.File) (*job, error) {
	binary, err := filepath.Abs(o.foreshock)
	if err != nil {
		return nil, err
	}
	tools, err := filepath.Abs(o.tools)
	if err != nil {
		return nil, err
	}
	o.foreshock = binary
	dir, err := os.MkdirTemp(o.dir, "foreshock-soak-")
	if err != nil {
		return nil, err
	}
	empty, err := os.MkdirTemp(dir, "files")
	if err != nil {
		return nil, err
	}
	s, err := stack.New(dir, tools, empty, true)
	if err != nil {
		return nil, err
	}
	j := &job{options: o, stack: s, down: newDownstream(), stderr: io.Discard}
	if term.IsTerminal(int(stderr.Fd())) {
		j.stderr = stderr
	}
	return j, nil
}

func (j *job) end() {
	j.down.become(well)
	j.stack.Stop()
	j.down.close()
	_ = os.RemoveAll(j.stack.Dir) // a temporary one
}

// say tells who looks on what is under way.
func (j *job) say(format string, args ...any) {
	fmt.Fprintf(j.stderr, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
}

// found notes what was seen of something, and whether that is as it must be.
func (j *job) found(ok bool, what, gate, format string, args ...any) {
	verdict := "ok"
	if !ok {
		verdict, j.failed = "FAILED", true
	}
	r := result{what, fmt.Sprintf(format, args...), gate, verdict}
	j.results = append(j.results, r)
	j.say("%s: %s (%s) %s", r.what, r.seen, r.gate, r.verdict)
}

func (j *job) report(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "WHAT\tSEEN\tMUST BE\t")
	for _, r := range j.results {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r.what, r.seen, r.gate, r.verdict)
	}
	_ = t.Flush()
}

// start starts Foreshock and waits until it is ready.
func (j *job) start(ctx context.Context, args ...string) error {
	p, err := j.stack.Foreshock(ctx, j.foreshock, args...)
	if err == nil {
		j.sidecar = p
	}
	return err
}

// kill ends Foreshock as a power cut would, but for what the kernel has.
func (j *job) kill() error {
	if err := j.sidecar.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	_ = j.sidecar.Wait() // killed
	return nil
}

// stop ends Foreshock in order.
func (j *job) stop() error {
	if err := j.sidecar.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return j.sidecar.Wait()
}

func (j *job) log() string {
	if j.sidecar == nil {
		return ""
	}
	return j.sidecar.Log()
}

// metrics are Foreshock's own.
func (j *job) metrics(ctx context.Context) (stack.Metrics, error) {
	return stack.FetchMetrics(ctx, j.stack.URL(9797, "/metrics"))
}

// write puts a file into the programs' directory.
func (j *job) write(name, text string) error {
	return os.WriteFile(filepath.Join(j.stack.Dir, name), []byte(text), 0o600)
}

// eventually waits until seen, at most so long.
func eventually(ctx context.Context, within time.Duration, what string, seen func() (bool, error)) error {
	var last error
	for deadline := time.Now().Add(within); time.Now().Before(deadline); {
		ok, err := seen()
		if ok {
			return nil
		}
		last = err
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	return fmt.Errorf("not seen within %s: %s (%v)", within, what, last)
}

func tail(s string, most int) string { return s[max(0, len(s)-most):] }
