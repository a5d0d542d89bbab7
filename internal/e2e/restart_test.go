package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"github.com/foreshock/foreshock/internal/stack"
)

// fleetRequest is one scrape of twenty series, of which one jumps in the end: what the
// n-th request brings depends on n alone.
func fleetRequest(n int, from int64) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	var w prompb.WriteRequest
	for i := range 20 {
		v := 10 + r.NormFloat64()
		if i == 3 && n >= 500 {
			v += 100
		}
		w.Timeseries = append(w.Timeseries, prompb.TimeSeries{
			Labels:  []prompb.Label{{Name: "__name__", Value: "load"}, {Name: "instance", Value: fmt.Sprint(i)}, {Name: "job", Value: "fleet"}},
			Samples: []prompb.Sample{{Timestamp: from + int64(n)*15_000, Value: v}},
		})
	}
	raw, err := w.Marshal()
	if err != nil {
		panic(err)
	}
	return snappy.Encode(nil, raw)
}

// known is all that the process says of its series and incidents.
func known(t *testing.T, s *stack.Stack) string {
	t.Helper()
	var all strings.Builder
	for _, path := range []string{
		"/api/v1/windows?match%5B%5D=load", "/api/v1/incidents",
		"/api/v1/query_range?query=load&start=START&end=END&step=15",
	} {
		path = strings.NewReplacer("START", fmt.Sprint(restartFrom/1000), "END", fmt.Sprint(restartFrom/1000+600*15)).Replace(path)
		resp, err := http.Get(s.URL(9797, path))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		_, err = b.ReadFrom(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v %v\n%s", path, resp.StatusCode, err, b.String())
		}
		fmt.Fprintf(&all, "%s\n%s\n", path, b.String())
	}
	return all.String()
}

// restartFrom is the time of the first request, ms: the samples are of a day ago, as they
// would be after an outage, and the same in both runs.
var restartFrom = time.Now().Add(-24 * time.Hour).Truncate(time.Minute).UnixMilli()

// send sends request n until it is acknowledged.
func send(t *testing.T, s *stack.Stack, n int) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		status, err := post(s.URL(9797, "/api/v1/write"), fleetRequest(n, restartFrom), nil)
		if err == nil && status == http.StatusNoContent {
			return
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("request %d: %d, %v", n, status, err)
		}
	}
}

const restartRules = `groups: [{name: all, rules: [{watch: load, select: load, emit: all}]}]`

// causes are what may differ between two lives with the same samples: likely causes are
// looked for by what is known then. There are some, but not the same, nor told at the same
// time.
var causes = regexp.MustCompile(`,"causesAsOf":.*?,"changes":\[[^\]]*\]|,"updatedAt":"[^"]*"`)

// TestKilledAtAnyTime: a process that is killed again and again, with a checkpoint now
// and then, knows in the end to the last bit what one knows that was not.
func TestKilledAtAnyTime(t *testing.T) {
	const requests = 600
	run := func(kills int, args ...string) string {
		s := start(t, "testdata/stack")
		write(t, s, "rules.yml", restartRules)
		write(t, s, "foreshock.yml", "rule_files: [rules.yml]\n")
		p := sidecar(t, s, args...)
		r := rand.New(rand.NewPCG(5, 5))
		at := map[int]bool{requests: true}
		for len(at) < kills+1 {
			at[r.IntN(requests)] = true
		}
		for n := range requests {
			send(t, s, n)
			if n%50 == 0 {
				time.Sleep(20 * time.Millisecond) // for a checkpoint to be under way
			}
			if at[n] {
				if err := p.Signal(syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				_ = p.Wait() // killed
				p = sidecar(t, s, args...)
				if strings.Contains(p.Log(), "level=ERROR") {
					t.Fatalf("killed after %d:\n%s", n, p.Log())
				}
			}
		}
		eventually(t, 10*time.Second, "all scored", func() bool {
			said := known(t, s)
			return strings.Contains(said, "firing") && strings.Contains(said, `"causes":[{`)
		})
		said := known(t, s)
		p.Stop(15 * time.Second)
		return said
	}
	whole := causes.ReplaceAllString(run(0), "")
	for _, args := range [][]string{
		{"--storage.checkpoint-interval=1h"}, // the log alone
		{"--storage.checkpoint-interval=50ms"},
		{"--storage.checkpoint-interval=300ms", "--storage.sync=always"},
	} {
		if killed := causes.ReplaceAllString(run(8, args...), ""); killed != whole {
			t.Errorf("%v: killed eight times, it knows\n%s\nwant\n%s", args, difference(killed, whole), difference(whole, killed))
		}
	}
}

// difference is a from where it is not b.
func difference(a, b string) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	return a[max(0, i-200):min(len(a), i+500)]
}

