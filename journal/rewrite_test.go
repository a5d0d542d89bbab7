package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/prometheus/tsdb/wlog"
)

func rewrite(t *testing.T, l *Log, records ...string) {
	t.Helper()
	var all [][]byte
	for _, r := range records {
		all = append(all, []byte(r))
	}
	if err := l.Rewrite(all); err != nil {
		t.Fatal(err)
	}
}

func TestRewriteReplacesAllAndAppendGoesOn(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, Options{}, "one", "two")
	l := open(t, dir, Options{})
	appendAll(t, l, "three")
	rewrite(t, l, "one and two")
	want(t, replay(t, l), "one and two")
	appendAll(t, l, "four")
	rewrite(t, l, "all")
	appendAll(t, l, "five")
	want(t, replay(t, l), "all", "five")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir, Options{})
	want(t, replay(t, again), "all", "five")
	if again.Damaged() {
		t.Error("a rewritten journal counts as damaged")
	}
	rewrite(t, again)
	want(t, replay(t, again))
}

// A crash may come before the new file has its place, or between that and the
// removal of any of the old ones.
func TestRewriteInterrupted(t *testing.T) {
	for removed := range 4 {
		t.Run(fmt.Sprint(removed), func(t *testing.T) {
			dir := t.TempDir()
			for _, r := range []string{"one", "two", "three"} {
				write(t, dir, Options{}, r)
			}
			draft := filepath.Join(dir, "rewrite")
			if err := writeAnew(draft, [][]byte{[]byte("all")}); err != nil {
				t.Fatal(err)
			}
			l := open(t, dir, Options{})
			want(t, replay(t, l), "one", "two", "three")
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(wlog.SegmentName(draft, 0), wlog.SegmentName(dir, 3)); err != nil {
				t.Fatal(err)
			}
			for i := range removed {
				if err := os.Remove(wlog.SegmentName(dir, i)); err != nil {
					t.Fatal(err)
				}
			}
			l = open(t, dir, Options{})
			want(t, replay(t, l), "all")
			if l.Damaged() {
				t.Error("an interrupted rewrite counts as damage")
			}
		})
	}
}

// What a damaged beginning held is lost, said once, and costs nothing more.
func TestRewrittenBeginningIsDamaged(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"flipped": func(path string) error { return os.WriteFile(path, []byte("\x01garbage"), 0o600) },
		"gone":    os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for range 5 {
				write(t, dir, Options{}, "old")
			}
			l := open(t, dir, Options{})
			rewrite(t, l, "all")
			appendAll(t, l, "after")
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			segments, err := listSegments(dir)
			if err != nil || len(segments) != 2 {
				t.Fatalf("%d files, %v", len(segments), err)
			}
			if err := harm(segments[0].path); err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				l := open(t, dir, Options{})
				want(t, replay(t, l), "after")
				if damaged := i == 0; l.Damaged() != damaged {
					t.Errorf("open %d: damaged is %v", i+1, l.Damaged())
				}
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
