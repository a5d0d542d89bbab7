package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/tsdb/fileutil"

	"github.com/foreshock/foreshock/internal/disk"
)

// A segment of a stream is streamHeader, then records, framed as the pieces of a
// snapshot are.
const (
	streamHeader = "foreshock stream 1\n"
	streamSuffix = ".stream"

	// streamSegment is where a new segment begins, in bytes: a minute or so of a busy
	// process, so that a checkpoint soon lets go of what it covers.
	streamSegment = 64 << 20

	// syncEvery is how often a stream is made durable that does not wait for it: what a
	// power cut may take.
	syncEvery = time.Second
)

// StreamOptions are a stream's needs.
type StreamOptions struct {
	Name string // the value of the label journal on the metrics; "" means the directory's own name
	// Limit is how many bytes the segments may take together. Beyond it the oldest goes, and
	// is counted. 0 is any number.
	Limit int64
	// Always has Wait wait for the disk; else the stream is made durable once a second.
	Always      bool
	SegmentSize int64 // 0 means streamSegment
	// Shed is told of each segment that goes for the limit, and must not use the Stream.
	Shed       func(segment int, bytes int64)
	FS         disk.FS // nil means that of the operating system
	Registerer prometheus.Registerer
	Logger     *slog.Logger
}

// Stream is a log of what is worth keeping only until something else covers it. What
// Append took is there after kill -9; what Wait waited for, if Always, after power loss as
// well, else all but the last second. It is safe for concurrent use.
//
// Segments are dropped whole: by Drop, once they are covered, or the oldest where the
// limit is reached. A record that is damaged costs what follows in its segment.
type Stream struct {
	dir     string
	opts    StreamOptions
	logger  *slog.Logger
	metrics *streamMetrics
	lock    fileutil.Releaser
	ended   chan struct{}
	stop    chan struct{}

	mu     sync.Mutex
	old    []streamFile // oldest first
	index  int          // of the segment that grows
	file   disk.File    // nil after a failure, until the next record
	size   int64        // of it
	total  int64        // of all
	ticket int64        // of the latest record
	buf    []byte
	closed bool

	syncing sync.Mutex  // held while the disk is waited for
	synced  int64       // the latest record that is durable
	unsaved []disk.File // segments that ended since; mu is held
}

type streamFile struct {
	index int
	size  int64
}

// OpenStream opens the stream in dir, or creates it. It refuses a directory that another
// process holds.
func OpenStream(dir string, o StreamOptions) (*Stream, error) {
	if o.Name == "" {
		o.Name = filepath.Base(dir)
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = streamSegment
	}
	if o.FS == nil {
		o.FS = disk.OS{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Stream{
		dir: dir, opts: o, logger: o.Logger.With("journal", o.Name),
		ended: make(chan struct{}), stop: make(chan struct{}),
	}
	s.metrics = newStreamMetrics(prometheus.WrapRegistererWith(prometheus.Labels{"journal": o.Name}, o.Registerer), s)
	if err := s.open(); err != nil {
		if s.lock != nil {
			err = errors.Join(err, s.lock.Release())
		}
		return nil, fmt.Errorf("open journal %s: %w", dir, err)
	}
	go s.run()
	return s, nil
}

func (s *Stream) open() (err error) {
	if err := disk.MakeDir(s.opts.FS, s.dir, 0o700); err != nil {
		return err
	}
	if s.lock, err = lockDir(s.dir); err != nil {
		return err
	}
	if s.old, err = streamFiles(s.opts.FS, s.dir); err != nil {
		return err
	}
	for _, f := range s.old {
		if err := s.recognise(f); err != nil {
			return err
		}
		s.total += f.size
		s.index = f.index
	}
	return nil
}

// streamFiles are the segments in dir, oldest first.
func streamFiles(fs disk.FS, dir string) ([]streamFile, error) {
	entries, err := fs.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []streamFile
	for _, e := range entries {
		name, is := cutSuffix(e.Name())
		index, err := strconv.Atoi(name)
		if !is || err != nil || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		files = append(files, streamFile{index, info.Size()})
	}
	slices.SortFunc(files, func(a, b streamFile) int { return a.index - b.index })
	return files, nil
}

// recognise refuses a segment that a newer version wrote.
func (s *Stream) recognise(of streamFile) error {
	file, err := disk.Open(s.opts.FS, s.path(of.index))
	if err != nil {
		return nil // Replay says so
	}
	defer file.Close()
	return refuseNewer(s.path(of.index), file, streamHeader)
}

func cutSuffix(name string) (string, bool) {
	n := len(name) - len(streamSuffix)
	if n <= 0 || name[n:] != streamSuffix {
		return "", false
	}
	return name[:n], true
}

func (s *Stream) path(index int) string {
	return filepath.Join(s.dir, fmt.Sprintf("%08d%s", index, streamSuffix))
}

// run makes the stream durable once a second.
func (s *Stream) run() {
	defer close(s.ended)
	t := time.NewTicker(syncEvery)
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-t.C:
			if !s.opts.Always {
				_ = s.sync(s.latest()) // counted there
			}
		}
	}
}

