package remediation

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// LeaseConfig says where replicas agree which of them acts: kubernetes or nats.
type LeaseConfig struct {
	// Kubernetes keeps the lease in a cluster's coordination API.
	Kubernetes *KubernetesLeaseConfig `yaml:"kubernetes,omitempty"`

	// NATS keeps the lease in a key-value bucket.
	NATS *NATSLeaseConfig `yaml:"nats,omitempty"`
}

func (c LeaseConfig) validate(path string) error {
	switch {
	case c.Kubernetes != nil && c.NATS != nil:
		return fmt.Errorf("%s: must have one of kubernetes and nats, got both", path)
	case c.Kubernetes != nil:
		return c.Kubernetes.validate(path + ".kubernetes")
	case c.NATS != nil:
		return c.NATS.validate(path + ".nats")
	}
	return fmt.Errorf("%s: must have one of kubernetes and nats, got none", path)
}

func (c LeaseConfig) setDirectory(dir string) {
	if c.Kubernetes != nil {
		c.Kubernetes.setDirectory(dir)
	}
	if c.NATS != nil {
		c.NATS.setDirectory(dir)
	}
}

// open makes the store ready: it reads the files that the configuration names, and asks
// nobody yet.
func (c LeaseConfig) open(now func() time.Time) (s leaseStore, err error) {
	name := "kubernetes"
	if c.NATS != nil {
		name = "nats"
		s, err = c.NATS.open()
	} else {
		s, err = c.Kubernetes.open(now)
	}
	if err != nil {
		return nil, fmt.Errorf("remediation.lease.%s.%w", name, err)
	}
	return s, nil
}

// leaseStore is what all replicas can reach, and which tells no two of them yes.
type leaseStore interface {
	// read returns the lease as it stands; its zero value is one that nobody ever had.
	read(ctx context.Context) (leaseRecord, error)
	// write puts what is given in the place of what was read with that version, and
	// returns it with its new one. It is errConflict if somebody else was first.
	write(ctx context.Context, r leaseRecord) (leaseRecord, error)
	// claimed returns the last claim of that key; its zero value is that there is none.
	claimed(ctx context.Context, key string) (claim, error)
	// claim puts what is given in the place of what was read with that version. It is
	// errConflict if somebody else was first. Claims stay for longer than ledgers
	// remember.
	claim(ctx context.Context, key string, c claim) error
	// claims returns all of them.
	claims(ctx context.Context) ([]claim, error)
	// forget drops the claims that end before.
	forget(ctx context.Context, before time.Time) error
	// close ends it.
	close()
}

var errConflict = errors.New("another replica was first")

// leaseRecord is the lease at one moment.
type leaseRecord struct {
	version string // of the record in its store; it changes with every write
	Holder  string // "" if it was given back
	// Term counts the holders: the fencing token.
	Term int
	// Order is the last pause or resume that a person told any replica.
	Order order `json:"Order,omitzero"`
}

// claim says that one replica, and no other ever, acts on an episode of an alert. Like the
// ledger it takes every episode that began up to Until for that one: two Alertmanagers may
// disagree about the beginning.
type claim struct {
	version string // of the claim in its store

	Holder string    `json:"holder"`
	Term   int       `json:"term"`
	Rule   string    `json:"rule"`
	Action string    `json:"action"`
	Target string    `json:"target,omitempty"`
	Until  time.Time `json:"until"`
	// Starts are when the episodes of the last day were acted on, so that the ceilings
	// of the next holder count them.
	Starts []time.Time `json:"starts,omitempty"`
}

// startsKept is how far back Starts go, which is as far as any ceiling does, and maxStarts
// how many there are: 100 × 36 B stay far below what an annotation may hold.
const (
	startsKept = 24 * time.Hour
	maxStarts  = 100
)

const (
	// leaseInterval is how often the lease is prolonged, or looked at by the others.
	leaseInterval = 3 * time.Second

	// leaseDuration is how long a holder may be silent. Nobody compares clocks: it runs,
	// on a replica's own monotonic clock, from when it first saw the holder's last word.
	leaseDuration = 15 * time.Second

	// leaseTimeout bounds one request. At the worst a holder's last word is seen after
	// 3 + 2 s, and after another 15 s the lease is taken within 3 + 2 + 2 s: 27 s.
	leaseTimeout = 2 * time.Second

	// claimMemory is how long claims are kept: ledgers remember for 30 days and refuse
	// what began before.
	claimMemory = memory + 24*time.Hour
)

// claimsTimeout bounds the reading of all claims, once for every takeover: 30 s with what is
// above.
const claimsTimeout = 3 * time.Second

