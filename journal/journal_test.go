package journal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/foreshock/foreshock/internal/disk"
	"go.uber.org/goleak"
)

// childDir makes the test binary a process that does what childDeed says to the
// journal in the directory it names, so that a test can kill it.
const (
	childDir  = "FORESHOCK_JOURNAL_TEST_DIR"
	childDeed = "FORESHOCK_JOURNAL_TEST_DEED"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir, os.Getenv(childDeed))
		return
	}
	goleak.VerifyTestMain(m)
}

func child(dir, deed string) {
	l, err := Open(dir, Options{SegmentSize: 64 << 10})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if deed == "hold" {
		fmt.Println("held")
		select {}
	}
	for i := 0; ; i++ {
		if err := l.Append(numbered(i)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(i)
	}
}

// numbered is record i: its number, and a length that moves it across pages.
func numbered(i int) []byte {
	return append(strconv.AppendInt(nil, int64(i), 10), strings.Repeat(".", i*37%5000)...)
}

func open(t *testing.T, dir string, o Options) *Log {
	t.Helper()
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func appendAll(t *testing.T, l *Log, records ...string) {
	t.Helper()
	for _, r := range records {
		if err := l.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
}

func replay(t *testing.T, l *Log) []string {
	t.Helper()
	var records []string
	if err := l.Replay(func(r []byte) error {
		records = append(records, string(r))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return records
}

// write leaves a closed journal with the records in dir.
func write(t *testing.T, dir string, o Options, records ...string) {
	t.Helper()
	l := open(t, dir, o)
	appendAll(t, l, records...)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, got []string, records ...string) {
	t.Helper()
	if !slices.Equal(got, records) {
		t.Errorf("replayed %q, want %q", got, records)
	}
}

func TestRecordsComeBackInOrderAfterEveryRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "ledger")
	big := strings.Repeat("x", 200<<10) // spans seven pages of 32 KiB
	write(t, dir, Options{}, "one", big)
	write(t, dir, Options{})
	write(t, dir, Options{}, "three")
	l := open(t, dir, Options{})
	want(t, replay(t, l), "one", big, "three")
	if l.Damaged() {
		t.Error("a journal that was closed is said to be damaged")
	}
	appendAll(t, l, "four")
	want(t, replay(t, l), "one", big, "three", "four")
}

// A sidecar that restarts every minute must not fill its directory with files.
func TestRestartsThatWriteNothingLeaveNoFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, Options{}, "one")
	for range 5 {
		write(t, dir, Options{})
	}
	segments, err := listSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(segments) != 2 {
		t.Errorf("%d files, want the one with the record and the one to write to", len(segments))
	}
}

func TestFilesEndAtTheSegmentSize(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{SegmentSize: 1000})
	var records []string
	for i := range 10 {
		records = append(records, strings.Repeat(strconv.Itoa(i), 400))
	}
	appendAll(t, l, records...)
	want(t, replay(t, l), records...)
	segments, err := listSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(segments) != 4 { // 3 records of 400 bytes reach 1000
		t.Errorf("%d files, want 4", len(segments))
	}
}

func TestRecordsThatCannotBeAppended(t *testing.T) {
	l := open(t, t.TempDir(), Options{})
	if err := l.Append(nil); err == nil {
		t.Error("an empty record was accepted")
	}
	if err := l.Append(make([]byte, MaxRecord+1)); err == nil {
		t.Error("a record above MaxRecord was accepted")
	}
	if err := l.Append(make([]byte, MaxRecord)); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Append([]byte("late")); !errors.Is(err, errClosed) {
		t.Errorf("append after close: %v", err)
	}
}

