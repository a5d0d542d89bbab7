// Package disk is the file system as durable state sees it. What the log, checkpoints and
// the outbox do to files goes through an FS, so that a test may have the disk fill up,
// fail, or stop at any call: see faulty.
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// File is an open file.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.Seeker
	io.Closer
	Truncate(size int64) error
	Sync() error
	Stat() (fs.FileInfo, error)
}

// FS does what the functions of package os do that have the same names. It is safe for
// concurrent use.
type FS interface {
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	Mkdir(name string, perm fs.FileMode) error
	MkdirAll(name string, perm fs.FileMode) error
	Rename(from, to string) error
	Remove(name string) error
	RemoveAll(name string) error
	ReadDir(name string) ([]fs.DirEntry, error)
	// SyncDir makes the names in the directory durable, which Sync of a file does not
	// promise.
	SyncDir(name string) error
}

// Open opens the file for reading.
func Open(of FS, name string) (File, error) { return of.OpenFile(name, os.O_RDONLY, 0) }

// MakeDir makes the directory, and those above it that are missing, and returns when a
// power cut takes neither it nor its parent away, as far as the one above that may be read.
func MakeDir(on FS, name string, perm fs.FileMode) error {
	if err := on.MkdirAll(name, perm); err != nil {
		return err
	}
	parent := filepath.Dir(name)
	if err := on.SyncDir(parent); err != nil {
		return err
	}
	if err := on.SyncDir(filepath.Dir(parent)); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

// Foreign is in the name of all that was set aside.
const Foreign = ".foreign-"

// asides bounds how often a thing of one name is set aside.
const asides = 1000

// SetAside renames what is in the way of something of ours, unread and unchanged, and
// returns what it is called now.
func SetAside(on FS, name string) (to string, err error) {
	for n := range asides {
		to = fmt.Sprintf("%s%s%d", name, Foreign, n)
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			return to, errors.Join(on.Rename(name, to), on.SyncDir(filepath.Dir(name)))
		}
	}
	return "", fmt.Errorf("set aside %s: there are %d of that name already; remove them", name, asides)
}

// OS is the operating system's own file system.
type OS struct{}

// OpenFile implements FS.
func (OS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err // not a File that holds a nil
	}
	return f, nil
}

// Mkdir implements FS.
func (OS) Mkdir(name string, perm fs.FileMode) error { return os.Mkdir(name, perm) }

// MkdirAll implements FS.
func (OS) MkdirAll(name string, perm fs.FileMode) error { return os.MkdirAll(name, perm) }

// Rename implements FS.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// RemoveAll implements FS.
func (OS) RemoveAll(name string) error { return os.RemoveAll(name) }

// ReadDir implements FS.
func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

// SyncDir implements FS.
func (OS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}