// elector holds a lease, as long as it can. Acting needs two things of the store: that the
// lease can be prolonged at this very moment, which shows that nobody has taken it, and that
// the episode was not claimed. A replica that was stopped and goes on later has neither. Nil
// is an elector that needs no lease.
type elector struct {
	config LeaseConfig
	store  leaseStore
	self   string
	logger *slog.Logger
	gauge  prometheus.Gauge
	// learn takes in the claims of all replicas, before the first act of a holder.
	learn func([]claim)

	// turn is held while the store is asked, which may take a while; mu only for moments.
	turn    chan struct{}
	mu      sync.Mutex
	last    leaseRecord // as it was last seen
	changed time.Time   // when it was first seen so
	renewed time.Time   // when we last had it for certain
	learned bool        // what the holders before us did
	failing bool
	told    bool // that it is ours
}

// newElector opens the store. Nobody else is called as it is: not even this replica after
// a restart, since what it had begun is not known.
func newElector(c LeaseConfig, now func() time.Time, m *metrics, learn func([]claim), logger *slog.Logger) (*elector, error) {
	store, err := c.open(now)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("remediation.lease: the name of this host: %w", err)
	}
	return electorOf(store, host+"_"+rand.Text()[:8], m.leaseHeld, learn, logger, c), nil
}

func electorOf(store leaseStore, self string, gauge prometheus.Gauge, learn func([]claim), logger *slog.Logger, c LeaseConfig) *elector {
	return &elector{config: c, store: store, self: self, learn: learn, logger: logger, gauge: gauge, turn: make(chan struct{}, 1)}
}

// alone takes the turn, and returns what gives it back.
func (l *elector) alone() (done func()) {
	l.turn <- struct{}{}
	return func() { <-l.turn }
}

// run holds on to the lease until closing. Every round ends in a call of signal, since plans
// may wait for it.
func (l *elector) run(closing <-chan struct{}, signal func()) {
	if l == nil {
		return
	}
	tick, daily := time.NewTicker(leaseInterval), time.NewTicker(forgetInterval)
	defer tick.Stop()
	defer daily.Stop()
	for {
		l.round()
		signal()
		select {
		case <-closing:
			return
		case <-daily.C:
			l.forget()
		case <-tick.C:
		}
	}
}

// round prolongs the lease, or takes it if it is free.
func (l *elector) round() {
	defer l.alone()()
	err := l.hold(context.Background())
	if err == nil {
		err = l.catchUp(context.Background())
	}
	if failing := err != nil && !errors.Is(err, errConflict); failing != l.failing {
		l.failing = failing
		if failing {
			l.logger.Error("lease out of reach: no remedy will start without it", "err", err)
		}
	}
	holds := l.holds()
	if holds != l.told {
		l.told = holds
		last := l.seen()
		l.logger.Info("lease", "held", holds, "holder", last.Holder, "term", last.Term)
	}
	value := 0.0
	if holds {
		value = 1
	}
	l.gauge.Set(value)
}

func (l *elector) hold(ctx context.Context) error {
	if l.isOurs() {
		return l.prolong(ctx)
	}
	r, err := l.look(ctx)
	if err != nil {
		return err
	}
	switch {
	case r.Holder == l.self: // written, though we were not told
	case r.Holder != "" && l.silent() < leaseDuration:
		return nil
	default:
		r.Holder = l.self
		r.Term++
	}
	return l.write(ctx, r)
}

// catchUp learns what was done under the holders before us, without which no ceiling could
// be kept.
func (l *elector) catchUp(ctx context.Context) error {
	l.mu.Lock()
	due := l.ours() && !l.learned
	l.mu.Unlock()
	if !due {
		return nil
	}
	asked, cancel := context.WithTimeout(ctx, claimsTimeout)
	defer cancel()
	claims, err := l.store.claims(asked)
	if err != nil {
		return fmt.Errorf("read the claims: %w", err)
	}
	l.learn(claims)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.learned = l.ours()
	return nil
}

// look reads the lease.
func (l *elector) look(ctx context.Context) (leaseRecord, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	r, err := l.store.read(ctx)
	if err != nil {
		return r, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.version != l.last.version || l.changed.IsZero() {
		l.last, l.changed = r, time.Now()
	}
	l.learned = l.learned && r.Holder == l.self
	return r, nil
}

// silent is for how long the lease has been as it is.
func (l *elector) silent() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.changed)
}

// seen is the lease as it was last seen.
func (l *elector) seen() leaseRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// write puts r in the place of the version that it was read with.
func (l *elector) write(ctx context.Context, r leaseRecord) error {
	asked, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	began := time.Now()
	r, err := l.store.write(asked, r)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.renewed = time.Time{} // it may have been written all the same: it is read again
		return err
	}
	l.last, l.changed, l.renewed = r, began, began
	return nil
}

