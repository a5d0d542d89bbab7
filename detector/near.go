package detector

import (
	"context"

	"github.com/foreshock/foreshock"
)

// Near is what is noted of one sample that was anomalous or near it.
type Near struct {
	Series         *foreshock.Series
	T              int64 // ms
	Raw, Threshold float64
	Reason         foreshock.Reason
}

// Near returns the notes about the series that the named watch rule selects, in no order.
// Those of the places that speak for them are not among them. It returns errors as Select
// does.
func (d *Detector) Near(ctx context.Context, rule string) ([]Near, error) {
	return askAll(ctx, d, func(s *shard, answers chan<- []Near) query {
		return query{ctx: ctx, look: func() { answers <- s.near(rule) }}
	})
}

func (s *shard) near(rule string) (found []Near) {
	for _, shelf := range []*shelf{&s.diaries.near, &s.diaries.told} {
		for d := shelf.first; d != nil; d = d.next {
			if d.of.watch == nil || d.of.watch.Name != rule {
				continue
			}
			for i := range d.notes {
				n := &d.notes[i]
				found = append(found, Near{d.of.series, n.t, n.raw, n.theta, n.reason})
			}
		}
	}
	return found
}
