// Package journal keeps records on disk, in order. What Append has
// acknowledged is there after kill -9 and power loss; what a crash tore is cut off
// at the next Open, and the log says how much.
//
// A journal is a directory that one process holds at a time. Its segments are those
// of Prometheus's write log (tsdb/wlog), whose pages and checksums it keeps; each
// begins with a record that names the format. Records never span segments, so a
// damaged file costs what follows the damage in that file and nothing else.
//
// It does not know what a record means, and keeps all of them until Rewrite replaces
// them by others. That is one new file, which appears whole or not at all.
//
// What is worth keeping only until something else covers it goes into a Stream, which
// waits for the disk once for many; what covers it is a Snapshot.
package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/tsdb/fileutil"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/foreshock/foreshock/internal/disk"
)

const (
	// defaultSegmentSize is where a new file begins: small enough that damage to
	// one costs little, large enough that a year of records makes a few files.
	defaultSegmentSize = 16 << 20

	// MaxRecord bounds one record, in bytes.
	MaxRecord = 4 << 20

	// wlogSegmentSize is never reached, so that segments end only where Append
	// ends them, after a whole record. It must be a multiple of wlog's page.
	wlogSegmentSize = math.MaxInt32 &^ (32<<10 - 1)
)

// format is the version of what Append writes; a newer one is refused.
const format = 1

const (
	// header begins every segment, before the format's number.
	header = "foreshock journal "

	// anew follows the number in a segment that replaces all segments before it.
	anew = " anew"
)

var errClosed = errors.New("journal is closed")

// Options are a journal's needs; the zero value is useful.
type Options struct {
	// Name is the value of the label journal on the metrics; "" means the
	// directory's own name.
	Name string
	// SegmentSize is how many bytes of records a file takes before the next one
	// begins; 0 means defaultSegmentSize.
	SegmentSize int
	Registerer  prometheus.Registerer
	Logger      *slog.Logger
}

// Log is an open journal. It is safe for concurrent use.
type Log struct {
	dir         string
	segmentSize int
	logger      *slog.Logger
	metrics     *metrics
	lock        fileutil.Releaser
	damaged     bool

	mu      sync.Mutex
	wl      *wlog.WL
	written int  // bytes of records in the active segment
	torn    bool // the active segment may end in half a record
	closed  bool
}

// Open opens the journal in dir, creates it where there is none, and cuts off what
// is damaged; a file that is none of ours is set aside. It refuses a directory that
// another process holds or that a newer version wrote, and leaves it as it is.
func Open(dir string, o Options) (*Log, error) {
	if o.Name == "" {
		o.Name = filepath.Base(dir)
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = defaultSegmentSize
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Log{
		dir:         dir,
		segmentSize: o.SegmentSize,
		logger:      o.Logger.With("journal", o.Name),
		metrics:     newMetrics(prometheus.WrapRegistererWith(prometheus.Labels{"journal": o.Name}, o.Registerer)),
	}
	if err := l.open(); err != nil {
		if l.lock != nil {
			err = errors.Join(err, l.lock.Release())
		}
		return nil, fmt.Errorf("open journal %s: %w", dir, err)
	}
	return l, nil
}

func (l *Log) open() (err error) {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return err
	}
	if err := (disk.OS{}).SyncDir(filepath.Dir(l.dir)); err != nil {
		return err
	}
	if l.lock, err = lockDir(l.dir); err != nil {
		return err
	}
	if err := l.repair(); err != nil {
		return err
	}
	return l.openSegment()
}

// openSegment opens a new segment, after those there are.
func (l *Log) openSegment() error {
	wl, err := wlog.NewSize(l.logger, nil, l.dir, wlogSegmentSize, compression.None)
	if err != nil {
		return err
	}
	l.wl, l.written, l.torn = wl, 0, false
	return nil
}

// Damaged reports whether Open had to leave something out. Records that Append had
// acknowledged may be gone; it may also have been a torn tail that nobody was
// promised.
func (l *Log) Damaged() bool { return l.damaged }

// Append writes the record, of 1 to MaxRecord bytes, and returns when it is on the
// disk. After an error the record may or may not be found by a later Replay; the
// next Append begins a new file, so that it cannot stand behind half a record.
func (l *Log) Append(record []byte) error {
	if len(record) == 0 || len(record) > MaxRecord {
		return fmt.Errorf("append to journal %s: record of %d bytes, must be from 1 to %d", l.dir, len(record), MaxRecord)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	began := time.Now()
	l.metrics.appends.Inc()
	if err := l.append(record); err != nil {
		l.metrics.failures.Inc()
		return fmt.Errorf("append to journal %s: %w", l.dir, err)
	}
	l.metrics.seconds.Observe(time.Since(began).Seconds())
	l.metrics.bytes.Add(float64(len(record)))
	return nil
}

func (l *Log) append(record []byte) error {
	if l.torn || l.written >= l.segmentSize {
		if _, err := l.wl.NextSegmentSync(); err != nil {
			return fmt.Errorf("begin a segment: %w", err)
		}
		l.written, l.torn = 0, false
	}
	// A failed fsync may have thrown away the pages it could not write, so that the
	// next one would succeed without them: this segment is done, whatever failed.
	l.torn = true
	records := [][]byte{record}
	if l.written == 0 {
		records = [][]byte{[]byte(header + strconv.Itoa(format)), record}
	}
	if err := l.wl.Log(records...); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := l.wl.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	if l.written == 0 {
		if err := (disk.OS{}).SyncDir(l.dir); err != nil {
			return err
		}
	}
	l.written += len(record)
	l.torn = false
	return nil
}

// Replay calls f with every record, oldest first, until f returns an error, which
// it returns. The record is f's only until f returns, and f must not use the Log.
func (l *Log) Replay(f func(record []byte) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	segments, err := listSegments(l.dir)
	if err != nil {
		return fmt.Errorf("replay journal %s: %w", l.dir, err)
	}
	for _, s := range segments {
		if _, err := readSegment(s, f); err != nil {
			return fmt.Errorf("replay journal %s: %w", l.dir, err)
		}
	}
	return nil
}

// Close ends the journal and lets another process have it. Closing twice is
// harmless.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	if err := errors.Join(l.wl.Close(), l.lock.Release()); err != nil {
		return fmt.Errorf("close journal %s: %w", l.dir, err)
	}
	return nil
}
