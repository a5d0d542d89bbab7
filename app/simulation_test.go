package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
)

var (
	simulations = flag.Int("sim.seeds", 2, "how many simulations to run")
	firstSeed   = flag.Uint64("sim.first", 1, "seed of the first simulation")
	simulateLog = flag.Bool("sim.log", false, "show what Foreshock logs in a simulation")
)

// TestSimulation runs the whole of Foreshock in one process, by a virtual clock, between
// Prometheus servers that send, one that is written to and three Alertmanagers, over a
// network that loses, doubles, delays and cuts, and kills it at random times. Whatever
// happens: no acknowledged sample is lost, no fault is left untold, no alert changes its
// name, and no remedy runs twice for one episode. The seed decides about every fault and,
// as goroutines go on in no fixed order, about nearly all else.
func TestSimulation(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+uint64(*simulations); seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				s := newSimulation(t, dir, seed)
				s.run()
				s.judge()
				if t.Failed() {
					t.Logf("again by: make sim SEEDS=1 SEED=%d\n%s", seed, strings.Join(s.diary, "\n"))
				} else {
					t.Logf("%s: %d samples acknowledged, %d alerts told, %d remedies, %d kills", time.Since(began), s.acknowledged(), len(s.told()), len(s.remedies()), s.kills)
				}
			})
		})
	}
}

const (
	simulatedFor   = 3 * time.Hour
	simulatedHosts = 4
	simulatedEvery = 15 * time.Second
	// simulatedCalm is the time without faults of ours at the end, in which all must come
	// to be as if there had been none: the longest pause between two tries, and some.
	simulatedCalm = 15 * time.Minute
)

// simulation is one run.
type simulation struct {
	t       *testing.T
	dir     string
	random  *rand.Rand
	network *network
	began   time.Time

	writing sync.Mutex
	diary   []string

	alertmanagers []*simulatedAlertmanager
	senders       []*simulatedSender
	faults        []simulatedFault
	app           *App
	stopped       stages
	hangUp        context.CancelFunc // ends what the process sends
	life          int                // of the process: the how manieth
	kills         int
}

// simulatedFault is a host whose latency is another for a while.
type simulatedFault struct {
	host     int
	from, to time.Time
}

const simulatedConfig = `
rule_files: [rules.yml]
detector: {window: 5h, warm_up: 60}
remote_write:
  - {url: http://prometheus/api/v1/write, remote_timeout: 10s}
alerting:
  alertmanagers:
    - {timeout: 5s, static_configs: [{targets: [am-0, am-1, am-2]}]}
remediation:
  mode: auto
  single_instance: true
  webhook_token: simulated
  approval_token: person
  max_per_hour: 60
  cooldown: 1s
  actions:
    - {name: note, exec: {command: [./note.sh]}, verify: {within: 0s}}
`

const simulatedRules = `
groups:
  - name: simulated
    rules:
      - watch: latency
        select: app_latency_seconds
        direction: above
        emit: all
      - remedy: note-it
        match: '{rule="latency"}'
        action: note
`

func newSimulation(t *testing.T, dir string, seed uint64) *simulation {
	s := &simulation{t: t, dir: dir, random: rand.New(rand.NewPCG(seed, 0)), began: time.Now()}
	for name, text := range map[string]string{
		"foreshock.yml": simulatedConfig, "rules.yml": simulatedRules,
		"note.sh": "#!/bin/sh\necho \"$FORESHOCK_FINGERPRINT $FORESHOCK_STARTS_AT\" >>" + filepath.Join(dir, "remedies") + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.network = newNetwork(seed, s.note)
	for i := range 3 {
		a := &simulatedAlertmanager{name: fmt.Sprint("am-", i), alerts: map[string]simulatedAlert{}, heard: map[string]simulatedAlert{}, network: s.network}
		s.alertmanagers = append(s.alertmanagers, a)
		s.network.attach(a.name, a)
	}
	s.network.attach("prometheus", simulatedReceiver{s.network})
	for i := range 2 {
		s.senders = append(s.senders, &simulatedSender{
			name: fmt.Sprint("sender-", i), network: s.network, noise: rand.New(rand.NewPCG(seed, 1+uint64(i))), simulation: s,
			acknowledged: map[string]map[int64]float64{},
		})
	}
	// One fault after the other, when there was time to learn, the last one until the end.
	at := s.began.Add(time.Hour)
	for host := range simulatedHosts {
		at = at.Add(time.Duration(s.random.IntN(600)) * time.Second)
		f := simulatedFault{host, at, at.Add(10 * time.Minute)}
		if host == simulatedHosts-1 {
			f.to = at.Add(24 * time.Hour)
		}
		s.faults = append(s.faults, f)
		at = at.Add(20 * time.Minute)
	}
	return s
}

func (s *simulation) note(format string, a ...any) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.diary = append(s.diary, fmt.Sprintf("%s %s", time.Since(s.began).Round(time.Millisecond), fmt.Sprintf(format, a...)))
}

