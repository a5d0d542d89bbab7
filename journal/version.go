package journal

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"strconv"

	"github.com/foreshock/foreshock/internal/disk"
)

// ErrNewer says that a file is of a version that this one does not know.
var ErrNewer = errors.New("was written by a newer foreshock")

// refuseNewer is an error where the file begins with the header of a version above ours,
// which ends in a digit and a line break. From 2 on a header's line ends in its own
// checksum, in hexadecimal, so that no flipped bit makes a damaged file a newer one:
//
//	foreshock stream 2 1c9ab3f0
func refuseNewer(path string, file disk.File, ours string) error {
	begin := make([]byte, 64)
	n, err := file.ReadAt(begin, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil // whoever reads it says so
	}
	line, _, _ := bytes.Cut(begin[:n], []byte("\n"))
	numbered, sum, _ := cutLast(line)
	kind, number, _ := cutLast(numbered)
	version, err := strconv.Atoi(string(number))
	if err != nil || string(kind)+" " != ours[:len(ours)-2] ||
		string(sum) != fmt.Sprintf("%08x", checksum(string(numbered))) {
		return nil
	}
	known, _ := strconv.Atoi(ours[len(ours)-2 : len(ours)-1])
	return fmt.Errorf("%s has format %d and %w: this one reads up to %d", filepath.Base(path), version, ErrNewer, known)
}

// cutLast cuts at the last space.
func cutLast(line []byte) (before, after []byte, found bool) {
	i := bytes.LastIndexByte(line, ' ')
	if i < 0 {
		return line, nil, false
	}
	return line[:i], line[i+1:], true
}

// checksum is that of a header's line.
func checksum(line string) uint32 { return crc32.Checksum([]byte(line), castagnoli) }
