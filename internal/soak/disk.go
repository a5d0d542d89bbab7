package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/foreshock/foreshock/internal/stack"
)

const (
	// smallDisk has room for a checkpoint or two of chaosSeries series, 1 MB each, and some
	// minutes of their samples.
	smallDisk = 24 << 20
	// crammedFor is how long it stays full.
	crammedFor = 15 * time.Second
	// mostCovered is until a checkpoint covers what the log does not have, once there is
	// room: the rhythm of looking, 10 s, twice.
	mostCovered = 20 * time.Second
)

// crammed fills up the file system that the state is on, under load, and frees it; then it
// kills the process, and starts it on a disk that is full.
func (j *job) crammed(ctx context.Context) error {
	f, err := j.prepare()
	if err != nil {
		return err
	}
	data := filepath.Join(j.stack.Dir, "foreshock-data")
	filler := filepath.Join(data, "filler")
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, fmt.Sprint("size=", smallDisk)); err != nil {
		return fmt.Errorf("mount a small file system: %w; run as root, or by unshare --map-root-user --mount", err)
	}
	defer func() { _ = syscall.Unmount(data, syscall.MNT_DETACH) }()
	sent := 0
	load := j.load(f, &sent)
	phase := func(what string, long time.Duration) error {
		loading, stop := context.WithTimeout(ctx, long)
		defer stop()
		slowest, err := load(loading)
		j.found(slowest <= j.within(mostWrite), "slowest write, "+what, "≤ "+j.within(mostWrite).String(), "%s", slowest.Round(time.Millisecond))
		return err
	}
	readiness := func(degraded bool) func() (bool, error) {
		return func() (bool, error) {
			text, err := stack.Fetch(ctx, j.stack.URL(9797, "/-/ready"))
			return err == nil && strings.Contains(string(text), "degraded") == degraded, errors.Join(err, errors.New(string(text)))
		}
	}

	if err := errors.Join(j.start(ctx), phase("with room", 5*time.Second), fill(filler)); err != nil {
		return err
	}
	_, before := j.down.seen()
	if err := phase("on a full disk", crammedFor); err != nil {
		return err
	}
	_, after := j.down.seen()
	j.found(after > before, "scores that arrived while it was full", "> 0", "%v", after-before)
	err = eventually(ctx, time.Second, "degraded", readiness(true))
	j.found(err == nil, "readiness says degraded", "yes", "%t", err == nil)

	freed := time.Now()
	if err := os.Remove(filler); err != nil {
		return err
	}
	err = eventually(ctx, mostCovered, "covered", readiness(false))
	j.found(err == nil, "all covered again, once there is room", "≤ "+mostCovered.String(), "%s", time.Since(freed).Round(time.Second))
	if err := errors.Join(phase("with room again", 2*time.Second), j.kill(), j.start(ctx)); err != nil {
		return err
	}
	if err := j.complete(ctx, f, &sent, "every acknowledged sample, after a kill"); err != nil {
		return err
	}

	if err := errors.Join(fill(filler), j.kill()); err != nil {
		return err
	}
	began := time.Now()
	err = j.start(ctx)
	j.found(err == nil && time.Since(began) <= j.within(mostStart), "ready on a full disk, after a kill", "≤ "+j.within(mostStart).String(), "%s", time.Since(began).Round(time.Millisecond))
	if err != nil {
		return err
	}
	if err := phase("started on a full disk", 2*time.Second); err != nil {
		return err
	}
	return j.complete(ctx, f, &sent, "every acknowledged sample, in the end")
}

// fill writes a file until nothing more has room.
func fill(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	zeros := make([]byte, 4<<10)
	for {
		if _, err = file.Write(zeros); err != nil {
			break
		}
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, io.ErrShortWrite) {
		err = nil
	}
	return errors.Join(err, file.Close())
}
