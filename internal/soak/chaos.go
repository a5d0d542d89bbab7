package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/foreshock/foreshock/internal/stack"
)

const (
	// gates of chaos.
	mostStart   = 5 * time.Second  // with damaged state
	mostWrite   = 2 * time.Second  // a good write while others misbehave
	mostRecover = 30 * time.Second // until what was held back has arrived

	chaosSeries = 500
	// pace is what lies between two scrapes: 20 h of samples are enough for two minutes of
	// load, 20 × 240 × 25 ms, before they would be of the future.
	pace = 25 * time.Millisecond
)

// prometheusConfig has Prometheus ask the sidecar for its metrics, and send all to it.
const prometheusConfig = `
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: foreshock
    static_configs: [{targets: ["AT"]}]
remote_write: [{url: "http://AT/api/v1/write", queue_config: {min_backoff: 100ms, max_backoff: 1s, batch_send_deadline: 200ms}}]
`

// chaos kills, stops, lies and damages, one after the other.
func (j *job) chaos(ctx context.Context) error {
	f, err := j.prepare()
	if err != nil {
		return err
	}
	sent := 0 // scrapes acknowledged
	load := j.load(f, &sent)
	if err := j.killed(ctx, load); err != nil {
		return err
	}
	if err := j.complete(ctx, f, &sent, "every acknowledged sample, after all kills"); err != nil {
		return err
	}
	if err := j.deceived(ctx, load); err != nil || j.brief {
		return err
	}
	if err := j.standingStill(ctx, load); err != nil {
		return err
	}
	if err := j.complete(ctx, f, &sent, "every acknowledged sample, in the end"); err != nil {
		return err
	}
	return j.damaged(ctx, f, &sent)
}

// prepare writes down what the programs are to do, and returns what is sent to them.
func (j *job) prepare() (fleet, error) {
	config := strings.Replace(j.config(), "window: 1h", "window: 24h", 1)
	prometheus := strings.ReplaceAll(prometheusConfig, "AT", j.stack.Addr(9797))
	err := errors.Join(j.write("rules.yml", soakRules), j.write("foreshock.yml", config),
		j.write("alertmanager.yml", alertmanagerConfig), j.write("prometheus.yml", prometheus))
	return fleet{series: chaosSeries, seed: j.seed, from: time.Now().Add(-20 * time.Hour)}, err
}

// load sends one scrape of f after the other until ctx ends, and counts those that were
// acknowledged.
func (j *job) load(f fleet, sent *int) func(context.Context) (slowest time.Duration, err error) {
	return func(ctx context.Context) (slowest time.Duration, err error) {
		for {
			for _, body := range f.requests(*sent) {
				took, err := j.send(ctx, body)
				if err != nil {
					return slowest, over(ctx, err)
				}
				slowest = max(slowest, took)
			}
			*sent++
			select {
			case <-ctx.Done():
			case <-time.After(pace):
			}
		}
	}
}

// within is a gate. A brief run is one of many tests at once on a busy machine, and looks
// for what hangs, not for what is slow.
func (j *job) within(gate time.Duration) time.Duration {
	if j.brief {
		return 10 * gate
	}
	return gate
}

// killed kills the process at random times under load, and starts it again.
func (j *job) killed(ctx context.Context, load func(context.Context) (time.Duration, error)) error {
	r := rand.New(rand.NewPCG(j.seed, 1))
	slowest := time.Duration(0)
	for n := range j.kills {
		began := time.Now()
		if err := j.start(ctx, "--storage.checkpoint-interval=500ms"); err != nil {
			return fmt.Errorf("after kill %d: %w", n, err)
		}
		slowest = max(slowest, time.Since(began))
		loading, stop := context.WithTimeout(ctx, time.Duration(r.Int64N(int64(1500*time.Millisecond))))
		_, err := load(loading)
		stop()
		if err := errors.Join(err, j.kill()); err != nil {
			return err
		}
		if n%10 == 9 {
			j.say("killed %d times", n+1)
		}
	}
	if err := j.start(ctx); err != nil {
		return err
	}
	j.found(slowest <= j.within(mostStart), "ready after a kill -9", "≤ "+j.within(mostStart).String(), "%d kills, at most %s", j.kills, slowest.Round(time.Millisecond))
	return nil
}