func (s *Stream) latest() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ticket
}

// Append writes a record, which is what the parts are in a row, and returns a ticket to
// wait for it. After an error the record is not in the stream, and the next one is tried
// anew.
func (s *Stream) Append(parts ...[]byte) (ticket int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, errClosed
	}
	s.metrics.appends.Inc()
	if err := s.append(parts); err != nil {
		s.metrics.failures.Inc()
		return 0, fmt.Errorf("append to journal %s: %w", s.dir, err)
	}
	s.ticket++
	return s.ticket, nil
}

func (s *Stream) append(parts [][]byte) error {
	s.buf = append(s.buf[:0], 0, 0, 0, 0, 0, 0, 0, 0) // the frame
	for _, p := range parts {
		s.buf = append(s.buf, p...)
	}
	if len(s.buf) > maxPiece {
		return fmt.Errorf("record of %d bytes, more than %d", len(s.buf), maxPiece)
	}
	f := frame(uint32(len(s.buf)-8), s.buf[8:])
	copy(s.buf, f[:])
	if s.file != nil && s.size >= s.opts.SegmentSize {
		s.end()
	}
	if s.file == nil {
		if err := s.begin(); err != nil {
			return err
		}
	}
	s.shed(int64(len(s.buf)))
	n, err := s.file.Write(s.buf)
	if err != nil {
		// Half a record would hide those behind it.
		if e := s.file.Truncate(s.size); e != nil {
			s.size, s.total = s.size+int64(n), s.total+int64(n)
			s.end()
		} else if _, e := s.file.Seek(s.size, io.SeekStart); e != nil {
			s.end()
		}
		return err
	}
	s.size += int64(len(s.buf))
	s.total += int64(len(s.buf))
	s.metrics.bytes.Add(float64(len(s.buf)))
	return nil
}

// begin begins a segment.
func (s *Stream) begin() error {
	f, err := s.opts.FS.OpenFile(s.path(s.index+1), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(f, streamHeader); err != nil {
		return errors.Join(err, f.Close(), s.opts.FS.Remove(s.path(s.index+1)))
	}
	s.index++
	s.file, s.size = f, int64(len(streamHeader))
	s.total += s.size
	return nil
}

// end ends the segment that grows.
func (s *Stream) end() {
	s.unsaved = append(s.unsaved, s.file)
	s.old = append(s.old, streamFile{s.index, s.size})
	s.file, s.size = nil, 0
}

// shed makes room for so many bytes by the oldest segments.
func (s *Stream) shed(bytes int64) {
	for s.opts.Limit > 0 && s.total+bytes > s.opts.Limit && len(s.old) > 0 {
		oldest := s.old[0]
		s.remove(1)
		s.metrics.dropped.Add(float64(oldest.size))
		if s.opts.Shed != nil {
			s.opts.Shed(oldest.index, oldest.size)
		}
	}
}

// remove removes the n oldest segments.
func (s *Stream) remove(n int) {
	for _, f := range s.old[:n] {
		s.total -= f.size
		if err := s.opts.FS.Remove(s.path(f.index)); err != nil {
			s.logger.Warn("a segment could not be removed", "err", err)
		}
	}
	s.old = slices.Delete(s.old, 0, n)
}

// Cut begins a new segment and returns its number: what was appended before is in those
// before it.
func (s *Stream) Cut() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		s.end()
	}
	return s.index + 1
}

// Drop removes the segments before the one with that number.
func (s *Stream) Drop(before int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(s.old) && s.old[n].index < before {
		n++
	}
	s.remove(n)
}

// growing is the segment that records go to, and how long it is.
func (s *Stream) growing() (segment int, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index, s.size
}

