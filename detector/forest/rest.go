package forest

import "math"

const (
	// restGain is the gain of the level of what the season leaves.
	restGain = 0.05

	// The level's spread is this many mean absolute deviations of what the season
	// leaves, and this many of the level itself. Were that noise, the level would have
	// a sixth of its deviation, and 20/6 + 1 is 4.3 of them. Where the season leaves
	// swings of hours, which are no noise, the level's own counts: 21 of them.
	restSpread = 1
	ownSpread  = 20

	// ownGain is the gain of the level's deviation.
	ownGain = 0.001

	// A profile that learns leaves less and less. Once it leaves renewal of what it
	// left when the tree was begun, the tree begins anew: it has seen mistakes that
	// will not be made again.
	renewal = 0.6

	// restYouth is the age, in ms, at which the channel counts half, five hours, but no
	// fewer points than three memories of the level, 1/restGain each.
	restYouth  = 5 * 60 * 60 * 1000
	restPoints = 60
)

// Rest is the seventh channel, for streams with a season: the level of what the season
// leaves of them. It is apart from the Forest since few streams have one. The zero
// value is ready.
type Rest struct {
	tree  tree
	level float64
	own   float64 // mean |level|
	ref   float64 // the scale when the tree was begun
	score float64 // of the last point
	born  int64   // ms: when that was
	n     uint32  // points since
}

// isolate is how isolated the level is once rest is in it, where far values of the stream
// are taken for as common as beyond says. Then it is learned.
func (r *Rest) isolate(t int64, rest, scale float64, beyond room) float64 {
	if scale < renewal*r.ref {
		r.tree, r.n = tree{}, 0
	}
	if r.n == 0 {
		r.ref, r.born = scale, t
	}
	r.n++
	r.level += restGain * (rest - r.level)
	s := r.tree.score(r.level, restSpread*scale+ownSpread*r.own, beyond.times(restGain))
	r.own += max(ownGain, 1/float64(r.n)) * (math.Abs(r.level) - r.own)
	if r.n%quarantine[Season] == 0 {
		r.tree.release()
	}
	if r.n%epoch == 0 {
		r.tree.forget(r.level)
	}
	n, age := float64(r.n), float64(t)-float64(r.born)
	return s * min(n/(n+restPoints), age/(age+restYouth))
}