// complete asks how many samples of each series are known: as many as were acknowledged,
// and at most the one more whose acknowledgement a kill cut off, which is sent again.
func (j *job) complete(ctx context.Context, f fleet, sent *int, what string) error {
	at := f.from.Add(time.Duration(*sent) * interval)
	ask := j.stack.URL(9797, fmt.Sprintf("/api/v1/query?time=%d&query=%s", at.Unix(), url.QueryEscape(`min(count_over_time(load{job="watched"}[23h]))`)))
	var known string
	err := eventually(ctx, mostRecover, what, func() (bool, error) {
		body, err := stack.Fetch(ctx, ask)
		if err != nil {
			return false, err
		}
		var answer struct {
			Data struct {
				Result []struct{ Value [2]any }
			}
		}
		if err := json.Unmarshal(body, &answer); err != nil || len(answer.Data.Result) != 1 {
			return false, fmt.Errorf("answered %s (%w)", body, err)
		}
		known, _ = answer.Data.Result[0].Value[1].(string)
		return known == fmt.Sprint(*sent) || known == fmt.Sprint(*sent+1), fmt.Errorf("%s of %d", known, *sent)
	})
	j.found(err == nil, what, fmt.Sprint(*sent), "%s", known)
	return nil
}

// deceived has the downstream misbehave in every way, and looks whether that holds up what
// is sent, and whether all arrives once it is well.
func (j *job) deceived(ctx context.Context, load func(context.Context) (time.Duration, error)) error {
	for _, m := range []mood{well, refusing, hanging, dripping, misleading, lying} {
		j.down.become(m)
		loading, stop := context.WithTimeout(ctx, min(j.pause, 3*time.Second))
		slowest, err := load(loading)
		stop()
		if err != nil {
			return err
		}
		j.found(slowest <= j.within(mostWrite), "slowest write, downstream "+string(m), "≤ "+j.within(mostWrite).String(), "%s", slowest.Round(time.Millisecond))
	}
	j.down.become(well)
	_, before := j.down.seen()
	err := eventually(ctx, mostRecover, "scores arrive again", func() (bool, error) {
		_, scores := j.down.seen()
		return scores > before, nil
	})
	j.down.mu.Lock()
	led := j.down.led
	j.down.mu.Unlock()
	j.found(err == nil, "scores arrive again", "yes", "%t", err == nil)
	j.found(led == 0, "credentials given away by a redirect", "0", "%d", led)
	return nil
}

// standingStill stops Prometheus, Alertmanager and Foreshock for a while each.
func (j *job) standingStill(ctx context.Context, load func(context.Context) (time.Duration, error)) error {
	prometheus, err := j.stack.Prometheus(ctx)
	if err != nil {
		return err
	}
	alertmanager, err := j.stack.Alertmanager(ctx)
	if err != nil {
		return err
	}
	for _, p := range []*stack.Process{prometheus, alertmanager} {
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		loading, stop := context.WithTimeout(ctx, j.pause)
		slowest, err := load(loading)
		stop()
		if err := errors.Join(err, p.Signal(syscall.SIGCONT)); err != nil {
			return err
		}
		j.found(slowest <= j.within(mostWrite), "slowest write, "+p.Name+" stopped", "≤ "+j.within(mostWrite).String(), "%s", slowest.Round(time.Millisecond))
	}
	if err := j.sidecar.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-time.After(j.pause):
	}
	began := time.Now()
	if err := j.sidecar.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	loading, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	slowest, err := load(loading)
	if err != nil {
		return err
	}
	j.found(slowest <= j.within(mostWrite), "slowest write, after Foreshock stood still", "≤ "+j.within(mostWrite).String(), "%s", slowest.Round(time.Millisecond))
	// Prometheus sends what it kept: its newest sample of us is one from after the pause.
	err = eventually(ctx, mostRecover, "Prometheus sends again", func() (bool, error) {
		body, err := stack.Fetch(ctx, j.stack.URL(9797, fmt.Sprintf("/api/v1/query?query=%s", url.QueryEscape(fmt.Sprintf("timestamp(up) > %d", began.Unix())))))
		return err == nil && strings.Contains(string(body), `"value"`), err
	})
	j.found(err == nil, "Prometheus sends again", "yes", "%t", err == nil)
	prometheus.Stop(10 * time.Second)
	alertmanager.Stop(10 * time.Second)
	return nil
}

