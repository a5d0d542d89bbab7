package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/foreshock/foreshock/internal/disk"
)

// Rewrite replaces every record by those given, each of 1 to MaxRecord bytes. They
// are on the disk when it returns; a crash at any instant leaves either the old
// records or the new ones. After an error it may be either too, and where no new
// file can be opened every Append fails.
func (l *Log) Rewrite(records [][]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	l.metrics.rewrites.Inc()
	if err := l.rewrite(records); err != nil {
		l.metrics.rewriteFailures.Inc()
		return fmt.Errorf("rewrite journal %s: %w", l.dir, err)
	}
	return nil
}

func (l *Log) rewrite(records [][]byte) error {
	draft := filepath.Join(l.dir, "rewrite")
	defer os.RemoveAll(draft)
	if err := writeAnew(draft, records); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := l.wl.Close(); err != nil {
		return fmt.Errorf("end a segment: %w", err)
	}
	if err := errors.Join(l.replaceBy(wlog.SegmentName(draft, 0)), l.openSegment()); err != nil {
		return fmt.Errorf("replace segments: %w", err)
	}
	return nil
}

// writeAnew makes a journal of one segment, which replaces whatever is before it.
func writeAnew(dir string, records [][]byte) error {
	if err := os.RemoveAll(dir); err != nil { // a crash may have left one
		return err
	}
	wl, err := wlog.NewSize(nil, nil, dir, wlogSegmentSize, compression.None)
	if err != nil {
		return err
	}
	first := []byte(header + strconv.Itoa(format) + anew)
	err = wl.Log(append([][]byte{first}, records...)...)
	if err == nil {
		err = wl.Sync()
	}
	return errors.Join(err, wl.Close())
}

// replaceBy makes the file the journal's last segment, and then its only one.
func (l *Log) replaceBy(file string) error {
	segments, err := listSegments(l.dir)
	if err != nil {
		return err
	}
	last := segments[len(segments)-1].index // wlog always has one open
	if err := os.Rename(file, wlog.SegmentName(l.dir, last+1)); err != nil {
		return err
	}
	if err := (disk.OS{}).SyncDir(l.dir); err != nil {
		return err
	}
	return remove(segments)
}

// remove deletes the oldest first, so that a crash leaves no gap.
func remove(segments []*segment) error {
	for _, s := range segments {
		if err := os.Remove(s.path); err != nil {
			return err
		}
	}
	return nil
}
