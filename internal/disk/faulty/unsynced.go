package faulty

import (
	"io/fs"

	"github.com/foreshock/foreshock/internal/disk"
)

// Unsynced is the operating system's file system, but never waits for the disk: for tests
// that open a thousand directories and cut no power.
type Unsynced struct{ disk.OS }

// OpenFile implements disk.FS.
func (u Unsynced) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	f, err := u.OS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return unsyncedFile{f}, nil
}

// SyncDir implements disk.FS.
func (Unsynced) SyncDir(string) error { return nil }

type unsyncedFile struct{ disk.File }

func (unsyncedFile) Sync() error { return nil }
