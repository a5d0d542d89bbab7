package remediation

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/internal/stack"
	"github.com/foreshock/foreshock/rules"
)

// takeover is the longest that nobody may act after the holder has gone.
const takeover = 30 * time.Second

// flaky is a store that is slow, out of reach now and then, and sometimes does what it was
// asked to and does not say so.
type flaky struct {
	mu      sync.Mutex
	rng     *rand.Rand
	lease   leaseRecord
	version int
	notes   map[string]claim
}

var errFlaky = errors.New("out of reach")

// lag lets time pass and reports what of a request and its answer gets through.
func (f *flaky) lag(ctx context.Context) (asked, answered bool) {
	f.mu.Lock()
	d, chance := time.Duration(f.rng.IntN(300))*time.Millisecond, f.rng.IntN(20)
	f.mu.Unlock()
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return false, false
	}
	return chance != 0, chance > 1
}

func (f *flaky) read(ctx context.Context) (leaseRecord, error) {
	if _, ok := f.lag(ctx); !ok {
		return leaseRecord{}, errFlaky
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lease, nil
}

func (f *flaky) write(ctx context.Context, r leaseRecord) (leaseRecord, error) {
	asked, answered := f.lag(ctx)
	if !asked {
		return r, errFlaky
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.version != f.lease.version {
		return r, errConflict
	}
	f.version++
	r.version = strconv.Itoa(f.version)
	f.lease = r
	if !answered {
		return leaseRecord{}, errFlaky
	}
	return r, nil
}

func (f *flaky) claimed(ctx context.Context, key string) (claim, error) {
	if _, ok := f.lag(ctx); !ok {
		return claim{}, errFlaky
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.notes[key], nil
}

func (f *flaky) claim(ctx context.Context, key string, c claim) error {
	asked, answered := f.lag(ctx)
	if !asked {
		return errFlaky
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.notes[key].version != c.version {
		return errConflict
	}
	f.version++
	c.version = strconv.Itoa(f.version)
	f.notes[key] = c
	if !answered {
		return errFlaky
	}
	return nil
}

func (f *flaky) claims(ctx context.Context) ([]claim, error) {
	if _, ok := f.lag(ctx); !ok {
		return nil, errFlaky
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Values(f.notes)), nil
}

func (*flaky) forget(context.Context, time.Time) error { return nil }
func (*flaky) close()                                  {}

func inProcess(store leaseStore, name string) *elector {
	return electorOf(store, name, prometheus.NewGauge(prometheus.GaugeOpts{}), func([]claim) {}, slog.New(slog.DiscardHandler), LeaseConfig{})
}

// Three replicas, each stopped for up to a minute at random instants, even between the fence
// and the act: no episode is acted on twice, and while one replica lives and the store can
// be reached, it acts within the time promised.
func TestStoppedReplicasActOnce(t *testing.T) {
	acted := 0
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			store := &flaky{rng: rand.New(rand.NewPCG(seed, 2)), notes: map[string]claim{}}
			rng := rand.New(rand.NewPCG(seed, 3))
			var mu sync.Mutex
			acts := map[string][]string{}
			closing := make(chan struct{})
			var replicas sync.WaitGroup
			for n := range 3 {
				l := inProcess(store, fmt.Sprint("replica-", n))
				pauses := func(part uint64) func() { // what SIGSTOP does, wherever it comes
					stopped := rand.New(rand.NewPCG(seed, 2*uint64(n)+part))
					return func() {
						if stopped.IntN(15) == 0 {
							time.Sleep(time.Duration(stopped.IntN(60_000)) * time.Millisecond)
						}
					}
				}
				replicas.Go(func() { l.run(closing, pauses(0)) })
				replicas.Go(func() {
					pause := pauses(1)
					for episode := 0; ; episode++ {
						select {
						case <-closing:
							return
						case <-time.After(time.Second):
						}
						p := plan{Rule: "r", Target: strconv.Itoa(episode), StartsAt: time.Unix(int64(n), 0)}
						if l.admit(0) != nil {
							continue
						}
						if _, err := l.fence(t.Context(), entry{ID: p.id(), Plan: p, CreatedAt: time.Now()}, time.Now()); err != nil {
							continue
						}
						pause()
						mu.Lock()
						acts[p.Target] = append(acts[p.Target], l.self)
						mu.Unlock()
					}
				})
			}
			time.Sleep(time.Duration(3+rng.IntN(4)) * time.Minute)
			close(closing)
			replicas.Wait()
			for episode, who := range acts {
				if len(who) > 1 {
					t.Errorf("seed %d: episode %s was acted on by %v", seed, episode, who)
				}
			}
			acted += len(acts)
		})
	}
	if acted < 1000 { // 40 seeds × 3 min × 60 episodes, most of them with a replica there
		t.Errorf("acted %d times in all", acted)
	}
}

// The holder goes without a word: another acts within the time promised, however the two
// clocks differ, and not before the holder has been silent for the whole of the lease.
func TestTakeoverIsBounded(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			store := &flaky{rng: rand.New(rand.NewPCG(seed, 2)), notes: map[string]claim{}}
			a, b := inProcess(store, "a"), inProcess(store, "b")
			gone, closing := make(chan struct{}), make(chan struct{})
			var both sync.WaitGroup
			both.Go(func() { a.run(gone, func() {}) })
			for a.admit(0) != nil {
				time.Sleep(10 * time.Millisecond)
			}
			both.Go(func() { b.run(closing, func() {}) })
			time.Sleep(time.Duration(seed) * 777 * time.Millisecond)
			close(gone)
			began := time.Now()
			for b.admit(0) != nil {
				time.Sleep(10 * time.Millisecond)
			}
			if after := time.Since(began); after > takeover || after < leaseDuration-leaseInterval-leaseTimeout {
				t.Errorf("seed %d: taken over after %s", seed, after)
			}
			close(closing)
			both.Wait()
		})
	}
}

