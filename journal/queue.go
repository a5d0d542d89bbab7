package journal

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/foreshock/foreshock/internal/disk"
)

// A record of a queue begins with what it stands for: the number of its first item, how
// many there are, and when they were put, in ms. Numbers go on for ever, so that whatever
// is lost, a gap says how much.
const queueHead = 8 + 4 + 8

// A queue's cursor is where the first item stands that was not done: segment, offset,
// number, and the CRC-32C of the three. It is written to two places in turn, a sector
// each, so that one that was torn leaves the other.
const (
	cursorFile   = "cursor"
	cursorSize   = 8 + 8 + 8 + 4
	cursorPlaces = 2
	sector       = 512
)

const (
	// queueSegments is into how many segments the limit is divided: what goes at once when
	// it is reached.
	queueSegments = 16
	// leastSegment bounds how many files a small queue has, in bytes.
	leastSegment = 64 << 10
	// restful is how much of what was done may lie about while nothing waits, in bytes.
	restful = 1 << 20
)

// QueueOptions are a queue's needs.
type QueueOptions struct {
	// Limit is how many bytes it may take. Beyond it the oldest items go, and are counted.
	Limit  int64
	FS     disk.FS // nil means that of the operating system
	Logger *slog.Logger
}

// Queue is a first-in, first-out on disk. What Put took is there after kill -9, and all
// but the last second after power loss, until Done; what was taken and not done is taken
// again. It is safe for concurrent use, by one who takes.
type Queue struct {
	stream  *Stream
	fs      disk.FS
	logger  *slog.Logger
	changed chan struct{}

	mu      sync.Mutex
	firsts  map[int]int64 // number of the first item in each segment, as far as known
	next    int64         // number of the next item put
	at      position      // of the first item that is not done
	taken   position      // of the first item after those taken, unless behind at
	shedded int64         // items of those taken that are no longer there to be taken again
	dropped int64         // items
	cursor  disk.File
	saves   int64     // of the cursor
	reader  disk.File // of segment reading
	reading int
	record  []byte
}

// position is one before a record.
type position struct {
	segment int
	offset  int64
	number  int64
}

// Record is what was put at once.
type Record struct {
	Body  []byte
	Items int
}

