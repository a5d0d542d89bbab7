package app

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/internal/disk"
	"github.com/foreshock/foreshock/internal/image"
	"github.com/foreshock/foreshock/internal/logthrottle"
	"github.com/foreshock/foreshock/journal"
	"github.com/foreshock/foreshock/receiver"
)

const (
	// defaultLogLimit is how much the ingest log may take: an hour of 100 000 samples a
	// second at 3 B each ≈ 1 GB, four times.
	defaultLogLimit = 4 << 30

	// defaultCheckpointInterval bounds how much is replayed after a crash.
	defaultCheckpointInterval = 5 * time.Minute

	// quick is a checkpoint that a process which is asked to stop waits for. One that takes
	// longer is left to the log.
	quick = 3 * time.Second

	// made is the version of a record that holds a batch of our own making, in the place of
	// remote write's 1 and 2.
	made = 0

	recordHead = 1 + 8 // version, and when it was received in ms
)

// keeper keeps what the process knows and was told, so that a restart goes on where it
// ended: <storage>/checkpoint holds the models as of one moment, <storage>/ingest all
// that was taken since, as it was received.
//
// A log that cannot be written stops nobody: what is taken meanwhile is lost to a crash
// before the next checkpoint, and readiness says so.
type keeper struct {
	fs        disk.FS
	dir       string // of checkpoints
	log       *journal.Stream
	limit     int64              // of its bytes
	detector  *detector.Detector // set before anything is taken
	receiver  *receiver.Receiver
	incidents *incidents
	logger    *slog.Logger
	sparing   *logthrottle.Logger
	metrics   *keeperMetrics

	logging   atomic.Bool  // what is taken is to be logged
	replaying atomic.Bool  // what is observed was taken before
	failing   atomic.Bool  // the log could not be written, last
	exposed   atomic.Bool  // neither log nor checkpoint has all that was taken, maybe
	ticket    atomic.Int64 // of the latest record
	head      [recordHead]byte

	heard  atomic.Int64 // batches
	saving sync.Mutex   // one checkpoint at a time
	took   time.Duration
	number int   // of the latest checkpoint
	saved  int64 // batches that it covers
	rests  bool  // it covers none that the one before did not
}

// batches are what we make ourselves, such as results of expressions.
var batches = sync.OnceValue(func() *image.Codec { return image.New(nil, &foreshock.Batch{}) })

// newKeeper opens the log, which one process has at a time.
func newKeeper(o Options, now func() time.Time, reg prometheus.Registerer) (*keeper, error) {
	k := &keeper{
		fs:      o.FS,
		dir:     filepath.Join(o.StoragePath, "checkpoint"),
		logger:  o.Logger.With("component", "state"),
		metrics: newKeeperMetrics(reg),
	}
	k.sparing = logthrottle.New(time.Minute, now, k.logger)
	if k.limit = o.LogLimit; k.limit == 0 {
		k.limit = defaultLogLimit
	}
	var err error
	k.log, err = journal.OpenStream(filepath.Join(o.StoragePath, "ingest"), journal.StreamOptions{
		Limit: k.limit, Always: o.SyncAlways, FS: k.fs, Registerer: reg, Logger: k.logger,
		Shed: func(segment int, bytes int64) {
			k.logger.Warn("the log is full: its oldest segment is dropped before a checkpoint covers it; a crash would lose what it taught",
				"segment", segment, "bytes", bytes, "limit", k.limit)
		},
	})
	if err != nil {
		return nil, err
	}
	if err := disk.MakeDir(k.fs, k.dir, 0o700); err != nil {
		return nil, errors.Join(err, k.log.Close())
	}
	return k, nil
}

// Append hands b on, and returns when it is as durable as was asked for.
func (k *keeper) Append(ctx context.Context, b *foreshock.Batch) error {
	if err := k.detector.Append(ctx, b); err != nil {
		return err
	}
	if err := k.log.Wait(k.ticket.Load()); err != nil {
		k.fail(err)
	}
	return nil
}

// taken logs b. The detector calls it for one batch at a time, in the order in which it
// scores them.
func (k *keeper) taken(b *foreshock.Batch) {
	if !k.logging.Load() {
		return
	}
	k.heard.Add(1)
	body := b.Request.Body
	if k.head[0] = b.Request.Version; b.Request.Version == made {
		body = batches().NewEncoder(nil).Append(nil, b)
	}
	binary.LittleEndian.PutUint64(k.head[1:], uint64(b.Request.Received))
	ticket, err := k.log.Append(k.head[:], body)
	if err != nil {
		k.fail(err)
		return
	}
	k.failing.Store(false)
	k.ticket.Store(ticket)
}

func (k *keeper) fail(err error) {
	k.failing.Store(true)
	k.exposed.Store(true)
	k.sparing.Log(slog.LevelError, "the ingest log cannot be written: a crash now would lose what comes in until the next checkpoint", "err", err)
}

// replay takes in again what the log has from the segment on.
func (k *keeper) replay(ctx context.Context, from int) error {
	began, records := time.Now(), 0
	err := k.log.Replay(from, func(record []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := k.again(ctx, record)
		if errors.Is(err, foreshock.ErrClosed) || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		records++
		k.metrics.replayed.Inc()
		if err != nil {
			k.metrics.unreplayed.Inc()
			k.sparing.Log(slog.LevelWarn, "a request in the log is left out", "err", err)
		}
		return nil
	})
	if records > 0 {
		k.logger.Info("replayed the log", "requests", records, "took", time.Since(began).Round(time.Millisecond))
	}
	return err
}

// again takes in one record of the log.
func (k *keeper) again(ctx context.Context, record []byte) error {
	if len(record) < recordHead {
		return fmt.Errorf("replay: record of %d bytes", len(record))
	}
	body := record[recordHead:]
	if record[0] != made {
		received := int64(binary.LittleEndian.Uint64(record[1:]))
		return k.receiver.Replay(ctx, foreshock.Request{Version: record[0], Received: received, Body: body}, k.detector)
	}
	var b foreshock.Batch
	if err := batches().NewDecoder(noReferences).Read(body, &b); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	for _, x := range b.Samples {
		if x.Series == nil {
			return errors.New("replay: sample of no series")
		}
		x.Series.Home = 0
	}
	for {
		err := k.detector.Append(ctx, &b)
		if !errors.Is(err, foreshock.ErrOverloaded) || ctx.Err() != nil {
			return err
		}
	}
}

func noReferences(reflect.Type, uint64) unsafe.Pointer { return nil }

// pressed reports whether a checkpoint is due before its time: the log is half full, or
// does not have all that was taken.
func (k *keeper) pressed() bool { return k.exposed.Load() || k.log.Size() > k.limit/2 }

// degraded says what a crash would lose, "" where it is nothing.
func (k *keeper) degraded() string {
	switch {
	case k.failing.Load():
		return "the ingest log cannot be written"
	case k.exposed.Load():
		return "no checkpoint has been written since the ingest log could not be, or since one failed"
	default:
		return ""
	}
}

// close ends the log.
func (k *keeper) close() error { return k.log.Close() }

// checkpoints are the directories of those that are whole, oldest first.
func (k *keeper) checkpoints() []string {
	entries, err := k.fs.ReadDir(k.dir)
	if err != nil {
		k.logger.Error("checkpoints cannot be looked for", "err", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && len(e.Name()) == len(name(0)) && !strings.HasSuffix(e.Name(), unfinished) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}

// unfinished ends the name of a checkpoint under way.
const unfinished = ".tmp"

// name is that of the checkpoint with the number.
func name(number int) string { return fmt.Sprintf("%010d", number) }
