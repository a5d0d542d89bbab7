// Package faulty has disks for tests: a Recorder, from which every moment can be made
// again as a crash or a power cut would have left it, and a Breaking, which fails on
// demand.
package faulty

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/foreshock/foreshock/internal/disk"
)

// Recorder is the operating system's file system under a directory that is empty at
// first, and remembers every call that changed something there, in order. What is outside
// of the directory it leaves alone.
type Recorder struct {
	disk.OS
	root string

	mu    sync.Mutex // held over each call, so that the record has their order
	model *model     // as it is now, to know files by more than their names
	calls []call
}

// call is one that changed something: a file's bytes or length, a directory's names, or
// how much of either outlives a power cut. A note is none, and stands between them.
type call struct {
	inode int
	edit  edit
	sync  bool
	fresh *inode // that the edit brings in
	note  any
}

// NewRecorder returns the file system under root, which must be empty.
func NewRecorder(root string) *Recorder { return &Recorder{root: root, model: newModel()} }

// Note records that something has happened, such as an answer that was given.
func (r *Recorder) Note(what any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, call{note: what})
}

// Calls is how many calls have changed something.
func (r *Recorder) Calls() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.calls {
		if c.note == nil {
			n++
		}
	}
	return n
}

// Moments calls f before the first call that changed something, and after each, until it
// returns false.
func (r *Recorder) Moments(f func(Moment) bool) {
	r.mu.Lock()
	calls := slices.Clone(r.calls)
	r.mu.Unlock()
	m := Moment{model: newModel()}
	for len(calls) > 0 && calls[0].note == nil {
		m.next = &calls[0]
		if !f(m) {
			return
		}
		m.model.do(calls[0])
		m.N++
		calls = calls[1:]
		for len(calls) > 0 && calls[0].note != nil {
			m.Notes = append(m.Notes, calls[0].note)
			calls = calls[1:]
		}
	}
	m.next = nil
	f(m)
}

// Moment is one in the life of the disk.
type Moment struct {
	N     int   // calls before it
	Notes []any // that were made before it
	model *model
	next  *call
}

// Killed makes in dir what is found where the process was killed then: all that was
// called, and by the seed a part of what was being written.
func (m Moment) Killed(dir string, seed uint64) error {
	torn := 0
	if m.next != nil && len(m.next.edit.data) > 0 {
		torn = rand.New(rand.NewPCG(seed, uint64(m.N))).IntN(len(m.next.edit.data) + 1)
	}
	return m.model.lay(dir, 0, func(id int, n *inode) []edit {
		edits := n.pending
		if torn > 0 && m.next.inode == id {
			e := m.next.edit
			e.data = e.data[:torn]
			edits = append(slices.Clone(edits), e)
		}
		return edits
	})
}

// PowerLost makes in dir what is found where the power was cut then: of each file and of
// each directory all that was made durable, and by the seed some of what came after it,
// in order: a write may have given the file its length and not its bytes, the last one may
// be there in part.
func (m Moment) PowerLost(dir string, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, uint64(m.N)))
	return m.model.lay(dir, 0, func(_ int, n *inode) []edit {
		kept := slices.Clone(n.pending[:r.IntN(len(n.pending)+1)])
		for i := range kept {
			if len(kept[i].data) > 0 && r.IntN(8) == 0 {
				kept[i].data = make([]byte, len(kept[i].data))
			}
		}
		if len(kept) > 0 && len(kept[len(kept)-1].data) > 0 {
			last := &kept[len(kept)-1]
			last.data = last.data[:r.IntN(len(last.data)+1)]
		}
		return kept
	})
}

// inner is the path below the root, and whether it is there.
func (r *Recorder) inner(name string) (string, bool) {
	rel, err := filepath.Rel(r.root, name)
	return rel, err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// names records an edit of the directory that holds name.
func (r *Recorder) names(name string, e edit, fresh *inode) {
	rel, inside := r.inner(name)
	if !inside {
		return
	}
	parent, ok := r.model.find(filepath.Dir(rel))
	if !ok {
		panic(fmt.Sprintf("%s is in no directory that was recorded", name))
	}
	r.record(call{inode: parent, edit: e, fresh: fresh})
}

func (r *Recorder) record(c call) {
	r.model.do(c)
	r.calls = append(r.calls, c)
}

// OpenFile implements disk.FS.
func (r *Recorder) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rel, inside := r.inner(name)
	f, err := r.OS.OpenFile(name, flag, perm)
	if err != nil || !inside {
		return f, err
	}
	id, there := r.model.find(rel)
	switch {
	case !there && flag&os.O_CREATE != 0:
		id = r.model.next
		r.names(name, edit{set: filepath.Base(rel), to: id}, &inode{})
	case !there:
		return f, nil // made by others, such as a lock
	case flag&os.O_TRUNC != 0:
		r.record(call{inode: id, edit: edit{cut: true}})
	}
	return &recorded{File: f, recorder: r, inode: id}, nil
}