// natsServer is a real NATS server with JetStream in a directory of its own.
func natsServer(t *testing.T) string {
	t.Helper()
	address := freeAddress(t)
	startNATS(t, address)
	return "nats://" + address
}

// freeAddress is where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func startNATS(t *testing.T, address string) {
	t.Helper()
	bin, err := filepath.Abs("../.tools/bin")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	s := &stack.Stack{Dir: t.TempDir(), Bin: bin}
	if _, err := s.Start(filepath.Join(bin, "nats-server"), "--addr", "127.0.0.1", "--port", port, "--jetstream", "--store_dir", "jetstream"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
}

// natsStore is a lease in that server.
func natsStore(t *testing.T, address string) leaseStore {
	t.Helper()
	c := DefaultNATSLeaseConfig()
	c.URL = address
	if err := c.validate("nats"); err != nil {
		t.Fatal(err)
	}
	s, err := c.open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// Whoever writes over a lease that has changed since, or claims what was claimed, is told
// no by the store itself.
func TestNATSLease(t *testing.T) {
	address := natsServer(t)
	a, b := natsStore(t, address), natsStore(t, address)
	holdsAndClaims(t, a, b)
}

const claimedKey = "0123456789abcdef0123456789abcdef"

// holdsAndClaims shows what every store promises.
func holdsAndClaims(t *testing.T, a, b leaseStore) {
	t.Helper()
	ctx := t.Context()
	var none leaseRecord
	var err error
	for deadline := time.Now().Add(takeover); ; time.Sleep(50 * time.Millisecond) { // until it is up
		if none, err = a.read(ctx); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil || none != (leaseRecord{}) {
		t.Fatalf("a new lease is %v, %v", none, err)
	}
	first, err := a.write(ctx, leaseRecord{Holder: "a", Term: 1})
	if err != nil || first.version == "" {
		t.Fatalf("first write: %v, %v", first, err)
	}
	if _, err := b.write(ctx, leaseRecord{Holder: "b", Term: 1}); !errors.Is(err, errConflict) {
		t.Errorf("written over as if there were none: %v", err)
	}
	seen, err := b.read(ctx)
	if err != nil || seen != first {
		t.Errorf("b reads %v, %v, want %v", seen, err, first)
	}
	second, err := a.write(ctx, first)
	if err != nil || second.version == first.version {
		t.Errorf("prolonged: %v, %v", second, err)
	}
	seen.Holder, seen.Term = "b", 2
	if _, err := b.write(ctx, seen); !errors.Is(err, errConflict) {
		t.Errorf("taken though it was prolonged: %v", err)
	}
	second.Holder, second.Term = "b", 2
	if _, err := b.write(ctx, second); err != nil {
		t.Errorf("taken: %v", err)
	}
	if _, err := a.write(ctx, second); !errors.Is(err, errConflict) {
		t.Errorf("prolonged though it was taken: %v", err)
	}

	until := time.Unix(1700000000, 123456789).UTC()
	c := claim{Holder: "a", Term: 1, Rule: "restart pods!", Action: "restart", Target: "shop/Pod/cart-7", Until: until, Starts: []time.Time{until, until.Add(time.Second)}}
	if was, err := a.claimed(ctx, claimedKey); err != nil || was.version != "" || was.Holder != "" {
		t.Errorf("claimed before: %v, %v", was, err)
	}
	if err := a.claim(ctx, claimedKey, c); err != nil {
		t.Errorf("claim: %v", err)
	}
	if err := b.claim(ctx, claimedKey, c); !errors.Is(err, errConflict) {
		t.Errorf("claimed again: %v", err)
	}
	was, err := b.claimed(ctx, claimedKey)
	if err != nil || was.Holder != "a" || !was.Until.Equal(until) {
		t.Errorf("claimed: %v, %v", was, err)
	}
	if all, err := b.claims(ctx); err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], was) || was.Rule != c.Rule || !slices.EqualFunc(was.Starts, c.Starts, time.Time.Equal) {
		t.Errorf("all claims: %v, %v, want %v", all, err, was)
	}
	c.version, c.Holder, c.Until = was.version, "b", until.Add(time.Hour)
	if err := b.claim(ctx, claimedKey, c); err != nil {
		t.Errorf("the next episode: %v", err)
	}
	if err := a.claim(ctx, claimedKey, c); !errors.Is(err, errConflict) {
		t.Errorf("the next episode again: %v", err)
	}
}

