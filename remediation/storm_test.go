package remediation

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock/rules"
)

var (
	storms    = flag.Int("storms", 200, "how many simulated storms TestStorm goes through")
	stormSeed = flag.Uint64("storm.seed", 1, "the first storm's seed")
)

// TestStorm: whatever Alertmanagers deliver, however often the process dies, the clock is set
// and remedies are paused, no episode is treated twice and no ceiling is broken. Each storm
// follows from its seed, in time that is simulated; -storms 1 -storm.seed N is storm N again.
func TestStorm(t *testing.T) {
	if testing.Short() { // the race detector is on: a few will do
		*storms = min(*storms, 6)
	}
	acted := 0
	for i := range *storms {
		seed := *stormSeed + uint64(i)
		acted += simulate(t, seed)
		if t.Failed() {
			t.Fatalf("storm of seed %d: go test ./remediation -run TestStorm -storms 1 -storm.seed %d", seed, seed)
		}
	}
	t.Logf("%d storms, %d actions", *storms, acted)
	if acted == 0 && *storms > 1 {
		t.Error("hardly anything acted, so nothing was shown")
	}
}

// storm is one simulation.
type storm struct {
	t    *testing.T
	seed uint64
	rng  *rand.Rand
	o    Options
	set  atomic.Int64 // ns that the wall clock was set by

	life     *life
	lives    int
	setAt    time.Time // when the clock was last set
	episodes map[string][]time.Time

	mu       sync.Mutex
	runs     []run
	haltedAt time.Time // zero while not paused
}

// life is one process.
type life struct {
	*Remediation
	dead    atomic.Bool // killed: what it does now does not happen
	running int
}

// run is one execution, at the time it truly was.
type run struct {
	p       plan
	episode string
	at      time.Time
}

// simulate goes through one storm and returns how often something acted.
func simulate(t *testing.T, seed uint64) (acted int) {
	dir, err := os.MkdirTemp(stormDir(), "storm")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	synctest.Test(t, func(t *testing.T) {
		s := &storm{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 7)), episodes: map[string][]time.Time{}}
		s.o = s.options(dir)
		s.start()
		if err := s.life.Resume("jane", ""); err != nil {
			t.Fatal(err)
		}
		events := s.events()
		for _, e := range events {
			time.Sleep(time.Until(e.at))
			e.do()
		}
		time.Sleep(3 * time.Minute) // what runs ends, what waits is stale
		for _, e := range s.life.list() {
			if !e.State.settled() && e.State != stateWaiting {
				t.Errorf("plan %s is %s at the end", e.ID, e.State)
			}
		}
		s.stop()
		if v, err := VerifyLedger(s.o.Dir); err != nil || len(v.Faults) > 0 {
			t.Errorf("the ledger: %v, %v", v.Faults, err)
		}
		acted = len(s.runs)
	})
	return acted
}

// stormDir is a file system in memory, if there is one: a storm waits for the disk thousands
// of times.
func stormDir() string {
	const memory = "/dev/shm"
	if f, err := os.CreateTemp(memory, "probe"); err == nil {
		_ = errors.Join(f.Close(), os.Remove(f.Name()))
		return memory
	}
	return ""
}

// oneOf returns one of the values.
func oneOf[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

// options are a configuration that refuses some and lets some through.
func (s *storm) options(dir string) Options {
	rng := s.rng
	run := DefaultExecConfig()
	run.Command = []string{"/bin/true"}
	c := DefaultConfig()
	c.Mode, c.WebhookToken, c.ApprovalToken, c.SingleInstance = oneOf(rng, Auto, Auto, Auto, Approve), token, approvalToken, true
	c.MaxPerHour, c.MaxPerDay, c.MaxTotalPerHour = 1+rng.IntN(5), 2+rng.IntN(8), 2+rng.IntN(8)
	c.MaxConcurrent, c.QueueSize = 1+rng.IntN(3), 1+rng.IntN(64)
	c.Cooldown = model.Duration(oneOf(rng, time.Minute, 5*time.Minute, 20*time.Minute))
	c.BlastRadius, c.BlastWindow = oneOf(rng, 0.01, 0.1, 0.5, 1), model.Duration(oneOf(rng, 5*time.Minute, time.Hour))
	var targets []string
	for i := range 20 {
		targets = append(targets, fmt.Sprint("pod-", i))
	}
	c.Actions = []ActionConfig{{Name: "restart", Targets: targets, Exec: &run}, {Name: "tell", Exec: &run}}
	match := func(name, value string) *labels.Matcher { return labels.MustNewMatcher(labels.MatchEqual, name, value) }
	return Options{
		Config: c, Dir: filepath.Join(dir, "0"), PauseFile: filepath.Join(dir, "paused"),
		Remedies: []*rules.Remedy{
			{Name: "restart-pod", Match: rules.Matchers{match("remediation", "restart")}, Action: "restart", Target: "pod"},
			{Name: "tell-people", Match: rules.Matchers{match("tell", "yes")}, Action: "tell"},
		},
		Now: func() time.Time { return time.Now().Add(time.Duration(s.set.Load())) },
	}
}

func (s *storm) start() {
	r, err := New(s.o)
	if err != nil {
		s.t.Fatal(err)
	}
	l := &life{Remediation: r}
	settings := *r.settings.Load()
	settings.actions = map[string]configured{}
	for name, a := range r.settings.Load().actions {
		a.action = simulated{a.action, s, l}
		settings.actions[name] = a
	}
	r.settings.Store(&settings)
	s.life = l
	s.lives++
	go r.Run()
}

func (s *storm) stop() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.life.Close(ctx); err != nil {
		s.t.Error(err)
	}
}

