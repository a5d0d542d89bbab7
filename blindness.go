package foreshock

import "time"

// Blindness is that nothing can be seen: no samples come, or none that move the clock.
// It is the wall clock's, unlike all else here. Zero is sight.
type Blindness struct {
	Since time.Time // when something was seen last
	Why   string    // to read
}

// Blind reports whether it is blindness.
func (b Blindness) Blind() bool { return !b.Since.IsZero() }
