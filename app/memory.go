package app

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/alecthomas/units"

	"github.com/foreshock/foreshock/config"
)

const (
	// leastMemoryLimit is the least --memory.limit: the program, one request at a time,
	// three times 12 MiB, and some series.
	leastMemoryLimit = 256 * units.MiB

	// program is what the process takes without a heap: its code, which the collector does
	// not count, 45 MiB, and what the kernel has not taken back yet.
	program = 64 * units.MiB
)

// confine has cfg keep the process within limit, unless that is 0: whatever is configured
// to be more is made less. Of what the program leaves, the models and windows of series may
// take half, and what senders call them a sixth; requests on their way have a tenth. The
// rest is garbage, which the collector keeps to what is left.
func confine(cfg *config.Config, limit int64) {
	if limit == 0 {
		return
	}
	of := func(part int64, least units.Base2Bytes) units.Base2Bytes {
		return max((units.Base2Bytes(limit)-program)/units.Base2Bytes(part), least)
	}
	r, d := &cfg.Receiver, &cfg.Detector
	if most := of(2, 0); d.MemoryLimit == 0 || d.MemoryLimit > most {
		d.MemoryLimit = most
	}
	r.MaxCachedBytes = min(r.MaxCachedBytes, of(6, units.MiB))
	r.MaxBuffered = min(r.MaxBuffered, of(10, 2*r.MaxBody+r.MaxDecoded))
}

// setMemoryLimit tells the collector, and returns an error where the limit is too little to
// live with.
func setMemoryLimit(limit int64) error {
	switch {
	case limit == 0:
		return nil
	case limit < 0:
		return errors.New("--memory.limit must not be negative")
	case limit < int64(leastMemoryLimit):
		return fmt.Errorf("--memory.limit must be at least %s, got %s", leastMemoryLimit, units.Base2Bytes(limit))
	}
	debug.SetMemoryLimit(limit - int64(program))
	return nil
}