// crash kills the process: what is on the disk at one instant is what the next one finds.
func (s *storm) crash() {
	if time.Since(s.setAt) < 3*time.Second {
		return // the ledger was not told yet, which is the documented limit
	}
	old := s.life
	next := filepath.Join(filepath.Dir(s.o.Dir), fmt.Sprint(s.lives))
	old.mu.Lock()
	s.mu.Lock()
	old.dead.Store(true)
	s.mu.Unlock()
	err := os.CopyFS(next, os.DirFS(s.o.Dir))
	old.mu.Unlock()
	if err != nil {
		s.t.Fatal(err)
	}
	s.stop()
	s.o.Dir = next
	time.Sleep(time.Duration(s.rng.IntN(90)) * time.Second)
	s.start()
}

// simulated is an action that takes its time, fails sometimes, and checks every promise when
// it begins.
type simulated struct {
	action
	s *storm
	l *life
}

func (a simulated) prepare(p plan) (deed, error) {
	d, err := a.action.prepare(p)
	d.idempotent = p.Action == "tell"
	d.check = func(context.Context) error {
		time.Sleep(time.Duration(len(p.Fingerprint)*len(p.Target)%3) * time.Second)
		return nil
	}
	d.do = func(ctx context.Context) (string, error) {
		took, fails := a.s.began(a.l, p)
		select {
		case <-time.After(took):
		case <-ctx.Done():
		}
		a.s.mu.Lock()
		a.l.running--
		a.s.mu.Unlock()
		if fails {
			return "", errors.New("so it goes")
		}
		return "", nil
	}
	return d, err
}

// began notes an execution, and holds it against every promise. Time is the true one.
func (s *storm) began(l *life, p plan) (took time.Duration, fails bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.running++
	if l.dead.Load() {
		return 0, false
	}
	now, c := time.Now(), s.o.Config
	broken := func(format string, args ...any) {
		s.t.Errorf("seed %d, at %s, %s on %q: "+format, append([]any{s.seed, now.Format(time.TimeOnly), p.Rule, p.Target}, args...)...)
	}
	one := run{p, s.episodeOf(p), now}
	same, hour, day, total := 0, 0, 0, 0
	targets := map[string]bool{p.Target: true}
	for _, r := range s.runs {
		age := now.Sub(r.at)
		if r.episode == one.episode {
			same++
		} else if r.p.place() == p.place() && age < time.Duration(c.Cooldown) {
			broken("acted on %s ago, within the cooldown of %s", age, c.Cooldown)
		}
		if age < time.Hour {
			total++
		}
		if r.p.Rule == p.Rule && age < time.Hour {
			hour++
		}
		if r.p.Rule == p.Rule {
			day++ // no storm takes a day
		}
		if r.p.Action == p.Action && age < time.Duration(c.BlastWindow) {
			targets[r.p.Target] = true
		}
	}
	s.runs = append(s.runs, one)
	if same > 0 && (p.Action != "tell" || same >= min(s.lives, mostAttempts)) {
		broken("the episode %s was treated %d times before", one.episode, same)
	}
	if hour >= c.MaxPerHour || day >= c.MaxPerDay || total >= c.MaxTotalPerHour {
		broken("%d within the hour, %d within the day, %d in all", hour, day, total)
	}
	if most := max(1, int(c.BlastRadius*20)); p.Action == "restart" && len(targets) > most {
		broken("%d targets, no more than %d may be", len(targets), most)
	}
	if l.running > c.MaxConcurrent {
		broken("%d at the same time", l.running)
	}
	if !s.haltedAt.IsZero() && now.Sub(s.haltedAt) > 200*time.Millisecond {
		broken("started %s after the kill switch", now.Sub(s.haltedAt))
	}
	n := len(s.runs)
	return time.Duration(n*n*13%70) * time.Second, n%7 == 6
}

// episodeOf names the true episode: what began last before the plan's beginning, which some
// Alertmanagers know some seconds late.
func (s *storm) episodeOf(p plan) string {
	n := 0
	for _, began := range s.episodes[p.Fingerprint] {
		if !began.After(p.StartsAt) {
			n++
		}
	}
	return fmt.Sprint(p.Rule, " ", p.Target, " ", p.Fingerprint, " ", n)
}

// event is something that happens to the process.
type event struct {
	at time.Time
	do func()
}