// OpenQueue opens the queue in dir, or creates it. It refuses a directory that another
// process holds, and what a newer version wrote.
func OpenQueue(dir string, o QueueOptions) (*Queue, error) {
	if o.FS == nil {
		o.FS = disk.OS{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	q := &Queue{fs: o.FS, logger: o.Logger, changed: make(chan struct{}, 1), firsts: map[int]int64{}, reading: -1}
	s, err := OpenStream(dir, StreamOptions{
		Limit: o.Limit, SegmentSize: max(min(streamSegment, o.Limit/queueSegments), leastSegment),
		Shed: q.shed, FS: o.FS, Logger: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	q.stream = s
	if err := q.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open queue %s: %w", dir, err), s.Close())
	}
	return q, nil
}

// open finds out where the queue begins and ends.
func (q *Queue) open() error {
	for _, f := range q.stream.old {
		// Of the last record only what is whole counts: the rest was promised to nobody.
		numbered := false
		_, _ = q.stream.replay(f, func(record []byte) error {
			if len(record) >= queueHead {
				number, items, _ := head(record)
				if !numbered {
					q.firsts[f.index], numbered = number, true
				}
				q.next = max(q.next, number+items)
			}
			if f.index != q.stream.index {
				return io.EOF // the first is enough
			}
			return nil
		})
	}
	if last := q.stream.index; len(q.stream.old) > 1 {
		if _, known := q.firsts[last]; !known {
			q.measure()
		}
	}
	cursor := filepath.Join(q.stream.dir, cursorFile)
	file, err := q.fs.OpenFile(cursor, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	q.cursor = file
	if at, ok := readCursor(file); ok {
		q.at = at
	} else if old := q.stream.old; len(old) > 0 {
		q.logger.Warn("the cursor of the queue cannot be read: all that is left of it is taken again", "file", cursor)
		q.at = position{segment: old[0].index, number: q.next}
		for _, number := range q.firsts {
			q.at.number = min(q.at.number, number)
		}
	}
	q.next = max(q.next, q.at.number)
	q.stream.index = max(q.stream.index, q.at.segment)
	if old := q.stream.old; len(old) > 0 && q.at.segment < old[0].index {
		q.at = position{segment: old[0].index, number: q.at.number}
	}
	_ = q.save() // for a disk that is full later to have its place
	return q.fs.SyncDir(q.stream.dir)
}

// readCursor is the cursor that was saved last.
func readCursor(file disk.File) (at position, ok bool) {
	for place := range int64(cursorPlaces) {
		b := make([]byte, cursorSize)
		if _, err := file.ReadAt(b, place*sector); err != nil || binary.LittleEndian.Uint32(b[24:]) != crc32.Checksum(b[:24], castagnoli) {
			continue
		}
		p := position{int(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:])), int64(binary.LittleEndian.Uint64(b[16:]))}
		if !ok || cmp.Or(cmp.Compare(p.number, at.number), cmp.Compare(p.segment, at.segment)) > 0 {
			at, ok = p, true
		}
	}
	return at, ok
}

// measure finds the last item where the last segment does not have it.
func (q *Queue) measure() {
	for _, f := range slices.Backward(q.stream.old) {
		_, _ = q.stream.replay(f, func(record []byte) error {
			if len(record) >= queueHead {
				number, items, _ := head(record)
				q.next = max(q.next, number+items)
			}
			return nil
		})
		if _, known := q.firsts[f.index]; known {
			return
		}
	}
}

// head is what a record stands for: its first item's number, how many, since when.
func head(record []byte) (number, items, at int64) {
	return int64(binary.LittleEndian.Uint64(record)), int64(binary.LittleEndian.Uint32(record[8:])), int64(binary.LittleEndian.Uint64(record[12:]))
}

// Put appends a record that stands for so many items, put at that time in ms. After an
// error it is not in the queue.
func (q *Queue) Put(body []byte, items int, at int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	var h [queueHead]byte
	binary.LittleEndian.PutUint64(h[:], uint64(q.next))
	binary.LittleEndian.PutUint32(h[8:], uint32(items))
	binary.LittleEndian.PutUint64(h[12:], uint64(at))
	if _, err := q.stream.Append(h[:], body); err != nil {
		return err
	}
	segment, _ := q.stream.growing()
	if _, known := q.firsts[segment]; !known {
		q.firsts[segment] = q.next
	}
	q.next += int64(items)
	q.signal()
	return nil
}

// Changed holds a token after Put.
func (q *Queue) Changed() <-chan struct{} { return q.changed }

func (q *Queue) signal() {
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

// shed counts what goes with a segment; Append calls it under Put.
func (q *Queue) shed(segment int, bytes int64) {
	delete(q.firsts, segment)
	if q.reading == segment {
		q.closeReader() // or it would keep its room
	}
	if segment < q.at.segment {
		return
	}
	// What was taken is not lost as long as whoever took it has it.
	from, to := max(q.at.number, q.taken.number), q.next
	for index, number := range q.firsts {
		if index > segment {
			to = min(to, number)
		}
	}
	q.shedded += max(min(q.taken.number, to)-q.at.number, 0)
	q.dropped += max(to-from, 0)
	q.logger.Warn("the queue is full: its oldest items are dropped", "items", max(to-from, 0), "bytes", bytes)
	q.at = position{segment: segment + 1, number: max(q.at.number, to)}
	_ = q.save() // tried again at the next Done
}

// Take returns the oldest records that are not done: as many as have together up to that
// many items, and one at least, or none where nothing waits. They are the caller's. What
// cannot be read any more is dropped.
func (q *Queue) Take(items int) (taken []Record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropped, q.shedded = q.dropped+q.shedded, 0 // whoever took them did not have them done
	total, p := 0, q.at
	for total < items || len(taken) == 0 {
		record, start, damage := q.read(p)
		number, n := q.next, int64(0)
		if record != nil {
			number, n, _ = head(record)
		}
		if len(taken) > 0 && (record == nil || number > p.number || total+int(n) > items) {
			break // what is behind a gap is for the next time
		}
		if number > p.number {
			q.logger.Error("what waited cannot be read any more: it is dropped", "items", number-p.number, "segment", p.segment, "err", damage)
			q.dropped += number - p.number
		}
		if start.number = number; len(taken) == 0 {
			q.at = start
		}
		if p = start; record == nil {
			break
		}
		taken = append(taken, Record{slices.Clone(record[queueHead:]), int(n)})
		p.offset += 8 + int64(len(record))
		p.number += n
		total += int(n)
	}
	q.taken = p
	return taken
}

// read is the record at p or, where that is damaged, the first one of a segment behind it,
// and where it stands: its number, or that of whatever comes next where there is none,
// tells what was lost between.
func (q *Queue) read(p position) (record []byte, start position, damage error) {
	for {
		p.offset = max(p.offset, int64(len(streamHeader)))
		size, grows, there := q.stream.extent(p.segment)
		switch {
		case there && p.offset < size:
			record, err := q.readAt(p.segment, p.offset, size)
			if err == nil {
				return record, p, damage
			}
			damage = err
			if grows {
				q.stream.Cut() // what is put next must not stand behind it
			}
		case grows:
			return nil, p, damage // nothing waits yet
		}
		next, ok := q.stream.after(p.segment)
		if !ok {
			if there {
				p.segment, p.offset = p.segment+1, 0
			}
			return nil, p, damage
		}
		p.segment, p.offset = next, 0
	}
}

// readAt is the record at the offset of the segment, which has that size.
func (q *Queue) readAt(segment int, offset, size int64) ([]byte, error) {
	if offset >= size {
		return nil, io.EOF
	}
	if q.reading != segment {
		q.closeReader()
		file, err := disk.Open(q.fs, q.stream.path(segment))
		if err != nil {
			return nil, err
		}
		q.reader, q.reading = file, segment
	}
	begin := make([]byte, len(streamHeader))
	if _, err := q.reader.ReadAt(begin, 0); err != nil || string(begin) != streamHeader {
		return nil, fmt.Errorf("not a segment: %w", ErrDamaged)
	}
	var f [8]byte
	if _, err := q.reader.ReadAt(f[:], offset); err != nil {
		return nil, fmt.Errorf("half a record: %w", ErrDamaged)
	}
	length := int64(binary.LittleEndian.Uint32(f[:]))
	if length > size-offset-8 || length < queueHead {
		return nil, fmt.Errorf("record of %d bytes: %w", length, ErrDamaged)
	}
	q.record = slices.Grow(q.record[:0], int(length))[:length]
	if _, err := q.reader.ReadAt(q.record, offset+8); err != nil || f != frame(uint32(length), q.record) {
		return nil, fmt.Errorf("record has another checksum: %w", ErrDamaged)
	}
	return q.record, nil
}

func (q *Queue) closeReader() {
	if q.reader != nil {
		_ = q.reader.Close() // it was only read
	}
	q.reader, q.reading = nil, -1
}

// Done says that what was taken is done: it will not be taken again. After an error it
// may be, after a restart.
func (q *Queue) Done() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shedded = 0; q.taken.segment >= q.at.segment {
		q.at = q.taken
	}
	if size, last, _ := q.stream.extent(q.at.segment); last && q.at.number == q.next && size >= restful {
		q.at = position{segment: q.stream.Cut(), number: q.next}
	}
	err := q.save()
	q.stream.Drop(q.at.segment)
	if q.reading < q.at.segment {
		q.closeReader()
	}
	for index := range q.firsts {
		if index < q.at.segment {
			delete(q.firsts, index)
		}
	}
	return err
}

// save writes the cursor down.
func (q *Queue) save() error {
	b := make([]byte, cursorSize)
	binary.LittleEndian.PutUint64(b, uint64(q.at.segment))
	binary.LittleEndian.PutUint64(b[8:], uint64(q.at.offset))
	binary.LittleEndian.PutUint64(b[16:], uint64(q.at.number))
	binary.LittleEndian.PutUint32(b[24:], crc32.Checksum(b[:24], castagnoli))
	q.saves++
	if _, err := q.cursor.WriteAt(b, q.saves%cursorPlaces*sector); err != nil {
		return fmt.Errorf("save the cursor of queue %s: %w", q.stream.dir, err)
	}
	return nil
}

// Waiting is how many items are not done.
func (q *Queue) Waiting() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.next - q.at.number
}

// Dropped is how many items were lost since the queue was opened: for the limit, or
// because they could not be read.
func (q *Queue) Dropped() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// Size is how many bytes the queue takes on disk.
func (q *Queue) Size() int64 { return q.stream.Size() }

// Oldest is when the first of those that are not done was put, in ms; 0 where there is
// none.
func (q *Queue) Oldest() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	size, _, _ := q.stream.extent(q.at.segment)
	record, err := q.readAt(q.at.segment, max(q.at.offset, int64(len(streamHeader))), size)
	if err != nil {
		return 0
	}
	_, _, at := head(record)
	return at
}

// Close makes the queue durable and lets another process have it.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closeReader()
	q.dropped, q.shedded = q.dropped+q.shedded, 0
	return errors.Join(q.cursor.Sync(), q.cursor.Close(), q.stream.Close())
}
