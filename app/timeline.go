package app

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector"
)

// namesakes are how many series one looks through for the one of exactly its labels:
// others may have more.
const namesakes = 50

// curve shows the console how a member of an incident went: the detector's window and,
// about its onset and its end, what was noted of each sample.
func (a *App) curve(ctx context.Context, m *foreshock.Member, from, to int64) ([]foreshock.Moment, error) {
	views, err := a.detector.Select(ctx, exactly(m.Series), namesakes)
	if err != nil {
		return nil, err
	}
	points := map[int64]foreshock.Moment{}
	for i := range views {
		if v := &views[i]; v.Series.Equal(m.Series) {
			asScored(v, points)
		}
	}
	for _, at := range []int64{m.Onset, cmp.Or(m.EndedAt, to)} {
		explained, err := a.detector.Explain(ctx, exactly(m.Series), at, namesakes)
		if err != nil {
			return nil, err
		}
		for _, e := range explained {
			if e.Series.Equal(m.Series) {
				for _, noted := range e.Around {
					if _, held := points[noted.T]; !held || noted.Reason.Recorded() {
						points[noted.T] = noted
					}
				}
			}
		}
	}
	curve := make([]foreshock.Moment, 0, len(points))
	for t, p := range points {
		if t >= from && t <= to {
			curve = append(curve, p)
		}
	}
	slices.SortFunc(curve, func(a, b foreshock.Moment) int { return cmp.Compare(a.T, b.T) })
	return curve, nil
}

// asScored puts the samples of v into points: a counter's as rates a second.
func asScored(v *detector.View, points map[int64]foreshock.Moment) {
	nan := math.NaN()
	for i, s := range v.Samples {
		value := s.V
		if v.Kind == "counter" || v.Kind == "bucket" {
			if i == 0 || s.T <= v.Samples[i-1].T {
				continue
			}
			value = s.Rate(v.Samples[i-1])
		}
		if s.Stale() {
			value = nan
		}
		points[s.T] = foreshock.Moment{T: s.T, Value: value, Band: foreshock.NoBand(), Score: nan}
	}
}
