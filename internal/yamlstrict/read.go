package yamlstrict

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// MaxSize bounds a file: a thousand rules of twenty lines are 800 KB.
const MaxSize = 1 << 20

// Read returns the contents of the regular file at path. Anything else — a pipe
// that nobody writes to, a device without end, a directory — is refused without
// reading from it, and so is a file larger than MaxSize. It never waits for what is not
// there yet.
func Read(path string) ([]byte, error) {
	// A pipe opened for reading waits for its writer unless told not to.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, withoutPath(err)
	}
	data, err := io.ReadAll(io.LimitReader(impatient{conn}, MaxSize+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if len(data) > MaxSize {
		return nil, fmt.Errorf("larger than %d KiB", MaxSize>>10)
	}
	return data, nil
}

// impatient reads what is there and waits for nothing. The log of the kernel calls itself
// a regular file, and has its readers wait for what it will say next.
type impatient struct{ conn syscall.RawConn }

func (r impatient) Read(b []byte) (n int, err error) {
	told := r.conn.Read(func(fd uintptr) bool {
		for n, err = syscall.Read(int(fd), b); err == syscall.EINTR; {
			n, err = syscall.Read(int(fd), b)
		}
		return true // whatever came
	})
	switch err = cmp.Or(told, err); {
	case errors.Is(err, syscall.EAGAIN):
		return 0, errors.New("has no end: more may come at any time")
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// withoutPath drops the path from an error that will be told with the path.
func withoutPath(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