func (s *simulation) storage() string { return filepath.Join(s.dir, fmt.Sprint("data-", s.life)) }

// start starts the process on what the disk has.
func (s *simulation) start() {
	logger := slog.New(slog.DiscardHandler)
	if *simulateLog {
		logger = slog.New(slog.NewTextHandler(s.t.Output(), nil)).With("life", s.life)
	}
	var sending context.Context
	sending, s.hangUp = context.WithCancel(context.Background())
	a, err := New(Options{
		ConfigFile:         filepath.Join(s.dir, "foreshock.yml"),
		StoragePath:        s.storage(),
		CheckpointInterval: 7 * time.Minute,
		Web:                &web.FlagConfig{WebConfigFile: new(string)},
		Transport:          transport{s.network, sending},
		Logger:             logger,
	})
	if err != nil {
		s.t.Fatalf("life %d does not begin: %v", s.life, err)
	}
	s.app = a
	s.stopped = a.start()
	if s.life == 0 {
		if err := a.remediation.Resume("a person", "for the first time"); err != nil {
			s.t.Fatal(err)
		}
	}
	s.network.attach("foreshock", a.server.Handler)
}

// stop ends the process in order.
func (s *simulation) stop() {
	s.network.attach("foreshock", nil)
	s.hangUp() // a network that is slow would be waited for
	if err := s.app.stop(s.stopped); err != nil {
		s.t.Errorf("life %d ends with %v", s.life, err)
	}
}

// kill takes what the disk has now for the next life, and lets the process go on where
// nobody hears of it. A record that was being written may be on the disk in part.
func (s *simulation) kill() {
	s.kills++
	synctest.Wait()
	before := s.storage()
	s.life++
	if err := os.CopyFS(s.storage(), os.DirFS(before)); err != nil {
		s.t.Fatal(err)
	}
	if s.random.IntN(2) == 0 {
		s.tear()
	}
	s.network.attach("foreshock", nil)
	s.hangUp()                // nobody hears of it any more
	_ = s.app.stop(s.stopped) // nobody asks
}