// damages are what can befall a file.
var damages = []struct {
	name string
	do   func(path string, text []byte, r *rand.Rand) error
}{
	{"a bit flipped", func(path string, text []byte, r *rand.Rand) error {
		if len(text) == 0 {
			return nil
		}
		text[r.IntN(len(text))] ^= 1 << r.IntN(8)
		return os.WriteFile(path, text, 0o600)
	}},
	{"cut short", func(path string, text []byte, r *rand.Rand) error {
		return os.WriteFile(path, text[:r.IntN(len(text)+1)], 0o600)
	}},
	{"missing", func(path string, _ []byte, _ *rand.Rand) error { return os.Remove(path) }},
	{"of another program", func(path string, _ []byte, _ *rand.Rand) error {
		return os.WriteFile(path, []byte(strings.Repeat("SQLite format 3\x00", 100)), 0o600)
	}},
	{"a stranger beside it", func(path string, text []byte, _ *rand.Rand) error {
		return errors.Join(os.WriteFile(path+".bak", text, 0o600), os.WriteFile(filepath.Join(filepath.Dir(path), "99999999"), []byte("?"), 0o600))
	}},
}

// damaged does to every file of the state, one at a time, what can befall it: the process
// starts all the same, and takes what is sent.
func (j *job) damaged(ctx context.Context, f fleet, sent *int) error {
	if err := j.stop(); err != nil {
		return err
	}
	data, whole := filepath.Join(j.stack.Dir, "foreshock-data"), filepath.Join(j.stack.Dir, "whole")
	if err := os.CopyFS(whole, os.DirFS(data)); err != nil {
		return err
	}
	var files []string
	err := filepath.WalkDir(whole, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && d.Name() != "lock" {
			rel, err := filepath.Rel(whole, path)
			files = append(files, rel)
			return err
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(files)
	r := rand.New(rand.NewPCG(j.seed, 2))
	slowest, bad := time.Duration(0), []string{}
	for _, file := range files {
		for _, damage := range damages {
			if err := errors.Join(os.RemoveAll(data), os.CopyFS(data, os.DirFS(whole))); err != nil {
				return err
			}
			path := filepath.Join(data, file)
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if err := damage.do(path, text, r); err != nil {
				return err
			}
			began := time.Now()
			if err := j.start(ctx); err != nil {
				bad = append(bad, fmt.Sprintf("%s %s: %.300v", file, damage.name, err))
				j.say("%s", bad[len(bad)-1])
				continue
			}
			slowest = max(slowest, time.Since(began))
			taking, stop := context.WithTimeout(ctx, mostStart)
			_, err = j.send(taking, f.requests(*sent)[0])
			stop()
			if err := errors.Join(err, j.stop()); err != nil {
				bad = append(bad, fmt.Sprintf("%s %s: takes no samples: %v", file, damage.name, err))
			}
		}
	}
	j.found(len(bad) == 0, "starts with any one file damaged", "all", "%d files in %d ways, %d do not start%s", len(files), len(damages), len(bad), strings.Join(append([]string{""}, bad...), "\n  "))
	j.found(slowest <= j.within(mostStart), "slowest of these starts", "≤ "+j.within(mostStart).String(), "%s", slowest.Round(time.Millisecond))
	return nil
}
