package history

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/foreshock/foreshock"
)

const (
	// seenIn is the stretch in which a scrape interval is looked for: two samples of what
	// is scraped every five minutes, which is as rarely as PromQL still sees a series.
	seenIn = 10 * time.Minute

	// seenSeries is how many series are asked for that: × 600 samples at 1 s × 25 B = 1.5 MB.
	seenSeries = 100

	// usualInterval is taken where nothing was seen: Prometheus's default.
	usualInterval = time.Minute
)

// errNotOffered says that a server has no remote read.
var errNotOffered = errors.New("remote read is not offered")

// offering tells an answer that means that there is no such thing from other errors.
type offering struct{ next http.RoundTripper }

func (o offering) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := o.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	switch answer.StatusCode {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		answer.Body.Close()
		return nil, fmt.Errorf("%w: it is answered with %s", errNotOffered, answer.Status)
	}
	return answer, nil
}

// steps reads series by query_range, from a server that has no remote read: what each was
// every step, which is the interval most are scraped at. That is not what was scraped:
// times are the steps', a sample between two steps is lost, one older than a step comes
// again, as long as PromQL looks back, and there are no native histograms. A series that
// has nothing at a step any more ends there with a stale marker.
type steps struct {
	queries []*Query
	step    int64 // ms
}

// newSteps sees what the interval is at the time at, ms.
func (p *Prometheus) newSteps(ctx context.Context, at int64) (*steps, error) {
	server, err := p.server.api()
	if err != nil {
		return nil, err
	}
	var gaps []int64
	for _, text := range p.selectors {
		seen, err := seenGaps(ctx, server, text, at)
		if err != nil {
			return nil, err
		}
		gaps = append(gaps, seen...)
	}
	step := usualInterval
	if len(gaps) > 0 {
		slices.Sort(gaps)
		step = max(time.Duration(gaps[len(gaps)/2])*time.Millisecond, time.Second).Round(time.Second)
	}
	s := &steps{step: step.Milliseconds()}
	for _, text := range p.selectors {
		q, err := NewQuery(p.server, text, step)
		if err != nil {
			return nil, err
		}
		s.queries = append(s.queries, q)
	}
	return s, nil
}

// seenGaps are the times, ms, between the samples of some series before at, ms.
func seenGaps(ctx context.Context, server promv1.API, selector string, at int64) ([]int64, error) {
	text := fmt.Sprintf("%s[%s]", selector, model.Duration(seenIn))
	seen, _, err := server.Query(ctx, text, foreshock.Time(at), promv1.WithLimit(seenSeries))
	if err != nil {
		return nil, err
	}
	matrix, ok := seen.(model.Matrix)
	if !ok {
		return nil, fmt.Errorf("a %s came where a matrix was asked for", seen.Type())
	}
	var gaps []int64
	for _, stream := range matrix {
		for i := 1; i < len(stream.Values); i++ {
			gaps = append(gaps, int64(stream.Values[i].Timestamp-stream.Values[i-1].Timestamp))
		}
	}
	return gaps, nil
}

// fetch asks from a step before span, or nobody would know what ended at its beginning.
func (s *steps) fetch(ctx context.Context, span Span, into *slice) error {
	last := span.From + (span.To-span.From)/s.step*s.step
	for _, q := range s.queries {
		matrix, err := q.ask(ctx, Span{span.From - s.step, span.To})
		if err != nil {
			return err
		}
		for _, stream := range matrix {
			x := into.series(labelsOf(stream.Metric))
			if x == nil {
				continue
			}
			for i, v := range stream.Values {
				t := int64(v.Timestamp)
				if t >= span.From {
					if err := into.add(x, t, float64(v.Value)); err != nil {
						return err
					}
				}
				next := t + s.step
				if gone := i+1 == len(stream.Values) || int64(stream.Values[i+1].Timestamp) > next; gone && next <= last {
					if err := into.add(x, next, math.Float64frombits(value.StaleNaN)); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// selectorText is a selector as PromQL.
func selectorText(matchers []*labels.Matcher) string {
	texts := make([]string, len(matchers))
	for i, m := range matchers {
		texts[i] = m.String()
	}
	return "{" + strings.Join(texts, ",") + "}"
}
