package app

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/foreshock/foreshock/internal/disk/faulty"
)

// A disk that is full, or broken, stops nobody: what comes is acknowledged, scored and
// told, and whoever asks is told what a crash would cost. Once there is room again a
// checkpoint covers what the log has not, and a crash costs nothing.
func TestAFullDiskStopsNobody(t *testing.T) {
	for _, why := range []error{syscall.ENOSPC, syscall.EIO} {
		h := newHouse(t)
		want := map[string]int{}
		a, end := h.live(filepath.Join(t.TempDir(), "data"), faulty.Unsynced{})
		for n := range 30 {
			h.write(a, n)
			h.scored(a, n+1)
			want[h.known(a)] = n + 1
		}
		end()
		h.mu.Lock()
		h.scores = nil
		h.mu.Unlock()

		data := filepath.Join(t.TempDir(), "data")
		disk := &faulty.Breaking{FS: faulty.Unsynced{}}
		a, end = h.live(data, disk)
		readiness := func() string {
			status, text := h.ask(a, http.MethodGet, "/-/ready", nil)
			if status != http.StatusOK {
				t.Errorf("%d %s", status, text)
			}
			return text
		}
		for n := range 10 {
			h.write(a, n)
		}
		if text := readiness(); strings.Contains(text, "degraded") {
			t.Error(text)
		}
		disk.Break(why)
		for n := 10; n < 20; n++ {
			h.write(a, n)
		}
		h.scored(a, 20)
		last := h.from.Add(19 * 15e9).UnixMilli()
		h.await("the scores downstream", func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			return len(h.scores) > 0 && slices.Max(h.scores) == last
		})
		if text := readiness(); !strings.Contains(text, "degraded: the ingest log cannot be written") {
			t.Errorf("%v: %s", why, text)
		}
		if err := a.keeper.checkpoint(); err == nil {
			t.Error("a checkpoint was written on a broken disk")
		}

		disk.Mend()
		h.write(a, 20)
		if text := readiness(); !strings.Contains(text, "degraded: no checkpoint") || !a.keeper.pressed() {
			t.Errorf("%v: %s", why, text)
		}
		if err := a.keeper.checkpoint(); err != nil { // which keep does within seconds
			t.Error(err)
		}
		if text := readiness(); strings.Contains(text, "degraded") {
			t.Errorf("%v: %s", why, text)
		}
		h.write(a, 21)
		h.scored(a, 22)

		// What a kill would leave now.
		state := filepath.Join(t.TempDir(), "data")
		if err := os.CopyFS(state, os.DirFS(data)); err != nil {
			t.Fatal(err)
		}
		end()
		a, end = h.live(state, faulty.Unsynced{})
		if n := want[h.known(a)]; n != 22 {
			t.Errorf("%v: after a crash %d requests are known of 22", why, n)
		}
		end()
	}
}
