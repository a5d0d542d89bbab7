package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is what a process has used, user and system, all its threads that ever were
// included. The kernel's clock of a process is as exact as its scheduler, where
// /proc/PID/stat counts in hundredths of a second.
func cpuTime(pid int) (time.Duration, error) {
	const scheduler = 2 // CPUCLOCK_SCHED; see clock_getcpuclockid(3)
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduler), &t); err != nil {
		return 0, fmt.Errorf("read the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// resident is the memory a process has in RAM, in bytes.
func resident(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, fmt.Errorf("process %d has no VmRSS: it has ended", pid)
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10, err
}

// place gives the server the first cores of the CPUs there are, and the loader the next,
// or the server's last one where there are no more.
func place(cpus []int, cores int) (server, loader *unix.CPUSet, err error) {
	if cores > len(cpus) {
		return nil, nil, fmt.Errorf("the server is to have %d cores, but there are %d here", cores, len(cpus))
	}
	return setOf(cpus[:cores]), setOf(cpus[min(cores, len(cpus)-1):][:1]), nil
}

func setOf(cpus []int) *unix.CPUSet {
	set := new(unix.CPUSet)
	for _, c := range cpus {
		set.Set(c)
	}
	return set
}

// allowedCPUs are those this process could use when it began.
func allowedCPUs() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(os.Getpid(), &set); err != nil {
		return nil, fmt.Errorf("read which CPUs may be used: %w", err)
	}
	var cpus []int
	for c := range 64 * len(set) { // more than any has
		if set.IsSet(c) {
			cpus = append(cpus, c)
		}
	}
	return cpus, nil
}

// pinSelf keeps every thread of this process to set; later ones inherit it.
func pinSelf(set *unix.CPUSet) error {
	threads, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		return err
	}
	for _, t := range threads {
		id, err := strconv.Atoi(filepath.Base(t))
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, set); err != nil && err != unix.ESRCH {
			return fmt.Errorf("pin the loader: %w", err)
		}
	}
	return nil
}

// pinned runs start, which starts a process, so that the process is kept to set from
// its first instruction on, as taskset would.
func pinned(set, own *unix.CPUSet, start func() error) error {
	runtime.LockOSThread() // a child inherits the affinity of the thread that forks
	defer runtime.UnlockOSThread()
	if err := unix.SchedSetaffinity(0, set); err != nil {
		return fmt.Errorf("pin the server: %w", err)
	}
	err := start()
	if back := unix.SchedSetaffinity(0, own); err == nil && back != nil {
		err = fmt.Errorf("pin the loader: %w", back)
	}
	return err
}
