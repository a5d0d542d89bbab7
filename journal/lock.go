package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/prometheus/prometheus/tsdb/fileutil"
)

// lockDir takes the directory for this process until Release, or until the process
// ends, however it ends. The file says who has it; the lock on it is the kernel's.
func lockDir(dir string) (fileutil.Releaser, error) {
	name := filepath.Join(dir, "lock")
	lock, _, err := fileutil.Flock(name)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("in use by %s", holder(name))
	}
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	// Who has it is told to people alone: a full disk keeps nobody from starting.
	_ = os.WriteFile(name, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600)
	return lock, nil
}

// holder names the process that wrote the lock file.
func holder(name string) string {
	b, err := os.ReadFile(name)
	pid := strings.TrimSpace(string(b))
	if _, numeric := strconv.Atoi(pid); err != nil || numeric != nil {
		return "another process"
	}
	return "process " + pid
}
