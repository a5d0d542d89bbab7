package app

import (
	"context"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// company is how far apart, in ms, two series of one instance may be anomalous and
// still be said to have moved together: five minutes.
const company = 5 * 60 * 1000

// explain shows the console why series did or did not alert: what the detector knows,
// and from the incidents what moved with them.
func (a *App) explain(ctx context.Context, matchers []*labels.Matcher, at int64, limit int) ([]foreshock.Explanation, error) {
	found, err := a.detector.Explain(ctx, matchers, at, limit)
	if err != nil {
		return nil, err
	}
	all := a.incidents.list()
	for i := range found {
		accompany(&found[i], all)
	}
	return found, nil
}

// accompany completes e by the incident that its series was part of at e.T, or else by
// what else of its instance was anomalous then. Incidents are newest first, so that of
// several the newest counts.
func accompany(e *foreshock.Explanation, incidents []foreshock.Incident) {
	for i := range incidents {
		in := &incidents[i]
		for k := range in.Members {
			if m := &in.Members[k]; m.Series.Equal(e.Series) && during(m, e.T) {
				e.Incident, e.Unlisted = in.ID, in.Dropped
				e.Together = append(append([]foreshock.Member(nil), in.Members[:k]...), in.Members[k+1:]...)
				return
			}
		}
	}
	instance := e.Series.Labels.Get(model.InstanceLabel)
	if instance == "" {
		return
	}
	for i := range incidents {
		for _, m := range incidents[i].Members {
			same := func(o foreshock.Member) bool { return o.Series.Equal(m.Series) }
			if m.Series.Labels.Get(model.InstanceLabel) == instance && !m.Series.Equal(e.Series) && during(&m, e.T) && !slices.ContainsFunc(e.Together, same) {
				e.Together = append(e.Together, m)
			}
		}
	}
}

// during reports whether m was anomalous within five minutes of t.
func during(m *foreshock.Member, t int64) bool {
	return m.Onset <= t+company && (m.EndedAt == 0 || m.EndedAt >= t-company)
}
