package remediation

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/foreshock/foreshock/journal"
)

// verify reads the world's ledger as an auditor does.
func (w *world) verify() Verified {
	w.t.Helper()
	v, err := VerifyLedger(w.o.Dir)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// story fills a ledger with a few plans, in two files, and closes it.
func story(t *testing.T) *world {
	w := newWorld(t, Auto)
	for _, pod := range []string{"a", "b", "c"} {
		w.deliver(w.an(pod))
		w.become(stateSucceeded)
		if pod == "b" {
			w.stop()
			w.start()
		}
	}
	w.stop()
	if v := w.verify(); len(v.Faults) != 0 || v.Records != 10 || v.Files != 2 || v.Unsealed != 0 {
		t.Fatalf("as written: %+v", v)
	}
	return w
}

// What somebody with an editor does to a ledger, its checksums put right each time, is
// found: where, and that the next process trusts nothing of before.
func TestTamperingIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		change func(records [][][]byte) [][][]byte // by file
		want   string
	}{
		"edited": {func(r [][][]byte) [][][]byte {
			r[0][2] = []byte(strings.Replace(string(r[0][2]), `"running"`, `"expired"`, 1))
			return r
		}, "00000000: record 3: does not fit its hash"},
		"the last edited": {func(r [][][]byte) [][][]byte {
			r[1][2] = []byte(strings.Replace(string(r[1][2]), `"succeeded"`, `"cancelled"`, 1))
			return r
		}, "00000001: record 3: does not fit its hash"},
		"deleted": {func(r [][][]byte) [][][]byte {
			r[0] = slices.Delete(r[0], 3, 4)
			return r
		}, "00000000: record 4: says it is record 5, where 4 was due"},
		"swapped": {func(r [][][]byte) [][][]byte {
			r[0][1], r[0][2] = r[0][2], r[0][1]
			return r
		}, "00000000: record 2: says it is record 3, where 2 was due"},
		"repeated": {func(r [][][]byte) [][][]byte {
			r[0] = slices.Insert(r[0], 2, r[0][1])
			return r
		}, "00000000: record 3: says it is record 2, where 3 was due"},
		"a hash of its own": {func(r [][][]byte) [][][]byte {
			var p page
			if err := json.Unmarshal(r[0][2], &p); err != nil {
				t.Fatal(err)
			}
			p.Entries[0].State = stateExpired
			_, before, _ := unseal(r[0][1])
			r[0][2], _, _ = link{2, before}.seal(p)
			return r
		}, "00000000: record 4: does not fit its hash"},
		"the end cut off": {func(r [][][]byte) [][][]byte {
			r[1] = r[1][:2]
			return r
		}, "00000001: ends at record 9, but it held 10"},
		"the last file gone":  {func(r [][][]byte) [][][]byte { return r[:1] }, "00000000: ends at record 7, but it held 10"},
		"the first file gone": {func(r [][][]byte) [][][]byte { r[0] = nil; return r }, "00000001: record 1: says it is record 8, where 1 was due"},
		"a record added": {func(r [][][]byte) [][][]byte {
			r[0] = append(r[0], []byte(`{"entries":[]}`))
			return r
		}, "00000000: record 8: has no hash"},
	} {
		t.Run(name, func(t *testing.T) {
			w := story(t)
			rewriteFiles(t, w.o.Dir, c.change)
			v := w.verify()
			if len(v.Faults) == 0 || !strings.HasPrefix(v.Faults[0].String(), c.want) {
				t.Errorf("found %v, want %q first", v.Faults, c.want)
			}
			w.start()
			if why := w.standing(true).Paused; !strings.Contains(why, "ledger was found damaged") {
				t.Errorf("paused: %q", why)
			}
			w.deliver(w.an("d"))
			w.become(stateRefused)
		})
	}
}

