package faulty

import (
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/foreshock/foreshock/internal/disk"
)

// Breaking is a file system on which nothing can be written while it is broken, as on a
// full or a failing disk. Reading goes on.
type Breaking struct {
	disk.FS
	why atomic.Pointer[error]
}

// Break has every call that changes something fail with the error from now on.
func (b *Breaking) Break(why error) { b.why.Store(&why) }

// Mend has calls succeed again.
func (b *Breaking) Mend() { b.why.Store(nil) }

func (b *Breaking) broken(call, path string) error {
	if why := b.why.Load(); why != nil {
		return &fs.PathError{Op: call, Path: path, Err: *why}
	}
	return nil
}

// OpenFile implements disk.FS.
func (b *Breaking) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	if flag&(os.O_CREATE|os.O_TRUNC) != 0 {
		if err := b.broken("open", name); err != nil {
			return nil, err
		}
	}
	f, err := b.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &breakingFile{f, b, name}, nil
}

// Mkdir implements disk.FS.
func (b *Breaking) Mkdir(name string, perm fs.FileMode) error {
	if err := b.broken("mkdir", name); err != nil {
		return err
	}
	return b.FS.Mkdir(name, perm)
}

// Rename implements disk.FS.
func (b *Breaking) Rename(from, to string) error {
	if err := b.broken("rename", from); err != nil {
		return err
	}
	return b.FS.Rename(from, to)
}

// SyncDir implements disk.FS.
func (b *Breaking) SyncDir(name string) error {
	if err := b.broken("sync", name); err != nil {
		return err
	}
	return b.FS.SyncDir(name)
}

type breakingFile struct {
	disk.File
	disk *Breaking
	name string
}

// Write writes half of what there is where the disk is broken, as one that fills up does.
func (f *breakingFile) Write(p []byte) (int, error) {
	if err := f.disk.broken("write", f.name); err != nil {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, err
	}
	return f.File.Write(p)
}

func (f *breakingFile) WriteAt(p []byte, at int64) (int, error) {
	if err := f.disk.broken("write", f.name); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, at)
}

func (f *breakingFile) Sync() error {
	if err := f.disk.broken("sync", f.name); err != nil {
		return err
	}
	return f.File.Sync()
}