// Mkdir implements disk.FS.
func (r *Recorder) Mkdir(name string, perm fs.FileMode) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mkdir(name, perm)
}

func (r *Recorder) mkdir(name string, perm fs.FileMode) error {
	if err := r.OS.Mkdir(name, perm); err != nil {
		return err
	}
	r.names(name, edit{set: filepath.Base(name), to: r.model.next}, newDirectory())
	return nil
}

// MkdirAll implements disk.FS.
func (r *Recorder) MkdirAll(name string, perm fs.FileMode) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	rel, inside := r.inner(name)
	if !inside {
		return r.OS.MkdirAll(name, perm)
	}
	at := r.root
	for part := range strings.SplitSeq(rel, string(filepath.Separator)) {
		at = filepath.Join(at, part)
		if rel, _ := r.inner(at); rel == "." {
			continue
		} else if _, there := r.model.find(rel); there {
			continue
		}
		if err := r.mkdir(at, perm); err != nil {
			return err
		}
	}
	return nil
}

// Rename implements disk.FS, within one directory.
func (r *Recorder) Rename(from, to string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	rel, _ := r.inner(from)
	id, there := r.model.find(rel)
	if err := r.OS.Rename(from, to); err != nil {
		return err
	}
	if !there || filepath.Dir(from) != filepath.Dir(to) {
		panic(fmt.Sprintf("rename of %s to %s cannot be recorded", from, to))
	}
	r.names(to, edit{unset: filepath.Base(from), set: filepath.Base(to), to: id}, nil)
	return nil
}

// Remove implements disk.FS.
func (r *Recorder) Remove(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.remove(name)
}

func (r *Recorder) remove(name string) error {
	if err := r.OS.Remove(name); err != nil {
		return err
	}
	if rel, inside := r.inner(name); inside {
		if _, there := r.model.find(rel); there {
			r.names(name, edit{unset: filepath.Base(name)}, nil)
		}
	}
	return nil
}

// RemoveAll implements disk.FS, a call for each file.
func (r *Recorder) RemoveAll(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	err := filepath.WalkDir(name, func(path string, _ fs.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	if os.IsNotExist(err) {
		return nil
	}
	for _, path := range slices.Backward(all) {
		if err == nil {
			err = r.remove(path)
		}
	}
	return err
}

// SyncDir implements disk.FS.
func (r *Recorder) SyncDir(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rel, inside := r.inner(name); inside {
		if id, there := r.model.find(rel); there {
			r.record(call{inode: id, sync: true})
			return nil // the model is what counts, and real disks are slow
		}
	}
	return r.OS.SyncDir(name)
}

// recorded is a file whose changes are recorded.
type recorded struct {
	disk.File
	recorder *Recorder
	inode    int
	at       int64
}

func (f *recorded) Write(b []byte) (int, error) {
	f.recorder.mu.Lock()
	defer f.recorder.mu.Unlock()
	n, err := f.File.Write(b)
	f.write(b[:n], f.at)
	f.at += int64(n)
	return n, err
}

func (f *recorded) WriteAt(b []byte, at int64) (int, error) {
	f.recorder.mu.Lock()
	defer f.recorder.mu.Unlock()
	n, err := f.File.WriteAt(b, at)
	f.write(b[:n], at)
	return n, err
}

func (f *recorded) write(b []byte, at int64) {
	if len(b) > 0 {
		f.recorder.record(call{inode: f.inode, edit: edit{data: slices.Clone(b), at: at}})
	}
}

func (f *recorded) Read(b []byte) (int, error) {
	n, err := f.File.Read(b)
	f.at += int64(n)
	return n, err
}

func (f *recorded) Seek(to int64, whence int) (int64, error) {
	at, err := f.File.Seek(to, whence)
	if err == nil {
		f.at = at
	}
	return at, err
}

func (f *recorded) Truncate(size int64) error {
	f.recorder.mu.Lock()
	defer f.recorder.mu.Unlock()
	err := f.File.Truncate(size)
	if err == nil {
		f.recorder.record(call{inode: f.inode, edit: edit{cut: true, at: size}})
	}
	return err
}

func (f *recorded) Sync() error {
	f.recorder.mu.Lock()
	defer f.recorder.mu.Unlock()
	f.recorder.record(call{inode: f.inode, sync: true})
	return nil // the model is what counts, and real disks are slow
}

var (
	_ disk.FS   = (*Recorder)(nil)
	_ io.Reader = (*recorded)(nil)
)
