package app

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/prometheus/prompb"

	"github.com/foreshock/foreshock/internal/disk"
	"github.com/foreshock/foreshock/internal/disk/faulty"
)

// house is one life of a whole Foreshock after another, without a socket of its own, and
// the world around it: who takes what it emits, and what its remedies do.
type house struct {
	t     *testing.T
	dir   string // of the configuration
	from  time.Time
	world *httptest.Server

	mu     sync.Mutex
	deeds  map[string]int // of each alert
	scores []int64        // times of one series' scores that came, ms
	note   func(any)      // what happened; nil: nobody notes
	ledger string         // its directory, for note
}

// What happened, as far as a crash must not undo or repeat it.
type (
	acknowledged int            // so many requests
	told         []int64        // scores that downstream took
	done         map[string]int // deeds
	recorded     map[string][]byte
)

func newHouse(t *testing.T) *house {
	h := &house{t: t, dir: t.TempDir(), from: time.Now().Add(-time.Hour).Truncate(time.Minute), deeds: map[string]int{}}
	h.world = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if r.URL.Path == "/deed" {
			h.deed(body)
			return
		}
		h.receive(body)
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(h.world.Close)
	for name, text := range map[string]string{
		"token": "secret",
		"rules.yml": `groups: [{name: all, rules: [
			{watch: load, select: load, emit: all},
			{remedy: calm_it, match: '{alertname="Hot"}', action: calm}]}]`,
		"foreshock.yml": fmt.Sprintf(`
rule_files: [rules.yml]
remote_write: [{url: "%[1]s/write", metadata_config: {send: false}, queue_config: {batch_send_deadline: 1ms, min_backoff: 1ms}}]
remediation:
  mode: auto
  single_instance: true
  max_per_hour: 60
  cooldown: 0s
  webhook_token_file: token
  approval_token: person
  actions: [{name: calm, webhook: {url: "%[1]s/deed"}, verify: {within: 0s}}]
`, h.world.URL),
	} {
		if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h *house) noted(what any) {
	if h.note == nil {
		return
	}
	files := recorded{}
	names, _ := filepath.Glob(filepath.Join(h.ledger, "*"))
	for _, name := range names {
		if text, err := os.ReadFile(name); err == nil && filepath.Base(name) != "lock" {
			files[filepath.Base(name)] = text
		}
	}
	h.note(files)
	h.note(what)
}

func (h *house) deed(body []byte) {
	var of struct {
		Labels map[string]string
	}
	if err := json.Unmarshal(body, &of); err != nil {
		h.t.Error(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deeds[of.Labels["episode"]]++
	now := done{}
	for alert, n := range h.deeds {
		now[alert] = n
	}
	h.noted(now)
}

// receive notes the scores of the first series.
func (h *house) receive(body []byte) {
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		h.t.Error(err)
	}
	var req prompb.WriteRequest
	if err := req.Unmarshal(raw); err != nil {
		h.t.Error(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range req.Timeseries {
		is := map[string]string{}
		for _, l := range s.Labels {
			is[l.Name] = l.Value
		}
		if is["__name__"] == "foreshock_anomaly_score" && is["instance"] == "0" {
			h.scores = append(h.scores, s.Samples[0].Timestamp)
		}
	}
	h.noted(told(slices.Clone(h.scores)))
}

// live begins a life on the state in dir.
func (h *house) live(dir string, fs disk.FS) (a *App, end func()) {
	h.t.Helper()
	listen, none, no := []string{}, "", false
	a, err := New(Options{
		ConfigFile: filepath.Join(h.dir, "foreshock.yml"), StoragePath: dir, SyncAlways: true, FS: fs, CheckpointInterval: time.Hour,
		Web: &web.FlagConfig{WebListenAddresses: &listen, WebConfigFile: &none, WebSystemdSocket: &no},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	stopped := a.start()
	h.await("the process to be ready", a.ready.Load)
	if err := a.remediation.Resume("a person", "for the first time, or again"); err != nil {
		h.t.Fatal(err)
	}
	return a, func() {
		if err := a.stop(stopped); err != nil {
			h.t.Error(err)
		}
	}
}

func (h *house) await(what string, seen func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !seen(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatal("in vain: ", what)
		}
	}
}

func (h *house) ask(a *App, method, path string, body []byte) (int, string) {
	r := httptest.NewRequestWithContext(h.t.Context(), method, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/x-protobuf")
	if strings.Contains(path, "alertmanager") {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", "Bearer secret")
	w := httptest.NewRecorder()
	a.server.Handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

const crashSeries = 5

// write sends request n, and waits until it is scored.
func (h *house) write(a *App, n int) {
	h.t.Helper()
	random := rand.New(rand.NewPCG(uint64(n), 7))
	var w prompb.WriteRequest
	for i := range crashSeries {
		w.Timeseries = append(w.Timeseries, prompb.TimeSeries{
			Labels:  []prompb.Label{{Name: "__name__", Value: "load"}, {Name: "instance", Value: fmt.Sprint(i)}},
			Samples: []prompb.Sample{{Timestamp: h.from.Add(time.Duration(n) * 15 * time.Second).UnixMilli(), Value: 10 + random.NormFloat64()}},
		})
	}
	raw, err := w.Marshal()
	if err != nil {
		h.t.Fatal(err)
	}
	if status, text := h.ask(a, http.MethodPost, "/api/v1/write", snappy.Encode(nil, raw)); status != http.StatusNoContent {
		h.t.Fatalf("request %d: %d %s", n, status, text)
	}
}

// alert delivers an alert as Alertmanager does: again and again.
func (h *house) alert(a *App, episode int) {
	h.t.Helper()
	body := fmt.Sprintf(`{"version":"4","status":"firing","receiver":"f","groupKey":"g","alerts":[{"status":"firing","labels":{"alertname":"Hot","episode":"%d"},"startsAt":%q}]}`,
		episode, h.from.Add(time.Duration(episode)*time.Minute).Format(time.RFC3339))
	if status, text := h.ask(a, http.MethodPost, "/api/v1/alertmanager/webhook", []byte(body)); status != http.StatusOK && status != http.StatusAccepted {
		h.t.Fatalf("alert %d: %d %s", episode, status, text)
	}
}

// settled reports whether no remedy is due or under way.
func (h *house) settled(a *App) bool {
	_, text := h.ask(a, http.MethodGet, "/api/v1/remediations", nil)
	return !strings.Contains(text, `"approved"`) && !strings.Contains(text, `"running"`)
}

// known is what is known of all series: windows, and scores with their bands.
func (h *house) known(a *App) string {
	status, text := h.ask(a, http.MethodGet, "/api/v1/windows?match[]=load", nil)
	if status != http.StatusOK {
		h.t.Fatal(text)
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
}

func (h *house) scored(a *App, n int) {
	h.t.Helper()
	h.await("all to be scored", func() bool { return a.detector.Status().Scored == crashSeries*n })
}

// A whole process is killed, and the power cut, at any call it makes to the file system
// while it takes in, scores, emits, treats and writes checkpoints. What it had acknowledged
// is known after it, to the last bit; what it emitted comes once it is there again; no
// remedy is done twice.
func TestCrashAtAnyCall(t *testing.T) {
	most, err := faulty.Points(10)
	if err != nil {
		t.Fatal(err)
	}
	const requests, episodes = 200, 6
	h := newHouse(t)

	// What is known after each request, where nothing goes wrong.
	want := map[string]int{}
	a, end := h.live(filepath.Join(t.TempDir(), "data"), faulty.Unsynced{})
	want[h.known(a)] = 0
	for n := range requests {
		h.write(a, n)
		h.scored(a, n+1)
		want[h.known(a)] = n + 1
	}
	end()
	if len(want) != requests+1 {
		t.Fatalf("%d different states of %d", len(want), requests+1)
	}
	h.mu.Lock()
	h.scores = nil
	h.mu.Unlock()

	// The life in which all is noted.
	root := t.TempDir()
	recorder := faulty.NewRecorder(root)
	data := filepath.Join(root, "data")
	h.note, h.ledger = recorder.Note, filepath.Join(data, "ledger")
	a, end = h.live(data, recorder)
	for n := range requests {
		h.write(a, n)
		h.noted(acknowledged(n + 1))
		if n%30 == 20 {
			h.alert(a, n/30)
			h.await("the remedy", func() bool { return h.settled(a) })
		}
		if n%25 == 24 {
			if err := a.keeper.checkpoint(); err != nil {
				t.Fatal(err)
			}
		}
	}
	end()
	h.note = nil
	h.mu.Lock()
	if n := len(h.deeds); n != episodes {
		t.Fatalf("%d of %d alerts were treated: %v", n, episodes, h.deeds)
	}
	h.mu.Unlock()

	points := 0
	recorder.Sampled(most, func(m faulty.Moment) {
		for how, made := range map[string]func(string, uint64) error{"killed": m.Killed, "power cut": m.PowerLost} {
			points++
			state := t.TempDir()
			if err := made(state, uint64(m.N)); err != nil {
				t.Fatal(err)
			}
			if err := h.after(m, filepath.Join(state, "data"), want, requests, episodes); err != nil {
				t.Errorf("%s after call %d: %v", how, m.N, err)
			}
			_ = os.RemoveAll(state)
		}
	})
	t.Logf("%d crashes at %d calls", points, recorder.Calls())
}

// after begins a life on what a crash has left, and says what is wrong with it.
func (h *house) after(m faulty.Moment, data string, want map[string]int, requests, episodes int) (err error) {
	acked := 0
	var ledger recorded
	h.mu.Lock()
	h.scores, h.deeds = nil, map[string]int{}
	for _, what := range m.Notes {
		switch what := what.(type) {
		case acknowledged:
			acked = int(what)
		case told:
			h.scores = slices.Clone(what)
		case done:
			h.deeds = map[string]int{}
			for alert, n := range what {
				h.deeds[alert] = n
			}
		case recorded:
			ledger = what
		}
	}
	h.mu.Unlock()
	for name, text := range ledger {
		path := filepath.Join(data, "ledger", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, text, 0o600)); err != nil {
			return err
		}
	}

	a, end := h.live(data, faulty.Unsynced{})
	defer end()
	// The request after the last one acknowledged was under way.
	known, ok := want[h.known(a)]
	if !ok || known < acked || known > acked+1 {
		return fmt.Errorf("%d requests were acknowledged; after it %d are known, as they should be: %v", acked, known, ok)
	}

	for episode := range episodes {
		h.alert(a, episode)
	}
	h.await("the remedies", func() bool { return h.settled(a) })
	if known < requests {
		h.write(a, known)
		last := h.from.Add(time.Duration(known) * 15 * time.Second).UnixMilli()
		h.await(fmt.Sprintf("the score of request %d downstream, after call %d", known, m.N), func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			return len(h.scores) > 0 && slices.Max(h.scores) >= last
		})
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for alert, n := range h.deeds {
		if n != 1 {
			err = errors.Join(err, fmt.Errorf("alert %s was treated %d times", alert, n))
		}
	}
	slices.Sort(h.scores)
	holes := 0
	for i := range h.scores[1:] {
		if d := h.scores[i+1] - h.scores[i]; d > 15_000 {
			holes++
		}
	}
	if holes > 1 {
		err = errors.Join(err, fmt.Errorf("%d holes in what was emitted: %v", holes, h.scores))
	}
	return err
}
