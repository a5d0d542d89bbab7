package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/foreshock/foreshock/internal/disk"
	"github.com/foreshock/foreshock/internal/disk/faulty"
)

func openQueue(t testing.TB, dir string, o QueueOptions) *Queue {
	t.Helper()
	q, err := OpenQueue(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func closeQueue(t testing.TB, q *Queue) {
	t.Helper()
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
}

// parcel is a record that says which items it stands for, and is heavy.
func parcel(first int64, items int) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, uint64(first)), strings.Repeat("x", 40*items)...)
}

func putItems(t testing.TB, q *Queue, first int64, items int) {
	t.Helper()
	if err := q.Put(parcel(first, items), items, first); err != nil {
		t.Fatal(err)
	}
}

// numbers are the items that the records stand for.
func numbers(records []Record) (all []int64) {
	for _, r := range records {
		first := int64(binary.LittleEndian.Uint64(r.Body))
		for i := range r.Items {
			all = append(all, first+int64(i))
		}
	}
	return all
}

// drain takes all that waits, some at a time.
func drain(t testing.TB, q *Queue) (all []int64) {
	t.Helper()
	for {
		records := q.Take(50)
		if len(records) == 0 {
			return all
		}
		all = append(all, numbers(records)...)
		if err := q.Done(); err != nil {
			t.Fatal(err)
		}
	}
}

// row is the numbers from and before to.
func row(from, to int64) (all []int64) {
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

func TestAQueueGoesOnWhereItEnded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "outbox")
	q := openQueue(t, dir, QueueOptions{Limit: 1 << 20})
	for i := range int64(10) {
		putItems(t, q, i*3, 3)
	}
	if got := numbers(q.Take(7)); !slices.Equal(got, row(0, 6)) {
		t.Errorf("took %v of at most 7", got)
	}
	if err := q.Done(); err != nil {
		t.Fatal(err)
	}
	q.Take(100) // and never done
	if n, at := q.Waiting(), q.Oldest(); n != 24 || at != 6 {
		t.Errorf("%d wait since %d", n, at)
	}
	closeQueue(t, q)

	q = openQueue(t, dir, QueueOptions{Limit: 1 << 20})
	putItems(t, q, 30, 1)
	if n, at := q.Waiting(), q.Oldest(); n != 25 || at != 6 {
		t.Errorf("%d wait since %d", n, at)
	}
	if got := drain(t, q); !slices.Equal(got, row(6, 31)) {
		t.Errorf("after a restart %v", got)
	}
	closeQueue(t, q)

	q = openQueue(t, dir, QueueOptions{Limit: 1 << 20})
	if got := drain(t, q); len(got) > 0 || q.Waiting() != 0 || q.Oldest() != 0 || q.Dropped() != 0 {
		t.Errorf("%v are there again", got)
	}
	putItems(t, q, 31, 2)
	if got := drain(t, q); !slices.Equal(got, row(31, 33)) {
		t.Errorf("then %v", got)
	}
	closeQueue(t, q)
}

// Whatever is put, taken and shed: each item is done, dropped or waits, and what is
// taken is what was not dropped, in order.
func TestAFullQueueDropsItsOldestAndCountsThem(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		q := openQueue(t, dir, QueueOptions{Limit: 4 * leastSegment})
		var next, done, dropped int64
		var got []int64
		for range 2000 {
			switch r.IntN(20) {
			default:
				n := 1 + r.IntN(60)
				putItems(t, q, next, n)
				next += int64(n)
			case 0:
				taken := numbers(q.Take(200))
				if r.IntN(2) == 0 { // the world goes on while it is under way
					putItems(t, q, next, 1500)
					next += 1500
				}
				if r.IntN(5) > 0 {
					got = append(got, taken...)
					done += int64(len(taken))
					if err := q.Done(); err != nil {
						t.Fatal(err)
					}
				}
			case 1:
				if r.IntN(20) == 0 {
					closeQueue(t, q)
					dropped += q.Dropped()
					q = openQueue(t, dir, QueueOptions{Limit: 4 * leastSegment})
				}
			}
			// What was taken and dropped meanwhile is done all the same, or was dropped with
			// nobody to have it: then the next Take says so.
			if waiting := q.Waiting(); waiting < 0 || waiting > next {
				t.Fatalf("seed %d: %d wait", seed, waiting)
			}
			if size := q.Size(); size > 4*leastSegment+1<<18 {
				t.Fatalf("seed %d: %d bytes", seed, size)
			}
		}
		rest := drain(t, q)
		got, done = append(got, rest...), done+int64(len(rest))
		dropped += q.Dropped()
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("seed %d: out of order, or twice", seed)
		}
		if done+dropped != next || dropped == 0 {
			t.Errorf("seed %d: %d put, %d done and %d dropped: %d are not accounted for", seed, next, done, dropped, next-done-dropped)
		}
		closeQueue(t, q)
	}
}