// A process has several journals and one registry.
func TestJournalsAreToldApartByTheirLabel(t *testing.T) {
	reg := prometheus.NewRegistry()
	ledger := open(t, t.TempDir(), Options{Name: "ledger", Registerer: reg})
	open(t, t.TempDir(), Options{Name: "outbox", Registerer: reg})
	appendAll(t, ledger, "one", "two")
	if err := ledger.Append(nil); err == nil {
		t.Error("an empty record was accepted")
	}
	const want = `
# HELP foreshock_journal_appends_total Records that were to be made durable.
# TYPE foreshock_journal_appends_total counter
foreshock_journal_appends_total{journal="ledger"} 2
foreshock_journal_appends_total{journal="outbox"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "foreshock_journal_appends_total"); err != nil {
		t.Error(err)
	}
}

func TestReplayStopsAtTheFirstError(t *testing.T) {
	l := open(t, t.TempDir(), Options{})
	appendAll(t, l, "one", "two")
	enough := errors.New("enough")
	calls := 0
	if err := l.Replay(func([]byte) error { calls++; return enough }); !errors.Is(err, enough) || calls != 1 {
		t.Errorf("%d calls, error %v", calls, err)
	}
}

// Power fails in the middle of a write: wherever it was cut, what came before is
// there, and what is written next is found again.
func TestTornTail(t *testing.T) {
	source := t.TempDir()
	write(t, source, Options{}, "one", "two", "three")
	whole, err := os.ReadFile(wlog.SegmentName(source, 0))
	if err != nil {
		t.Fatal(err)
	}
	whole = bytes.TrimRight(whole, "\x00")
	third := bytes.Index(whole, []byte("three")) - 7 // wlog's record header
	for cut := third; cut < len(whole); cut++ {
		dir := t.TempDir()
		if err := os.WriteFile(wlog.SegmentName(dir, 0), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, dir, Options{})
		want(t, replay(t, l), "one", "two")
		if l.Damaged() != (cut > third) {
			t.Errorf("cut at %d: damaged %t", cut, l.Damaged())
		}
		appendAll(t, l, "four")
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = open(t, dir, Options{})
		want(t, replay(t, l), "one", "two", "four")
		if l.Damaged() {
			t.Errorf("cut at %d: repaired once, and damaged again", cut)
		}
	}
}

// A flipped bit costs what follows it in its own file and nothing of the next one.
func TestFlippedBit(t *testing.T) {
	source := t.TempDir()
	write(t, source, Options{}, "one", "two", "three")
	write(t, source, Options{}, "four")
	whole, err := os.ReadFile(wlog.SegmentName(source, 0))
	if err != nil {
		t.Fatal(err)
	}
	used := len(bytes.TrimRight(whole, "\x00"))
	full := []string{"one", "two", "three", "four"}
	for at := range used {
		for _, bit := range []int{at % 8, (at + 3) % 8} { // all 8 of each byte would take ten seconds
			damaged := slices.Clone(whole)
			damaged[at] ^= 1 << bit
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(wlog.SegmentName(dir, 0), damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			reg := prometheus.NewRegistry()
			l := open(t, dir, Options{Registerer: reg})
			got := replay(t, l)
			if len(got) == 0 || got[len(got)-1] != "four" || !slices.Equal(got[:len(got)-1], full[:len(got)-1]) {
				t.Fatalf("bit %d of byte %d: replayed %q", bit, at, got)
			}
			if len(got) < len(full) && (!l.Damaged() || testutil.ToFloat64(l.metrics.lost) == 0) {
				t.Errorf("bit %d of byte %d: lost %d records and did not say so", bit, at, len(full)-len(got))
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestMissingFileCostsOnlyWhatItHeld(t *testing.T) {
	dir := t.TempDir()
	for _, r := range []string{"one", "two", "three"} {
		write(t, dir, Options{}, r)
	}
	if err := os.Remove(wlog.SegmentName(dir, 1)); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir, Options{})
	want(t, replay(t, l), "one", "three")
	if !l.Damaged() {
		t.Error("a missing file is not damage")
	}
}

// What is refused stays as it was, to the byte.
func foreign(record string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		w, err := wlog.New(nil, nil, dir, compression.None)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Log([]byte(record)), w.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNewerFilesAreRefusedAndLeftAlone(t *testing.T) {
	for name, tc := range map[string]struct {
		make func(t *testing.T, dir string)
		want string
	}{
		"a newer version": {foreign(header + "2"), "has format 2 and was written by a newer foreshock: this one reads up to 1"},
		"a pipe": {func(t *testing.T, dir string) {
			if err := syscall.Mkfifo(wlog.SegmentName(dir, 0), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "00000000 is not a journal's file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tc.make(t, dir)
			before := snapshot(t, dir)
			if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("opened with %v, want %q", err, tc.want)
			}
			if after := snapshot(t, dir); after != before {
				t.Errorf("changed from %s to %s", before, after)
			}
		})
	}
}

// What is none of ours is set aside, unchanged, and the rest goes on; whoever asks is told
// that something may be missing.
func TestForeignFilesAreSetAside(t *testing.T) {
	for name, tc := range map[string]struct {
		make func(t *testing.T, dir string)
		file int
		want string // what is left
	}{
		"another program's log": {foreign("\x01series"), 0, ""},
		"an unreadable version": {foreign(header + "x"), 0, ""},
		"a number far from ours": {func(t *testing.T, dir string) {
			write(t, dir, Options{}, "one")
			if err := os.WriteFile(wlog.SegmentName(dir, 99999999), []byte("what is it?"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, 99999999, "one"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tc.make(t, dir)
			path := wlog.SegmentName(dir, tc.file)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			l, err := Open(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if after, err := os.ReadFile(path + disk.Foreign + "0"); err != nil || string(after) != string(before) {
				t.Errorf("set aside: %v, %q", err, after)
			}
			if !l.Damaged() {
				t.Error("nobody is told")
			}
			var got []string
			if err := l.Replay(func(r []byte) error { got = append(got, string(r)); return nil }); err != nil {
				t.Fatal(err)
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("what is left is %q, want %q", got, tc.want)
			}
			if err := l.Append([]byte("two")); err != nil {
				t.Error(err)
			}
		})
	}
}

func snapshot(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		if e.Name() == "lock" {
			continue
		}
		var content []byte
		if e.Type().IsRegular() {
			if content, err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Fprintf(&b, "%s %q;", e.Name(), bytes.TrimRight(content, "\x00"))
	}
	return b.String()
}

func TestSecondOpenerIsToldWhoHoldsIt(t *testing.T) {
	dir := t.TempDir()
	cmd := startChild(t, dir, "hold")
	if line, err := bufio.NewReader(cmd.stdout).ReadString('\n'); line != "held\n" {
		t.Fatal(line, err)
	}
	_, err := Open(dir, Options{})
	if want := fmt.Sprintf("in use by process %d", cmd.Process.Pid); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("opened with %v, want %q", err, want)
	}
	cmd.kill(t)
	open(t, dir, Options{})
}

type process struct {
	*exec.Cmd
	stdout *os.File
}

func startChild(t *testing.T, dir, deed string) process {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childDeed+"="+deed)
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() { r.Close() })
	return process{cmd, r}
}

func (p process) kill(t *testing.T) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.Wait()
}

// The process is killed at random instants while it appends as fast as it can.
// Nothing it was told is on disk may be missing, and nothing may be out of order.
func TestKilledWhileAppending(t *testing.T) {
	for seed := range uint64(8) {
		dir := t.TempDir()
		rng := rand.New(rand.NewPCG(seed, 0))
		cmd := startChild(t, dir, "append")
		var once sync.Once
		timer := time.AfterFunc(5*time.Second, func() { once.Do(func() { cmd.Process.Kill() }) })
		acknowledged := 0
		stop := 1 + rng.IntN(200)
		for lines := bufio.NewScanner(cmd.stdout); lines.Scan(); {
			if lines.Text() != strconv.Itoa(acknowledged) {
				t.Fatalf("child said %q, want %d", lines.Text(), acknowledged)
			}
			acknowledged++
			if acknowledged == stop {
				once.Do(func() { cmd.Process.Kill() })
			}
		}
		timer.Stop()
		cmd.Wait()
		l := open(t, dir, Options{})
		got := replay(t, l)
		if len(got) < acknowledged {
			t.Errorf("seed %d: %d records acknowledged, %d found", seed, acknowledged, len(got))
		}
		for i, r := range got {
			if r != string(numbered(i)) {
				t.Fatalf("seed %d: record %d is %.20q", seed, i, r)
			}
		}
		if acknowledged < stop {
			t.Errorf("seed %d: killed by the timeout after %d records", seed, acknowledged)
		}
	}
}

// A file may grow no further, as on a full disk. Appends fail until there is room
// again, then succeed, and every record acknowledged before and after is found.
func TestFullDisk(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	l := open(t, dir, Options{})
	setLimit := func(bytes uint64) {
		t.Helper()
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: limit.Max}); err != nil {
			t.Fatal(err)
		}
	}
	defer setLimit(limit.Cur)

	var acknowledged []string
	add := func(i int) error {
		r := fmt.Sprintf("%04d%s", i, strings.Repeat("x", 10<<10))
		err := l.Append([]byte(r))
		if err == nil {
			acknowledged = append(acknowledged, r)
		}
		return err
	}
	setLimit(100 << 10)
	failures := 0
	for i := range 30 {
		if add(i) != nil {
			failures++
		}
	}
	if failures == 0 {
		t.Fatal("the disk never filled")
	}
	setLimit(limit.Cur)
	for i := range 10 {
		if err := add(100 + i); err != nil {
			t.Fatalf("there is room again, and yet: %v", err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	found := replay(t, open(t, dir, Options{}))
	for _, r := range acknowledged {
		if !slices.Contains(found, r) {
			t.Errorf("record %.4s was acknowledged and is gone", r)
		}
	}
}
