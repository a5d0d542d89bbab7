package app

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/foreshock/foreshock/internal/disk"
)

// places are what the storage directory has, outside in: patterns of names, and whether a
// directory belongs there or a file. What a checkpoint or an outbox has besides is in
// nobody's way.
var places = []struct {
	pattern   string
	directory bool
}{
	{"checkpoint", true},
	{"dismissals", true},
	{"ingest", true},
	{"ledger", true},
	{"outbox", true},
	{"checkpoint/[0-9]*", true},
	{"outbox/" + strings.Repeat("[0-9a-f]", 16), true},
	{"checkpoint/*/*", false},
	{"dismissals/[0-9]*", false},
	{"dismissals/lock", false},
	{"ingest/*.stream", false},
	{"ingest/lock", false},
	{"ledger/[0-9]*", false},
	{"ledger/head", false},
	{"ledger/lock", false},
	{"outbox/*/*.stream", false},
	{"outbox/*/cursor", false},
	{"outbox/*/lock", false},
}

// setForeignAside renames what is in the way of our files and directories because it is
// another kind of thing, such as a directory in place of a file or a pipe that nobody
// writes to. It reports whether any of it was the ledger's.
func setForeignAside(on disk.FS, storage string, logger *slog.Logger) (ledger bool, err error) {
	for _, p := range places {
		found, err := filepath.Glob(filepath.Join(escapeGlob(storage), p.pattern))
		if err != nil {
			return ledger, err
		}
		for _, path := range found {
			info, err := os.Stat(path) // a link to the right kind will do
			if p.directory && err == nil && info.IsDir() || !p.directory && err == nil && info.Mode().IsRegular() || strings.Contains(filepath.Base(path), disk.Foreign) {
				continue
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) { // a link to nowhere is in the way
				return ledger, fmt.Errorf("look at the state: %w", err)
			}
			to, err := disk.SetAside(on, path)
			if err != nil {
				return ledger, err
			}
			logger.Error("what is in the place of the state's is none of ours and was set aside: what was there is learned anew", "path", path, "now", to)
			ledger = ledger || strings.HasPrefix(p.pattern, "ledger")
		}
	}
	return ledger, nil
}

// escapeGlob has the path stand for itself in a pattern.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
