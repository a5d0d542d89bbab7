package journal

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/foreshock/foreshock/internal/disk"
)

var update = flag.Bool("update", false, "write testdata of this version's formats anew; a released one must stay as it is")

// What a released version wrote is read by all that come after it. A new format gets a
// directory of its own beside this one.
func TestFormatsOfBefore(t *testing.T) {
	const golden = "testdata/format-1"
	records := []string{"one", "two", "three"}
	if *update {
		if err := os.RemoveAll(golden); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(golden, "log"), Options{}, records...)
		s := openStream(t, filepath.Join(golden, "stream"), StreamOptions{})
		put(t, s, records...)
		q := openQueue(t, filepath.Join(golden, "queue"), QueueOptions{Limit: 1 << 20})
		for i := range int64(4) {
			putItems(t, q, i*3, 3)
		}
		q.Take(3)
		if err := q.Done(); err != nil {
			t.Fatal(err)
		}
		closeQueue(t, q)
		p, err := CreateSnapshot(disk.OS{}, filepath.Join(golden, "snapshot"))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if err := p.Write([]byte(r)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := p.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"log", "stream", "queue"} {
			if err := os.Remove(filepath.Join(golden, dir, "lock")); err != nil {
				t.Fatal(err)
			}
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(golden)); err != nil {
		t.Fatal(err)
	}
	want(t, replay(t, open(t, filepath.Join(dir, "log"), Options{})), records...)
	want(t, replayed(t, openStream(t, filepath.Join(dir, "stream"), StreamOptions{}), 0), records...)
	q := openQueue(t, filepath.Join(dir, "queue"), QueueOptions{Limit: 1 << 20})
	if got := drain(t, q); !slices.Equal(got, row(3, 12)) || q.Dropped() > 0 {
		t.Errorf("in the queue are %v, %d dropped", got, q.Dropped())
	}
	closeQueue(t, q)
	r, err := OpenSnapshot(disk.OS{}, filepath.Join(dir, "snapshot"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, record := range records {
		if piece, err := r.Next(); err != nil || string(piece) != record {
			t.Errorf("piece %q, %v", piece, err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
