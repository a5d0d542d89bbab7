package journal

import (
	"errors"
	"fmt"
	"path/filepath"
)

// Inspect calls f with every record of the journal in dir, oldest first, and the name of its
// file. Where a file cannot be read on, or is missing, f gets that as damage instead of a
// record, and Inspect goes on with the next file. It changes nothing, asks for no lock, and
// takes a record that is being written meanwhile for a damaged end. The record is f's only
// until f returns.
func Inspect(dir string, f func(file string, record []byte, damage error)) error {
	segments, err := listSegments(dir)
	if err != nil {
		return fmt.Errorf("inspect journal %s: %w", dir, err)
	}
	// A crash may have kept Rewrite from clearing up: what is before the last segment
	// that replaces the others counts no more.
	begin := 0
	for i, s := range segments {
		_, err := readSegment(s, func([]byte) error { return errEnough })
		if broken := (*damage)(nil); err != nil && !errors.Is(err, errEnough) && !errors.As(err, &broken) {
			return fmt.Errorf("inspect journal %s: %w", dir, err)
		}
		if s.anew {
			begin = i
		}
	}
	segments = segments[begin:]
	for i, s := range segments {
		name := filepath.Base(s.path)
		if i > 0 && s.index != segments[i-1].index+1 {
			f(name, nil, errors.New("the file before it is missing"))
		}
		_, err := readSegment(s, func(record []byte) error {
			f(name, record, nil)
			return nil
		})
		if broken := (*damage)(nil); errors.As(err, &broken) {
			f(name, nil, broken)
		} else if err != nil {
			return fmt.Errorf("inspect journal %s: %w", dir, err)
		}
	}
	return nil
}

// errEnough ends the reading of a file whose header is all that was wanted.
var errEnough = errors.New("enough")