// events are all of a storm, in the order of time.
func (s *storm) events() (all []event) {
	rng, start := s.rng, time.Now()
	length := oneOf(rng, 5*time.Minute, 10*time.Minute, 20*time.Minute)
	if rng.IntN(20) == 0 {
		length = 3 * time.Hour
	}
	add := func(after time.Duration, do func()) { all = append(all, event{start.Add(after), do}) }
	moment := func() time.Duration { return time.Duration(rng.Int64N(int64(length))) }

	switch oneOf(rng, "duplicates", "flapping", "groups") {
	case "duplicates":
		for i := range 1 + rng.IntN(3) {
			a, from := s.alert(i), moment()
			s.episode(a, start.Add(from))
			for range 100 {
				add(from+moment()/4, func() { s.deliver(a, start.Add(from), time.Time{}) })
			}
			end := from + length/2
			for range 3 {
				add(end+moment()/10, func() { s.deliver(a, start.Add(from), start.Add(end)) })
			}
		}
	case "flapping":
		a := s.alert(0)
		for i := range 100 {
			from := length * time.Duration(i) / 100
			if i > 0 && from < 20*time.Second*time.Duration(i) {
				from = 20 * time.Second * time.Duration(i)
			}
			end := from + 10*time.Second
			s.episode(a, start.Add(from))
			for range 3 { // Alertmanagers, each in its own time, and so out of order
				add(from+time.Duration(rng.IntN(30))*time.Second, func() { s.deliver(a, start.Add(from), time.Time{}) })
				add(end+time.Duration(rng.IntN(30))*time.Second, func() { s.deliver(a, start.Add(from), start.Add(end)) })
			}
		}
	case "groups":
		from := moment()
		var group []alert
		for i := range 500 {
			a := s.alert(i)
			s.episode(a, start.Add(from))
			a.StartsAt = start.Add(from)
			group = append(group, a)
		}
		for range 3 {
			rng.Shuffle(len(group), func(i, j int) { group[i], group[j] = group[j], group[i] })
			shuffled := slices.Clone(group)
			for part := range slices.Chunk(shuffled, 1+rng.IntN(100)) {
				add(from+time.Duration(rng.IntN(60))*time.Second, func() { s.take(part...) })
			}
		}
	}
	for range rng.IntN(6) {
		add(moment(), s.crash)
	}
	for range rng.IntN(4) {
		by := time.Duration(rng.Int64N(int64(4*time.Hour))) - 2*time.Hour
		add(moment(), func() { s.set.Add(int64(by)); s.setAt = time.Now() })
	}
	for range rng.IntN(3) {
		at := moment()
		add(at, s.pause)
		add(at+time.Duration(rng.IntN(120))*time.Second, s.resume)
	}
	if s.o.Config.Mode == Approve {
		for range 40 {
			add(moment(), s.approve)
		}
	}
	slices.SortStableFunc(all, func(a, b event) int { return a.at.Compare(b.at) })
	return all
}

// alert is number i, on one of the targets.
func (s *storm) alert(i int) alert {
	ls := map[string]string{"alertname": "Stuck", "n": fmt.Sprint(i), "remediation": "restart", "pod": fmt.Sprint("pod-", i%20)}
	if i%3 == 0 {
		ls["tell"] = "yes"
	}
	return alert{Status: "firing", Labels: ls}
}

// episode notes that the alert truly began then.
func (s *storm) episode(a alert, began time.Time) {
	fp := fingerprint(a.Labels)
	s.episodes[fp] = append(s.episodes[fp], began)
}

// deliver brings the alert as one of three Alertmanagers has it: some heard of it a bit later,
// from the other Prometheus. With an end it is resolved.
func (s *storm) deliver(a alert, began, ended time.Time) {
	a.StartsAt = began.Add(time.Duration(s.rng.IntN(6)) * time.Second)
	if !ended.IsZero() {
		a = a.resolvedAt(ended)
	}
	s.take(a)
}

func (s *storm) take(alerts ...alert) {
	if err := s.life.take(notification{alerts: alerts}); err != nil {
		s.t.Error(err)
	}
}

func (s *storm) pause() {
	how := s.rng.IntN(2)
	if how == 0 {
		if err := s.life.Pause("jane", "in a storm"); err != nil {
			s.t.Error(err)
		}
	} else if err := os.WriteFile(s.o.PauseFile, nil, 0o600); err != nil {
		s.t.Error(err)
	}
	s.mu.Lock()
	s.haltedAt = time.Now()
	s.mu.Unlock()
}

func (s *storm) resume() {
	s.mu.Lock()
	s.haltedAt = time.Time{}
	s.mu.Unlock()
	if err := s.life.Resume("jane", ""); err != nil {
		s.t.Error(err)
	}
}

// approve says yes to whatever waits.
func (s *storm) approve() {
	for _, e := range s.life.list() {
		if e.State == stateWaiting && s.rng.IntN(2) == 0 {
			_, _ = s.life.decide(e.ID, decision{e.Hash, "jane"}, true) // it may have expired
		}
	}
}
