package faulty

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// model is a file system that knows what of it outlives a power cut.
type model struct {
	inodes map[int]*inode // 0 is the root
	next   int            // number of the next one
}

// inode is a file, or a directory where names is not nil: what is durable of it, and what
// happened since.
type inode struct {
	data    []byte
	names   map[string]int
	pending []edit
}

// edit is a change to a file: data written at, or its length cut to at; or to a
// directory: a name goes, another one comes.
type edit struct {
	data []byte
	at   int64
	cut  bool

	unset, set string
	to         int
}

func newDirectory() *inode { return &inode{names: map[string]int{}} }

func newModel() *model { return &model{inodes: map[int]*inode{0: newDirectory()}, next: 1} }

// do has c happen.
func (m *model) do(c call) {
	if c.fresh != nil {
		fresh := &inode{}
		if c.fresh.names != nil {
			fresh = newDirectory()
		}
		m.inodes[m.next] = fresh
		m.next++
	}
	n := m.inodes[c.inode]
	if !c.sync {
		n.pending = append(n.pending, c.edit)
		return
	}
	n.data, n.names = n.after(n.pending)
	n.pending = nil
}

// after is what the edits make of what is durable.
func (n *inode) after(edits []edit) ([]byte, map[string]int) {
	data, names := slices.Clone(n.data), maps.Clone(n.names)
	for _, e := range edits {
		switch {
		case n.names != nil:
			if e.unset != "" {
				delete(names, e.unset)
			}
			if e.set != "" {
				names[e.set] = e.to
			}
		case e.cut:
			data = grown(data, int(e.at))[:e.at]
		default:
			data = grown(data, int(e.at)+len(e.data))
			copy(data[e.at:], e.data)
		}
	}
	return data, names
}

// grown is data, with zeros up to size.
func grown(data []byte, size int) []byte {
	if len(data) < size {
		data = append(data, make([]byte, size-len(data))...)
	}
	return data
}

// find is the inode that has the path now.
func (m *model) find(path string) (id int, there bool) {
	if path == "." {
		return 0, true
	}
	for part := range strings.SplitSeq(path, string(filepath.Separator)) {
		_, names := m.inodes[id].after(m.inodes[id].pending)
		if id, there = names[part]; !there {
			return 0, false
		}
	}
	return id, true
}

// lay makes in dir what the directory is after those edits of it that happened, and all
// below it.
func (m *model) lay(dir string, id int, happened func(int, *inode) []edit) error {
	n := m.inodes[id]
	_, names := n.after(happened(id, n))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		path := filepath.Join(dir, name)
		below := m.inodes[names[name]]
		if below.names != nil {
			if err := errors.Join(os.MkdirAll(path, 0o700), m.lay(path, names[name], happened)); err != nil {
				return err
			}
			continue
		}
		data, _ := below.after(happened(names[name], below))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}
