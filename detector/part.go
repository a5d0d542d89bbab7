package detector

import "github.com/foreshock/foreshock/detector/forest"

// Parts are what a detector is made of and can be measured without, to see what each is
// worth. A process that runs for somebody has them all.
type Parts uint8

// The parts.
const (
	Bursts         Parts = 1 << iota // sudden local change, beside the habit of a week
	Seasons                          // the day and the week of a series
	Levels                           // where a series usually goes: the fast and the slow level, and shifts between them
	Roughness                        // how restless it is
	Doubts                           // believing a series less that alerts too often
	Deviations                       // many series of a place that are far from their mean of a day
	Constellations                   // how new it is that the series of a place stand as they do
)

// lacks reports whether the detector is measured without p.
func (g *grading) lacks(p Parts) bool { return g.without&p != 0 }

// deaf are the forest's channels that are left out, a bit each.
func (g *grading) deaf() (channels uint8) {
	if g.without == 0 {
		return 0
	}
	if g.lacks(Levels) {
		channels |= 1<<forest.Fast | 1<<forest.Slow | 1<<forest.Shift
	}
	if g.lacks(Roughness) {
		channels |= 1 << forest.Roughness
	}
	return channels
}