// extent is how long the segment is, whether it grows, and whether it is there.
func (s *Stream) extent(segment int) (size int64, grows, there bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil && segment == s.index {
		return s.size, true, true
	}
	for _, f := range s.old {
		if f.index == segment {
			return f.size, false, true
		}
	}
	return 0, false, false
}

// after is the segment behind that one.
func (s *Stream) after(segment int) (next int, there bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.old {
		if f.index > segment {
			return f.index, true
		}
	}
	return s.index, s.file != nil && s.index > segment
}

// Size is how many bytes all segments take.
func (s *Stream) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// Wait returns when the record with that ticket is as durable as was asked for. Those who
// wait together wait for one fsync.
func (s *Stream) Wait(ticket int64) error {
	if !s.opts.Always {
		return nil
	}
	return s.sync(ticket)
}

func (s *Stream) sync(ticket int64) error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	if s.synced >= ticket {
		return nil // by whoever was first
	}
	s.mu.Lock()
	upTo, file, ended := s.ticket, s.file, s.unsaved
	s.unsaved = nil
	s.mu.Unlock()
	began := time.Now()
	var err error
	for _, f := range ended {
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if file != nil {
		err = errors.Join(err, file.Sync()) // only here are files closed
	}
	err = errors.Join(err, s.opts.FS.SyncDir(s.dir))
	s.metrics.seconds.Observe(time.Since(began).Seconds())
	if err != nil {
		s.metrics.failures.Inc()
		s.mu.Lock()
		if file != nil && s.file == file {
			s.end() // the next fsync of it might succeed without what this one lost
		}
		s.mu.Unlock()
		return fmt.Errorf("sync journal %s: %w", s.dir, err)
	}
	s.synced = upTo
	return nil
}

// Replay calls f with every record of the segments from the one with that number, oldest
// first, until f returns an error, which it returns. The record is f's only until it
// returns. What is damaged is left out, counted and said. Nothing may be appended
// meanwhile.
func (s *Stream) Replay(from int, f func(record []byte) error) error {
	for i, file := range s.old {
		if file.index < from {
			continue
		}
		good, err := s.replay(file, f)
		if errors.Is(err, ErrDamaged) {
			if lost := file.size - good; lost > 0 {
				s.metrics.lost.Add(float64(lost))
				// The last one may end in half a record, which nobody was promised.
				s.logger.Warn("segment is damaged, or ends in what was being written: the rest of it is left out",
					"file", s.path(file.index), "offset", good, "lost_bytes", lost, "last", i == len(s.old)-1, "err", err)
			}
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// replay reads one segment, and returns up to where it is good.
func (s *Stream) replay(of streamFile, f func(record []byte) error) (good int64, err error) {
	file, err := disk.Open(s.opts.FS, s.path(of.index))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	defer file.Close()
	return readStream(bufio.NewReaderSize(file, 1<<20), of.size, f)
}

func readStream(r io.Reader, size int64, f func(record []byte) error) (good int64, err error) {
	begin := make([]byte, len(streamHeader))
	if _, err := io.ReadFull(r, begin); err != nil || string(begin) != streamHeader {
		return 0, fmt.Errorf("not a segment of this version of foreshock: %w", ErrDamaged)
	}
	good = int64(len(streamHeader))
	var record []byte
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); errors.Is(err, io.EOF) {
			return good, nil
		} else if err != nil {
			return good, fmt.Errorf("half a record: %w", ErrDamaged)
		}
		length := binary.LittleEndian.Uint32(head[:])
		if int64(length) > size-good-8 {
			return good, fmt.Errorf("record of %d bytes is cut off: %w", length, ErrDamaged)
		}
		record = slices.Grow(record[:0], int(length))[:length]
		if _, err := io.ReadFull(r, record); err != nil || head != frame(length, record) {
			return good, fmt.Errorf("record has another checksum: %w", ErrDamaged)
		}
		if err := f(record); err != nil {
			return good, err
		}
		good += 8 + int64(length)
	}
}

// Close makes the stream durable and lets another process have it. Closing twice is
// harmless.
func (s *Stream) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	if s.file != nil {
		s.end()
	}
	s.mu.Unlock()
	close(s.stop)
	<-s.ended
	s.syncing.Lock()
	s.synced = -1
	s.syncing.Unlock()
	return errors.Join(s.sync(0), s.lock.Release())
}