// tear puts a beginning of something behind the last record of the ingest log.
func (s *simulation) tear() {
	segments, err := filepath.Glob(filepath.Join(s.storage(), "ingest", "0*"))
	if err != nil || len(segments) == 0 {
		return
	}
	slices.Sort(segments)
	last := segments[len(segments)-1]
	f, err := os.OpenFile(last, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	torn := make([]byte, 1+s.random.IntN(200))
	for i := range torn {
		torn[i] = byte(s.random.Uint32())
	}
	if _, err := f.Write(torn); err != nil {
		s.t.Fatal(err)
	}
	s.note("torn: %d bytes behind %s", len(torn), filepath.Base(last))
}

// run lets three hours pass.
func (s *simulation) run() {
	s.start()
	end := s.began.Add(simulatedFor)
	done := make(chan struct{})
	var running []func()
	for _, x := range s.senders {
		running = append(running, func() { x.run(done) })
	}
	for _, x := range s.alertmanagers {
		running = append(running, func() { x.run(done) })
	}
	running = append(running, func() { s.network.weather(done, end.Add(-simulatedCalm)) })
	var stopped []<-chan struct{}
	for _, f := range running {
		stopped = append(stopped, background(f))
	}
	for {
		time.Sleep(time.Duration(5+s.random.IntN(20)) * time.Minute)
		if time.Now().After(end.Add(-simulatedCalm)) {
			break
		}
		switch s.random.IntN(4) {
		case 0:
			s.note("stopped in order")
			s.stop()
		case 1:
			s.note("reloaded")
			if err := s.app.applyConfig(); err != nil {
				s.t.Error(err)
			}
			continue
		default:
			s.note("killed")
			s.kill()
		}
		time.Sleep(time.Duration(s.random.IntN(120)) * time.Second)
		s.note("starts life %d", s.life)
		s.start()
	}
	time.Sleep(time.Until(end))
	close(done)
	for _, x := range stopped {
		<-x
	}
}

// judge looks at what is kept and told, and stops the process.
func (s *simulation) judge() {
	s.t.Helper()
	if *simulateLog {
		for _, i := range s.app.incidents.list() {
			for _, m := range i.Members {
				s.t.Logf("%s %v from %s to %s: %s %+v", i.ID, i.State, time.UnixMilli(i.StartsAt), time.UnixMilli(i.EndsAt), time.UnixMilli(m.Onset), m)
			}
		}
	}
	time.Sleep(time.Second) // what came last is acknowledged, and may be on its way to its window
	s.keptAll()
	s.toldAll()
	seen := map[string]bool{}
	for _, episode := range s.remedies() {
		if seen[episode] {
			s.t.Errorf("a remedy ran twice: %s", episode)
		}
		seen[episode] = true
	}
	if len(seen) == 0 {
		s.t.Error("no remedy ran at all")
	}
	s.stop()
}

func (s *simulation) acknowledged() (n int) {
	for _, x := range s.senders {
		for _, samples := range x.acknowledged {
			n += len(samples)
		}
	}
	return n
}

// keptAll asks for every acknowledged sample.
func (s *simulation) keptAll() {
	s.t.Helper()
	const hours = "{__name__=~\"app_.+\"}[4h]"
	req := httptest.NewRequest(http.MethodGet, "/api/v1/query?query="+strings.NewReplacer("{", "%7B", "}", "%7D", "[", "%5B", "]", "%5D", "\"", "%22", "~", "%7E", "+", "%2B").Replace(hours)+"&time="+strconv.FormatInt(time.Now().Unix(), 10), nil)
	answer := httptest.NewRecorder()
	s.app.server.Handler.ServeHTTP(answer, req)
	var found struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&found); err != nil || answer.Code != http.StatusOK {
		s.t.Fatalf("%d %v", answer.Code, err)
	}
	kept := map[string]map[int64]string{}
	for _, r := range found.Data.Result {
		values := map[int64]string{}
		for _, v := range r.Values {
			values[int64(v[0].(float64)*1000+0.5)] = v[1].(string)
		}
		kept[r.Metric["__name__"]+"/"+r.Metric["host"]] = values
	}
	for _, x := range s.senders {
		for series, samples := range x.acknowledged {
			lost, example := 0, ""
			for at, v := range samples {
				if got, ok := kept[series][at]; !ok || got != strconv.FormatFloat(v, 'f', -1, 64) {
					lost++
					example = fmt.Sprintf("that of %s, %v, is %q", time.UnixMilli(at).Sub(s.began), v, got)
				}
			}
			if lost > 0 {
				s.t.Errorf("%s: %d of %d acknowledged samples are lost, as %s", series, lost, len(samples), example)
			}
		}
	}
}

// told are all alerts that any Alertmanager ever heard of.
func (s *simulation) told() map[string]simulatedAlert {
	all := map[string]simulatedAlert{}
	for _, a := range s.alertmanagers {
		maps.Copy(all, a.heard)
	}
	return all
}

// toldAll wants one alert for each fault, and the last one, which goes on, at every
// Alertmanager. It may have begun with some noise before the fault, and of another host even:
// then what it says, and no label, names the host.
func (s *simulation) toldAll() {
	s.t.Helper()
	for i, f := range s.faults {
		var told []string
		for key, a := range s.told() {
			if a.Labels["rule"] == "latency" && a.names(hostName(f.host)) && a.StartsAt.Before(f.to) && a.EndsAt.After(f.from) {
				told = append(told, key)
			}
		}
		if len(told) != 1 {
			s.t.Errorf("the fault of %s at %s is told as %q, want one alert; told are %v", hostName(f.host), f.from.Sub(s.began), told, s.told())
			continue
		}
		if i < len(s.faults)-1 {
			continue
		}
		for _, a := range s.alertmanagers {
			if got, ok := a.heard[told[0]]; !ok || !got.EndsAt.After(time.Now()) {
				s.t.Errorf("%s does not know of what fires: %v", a.name, got)
			}
		}
	}
}

// remedies are the episodes for which the remedy ran.
func (s *simulation) remedies() (episodes []string) {
	text, err := os.ReadFile(filepath.Join(s.dir, "remedies"))
	if err != nil {
		return nil
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		episodes = append(episodes, lines.Text())
	}
	return episodes
}

func hostName(n int) string { return fmt.Sprint("host-", n) }
