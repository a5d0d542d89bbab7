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

// curve shows the console how a series went: the detector's window, on it what was emitted
// of each sample, and about the times named what was noted of it.
func (a *App) curve(ctx context.Context, x *foreshock.Series, about []int64, from, to int64) ([]foreshock.Moment, error) {
	views, err := a.detector.Select(ctx, exactly(x), namesakes)
	if err != nil {
		return nil, err
	}
	points := map[int64]foreshock.Moment{}
	for i := range views {
		if v := &views[i]; v.Series.Equal(x) {
			asScored(v, points)
		}
	}
	a.emitter.Overlay(x, from, to, points)
	for _, at := range about {
		explained, err := a.detector.Explain(ctx, exactly(x), at, namesakes)
		if err != nil {
			return nil, err
		}
		for _, e := range explained {
			if e.Series.Equal(x) {
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

const (
	// recently is how far back, in ms, a row of recent points reaches, and mostRecent how
	// many points it has.
	recently   = 30 * 60 * 1000
	mostRecent = 60
	// mostLooked leads of which no scores were emitted have their windows read: 50 × an hour
	// of samples are copied in 0.1 ms.
	mostLooked = 50
)

// recent shows the console how the leads of incidents went of late: their scores as far as
// they were emitted, else the values of a few.
func (a *App) recent(ctx context.Context, incidents []foreshock.Incident) [][]float64 {
	rows := make([][]float64, len(incidents))
	now := a.detector.Status().Now.UnixMilli()
	var silent []*foreshock.Series
	var of []int // incidents
	for i := range incidents {
		lead := incidents[i].Lead()
		if lead == nil {
			continue
		}
		rows[i] = a.emitter.Scores(lead.Series, now-recently, now)
		if len(rows[i]) < 2 && len(of) < mostLooked {
			silent, of = append(silent, lead.Series), append(of, i)
		}
	}
	if found, err := a.detector.ReadEach(ctx, silent, now-recently, now); err == nil { // else they are not known
		for k, i := range of {
			if len(found[k].V) > 0 {
				rows[i] = found[k].V
			}
		}
	}
	for i := range rows {
		rows[i] = thinned(rows[i], mostRecent)
	}
	return rows
}

// thinned is row, or of each of most equal stretches of it the highest.
func thinned(row []float64, most int) []float64 {
	if len(row) <= most {
		return row
	}
	thin := make([]float64, most)
	for i := range thin {
		thin[i] = slices.Max(row[i*len(row)/most : (i+1)*len(row)/most])
	}
	return thin
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
