package forest

const (
	// restGain is the gain of the level of what the season leaves.
	restGain = 0.05

	// restSpread is the spread of that level in mean absolute deviations of what the
	// season leaves: the level's own deviation is 0.16 σ, what the profile does not
	// know of the season several times that.
	restSpread = 6

	// A profile that learns leaves less and less. Once it leaves renewal of what it
	// left when the tree was begun, the tree begins anew: it has seen mistakes that
	// will not be made again.
	renewal = 0.6

	// restYouth is the age, in samples, at which the channel counts half.
	restYouth = 100
)

// Rest is the seventh channel, for streams with a season: the level of what the season
// leaves of them. It is apart from the Forest since few streams have one. The zero
// value is ready.
type Rest struct {
	tree  tree
	level float64
	ref   float64 // the scale when the tree was begun
	n     uint32  // samples since
}

// isolate is how isolated the level is once rest is in it. Then it is learned.
func (r *Rest) isolate(rest, scale float64) float64 {
	if scale < renewal*r.ref {
		r.tree, r.n = tree{}, 0
	}
	if r.n == 0 {
		r.ref = scale
	}
	r.n++
	r.level += restGain * (rest - r.level)
	s := r.tree.score(r.level, restSpread*scale)
	if r.n%quarantine[Season] == 0 {
		r.tree.release()
	}
	if r.n%epoch == 0 {
		r.tree.forget(r.level)
	}
	return s * float64(r.n) / float64(r.n+restYouth)
}
