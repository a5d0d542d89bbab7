package faulty

import (
	"fmt"
	"os"
	"strconv"
)

// Points is how many moments of a run a test is to look at: by default as many as it
// says, or what the environment's FORESHOCK_CRASH_POINTS says, where 0 is all.
func Points(usual int) (int, error) {
	text := os.Getenv("FORESHOCK_CRASH_POINTS")
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("FORESHOCK_CRASH_POINTS is %q, want a number, 0 for all", text)
	}
	return n, nil
}

// Sampled are the moments of a run, but at most so many and evenly spread; 0 is all.
func (r *Recorder) Sampled(points int, f func(Moment)) {
	calls, seen := r.Calls(), 0
	r.Moments(func(m Moment) bool {
		if points == 0 || m.N*points/max(calls, 1) >= seen {
			seen++
			f(m)
		}
		return true
	})
}