// rewriteFiles has change do its worst to the records of a journal, by file, and writes them
// back with good checksums.
func rewriteFiles(t *testing.T, dir string, change func([][][]byte) [][][]byte) {
	t.Helper()
	var files [][][]byte
	last := ""
	err := journal.Inspect(dir, func(file string, record []byte, damage error) {
		if damage != nil {
			t.Fatal(damage)
		}
		if file != last {
			last, files = file, append(files, nil)
		}
		files[len(files)-1] = append(files[len(files)-1], slices.Clone(record))
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		if err := os.Remove(wlog.SegmentName(dir, i)); err != nil {
			t.Fatal(err)
		}
	}
	for i, records := range change(files) {
		if records == nil {
			continue
		}
		draft := t.TempDir()
		wl, err := wlog.NewSize(nil, nil, draft, 1<<20, compression.None)
		if err != nil {
			t.Fatal(err)
		}
		if err := wl.Log(append([][]byte{[]byte("foreshock journal 1")}, records...)...); err != nil {
			t.Fatal(err)
		}
		if err := wl.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(wlog.SegmentName(draft, 0), wlog.SegmentName(dir, i)); err != nil {
			t.Fatal(err)
		}
	}
}

// A byte that rotted is found by the journal's own checksum, and named.
func TestRotIsFound(t *testing.T) {
	w := story(t)
	name := wlog.SegmentName(w.o.Dir, 0)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[strings.Index(string(b), `"running"`)+2] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	v := w.verify()
	if len(v.Faults) != 2 || !strings.HasPrefix(v.Faults[0].String(), "00000000: record 3: cannot be read") ||
		!strings.HasPrefix(v.Faults[1].String(), "00000001: record 1: says it is record 8, where 3 was due") {
		t.Errorf("found %v", v.Faults)
	}
	if err := os.Remove(filepath.Join(w.o.Dir, headFile)); err != nil {
		t.Fatal(err)
	}
	if v := w.verify(); v.Faults[len(v.Faults)-1].String() != "head: is missing: records at the end could be too" {
		t.Errorf("found %v", v.Faults)
	}
}

// A ledger as the version before hashes wrote it, in which an action had been under way, is
// opened, believed and continued.
func TestLedgerOfBeforeThereWereHashes(t *testing.T) {
	w := newWorld(t, Auto)
	w.stop()
	w.o.Dir = filepath.Join(t.TempDir(), "ledger")
	if err := os.CopyFS(w.o.Dir, os.DirFS("testdata/ledger-unsealed")); err != nil {
		t.Fatal(err)
	}
	w.clock.Store(int64(time.Until(time.Date(2026, 11, 25, 9, 10, 0, 0, time.UTC))))
	w.start()
	w.resume()
	l := w.plans()
	if len(l) != 3 || l[0].State != stateUnknown || l[1].State != stateFailed || l[2].State != stateSucceeded {
		t.Fatalf("listed %+v", l)
	}
	if failed := w.ledger.failures[restart.Name]; len(failed) != 1 || len(w.ledger.launches.list) != 3 {
		t.Errorf("%d failures, %d launches", len(failed), len(w.ledger.launches.list))
	}
	again := w.an("a")
	again.StartsAt = l[2].Plan.StartsAt
	w.deliver(again)
	w.called(0)
	w.deliver(w.an("d")) // a fourth within the hour
	w.refused(refusedCeiling, "acted 3 times")
	if v := w.verify(); len(v.Faults) != 0 || v.Unsealed != 8 || v.Records != 12 {
		t.Errorf("verified %+v", v)
	}
	rewriteFiles(t, w.o.Dir, func(r [][][]byte) [][][]byte {
		r[0][0] = []byte(strings.Replace(string(r[0][0]), `"target":"a"`, `"target":"b"`, 1))
		return r
	})
	if v := w.verify(); len(v.Faults) == 0 {
		t.Error("the first hash does not vouch for what is before it")
	}
}

// Rewriting a ledger begins a new chain, and what it forgets is no fault.
func TestRewrittenLedgerVerifies(t *testing.T) {
	w := story(t)
	w.start()
	if err := w.Pause("jane", "holidays"); err != nil {
		t.Fatal(err)
	}
	w.stop()
	before, err := readHead(w.o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	w.later(31 * 24 * time.Hour)
	w.start() // rewrites
	if v := w.verify(); len(v.Faults) != 0 || v.Records != 2 {
		t.Errorf("verified %+v", v)
	}
	if why := w.standing(true).Paused; !strings.Contains(why, "paused by jane") || !w.ledger.resumed {
		t.Errorf("paused: %q", why)
	}
	w.stop()
	// Killed after the rewriting and before the head was written.
	if err := os.WriteFile(filepath.Join(w.o.Dir, headFile), []byte(before.text()), 0o600); err != nil {
		t.Fatal(err)
	}
	if v := w.verify(); len(v.Faults) != 0 {
		t.Errorf("verified %+v", v)
	}
}

// A write that failed may have left its record or not; the one that follows fits both.
func TestChainAfterAFailedWrite(t *testing.T) {
	var before link
	one, next, err := before.seal(page{DamagedAt: time.Unix(1, 0).UTC()})
	if err != nil {
		t.Fatal(err)
	}
	lost, _, _ := next.seal(page{DamagedAt: time.Unix(2, 0).UTC()})
	again, last, _ := next.seal(page{DamagedAt: time.Unix(3, 0).UTC(), Again: true})
	after, _, _ := last.seal(page{DamagedAt: time.Unix(4, 0).UTC()})
	for name, records := range map[string][][]byte{
		"left": {one, lost, again, after}, "not left": {one, again, after}, "left twice": {one, lost, again, again, after},
	} {
		w := walker{}
		for i, r := range records {
			var p page
			if err := json.Unmarshal(r, &p); err != nil {
				t.Fatal(err)
			}
			if err := w.step(r, p); err != nil {
				t.Errorf("%s: record %d %v", name, i, err)
			}
		}
	}
}

// P29: no secret of the configuration is in the ledger, whatever the action says.
func TestNoSecretInTheLedger(t *testing.T) {
	w := newWorld(t, Approve)
	w.stop()
	run := DefaultExecConfig()
	run.Command = []string{"/bin/sh", "-c", "echo " + token + " " + approvalToken + "; echo " + token + " >&2; exit 3"}
	w.o.Config.Actions = []ActionConfig{{Name: "restart", Targets: []string{"a"}, Exec: &run}}
	w.start()
	w.deliver(w.an("a"))
	e := w.become(stateWaiting)
	w.decide(e, "approve", e.Hash)
	if e := w.become(stateFailed); !strings.Contains(e.Output, "<secret> <secret>") {
		t.Errorf("output %q", e.Output)
	}
	files, err := filepath.Glob(filepath.Join(w.o.Dir, "*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "canary") {
			t.Errorf("%s holds a secret", name)
		}
	}
}