// holds reports whether the lease was ours a moment ago. What acts asks fence.
func (l *elector) holds() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ours() && l.learned
}

func (l *elector) isOurs() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ours()
}

// ours reports whether the lease was, a moment ago. The mutex is held.
func (l *elector) ours() bool {
	return l.last.Holder == l.self && time.Since(l.renewed) < leaseDuration
}

// errElsewhere postpones a plan: the lease may become ours while it is fresh.
var errElsewhere = fmt.Errorf("another replica holds the lease: %w", errLater)

// admit lets a plan of that age begin where the lease is ours. Elsewhere the plan waits, in
// case that the holder is no more, and is refused once it is too old.
func (l *elector) admit(age time.Duration) error {
	if l == nil {
		return nil
	}
	holder := l.seen().Holder
	switch {
	case l.holds():
		return nil
	case age.Abs() <= freshness:
		return errElsewhere
	case holder == "" || holder == l.self:
		return &refusal{refusedLease, "no replica holds the lease: whether another one acts cannot be told"}
	}
	return &refusal{refusedLease, fmt.Sprintf("replica %.100s holds the lease", holder)}
}

// fencing is under which number of which holder a plan started, and when, as its claim says.
type fencing struct {
	Holder string    `json:"holder"`
	Term   int       `json:"term"`
	At     time.Time `json:"at"`
}

// fence is the last thing before a plan's action: the lease is prolonged, and the episode
// claimed for ever. A claim that this very plan made, before the process died that acted, is
// no obstacle to its repetition; nobody else knows that it was interrupted.
func (l *elector) fence(ctx context.Context, e entry, at time.Time) (fencing, error) {
	if l == nil {
		return fencing{}, nil
	}
	defer l.alone()()
	if !l.holds() {
		return fencing{}, &refusal{refusedLease, "the lease was lost before it started"}
	}
	if err := l.prolong(ctx); err != nil {
		return fencing{}, &refusal{refusedLease, fmt.Sprintf("the lease could not be prolonged before it started: %v", err)}
	}
	f := fencing{l.self, l.seen().Term, at}
	ctx, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	key := claimKey(e)
	c, err := l.store.claimed(ctx, key)
	if err == nil && !e.Plan.StartsAt.After(c.Until) && !c.isOf(e) {
		return fencing{}, &refusal{refusedLease, fmt.Sprintf("replica %.100s has claimed it", c.Holder)}
	}
	if err == nil {
		err = l.store.claim(ctx, key, claim{
			version: c.version, Holder: f.Holder, Term: f.Term,
			Rule: e.Plan.Rule, Action: e.Plan.Action, Target: e.Plan.Target, Until: e.until(), Starts: c.started(at),
		})
	}
	if err != nil {
		return fencing{}, &refusal{refusedLease, fmt.Sprintf("it could not be claimed: %v", err)}
	}
	return f, nil
}

// isOf reports whether the claim is the one that e started under.
func (c claim) isOf(e entry) bool {
	return c.Holder == e.Fencing.Holder && c.Term == e.Fencing.Term && c.Until.Equal(e.until()) && e.Attempts > 0
}

// started are the last starts of the claim, with one more.
func (c claim) started(at time.Time) []time.Time {
	recent := slices.DeleteFunc(slices.Clone(c.Starts), func(t time.Time) bool { return at.Sub(t) >= startsKept })
	recent = append(recent, at)
	return recent[max(0, len(recent)-maxStarts):]
}

// claimKey is what only one replica may act on: an alert, whose episodes follow each other.
// What is not the plan itself but comes after it, such as its rollback, has an ID of its own,
// and is claimed under that.
func claimKey(e entry) string {
	id := e.Plan.identity()
	if e.ID != e.Plan.id() {
		id = digest(e.ID)
	}
	return hex.EncodeToString(id[:16])
}

// close gives the lease back, which spares the other replicas the wait, and ends the store.
func (l *elector) close() {
	if l == nil {
		return
	}
	defer l.store.close()
	defer l.alone()()
	if r := l.seen(); l.isOurs() {
		r.Holder = ""
		if err := l.write(context.Background(), r); err != nil {
			l.logger.Error("lease not given back", "err", err)
		}
	}
}

// forget drops what no ledger remembers.
func (l *elector) forget() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := l.store.forget(ctx, time.Now().Add(-claimMemory)); err != nil {
		l.logger.Error("old claims not dropped", "err", err)
	}
}

// keeps reports whether the elector is one for the lease. Who has it is not changed while
// plans run.
func (l *elector) keeps(c *LeaseConfig) bool {
	if l == nil || c == nil {
		return l == nil && c == nil
	}
	return reflect.DeepEqual(l.config, *c)
}
