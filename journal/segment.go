package journal

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/tsdb/wlog"
)

// segment is one file of a journal.
type segment struct {
	index int
	path  string
	size  int64
	anew  bool // it replaces those before it; known once read
}

// listSegments returns the journal's files in the order they were written.
func listSegments(dir string) ([]*segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var segments []*segment
	for _, e := range entries {
		index, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		path := wlog.SegmentName(dir, index)
		if filepath.Base(path) != e.Name() || !e.Type().IsRegular() {
			return nil, fmt.Errorf("%s is not a journal's file", e.Name())
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		segments = append(segments, &segment{index: index, path: path, size: info.Size()})
	}
	slices.SortFunc(segments, func(a, b *segment) int { return cmp.Compare(a.index, b.index) })
	return segments, nil
}

// damage is what a reader could not read.
type damage struct{ err error }

func (d *damage) Error() string { return d.err.Error() }
func (d *damage) Unwrap() error { return d.err }

// readSegment calls f with the records of one file and returns how many bytes of it
// are good: up to the end of the file, or to the first damage, which it reports as a
// *damage. Any other error says nothing about the file's contents.
func readSegment(s *segment, f func(record []byte) error) (good int64, err error) {
	file, err := wlog.OpenReadSegment(s.path)
	if err != nil {
		return 0, err
	}
	// Prometheus's reader takes a short last page as filled up with zeros.
	pages := wlog.NewSegmentBufReader(file)
	defer pages.Close()

	r := wlog.NewReader(pages)
	name := filepath.Base(s.path)
	for first := true; r.Next(); first = false {
		record := r.Record()
		switch {
		case len(record) == 0:
			// Nobody appends an empty record, but one torn after its first byte
			// reads as one: length 0, and the checksum of nothing, which is 0.
			return good, &damage{fmt.Errorf("%s: empty record", name)}
		case first:
			if s.anew, err = checkHeader(record); err != nil {
				return 0, fmt.Errorf("%s: %w", name, err)
			}
		default:
			if err := f(record); err != nil {
				return good, err
			}
		}
		good = r.Offset()
	}
	err = r.Err()
	if io := (*fs.PathError)(nil); errors.As(err, &io) {
		return good, err
	}
	if err != nil {
		return good, &damage{fmt.Errorf("%s: %w", name, errors.Unwrap(err))}
	}
	return s.size, nil
}

// checkHeader refuses what this version cannot read, and reports whether the segment
// replaces those before it.
func checkHeader(record []byte) (replaces bool, err error) {
	number, ok := bytes.CutPrefix(record, []byte(header))
	if !ok {
		return false, errors.New("was not written by foreshock")
	}
	number, replaces = bytes.CutSuffix(number, []byte(anew))
	version, err := strconv.Atoi(string(number))
	if err != nil {
		return false, fmt.Errorf("format %q is not a number", number)
	}
	if version > format {
		return false, fmt.Errorf("has format %d and was written by a newer foreshock: this one reads up to %d", version, format)
	}
	return replaces, nil
}

// repair reads everything once and leaves a journal that can be read to its end. It
// changes nothing before all files have been recognised.
func (l *Log) repair() error {
	segments, err := listSegments(l.dir)
	if err != nil {
		return err
	}
	good := make([]int64, len(segments))
	causes := make([]error, len(segments))
	for i, s := range segments {
		good[i], err = readSegment(s, func([]byte) error { return nil })
		if broken := (*damage)(nil); errors.As(err, &broken) {
			causes[i] = broken
		} else if err != nil {
			return err
		}
	}
	begin := 0 // where the journal does; a crash may have kept Rewrite from clearing up
	for i, s := range segments {
		if s.anew {
			begin = i
		}
	}
	missing, err := absent(segments[begin:])
	if err != nil {
		return err
	}
	if err := remove(segments[:begin]); err != nil {
		return err
	}
	for i, s := range segments {
		if i < begin || causes[i] == nil {
			continue
		}
		if err := truncate(s.path, good[i]); err != nil {
			return err
		}
		l.damaged = true
		l.metrics.lost.Add(float64(s.size - good[i]))
		l.logger.Error("journal was damaged: what followed in the file is lost",
			"file", s.path, "offset", good[i], "lost_bytes", s.size-good[i], "err", causes[i])
		s.size = good[i]
	}
	for _, index := range missing {
		path := wlog.SegmentName(l.dir, index)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		l.damaged = true
		l.logger.Error("file of the journal is missing: what was in it is lost", "file", path)
	}
	return dropEmpty(segments[begin:])
}

// absent returns the indices that should be there, since wlog wants no gap. A journal
// begins at 0 or with a segment that replaces what was before; one that begins with an
// empty file was found without its beginning earlier.
func absent(segments []*segment) ([]int, error) {
	if len(segments) == 0 {
		return nil, nil
	}
	first, last := segments[0], segments[len(segments)-1].index
	next := first.index
	if next > 0 && !first.anew && first.size > 0 {
		next-- // stands for all that was before
	}
	if last-next >= 2*len(segments) {
		return nil, fmt.Errorf("most files up to %08d are missing", last)
	}
	var missing []int
	for _, s := range segments {
		for ; next < s.index; next++ {
			missing = append(missing, next)
		}
		next++
	}
	return missing, nil
}

// truncate cuts the file off at size and returns when that is on the disk.
func truncate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return err
	}
	return f.Sync()
}

// dropEmpty removes the last files where they hold nothing, so that starting again
// and again leaves no trace.
func dropEmpty(segments []*segment) error {
	for _, s := range slices.Backward(segments) {
		if s.size > 0 {
			return nil
		}
		if err := os.Remove(s.path); err != nil {
			return err
		}
	}
	return nil
}