// Whichever file of a queue is damaged, the rest is there, and what is not is counted.
func TestDamageToAQueue(t *testing.T) {
	source := t.TempDir()
	q := openQueue(t, source, QueueOptions{Limit: 1 << 20})
	q.stream.opts.SegmentSize = 500
	for i := range int64(20) {
		putItems(t, q, i*3, 3)
	}
	q.Take(6)
	if err := q.Done(); err != nil {
		t.Fatal(err)
	}
	closeQueue(t, q)
	files, err := filepath.Glob(filepath.Join(source, "*"))
	if err != nil || len(files) < 6 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(file)
		if base == "lock" {
			continue
		}
		for at := 0; at <= len(whole); at += 31 { // every byte would take minutes
			flipped := slices.Clone(whole)
			if at < len(whole) {
				flipped[at] ^= 1 << (at % 8)
			}
			for kind, damaged := range map[string][]byte{"cut": whole[:at], "flipped": flipped, "gone": nil} {
				if kind == "gone" && at > 0 || kind == "flipped" && at == len(whole) {
					continue
				}
				dir := t.TempDir()
				if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, base), damaged, 0o600); err != nil {
					t.Fatal(err)
				}
				if kind == "gone" {
					if err := os.Remove(filepath.Join(dir, base)); err != nil {
						t.Fatal(err)
					}
				}
				q := openQueue(t, dir, QueueOptions{Limit: 1 << 20, FS: faulty.Unsynced{}})
				putItems(t, q, 60, 1)
				got := drain(t, q)
				if kept := slices.DeleteFunc(slices.Clone(got), func(n int64) bool { return n < 6 }); !slices.IsSorted(got) ||
					len(kept) < 55-21 || kept[len(kept)-1] != 60 {
					t.Fatalf("%s %s at %d: %v is there", base, kind, at, got)
				}
				lost := int64(61-6) - int64(len(slices.DeleteFunc(slices.Clone(got), func(n int64) bool { return n < 6 })))
				last := base == filepath.Base(files[len(files)-3]) // its end was promised to nobody
				if q.Dropped() != lost && !last {
					t.Fatalf("%s %s at %d: %d are lost, %d are said to be", base, kind, at, lost, q.Dropped())
				}
				closeQueue(t, q)
			}
		}
	}
}

// A disk that is full takes nothing, and what waits goes on to be taken; then there is
// room again.
func TestAQueueOnAFullDisk(t *testing.T) {
	disk := &faulty.Breaking{FS: disk.OS{}}
	q := openQueue(t, t.TempDir(), QueueOptions{Limit: 1 << 20, FS: disk})
	putItems(t, q, 0, 5)
	disk.Break(syscall.ENOSPC)
	if err := q.Put(parcel(5, 5), 5, 0); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("put on a full disk: %v", err)
	}
	if got := numbers(q.Take(100)); !slices.Equal(got, row(0, 5)) {
		t.Errorf("took %v", got)
	}
	if err := q.Done(); err == nil {
		t.Error("nobody says that the cursor is not saved")
	}
	disk.Mend()
	putItems(t, q, 5, 5)
	if got := drain(t, q); !slices.Equal(got, row(5, 10)) {
		t.Errorf("then %v", got)
	}
	closeQueue(t, q)
}

