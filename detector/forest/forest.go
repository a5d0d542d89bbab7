// Package forest scores the points of one stream by how few cuts isolate them.
package forest

import "fmt"

// Channel is one view of the stream.
type Channel uint8

// The channels.
const (
	Value Channel = iota
	Log
	Fast
	Slow
	Shift
	Roughness
)

// String is the channel as people read it.
func (c Channel) String() string {
	switch c {
	case Value:
		return "value"
	case Log:
		return "magnitude"
	case Fast:
		return "level (fast)"
	case Slow:
		return "level (slow)"
	case Shift:
		return "shift"
	case Roughness:
		return "roughness"
	}
	return fmt.Sprintf("unknown(%d)", uint8(c))
}

// Forest is what one stream has taught.
type Forest struct {
	n uint32
}

// Score scores x against what was seen, then learns it.
func (f *Forest) Score(t int64, x float64) (s float64, ch Channel) {
	f.n++
	return 0, Value
}