// TestTwoOnOneDirectory: the second process refuses, and the first one goes on.
func TestTwoOnOneDirectory(t *testing.T) {
	s := start(t, "testdata/stack")
	write(t, s, "rules.yml", restartRules)
	write(t, s, "foreshock.yml", "rule_files: [rules.yml]\n")
	sidecar(t, s)
	second := must[*stack.Process](t)(s.Start(program(t), "--config.file=foreshock.yml", "--storage.path=foreshock-data", "--web.listen-address=127.0.0.1:0"))
	if err := second.Wait(); err == nil || !strings.Contains(second.Log(), "in use by process") {
		t.Errorf("the second process: %v\n%s", err, second.Log())
	}
	send(t, s, 0)
}

// TestAnyFileDamaged: whichever file or directory of the state has a bit flipped, is cut
// short, is gone or is another kind of thing, the process starts within seconds, says what it
// lost, and takes samples. Where it was the ledger's, no remedy starts until a person says so.
func TestAnyFileDamaged(t *testing.T) {
	s := start(t, "testdata/stack")
	write(t, s, "rules.yml", restartRules)
	// Nobody takes what is written, so that it waits in the outbox.
	write(t, s, "foreshock.yml", s.Local(`rule_files: [rules.yml]
remote_write: [{url: "http://localhost:9090/api/v1/write"}]
remediation:
  mode: auto
  single_instance: true
  webhook_token_file: webhook.token
  approval_token_file: approval.token
`))
	began := time.Now()
	p := sidecar(t, s)
	calm := time.Since(began)
	resume(t, s)
	for n := range 100 {
		send(t, s, n)
	}
	eventually(t, 10*time.Second, "samples in the outbox", func() bool {
		return metric(t, s, 9797, "foreshock_emitter_outbox_samples", nil) > 0
	})
	p.Stop(15 * time.Second)
	data := filepath.Join(s.Dir, "foreshock-data")
	whole := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(whole, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	if err := filepath.WalkDir(whole, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == whole {
			return err
		}
		name := strings.TrimPrefix(path, whole+"/")
		part, _, _ := strings.Cut(name, "/")
		seen[part] = true
		hows := []string{"flipped", "cut", "gone", "a pipe", "a directory"}
		if d.IsDir() {
			hows = []string{"gone", "a file"}
		} else if d.Name() == "lock" {
			hows = []string{"gone", "a directory"}
		}
		for _, how := range hows {
			t.Run(name+" "+how, func(t *testing.T) {
				if err := errors.Join(os.RemoveAll(data), os.CopyFS(data, os.DirFS(whole))); err != nil {
					t.Fatal(err)
				}
				damaged(t, s, part, filepath.Join(data, name), how, d, calm)
			})
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"checkpoint", "outbox", "ledger", "ingest", "dismissals"} {
		if !seen[part] {
			t.Errorf("the state has no %s", part)
		}
	}
}

// damaged damages the path and lives on it. An undamaged start took calm, on a machine that
// is as busy.
func damaged(t *testing.T, s *stack.Stack, part, path, how string, d os.DirEntry, calm time.Duration) {
	var text []byte
	if !d.IsDir() {
		text = must[[]byte](t)(os.ReadFile(path))
	}
	if len(text) == 0 && (how == "flipped" || how == "cut") {
		return // there is nothing to damage
	}
	err := os.RemoveAll(path)
	switch how {
	case "flipped":
		text[len(text)/2] ^= 4
		err = errors.Join(err, os.WriteFile(path, text, 0o600))
	case "cut":
		written := bytes.TrimRight(text, "\x00") // the rest is padding
		err = errors.Join(err, os.WriteFile(path, text[:len(written)/2], 0o600))
	case "a file":
		err = errors.Join(err, os.WriteFile(path, []byte("not yours"), 0o600))
	case "a directory":
		err = errors.Join(err, os.MkdirAll(filepath.Join(path, "not yours"), 0o700))
	case "a pipe":
		err = errors.Join(err, syscall.Mkfifo(path, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	before := len(read(t, s, "foreshock.log"))
	began := time.Now()
	p := sidecar(t, s)
	defer func() {
		_ = p.Signal(syscall.SIGKILL) // what waits for downstream would keep it
		_ = p.Wait()
	}()
	if took := time.Since(began); took > max(5*time.Second, 3*calm) {
		t.Errorf("ready after %s, undamaged after %s", took, calm)
	}
	said := p.Log()[before:]
	if strings.HasPrefix(how, "a ") && !strings.Contains(said, "set aside") {
		t.Error("it does not say what it set aside")
	}
	if lost := metric(t, s, 9797, "foreshock_app_checkpoint_files_lost_total", nil); part == "checkpoint" && !d.IsDir() && (lost != 1 || !strings.Contains(said, "cannot be used")) {
		t.Errorf("%v files are said to be lost", lost)
	}
	if paused := metric(t, s, 9797, "foreshock_remediation_paused", nil); part == "ledger" && d.Name() != "lock" && how != "gone" && paused != 1 {
		t.Error("remedies go on though nobody knows what was done")
	}
	send(t, s, 100)
}

// TestAlertsOutliveEverything: an incident fires while Alertmanager is away, and Foreshock
// is killed or stopped five times. Once Alertmanager is back it is told within ten seconds,
// of the same incident, with the time at which it began; and once more after both were
// killed.
func TestAlertsOutliveEverything(t *testing.T) {
	s := start(t, "testdata/stack")
	write(t, s, "rules.yml", restartRules)
	p := sidecar(t, s)
	restartFrom = time.Now().Add(-510 * 15 * time.Second).UnixMilli()
	for n := range 510 {
		send(t, s, n)
	}
	var began time.Time
	eventually(t, 10*time.Second, "the incident", func() bool {
		var answer struct {
			Data []struct {
				State    string
				StartsAt time.Time
			}
		}
		getJSON(t, s.URL(9797, "/api/v1/incidents"), &answer)
		for _, i := range answer.Data {
			if i.State == "firing" {
				began = i.StartsAt
			}
		}
		return !began.IsZero()
	})
	failed := func() bool { return metric(t, s, 9797, "prometheus_notifications_errors_total", nil) > 0 }
	for n := range 5 {
		eventually(t, 10*time.Second, "a failure", failed)
		if n%2 == 0 {
			if err := p.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			_ = p.Wait() // killed
		} else {
			p.Stop(15 * time.Second)
		}
		p = sidecar(t, s)
	}
	alerts := func() (all []map[string]any) {
		getJSON(t, s.URL(9093, "/api/v2/alerts"), &all)
		return all
	}
	eventually(t, 10*time.Second, "a failure", failed) // the next repeat is most of a minute away
	time.Sleep(5 * time.Second)
	am := must[*stack.Process](t)(s.Alertmanager(t.Context()))
	eventually(t, 10*time.Second, "the alert", func() bool { return len(alerts()) > 0 })
	before := alerts()
	if since, err := time.Parse(time.RFC3339, fmt.Sprint(before[0]["startsAt"])); err != nil || !since.Equal(began) {
		t.Errorf("the alert began at %v, the incident at %s", before[0]["startsAt"], began)
	}

	for _, p := range []*stack.Process{p, am} {
		if err := p.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = p.Wait() // killed
	}
	must[*stack.Process](t)(s.Alertmanager(t.Context()))
	sidecar(t, s)
	eventually(t, 10*time.Second, "the alerts again", func() bool { return len(alerts()) >= len(before) })
	if before, after := identities(before), identities(alerts()); !maps.Equal(before, after) {
		t.Errorf("told of\n%v\nand then of\n%v", before, after)
	}
}

// identities are since when alerts fire, by the fingerprints of their labels.
func identities(alerts []map[string]any) map[any]any {
	since := map[any]any{}
	for _, a := range alerts {
		since[a["fingerprint"]] = a["startsAt"]
	}
	return since
}