// What one replica has done counts against the ceilings of the next.
func TestCeilingsOutlastTheHolder(t *testing.T) {
	c := DefaultNATSLeaseConfig()
	c.URL = natsServer(t)
	first := newWorld(t, Auto)
	first.stop()
	first.o.Config.SingleInstance, first.o.Config.Lease = false, &LeaseConfig{NATS: &c}
	first.start()
	for _, pod := range []string{"a", "b", "c"} { // which is max_per_hour
		first.deliver(first.an(pod))
	}
	first.eventually("all three are done", func(l []entry) bool {
		return len(l) == 3 && !slices.ContainsFunc(l, func(e entry) bool { return e.State != stateSucceeded })
	})
	first.stop() // and gives the lease back

	second := newWorld(t, Auto)
	second.stop()
	second.o.Config = first.o.Config
	second.start()
	second.deliver(second.an("d"), second.an("a"))
	second.eventually("both are refused", func(l []entry) bool {
		return len(l) == 2 && l[0].State == stateRefused && l[1].State == stateRefused
	})
	for _, e := range second.plans() {
		if !strings.Contains(e.Reason, "acted 3 times within the hour") {
			t.Errorf("%s: %s", e.Plan.Target, e.Reason)
		}
	}
	first.called(3)
}

// replicaDir makes the test binary a replica: it reads labels from its standard input, a
// line for every alert, and its action appends them to the file "acted" beside the
// directory, with its name.
const replicaDir = "FORESHOCK_REMEDIATION_REPLICA_DIR"

