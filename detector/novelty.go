package detector

import "github.com/foreshock/foreshock/detector/constellation"

// A machine can be where it never was although none of its series is: a load that is
// usual by day is not with the temperature of a night. So a group also compares how its
// members stand to each other with how they stood before: see constellation.

// novelNeed is the novelty, in e-folds of every member's distance from its mean, that takes
// an alert, and fewNovel the members whose novelty a smaller group must bring together:
// those of a few lie far from any past by chance.
const (
	novelNeed = 0.22
	fewNovel  = 20
)

// look has the constellation of g take in where st stands at t.
func (g *group) look(l *ledger, st *state, t int64, v *verdict) {
	if g.far(t) {
		return
	}
	if st.star == nil {
		if !l.spares(heldConstellations) {
			return
		}
		l.take(heldConstellations, starBytes)
		st.star = &constellation.Member{}
	}
	c := g.constellation
	c.Look(st.star, t, st.x, v.admitted && !v.warming)
	if c.Heard() == len(g.slots) {
		c.Judge()
	}
}

// dropStar has the place of st forget where st stood.
func (s *shard) dropStar(st *state) {
	if st.star != nil {
		s.ledger.take(heldConstellations, -starBytes)
		st.star = nil
	}
}

// novelty is the score that the constellation of g gives it.
func (g *group) novelty() float64 {
	n := float64(len(g.slots))
	return min(g.constellation.Novelty()*n/max(n, fewNovel)/novelNeed, utmost)
}

// withPlace is the score v of st with what is unusual about its place added, by what was
// judged of that last: short of an anomaly, which st has by itself or not at all.
func (s *shard) withPlace(st *state, v *verdict) float64 {
	g := st.member.group
	if v.active || v.warming || !g.speaks() {
		return v.score
	}
	excess := g.constellation.Excess() * s.settings.floor / s.settings.thresholds[st.scope]
	return min(v.score+excess*sensitivity(st.watch), max(v.score, ordinary))
}
