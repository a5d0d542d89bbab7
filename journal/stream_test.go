package journal

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/foreshock/foreshock/internal/disk"
)

func openStream(t testing.TB, dir string, o StreamOptions) *Stream {
	t.Helper()
	s, err := OpenStream(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func replayed(t *testing.T, s *Stream, from int) (records []string) {
	t.Helper()
	if err := s.Replay(from, func(r []byte) error {
		records = append(records, string(r))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return records
}

func put(t *testing.T, s *Stream, records ...string) {
	t.Helper()
	for _, r := range records {
		ticket, err := s.Append([]byte(r[:1]), []byte(r[1:]))
		if err == nil {
			err = s.Wait(ticket)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestAStreamIsReplayedFromACut(t *testing.T) {
	for _, always := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "ingest")
		s := openStream(t, dir, StreamOptions{Always: always})
		put(t, s, "one", "two")
		cut := s.Cut()
		put(t, s, "three")
		if _, err := OpenStream(dir, StreamOptions{}); err == nil || !strings.Contains(err.Error(), "in use by process") {
			t.Errorf("a second process was let in: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStream(t, dir, StreamOptions{})
		want(t, replayed(t, s, 0), "one", "two", "three")
		want(t, replayed(t, s, cut), "three")
		s.Drop(cut)
		want(t, replayed(t, s, 0), "three")
		put(t, s, "four")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		want(t, replayed(t, openStream(t, dir, StreamOptions{}), 0), "three", "four")
	}
}

// The disk has an end: what is oldest goes first, and is counted.
func TestAFullStreamDropsItsOldest(t *testing.T) {
	dir := t.TempDir()
	s := openStream(t, dir, StreamOptions{SegmentSize: 1000, Limit: 5000})
	for range 100 {
		put(t, s, strings.Repeat("x", 300))
	}
	if s.Size() > 5000 {
		t.Errorf("%d bytes, more than the limit", s.Size())
	}
	if testutil.ToFloat64(s.metrics.dropped) == 0 {
		t.Error("what was dropped is not counted")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(replayed(t, openStream(t, dir, StreamOptions{}), 0)); n < 8 || n > 16 {
		t.Errorf("%d records of 300 bytes are left of 5000", n)
	}
}

// A disk that fails and recovers costs the records that met it, and none after them.
func TestAStreamRecoversFromItsDisk(t *testing.T) {
	dir := t.TempDir()
	s := openStream(t, dir, StreamOptions{Always: true})
	put(t, s, "one")
	if err := s.file.Close(); err != nil { // whatever is written now fails
		t.Fatal(err)
	}
	if _, err := s.Append([]byte("lost")); err == nil {
		t.Fatal("a record was taken that cannot be there")
	}
	if testutil.ToFloat64(s.metrics.failures) == 0 {
		t.Error("the failure is not counted")
	}
	ticket, err := s.Append([]byte("two"))
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Wait(ticket) // the file that failed cannot be made durable
	put(t, s, "three")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, replayed(t, openStream(t, dir, StreamOptions{}), 0), "one", "two", "three")
}

// Those who wait for the disk wait together, and each for what it wrote.
func TestManyWaitForOneSync(t *testing.T) {
	s := openStream(t, t.TempDir(), StreamOptions{Always: true, SegmentSize: 500})
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 20 {
				ticket, err := s.Append([]byte("record"))
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.Wait(ticket); err != nil {
					t.Error(err)
				}
				s.syncing.Lock()
				if s.synced < ticket {
					t.Errorf("%d is not durable, only up to %d", ticket, s.synced)
				}
				s.syncing.Unlock()
			}
		})
	}
	all.Wait()
}

// Whichever bit flips and wherever the file ends, what stands before is there, and what
// is in other segments.
func TestDamageToAStream(t *testing.T) {
	source := t.TempDir()
	s := openStream(t, source, StreamOptions{})
	put(t, s, "one", "two", "three")
	s.Cut()
	put(t, s, "four")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	first := s.path(1)
	whole, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	full := []string{"one", "two", "three", "four"}
	check := func(damaged []byte) {
		t.Helper()
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(first)), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		s := openStream(t, dir, StreamOptions{})
		got := replayed(t, s, 0)
		if len(got) == 0 || got[len(got)-1] != "four" || !slices.Equal(got[:len(got)-1], full[:len(got)-1]) {
			t.Fatalf("replayed %q", got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for at := range whole {
		check(whole[:at])
		damaged := slices.Clone(whole)
		damaged[at] ^= 1 << (at % 8)
		check(damaged)
	}
}

func TestASnapshotIsWholeOrRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "part")
	w, err := CreateSnapshot(disk.OS{}, path)
	if err != nil {
		t.Fatal(err)
	}
	pieces := []string{"one", "", strings.Repeat("z", 500)}
	for _, p := range pieces {
		if err := w.Write([]byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Error("it is there before it is whole")
	}
	if _, err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	read := func() (got []string, err error) {
		r, err := OpenSnapshot(disk.OS{}, path)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		for {
			p, err := r.Next()
			if errors.Is(err, io.EOF) {
				return got, nil
			}
			if err != nil {
				return nil, err
			}
			got = append(got, string(p))
		}
	}
	if got, err := read(); err != nil || !slices.Equal(got, pieces) {
		t.Fatalf("%q, %v", got, err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		flipped := slices.Clone(whole)
		flipped[at] ^= 1 << (at % 8)
		for _, damaged := range [][]byte{whole[:at], flipped, append(slices.Clone(whole), 0)} {
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := read(); !errors.Is(err, ErrDamaged) {
				t.Fatalf("damage at %d: %v", at, err)
			}
		}
	}
}

// A segment is what a disk gives back, whatever that is.
func FuzzStream(f *testing.F) {
	s := openStream(f, f.TempDir(), StreamOptions{})
	for _, r := range []string{"one", "two"} {
		if _, err := s.Append([]byte(r)); err != nil {
			f.Fatal(err)
		}
	}
	s.Cut()
	whole, err := os.ReadFile(s.path(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add([]byte(streamHeader))
	f.Fuzz(func(t *testing.T, b []byte) {
		good, err := readStream(bytes.NewReader(b), int64(len(b)), func([]byte) error { return nil })
		if good > int64(len(b)) || err == nil && good != int64(len(b)) || err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("good up to %d of %d, %v", good, len(b), err)
		}
	})
}

// BenchmarkStreamAppend is what a request of 2000 samples costs beside its decoding: some
// 30 KB of snappy.
func BenchmarkStreamAppend(b *testing.B) {
	s := openStream(b, b.TempDir(), StreamOptions{Limit: 1 << 30})
	body := bytes.Repeat([]byte("0123456789abcdef"), 30_000/16)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Append(body); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/sample")
}

// A file of a checkpoint is what a disk gives back as well.
func FuzzSnapshot(f *testing.F) {
	path := filepath.Join(f.TempDir(), "part")
	w, err := CreateSnapshot(disk.OS{}, path)
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range []string{"one", "", "three"} {
		if err := w.Write([]byte(p)); err != nil {
			f.Fatal(err)
		}
	}
	if _, err := w.Commit(); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add([]byte(snapshotHeader))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "part")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := OpenSnapshot(disk.OS{}, path)
		for err == nil {
			_, err = r.Next()
		}
		if r != nil {
			r.Close()
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
	})
}
