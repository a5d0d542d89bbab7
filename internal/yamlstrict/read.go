package yamlstrict

import (
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
// reading from it, and so is a file larger than MaxSize.
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
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if len(data) > MaxSize {
		return nil, fmt.Errorf("larger than %d KiB", MaxSize>>10)
	}
	return data, nil
}

// withoutPath drops the path from an error that will be told with the path.
func withoutPath(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
