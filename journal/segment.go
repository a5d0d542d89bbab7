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

	"github.com/foreshock/foreshock/internal/disk"
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

// errForeign says that a file is none of ours.
var errForeign = errors.New("was not written by foreshock")

// checkHeader refuses what this version cannot read, and reports whether the segment
// replaces those before it.
func checkHeader(record []byte) (replaces bool, err error) {
	number, ok := bytes.CutPrefix(record, []byte(header))
	if !ok {
		return false, errForeign
	}
	number, replaces = bytes.CutSuffix(number, []byte(anew))
	version, err := strconv.Atoi(string(number))
	if err != nil {
		return false, fmt.Errorf("%w: its format %q is not a number", errForeign, number)
	}
	if version > format {
		return false, fmt.Errorf("has format %d and was written by a newer foreshock: this one reads up to %d", version, format)
	}
	return replaces, nil
}

// repair reads everything once and leaves a journal that can be read to its end: what is
// damaged is cut off, and what is none of ours is set aside. It changes nothing before it
// knows that nothing is a newer version's.
func (l *Log) repair() error {
	segments, err := listSegments(l.dir)
	if err != nil {
		return err
	}
	good := map[*segment]int64{}
	causes := map[*segment]error{}
	for _, s := range segments {
		good[s], err = readSegment(s, func([]byte) error { return nil })
		if broken := (*damage)(nil); errors.As(err, &broken) || errors.Is(err, errForeign) {
			causes[s] = err
		} else if err != nil {
			return err
		}
	}
	if segments, err = l.setForeignAside(segments, causes); err != nil {
		return err
	}
	begin := 0 // where the journal does; a crash may have kept Rewrite from clearing up
	for i, s := range segments {
		if s.anew {
			begin = i
		}
	}
	missing := absent(segments[begin:])
	if err := remove(segments[:begin]); err != nil {
		return err
	}
	segments = segments[begin:]
	for _, s := range segments {
		if causes[s] == nil {
			continue
		}
		if err := truncate(s.path, good[s]); err != nil {
			return err
		}
		l.damaged = true
		l.metrics.lost.Add(float64(s.size - good[s]))
		l.logger.Error("journal was damaged: what followed in the file is lost",
			"file", s.path, "offset", good[s], "lost_bytes", s.size-good[s], "err", causes[s])
		s.size = good[s]
	}
	for _, index := range missing {
		path := wlog.SegmentName(l.dir, index)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		l.damaged = true
		l.logger.Error("file of the journal is missing: what was in it is lost", "file", path)
	}
	return dropEmpty(segments)
}

// setForeignAside renames what is none of ours, by its contents or by a number far from all
// others, and returns the rest.
func (l *Log) setForeignAside(segments []*segment, causes map[*segment]error) (ours []*segment, err error) {
	for _, s := range segments {
		if errors.Is(causes[s], errForeign) {
			continue
		}
		if n := len(ours); n > 0 && s.index-ours[n-1].index > farthest {
			causes[s] = fmt.Errorf("%w: no file near it", errForeign)
			continue
		}
		ours = append(ours, s)
	}
	for _, s := range segments {
		if !errors.Is(causes[s], errForeign) {
			continue
		}
		to, err := disk.SetAside(disk.OS{}, s.path)
		if err != nil {
			return nil, err
		}
		l.damaged = true
		l.logger.Error("a file in the journal is none of ours and was set aside", "file", s.path, "now", to, "err", causes[s])
	}
	return ours, nil
}

// farthest is how many files may be missing in a row: 256 × 16 MiB are more than a journal
// that is rewritten has.
const farthest = 256

// absent returns the indices that should be there, since wlog wants no gap. A journal
// begins at 0 or with a segment that replaces what was before; one that begins with an
// empty file was found without its beginning earlier.
func absent(segments []*segment) (missing []int) {
	if len(segments) == 0 {
		return nil
	}
	first := segments[0]
	next := first.index
	if next > 0 && !first.anew && first.size > 0 {
		next-- // stands for all that was before
	}
	for _, s := range segments {
		for ; next < s.index; next++ {
			missing = append(missing, next)
		}
		next++
	}
	return missing
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
