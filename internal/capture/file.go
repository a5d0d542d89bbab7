// Package capture keeps remote-write requests in a file, as they were received, and plays
// them to the receiver again: what a real sender sent, to be looked into later and
// elsewhere.
//
// A capture is the line "foreshock capture 1", and then frames as Prometheus streams remote
// reads: the length as a uvarint, a CRC-32C, big-endian, and as many bytes. Each frame is a
// request as it stands on the wire in HTTP/1.1, with its headers as far as they say what
// the body is, and when it came: credentials are not among them. A frame is in the file
// before its request is acknowledged, and on the disk; what a crash tore at the end is
// passed over, and cut off by who appends.
package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/prometheus/storage/remote"
)

// magic is the first line of a capture. Its number is the version of the format.
const (
	magic   = "foreshock capture "
	version = "1"
	title   = magic + version + "\n"
)

// maxFrame bounds one frame: the largest request a receiver can be told to take, and its
// headers.
const maxFrame = uint64(units.GiB + units.MiB)

// receivedHeader says when a request came, in RFC 3339.
const receivedHeader = "Foreshock-Received"

// kept are the headers that say what a body is and who sent it.
var kept = []string{"Content-Type", "Content-Encoding", "User-Agent", "X-Prometheus-Remote-Write-Version"}

// ErrFull says that a capture has reached its size.
var ErrFull = errors.New("the capture is full")

// File is a capture that is being written. It is safe for concurrent use.
type File struct {
	limit int64 // bytes

	mu     sync.Mutex
	file   *os.File
	size   int64 // of whole frames
	frame  bytes.Buffer
	broken bool
}

// Append opens the capture at path, or begins one, to add to it up to limit bytes in all;
// 0 is no limit. torn is how many bytes a crash had left at its end, which are cut off.
func Append(path string, limit int64) (f *File, torn int64, err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // samples may tell secrets
	if err != nil {
		return nil, 0, err
	}
	f = &File{file: file, limit: limit}
	if torn, err = f.begin(); err != nil {
		return nil, 0, errors.Join(fmt.Errorf("append to %s: %w", path, err), file.Close())
	}
	return f, torn, nil
}

func (f *File) begin() (torn int64, err error) {
	if err := syscall.Flock(int(f.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return 0, errors.New("another process records into it")
	}
	info, err := f.file.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, errors.New("not a regular file")
	}
	if strings.HasPrefix(title, f.head()) { // empty, or torn as it was begun
		if err := f.cut(0); err != nil {
			return 0, err
		}
		f.size = int64(len(title))
		_, err = f.file.WriteAt([]byte(title), 0)
		return 0, errors.Join(err, f.file.Sync())
	}
	r, err := newFrames(io.NewSectionReader(f.file, 0, info.Size()))
	for err == nil {
		_, err = r.next()
	}
	if !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("%w; record into another file", err)
	}
	f.size = r.good
	return info.Size() - r.good, f.cut(r.good)
}

// head is as much of the file as a title would be, or "".
func (f *File) head() string {
	b := make([]byte, len(title))
	n, _ := f.file.ReadAt(b, 0) // what cannot be read is told by who reads on
	if n == len(title) {
		return "\x00" // whole: no beginning of one
	}
	return string(b[:n])
}

// cut ends the file at size.
func (f *File) cut(size int64) error {
	if err := f.file.Truncate(size); err != nil {
		return err
	}
	_, err := f.file.Seek(size, io.SeekStart)
	return err
}

// Size is how many bytes the capture has.
func (f *File) Size() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.size
}

// Add writes a request that was received at that time with that body, and returns when it
// is on the disk. After an error nothing of it is in the file.
func (f *File) Add(r *http.Request, body []byte, received time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	frame, err := f.compose(r, body, received)
	if err != nil {
		return err
	}
	if f.limit > 0 && f.size+int64(len(frame)) > f.limit {
		return ErrFull
	}
	if f.broken { // by an error before
		if err := f.cut(f.size); err != nil {
			return err
		}
	}
	f.broken = true
	if _, err := f.file.WriteAt(frame, f.size); err != nil {
		return err
	}
	if err := f.file.Sync(); err != nil {
		return err
	}
	f.broken = false
	f.size += int64(len(frame))
	return nil
}

// compose writes the request as a frame.
func (f *File) compose(r *http.Request, body []byte, received time.Time) ([]byte, error) {
	message := &http.Request{
		Method: http.MethodPost, URL: r.URL, Host: "foreshock",
		ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
	for _, name := range kept {
		if v := r.Header.Values(name); len(v) > 0 {
			message.Header[name] = v
		}
	}
	message.Header.Set(receivedHeader, received.UTC().Format(time.RFC3339Nano))
	var wire bytes.Buffer
	if err := message.Write(&wire); err != nil {
		return nil, err
	}
	f.frame.Reset()
	_, err := remote.NewChunkedWriter(&f.frame, nil).Write(wire.Bytes())
	return f.frame.Bytes(), err
}

// Close ends the recording.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Close()
}

// frames reads a capture frame by frame.
type frames struct {
	in   *remote.ChunkedReader
	good int64 // bytes up to the end of the last whole frame
}

func newFrames(r io.Reader) (*frames, error) {
	in := bufio.NewReader(r)
	line := make([]byte, len(title))
	if _, err := io.ReadFull(in, line); err != nil {
		return nil, errors.New("not a capture: foreshock record makes them")
	}
	switch text := string(line); {
	case text == title:
	case strings.HasPrefix(text, magic):
		return nil, fmt.Errorf("a capture of format %q was written by a newer foreshock: this one reads %s", text[len(magic):len(text)-1], version)
	default:
		return nil, errors.New("not a capture: foreshock record makes them")
	}
	return &frames{in: remote.NewChunkedReader(in, maxFrame, nil), good: int64(len(title))}, nil
}

// next returns the request of the next frame, or io.EOF at the end of the last whole one.
// Its body is good until the next.
func (f *frames) next() (*http.Request, error) {
	frame, err := f.in.Next()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), err == nil && len(frame) == 0:
		return nil, io.EOF // a file whose end was not written in time may end in zeros
	case err != nil:
		return nil, fmt.Errorf("damaged at byte %d: %w", f.good, err)
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(frame)))
	if err != nil {
		return nil, fmt.Errorf("damaged at byte %d: %w", f.good, err)
	}
	const checksum = 4
	f.good += int64(len(binary.AppendUvarint(nil, uint64(len(frame)))) + checksum + len(frame))
	return r, nil
}