// The process is killed, or the power is cut, at any call to the file system. What was put
// is there until it is done, and what was done is not there again.
func TestAQueueAtEveryCrash(t *testing.T) {
	type (
		putTo    int64
		doneTo   int64
		syncedTo int64
	)
	most, err := faulty.Points(100)
	if err != nil {
		t.Fatal(err)
	}
	points := 0
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 2))
		root := t.TempDir()
		recorder := faulty.NewRecorder(root)
		dir := filepath.Join(root, "outbox")
		q := openQueue(t, dir, QueueOptions{Limit: 1 << 20, FS: recorder})
		q.stream.opts.SegmentSize = 2000
		var next, done int64
		for range 120 {
			switch r.IntN(4) {
			default:
				n := 1 + r.IntN(8)
				putItems(t, q, next, n)
				next += int64(n)
				recorder.Note(putTo(next))
			case 0:
				taken := numbers(q.Take(15))
				if err := q.Done(); err != nil {
					t.Fatal(err)
				}
				if len(taken) > 0 {
					done = taken[len(taken)-1] + 1
				}
				recorder.Note(doneTo(done))
			case 1:
				if err := q.stream.sync(q.stream.latest()); err != nil {
					t.Fatal(err)
				}
				recorder.Note(syncedTo(next))
			}
		}
		recorder.Sampled(most/4, func(m faulty.Moment) {
			points++
			var put, done, synced int64
			for _, n := range m.Notes {
				switch n := n.(type) {
				case putTo:
					put = int64(n)
				case doneTo:
					done = int64(n)
				case syncedTo:
					synced = int64(n)
				}
			}
			for how, made := range map[string]func(string, uint64) error{"killed": m.Killed, "power cut": m.PowerLost} {
				after := t.TempDir()
				if err := made(after, seed); err != nil {
					t.Fatal(err)
				}
				q := openQueue(t, filepath.Join(after, "outbox"), QueueOptions{Limit: 1 << 20, FS: faulty.Unsynced{}})
				got := drain(t, q)
				// The record and the Done after the last ones noted were under way. A cursor
				// that a power cut took has more taken again, and of what the disk did not
				// have yet any may be there.
				kept := put
				if how == "power cut" {
					kept = synced
				}
				first := max(kept, done)
				if len(got) > 0 {
					first = got[0]
				}
				certain := row(first, max(kept, first))
				if !slices.IsSorted(got) || len(got) < len(certain) || !slices.Equal(got[:len(certain)], certain) ||
					first > done+15 || how == "killed" && (first < done || !slices.Equal(got, row(first, first+int64(len(got))))) {
					t.Fatalf("seed %d, %s after call %d: done up to %d, put up to %d, synced up to %d: %v", seed, how, m.N, done, put, synced, got)
				}
				if how == "killed" && q.Dropped() > 0 {
					t.Fatalf("seed %d, %s after call %d: %d are said to be lost", seed, how, m.N, q.Dropped())
				}
				closeQueue(t, q)
				_ = os.RemoveAll(after)
			}
		})
		closeQueue(t, q)
	}
	t.Logf("%d points, each killed and without power", points)
	if points < most {
		t.Errorf("only %d points", points)
	}
}

// What a newer version wrote is refused as it is; what only looks like it is damage.
func TestANewerQueueIsRefused(t *testing.T) {
	dir := t.TempDir()
	line := "foreshock stream 2"
	newer := fmt.Sprintf("%s %08x\nwhatever", line, checksum(line))
	if err := os.WriteFile(filepath.Join(dir, "00000001.stream"), []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenQueue(dir, QueueOptions{Limit: 1 << 20}); !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "00000001.stream has format 2 and was written by a newer foreshock: this one reads up to 1") {
		t.Errorf("a newer one: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "00000001.stream")); err != nil || string(text) != newer {
		t.Errorf("it was changed: %q, %v", text, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "00000001.stream"), []byte("foreshock stream 3\nwhatever"), 0o600); err != nil {
		t.Fatal(err)
	}
	q := openQueue(t, dir, QueueOptions{Limit: 1 << 20})
	closeQueue(t, q)

	path := filepath.Join(dir, "part")
	line = "foreshock snapshot 12"
	if err := os.WriteFile(path, fmt.Appendf(nil, "%s %08x\nwhatever", line, checksum(line)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSnapshot(disk.OS{}, path); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer snapshot: %v", err)
	}
	if _, err := OpenSnapshot(disk.OS{}, path+"s"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}