func replica(dir string) {
	run := DefaultExecConfig()
	run.Command = []string{"/bin/sh", "-c", `echo "$FORESHOCK_TARGET" >> ` + filepath.Join(filepath.Dir(dir), "acted")}
	o := Options{Config: DefaultConfig(), Dir: dir, Logger: slog.New(slog.NewTextHandler(os.Stdout, nil)), Remedies: []*rules.Remedy{{
		Name: "once", Match: restart.Match, Action: "act", Target: "pod",
	}}}
	var lease LeaseConfig
	if err := json.Unmarshal([]byte(os.Getenv(replicaDir+"_LEASE")), &lease); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	o.Config.Lease = &lease
	o.Config.Mode, o.Config.WebhookToken, o.Config.ApprovalToken, o.Config.MaxPerHour = Auto, token, approvalToken, highestPerHour
	o.Config.Cooldown, o.Config.BlastRadius = 0, 1
	var targets []string
	for n := range 9 {
		targets = append(targets, fmt.Sprint("pod-", n))
	}
	o.Config.Actions = []ActionConfig{{Name: "act", Targets: targets, Exec: &run}}
	r, err := New(o)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for deadline := time.Now().Add(takeover); ; time.Sleep(100 * time.Millisecond) { // until the store is up
		if err = r.Resume("a person", "for the first time"); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go r.Run()
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		pod, startsAt, _ := strings.Cut(in.Text(), " ")
		began, err := time.Parse(time.RFC3339Nano, startsAt)
		if err == nil {
			err = r.take(notification{alerts: []alert{{
				Status: "firing", Labels: map[string]string{"remediation": "restart", "pod": pod}, StartsAt: began,
			}}})
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	if err := r.Close(context.Background()); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// pair are two replicas that get the same alerts.
type pair struct {
	t     *testing.T
	dir   string
	cmd   [2]*exec.Cmd
	in    [2]io.WriteCloser
	mu    sync.Mutex
	said  [2]string
	sent  int
	began time.Time
}

func startPair(t *testing.T, lease LeaseConfig) *pair {
	t.Helper()
	p := &pair{t: t, dir: t.TempDir(), began: time.Now()}
	text, err := json.Marshal(lease)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), replicaDir+"="+filepath.Join(p.dir, fmt.Sprint("replica-", i)), replicaDir+"_LEASE="+string(text))
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if p.in[i], err = cmd.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = cmd.Stdout
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var read sync.WaitGroup
		read.Go(func() {
			for lines := bufio.NewScanner(out); lines.Scan(); {
				p.mu.Lock()
				p.said[i] += lines.Text() + "\n"
				p.mu.Unlock()
			}
		})
		t.Cleanup(func() {
			cmd.Process.Kill() // some were killed before
			read.Wait()
			cmd.Wait()
		})
		p.cmd[i] = cmd
	}
	return p
}

// alert tells both replicas of a new episode, as far as they listen, and returns its pod.
func (p *pair) alert() string {
	pod := fmt.Sprint("pod-", p.sent)
	p.sent++
	began := time.Now().Add(-time.Minute)
	for i, in := range p.in { // two Alertmanagers may disagree about the beginning
		startsAt := began.Add(time.Duration(i) * time.Second).Format(time.RFC3339Nano)
		fmt.Fprintf(in, "%s %s\n", pod, startsAt) // one may be gone
	}
	return pod
}

func (p *pair) acted() string {
	b, err := os.ReadFile(filepath.Join(p.dir, "acted"))
	if err != nil && !os.IsNotExist(err) {
		p.t.Fatal(err)
	}
	return string(b)
}

