package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	mostRestart = 20 * time.Second // from kill -9 of a million series, on two cores, to ready

	warming = 150 // scrapes until models tell anomalies: 128 and some
	onwards = 30  // scrapes after the restart
	behind  = 8   // scrapes since the latest checkpoint that the log holds
)

const restartConfig = `
rule_files: [rules.yml]
detector: {max_series: 2000000}
emitter: {json_lines: {file: "%s.jsonl", max_size: 1GiB}}
`

const restartRules = `
groups: [{name: all, rules: [{watch: all, select: load}]}]
`

// restarted lets two processes live on the same samples, one of which is killed among them:
// how long it takes until it is ready again, and whether it then tells what the other does
// not.
func (j *job) restarted(ctx context.Context) error {
	from := time.Now().Add(-(warming + onwards + 10) * interval)
	f := fleet{series: j.series, seed: j.seed, from: from}
	whole, err := j.life(ctx, f, "whole", func() error { return nil })
	if err != nil {
		return err
	}
	var took time.Duration
	var busy float64
	killed, err := j.life(ctx, f, "killed", func() error {
		if err := j.kill(); err != nil {
			return err
		}
		began := time.Now()
		err := j.start(ctx, seldom)
		took = time.Since(began)
		if err != nil {
			return err
		}
		m, err := j.metrics(ctx)
		busy = m.Sum("process_cpu_seconds_total", nil)
		return err
	})
	if err != nil {
		return err
	}
	j.found(took <= mostRestart, "ready after kill -9", "≤ "+mostRestart.String(), "%s, with %d series", took.Round(time.Millisecond), j.series)
	j.found(true, "processor time until then", "–", "%.1f s", busy)
	more, fewer := missing(killed, whole), missing(whole, killed)
	j.found(len(more) == 0 && len(whole) > 0, "anomalies only it told", "0", "%d of %d", len(more), len(killed))
	// What was on its way to the file when the process was killed leaves no trace there.
	last := from.Add((warming - 1) * interval)
	fewer = slices.DeleteFunc(fewer, func(at time.Time) bool { return at.UnixMilli() == last.UnixMilli() })
	j.found(len(fewer) == 0, "anomalies it did not tell, but at the kill", "0", "%d of %d", len(fewer), len(whole))
	return nil
}

// seldom has a checkpoint be written when the process ends, and not before.
const seldom = "--storage.checkpoint-interval=1h"

// life is one from nothing to an orderly end: it warms, is stopped and started for the
// sake of a checkpoint, gets some samples more, has between done to it, and goes on. It
// returns the anomalies it told.
func (j *job) life(ctx context.Context, f fleet, name string, between func() error) (map[string]time.Time, error) {
	if err := errors.Join(os.RemoveAll(filepath.Join(j.stack.Dir, "foreshock-data")), j.write("rules.yml", restartRules), j.write("foreshock.yml", fmt.Sprintf(restartConfig, name))); err != nil {
		return nil, err
	}
	if err := j.start(ctx, seldom); err != nil {
		return nil, err
	}
	scrapes := func(from, to int) error {
		for n := from; n < to; n++ {
			for _, body := range f.requests(n) {
				if _, err := j.send(ctx, body); err != nil {
					return err
				}
			}
			if n%10 == 9 {
				j.say("%s: %d of %d scrapes", name, n+1, warming+onwards)
			}
		}
		return nil
	}
	steps := []func() error{
		func() error { return scrapes(0, warming-behind) },
		j.stop,
		func() error { return j.start(ctx, seldom) },
		func() error { return scrapes(warming-behind, warming) },
		between,
		func() error { return scrapes(warming, warming+onwards) },
		j.stop,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return anomalies(filepath.Join(j.stack.Dir, name+".jsonl"))
}

// anomalies are the lines of a file of JSON lines that tell one, and when it was. What a replay tells again is told once.
func anomalies(path string) (map[string]time.Time, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	all := map[string]time.Time{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20) // an incident of many members is one line
	for lines.Scan() {
		var line struct {
			Type string    `json:"type"`
			Time time.Time `json:"time"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if line.Type == "anomaly" {
			all[lines.Text()] = line.Time
		}
	}
	return all, lines.Err()
}

// missing is when that was which is in a and not in b.
func missing(a, b map[string]time.Time) (when []time.Time) {
	for line, at := range a {
		if _, ok := b[line]; !ok {
			when = append(when, at)
		}
	}
	return when
}
