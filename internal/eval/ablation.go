package eval

import (
	"context"

	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/rules"
)

// ablations are the detector without one of its parts each: what is lost then is what
// the part is worth.
func ablations() []method {
	without := func(name string, parts detector.Parts, group rules.Grouping) method {
		return method{"without " + name, func(ctx context.Context, streams []*stream) ([]track, Cost, error) {
			return liveWithout(ctx, streams, parts, group)
		}}
	}
	return []method{
		without("bursts", detector.Bursts, rules.GroupPlace),
		without("season", detector.Seasons, rules.GroupPlace),
		without("levels", detector.Levels, rules.GroupPlace),
		without("roughness", detector.Roughness, rules.GroupPlace),
		without("doubt", detector.Doubts, rules.GroupPlace),
		without("deviation", detector.Deviations, rules.GroupPlace),
		without("constellation", detector.Constellations, rules.GroupPlace),
		without("places", 0, rules.GroupOff),
	}
}
