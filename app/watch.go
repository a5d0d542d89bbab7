package app

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/remediation"
)

// mostWatched bounds the series of one incident that are read to see whether they
// recovered: the first by onset. Of the others the detector's word has to be enough.
const mostWatched = 64

// soonAccepted is how long an anomaly lasts at least before the detector takes what is odd
// for the new normal, ms: see settled in detector/alarm.go.
const soonAccepted = int64(time.Hour / time.Millisecond)

// watch shows remediation how the series that made the alert of an incident are: normal by
// the detector's word, and heard by the samples themselves. Nothing is seen of an incident
// that is not known any more.
func (a *App) watch(ctx context.Context, id string) ([]remediation.Sight, error) {
	if !a.ready.Load() {
		return nil, remediation.ErrNotYet // what was known is being taken up
	}
	all := a.incidents.list()
	k := slices.IndexFunc(all, func(in foreshock.Incident) bool { return in.ID == id })
	if k < 0 {
		return nil, nil
	}
	in, now := &all[k], a.detector.Status().Now
	var seen []remediation.Sight
	for i := range in.Members {
		if in.Members[i].Rule == "" {
			continue // part of the story, and no reason for the alert
		}
		m := latest(all, in.Kind, &in.Members[i])
		s := remediation.Sight{Series: m.Series.String(), Heard: now}
		if m.EndedAt != 0 {
			s.Normal = foreshock.Time(m.EndedAt)
		}
		if len(seen) < mostWatched {
			var err error
			if s.Heard, err = a.heard(ctx, in.Kind, m, now); err != nil {
				return nil, err
			}
			if s.Accepted, err = a.accepted(ctx, m); err != nil {
				return nil, err
			}
		}
		seen = append(seen, s)
	}
	if in.Dropped > 0 && in.State != foreshock.Resolved {
		// Which series they are is not known, but that not all of them are normal.
		seen = append(seen, remediation.Sight{Series: "one of the further series", Heard: now})
	}
	return seen, nil
}

// latest is what the newest incident of that kind has of the series of m: what ended in
// one may have begun again in another. all are newest first.
func latest(all []foreshock.Incident, k foreshock.Kind, m *foreshock.Member) *foreshock.Member {
	newest := m
	for i := range all {
		for j := range all[i].Members {
			if o := &all[i].Members[j]; all[i].Kind == k && o.Onset > newest.Onset && o.Series.Equal(m.Series) {
				newest = o
			}
		}
	}
	return newest
}

// heard is when the newest sample of the series of m was taken, zero where none is held.
// Of one that is missed it is the stream's own time: its silence was listened to.
func (a *App) heard(ctx context.Context, k foreshock.Kind, m *foreshock.Member, now time.Time) (time.Time, error) {
	if k == foreshock.Absence && m.EndedAt == 0 {
		return now, nil
	}
	if m.Series.IsGroup() {
		e, err := a.explanation(ctx, m.Series, foreshock.Newest)
		if err != nil || e == nil {
			return time.Time{}, err
		}
		return foreshock.Time(e.T), nil
	}
	found, err := a.detector.Read(ctx, exactly(m.Series), m.Onset, foreshock.Newest, mostSamplesWatched)
	if err != nil {
		return time.Time{}, err
	}
	for _, e := range found {
		for i := len(e.T) - 1; i >= 0 && e.Series.Equal(m.Series); i-- {
			if s := (foreshock.Sample{T: e.T[i], V: e.V[i]}); !s.Stale() {
				return foreshock.Time(s.T), nil
			}
		}
	}
	// Read knows no series that are made of histograms; looking at all takes longer.
	views, err := a.detector.Select(ctx, exactly(m.Series), namesakes)
	if err != nil {
		return time.Time{}, err
	}
	for _, v := range views {
		for i := len(v.Samples) - 1; i >= 0 && v.Series.Equal(m.Series); i-- {
			if s := v.Samples[i]; !s.Stale() {
				return foreshock.Time(s.T), nil
			}
		}
	}
	return time.Time{}, nil
}

// mostSamplesWatched is room for the window of a day at a sample a second, and of the few
// that have further labels.
const mostSamplesWatched = 1 << 20

// accepted reports whether m ended because what is odd became normal, as that takes an
// hour and may well end within the time that a remedy is given. A group goes by the
// loudest of its series.
func (a *App) accepted(ctx context.Context, m *foreshock.Member) (bool, error) {
	if m.EndedAt == 0 || m.EndedAt-m.Onset < soonAccepted {
		return false, nil
	}
	s := m.Series
	if s.IsGroup() && m.Loudest.Series != nil {
		s = m.Loudest.Series
	}
	e, err := a.explanation(ctx, s, m.EndedAt)
	if err != nil || e == nil {
		return false, err
	}
	return slices.ContainsFunc(e.Around, func(was foreshock.Moment) bool {
		return was.Reason == foreshock.Accepted && was.T > m.Onset && was.T <= m.EndedAt
	}), nil
}

// explanation is what the detector says of the series at a time, or nil.
func (a *App) explanation(ctx context.Context, s *foreshock.Series, at int64) (*foreshock.Explanation, error) {
	all, err := a.detector.Explain(ctx, exactly(s), at, namesakes)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Series.Equal(s) {
			return &all[i], nil
		}
	}
	return nil, nil
}

// exactly matches the series and those that have further labels.
func exactly(s *foreshock.Series) (matchers []*labels.Matcher) {
	s.Labels.Range(func(l labels.Label) {
		matchers = append(matchers, labels.MustNewMatcher(labels.MatchEqual, l.Name, l.Value))
	})
	return matchers
}

// remedied has what was done about an incident be told with it.
func (a *App) remedied(id string) {
	if over := a.incidents.again(id); len(over) > 0 {
		a.evidence.Attach(over)
		a.remediation.Attach(over)
		a.emitter.Offer(foreshock.Report{Findings: foreshock.Findings{Now: over[0].Updated}, Incidents: over})
	}
}