// becomes waits for something, with patience for a busy machine, and returns how long.
func (p *pair) becomes(what string, true func() bool) time.Duration {
	p.t.Helper()
	began := time.Now()
	for !true() {
		if time.Since(began) > 3*time.Minute {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.t.Fatalf("not so after %s: %s\nacted:\n%s\none said:\n%s\nthe other said:\n%s", time.Since(began), what, p.acted(), p.said[0], p.said[1])
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(began)
}

// done waits until the pod was acted on.
func (p *pair) done(pod string) time.Duration {
	p.t.Helper()
	return p.becomes(pod+" was acted on", func() bool { return strings.Contains(p.acted(), pod+"\n") })
}

// says waits until the replica logged the words.
func (p *pair) says(i int, words string) {
	p.t.Helper()
	p.becomes(fmt.Sprintf("replica %d says %s", i, words), func() bool { return p.hasSaid(i, words) })
}

func (p *pair) hasSaid(i int, words string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Contains(p.said[i], words)
}

// holder waits until one of them holds the lease, and returns which.
func (p *pair) holder() (holder int) {
	p.t.Helper()
	p.becomes("one holds the lease", func() bool {
		for i := range p.cmd {
			if p.hasSaid(i, "held=true") {
				holder = i
				return true
			}
		}
		return false
	})
	return holder
}

// failover stops the holder, lets it go on too late, and kills its successor: at every
// moment one of the two acts, within the time promised, and no episode sees two actions.
func (p *pair) failover() {
	p.t.Helper()
	first := p.holder()
	second := 1 - first
	p.done(p.alert())

	if err := p.cmd[first].Process.Signal(syscall.SIGSTOP); err != nil {
		p.t.Fatal(err)
	}
	missed := p.alert() // which the first is told too, and reads when it goes on
	if took := p.done(missed); took > takeover {
		p.t.Errorf("taken over %s after the holder was stopped", took)
	}
	if err := p.cmd[first].Process.Signal(syscall.SIGCONT); err != nil {
		p.t.Fatal(err)
	}
	p.says(first, "held=false")
	p.done(p.alert())

	if err := p.cmd[second].Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	if took := p.done(p.alert()); took > takeover {
		p.t.Errorf("taken over %s after the holder was killed", took)
	}
	// What the first was told while it was stopped is refused: the other has claimed it.
	p.becomes("the missed one is decided", func() bool {
		return p.hasSaid(first, "state=refused") && p.hasSaid(first, "target="+missed)
	})
	for n := range p.sent {
		pod := fmt.Sprint("pod-", n)
		if times := strings.Count(p.acted(), pod+"\n"); times != 1 {
			p.t.Errorf("%s was acted on %d times", pod, times)
		}
	}
}

// Two processes, one lease, a real NATS server.
func TestTwoReplicasActOnceWithNATS(t *testing.T) {
	t.Parallel()
	c := DefaultNATSLeaseConfig()
	c.URL = natsServer(t)
	startPair(t, LeaseConfig{NATS: &c}).failover()
}

// The same with a Lease of Kubernetes and the rights of examples/kubernetes/rbac.yml.
func TestKubernetesLease(t *testing.T) {
	_, config := converse(t, "lease")
	clock := time.Unix(1700000000, 0)
	store := func() leaseStore {
		c := DefaultKubernetesLeaseConfig()
		c.Kubeconfig, c.Namespace = config, "foreshock"
		s, err := c.open(func() time.Time { clock = clock.Add(time.Second); return clock })
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a := store()
	holdsAndClaims(t, a, store())

	young := claim{Holder: "a", Term: 1, Rule: "young", Until: time.Unix(1800000000, 0)}
	if err := a.claim(t.Context(), "young", young); err != nil {
		t.Fatal(err)
	}
	if err := a.forget(t.Context(), time.Unix(1750000000, 0)); err != nil {
		t.Fatal(err)
	}
	if c, err := a.claimed(t.Context(), "young"); err != nil || c.version == "" {
		t.Errorf("the young claim is %v, %v", c, err)
	}
	if c, err := a.claimed(t.Context(), claimedKey); err != nil || c.version != "" {
		t.Errorf("the old claim is %v, %v", c, err)
	}
	if r, err := a.read(t.Context()); err != nil || r.Holder != "b" {
		t.Errorf("the lease is %v, %v", r, err)
	}
}

// inKubernetes is a lease in a real API server, the whole way to it encrypted.
func inKubernetes(t *testing.T) *LeaseConfig {
	t.Helper()
	if *programs == "" {
		t.Skip("needs a real API server: make e2e-k8s")
	}
	cluster := startCluster(t)
	bearer, err := cluster.Token(t.Context(), "monitoring", "foreshock")
	if err != nil {
		t.Fatal(err)
	}
	c := DefaultKubernetesLeaseConfig()
	c.Kubeconfig, c.Namespace = kubeconfig(t, cluster.URL, cluster.CA, bearer), "foreshock"
	return &LeaseConfig{Kubernetes: &c}
}

// Two processes, one lease, a real API server.
func TestTwoReplicasActOnceWithKubernetes(t *testing.T) {
	startPair(t, *inKubernetes(t)).failover()
}

// Where the store cannot be reached, plans wait while they are fresh, and then are refused.
func TestNobodyActsWithoutTheLease(t *testing.T) {
	c := DefaultNATSLeaseConfig()
	c.URL = "nats://127.0.0.1:1"
	w := newWorld(t, Auto)
	w.stop()
	w.o.Config.SingleInstance, w.o.Config.Lease = false, &LeaseConfig{NATS: &c}
	w.start()
	w.deliver(w.an("a"))
	w.become(stateApproved)
	w.later(2 * time.Minute)
	w.signal()
	if e := w.become(stateRefused); !strings.Contains(e.Reason, "no replica holds the lease") {
		t.Errorf("reason %q", e.Reason)
	}
	w.called(0)
}
