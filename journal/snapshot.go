package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/foreshock/foreshock/internal/disk"
)

// A snapshot file is snapshotHeader, then pieces: the length of each as four bytes, the
// CRC-32C of length and piece as four bytes, the piece. The last one is lastPiece long by
// its length, and is the number of those before it. Numbers are little endian.
const (
	snapshotHeader = "foreshock snapshot 1\n"
	lastPiece      = 1<<32 - 1
	maxPiece       = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrDamaged says that a file is not as it was written.
var ErrDamaged = errors.New("damaged")

// frame is what stands before a piece.
func frame(length uint32, piece []byte) (f [8]byte) {
	binary.LittleEndian.PutUint32(f[:], length)
	sum := crc32.Update(crc32.Checksum(f[:4], castagnoli), castagnoli, piece)
	binary.LittleEndian.PutUint32(f[4:], sum)
	return f
}

// Snapshot is a file under way, which whoever reads finds whole or not at all: Commit
// gives it its name.
type Snapshot struct {
	fs     disk.FS
	path   string
	file   disk.File
	w      *bufio.Writer
	pieces uint32
}

// CreateSnapshot begins the file path. Commit or Abort must follow.
func CreateSnapshot(fs disk.FS, path string) (*Snapshot, error) {
	f, err := fs.OpenFile(path+".tmp", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{fs: fs, path: path, file: f, w: bufio.NewWriterSize(f, 1<<20)}
	_, _ = s.w.WriteString(snapshotHeader) // fits into the buffer
	return s, nil
}

// Write adds a piece.
func (s *Snapshot) Write(piece []byte) error {
	if len(piece) > maxPiece {
		return fmt.Errorf("write %s: a piece of %d bytes, more than %d", s.path, len(piece), maxPiece)
	}
	s.pieces++
	return s.write(uint32(len(piece)), piece)
}

func (s *Snapshot) write(length uint32, piece []byte) error {
	f := frame(length, piece)
	if _, err := s.w.Write(f[:]); err != nil {
		return err
	}
	_, err := s.w.Write(piece)
	return err
}

// Commit ends the file and gives it its name once it is on the disk. It returns how many
// bytes it has.
func (s *Snapshot) Commit() (size int64, err error) {
	err = s.write(lastPiece, binary.LittleEndian.AppendUint32(nil, s.pieces))
	err = errors.Join(err, s.w.Flush())
	if err == nil {
		err = s.file.Sync()
	}
	if at, e := s.file.Seek(0, io.SeekCurrent); e == nil {
		size = at
	}
	if err = errors.Join(err, s.file.Close()); err == nil {
		err = s.fs.Rename(s.path+".tmp", s.path)
	}
	if err == nil {
		err = s.fs.SyncDir(filepath.Dir(s.path))
	}
	if err != nil {
		_ = s.fs.Remove(s.path + ".tmp")
		return 0, err
	}
	return size, nil
}

// Abort removes what was written so far.
func (s *Snapshot) Abort() {
	_ = s.file.Close()
	_ = s.fs.Remove(s.path + ".tmp")
}

// SnapshotReader reads the pieces of a snapshot.
type SnapshotReader struct {
	path   string
	file   disk.File
	r      *bufio.Reader
	left   int64
	pieces uint32
}

// OpenSnapshot opens the file path, which a Snapshot wrote.
func OpenSnapshot(fs disk.FS, path string) (*SnapshotReader, error) {
	f, err := disk.Open(fs, path)
	if err != nil {
		return nil, err
	}
	s := &SnapshotReader{path: path, file: f, r: bufio.NewReaderSize(f, 1<<20)}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a file")
	}
	begin := make([]byte, len(snapshotHeader))
	if err == nil {
		s.left = info.Size()
		if err = s.read(begin); err == nil && string(begin) != snapshotHeader {
			if err = refuseNewer(path, f, snapshotHeader); err == nil {
				err = fmt.Errorf("was not written by foreshock: %w", ErrDamaged)
			}
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), f.Close())
	}
	return s, nil
}

// Next is the next piece; io.EOF after the last. It takes no more memory than the file is
// long, whatever the file says.
func (s *SnapshotReader) Next() ([]byte, error) {
	var f [8]byte
	if err := s.read(f[:]); err != nil {
		return nil, err
	}
	length, last := binary.LittleEndian.Uint32(f[:]), false
	size := int64(length)
	if last = length == lastPiece; last {
		size = 4
	}
	if size > s.left {
		return nil, fmt.Errorf("%s ends early: %w", s.path, ErrDamaged)
	}
	piece := make([]byte, size)
	if err := s.read(piece); err != nil {
		return nil, err
	}
	if f != frame(length, piece) {
		return nil, fmt.Errorf("%s: piece %d has another checksum: %w", s.path, s.pieces, ErrDamaged)
	}
	if last {
		if binary.LittleEndian.Uint32(piece) != s.pieces || s.left > 0 {
			return nil, fmt.Errorf("%s has other pieces than were written: %w", s.path, ErrDamaged)
		}
		return nil, io.EOF
	}
	s.pieces++
	return piece, nil
}

func (s *SnapshotReader) read(into []byte) error {
	n, err := io.ReadFull(s.r, into)
	s.left -= int64(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s ends early: %w", s.path, ErrDamaged)
	}
	return err
}

// Close closes the file.
func (s *SnapshotReader) Close() error { return s.file.Close() }

// Publish gives the directory from, whose files are on the disk, its name, so that it is
// found whole or not at all.
func Publish(fs disk.FS, from, to string) error {
	if err := fs.SyncDir(from); err != nil {
		return err
	}
	if err := fs.Rename(from, to); err != nil {
		return err
	}
	return fs.SyncDir(filepath.Dir(to))
}
