package forest

// Still is the forest of a stream that had the value x for so many points, the last of
// them at t; coarse of them before Coarsen was called, or 0. It is what Score would have
// made of them, at once.
func Still(t int64, x float64, points, coarse uint32) Forest {
	if points == 0 {
		return Forest{}
	}
	x = min(max(x, -huge), huge)
	f := Forest{at: t, last: x, step: x, fast: x, slow: x, centre: x, n: points, lived: points, coarse: coarse}
	for c, at := range [own]float64{Value: x, Log: magnitude(x), Fast: x, Slow: x} {
		if c := Channel(c); c != Roughness && f.begun(c) {
			f.trees[c].stay(at, points)
		}
	}
	if f.begun(Roughness) {
		f.trees[Roughness].stay(f.roughness(0), points)
	}
	return f
}

// stay has the tree, which is new, see f for so many points.
func (t *tree) stay(f float64, points uint32) {
	t.score(f, 0, room{})
	if points >= epoch {
		t.prev = t.cur
	}
}
