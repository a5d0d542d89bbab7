package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/plot"
	"github.com/foreshock/foreshock/internal/record"
)

// mostPanels is how many series one picture of a running Foreshock holds.
const mostPanels = 24

// liveSeries are series of a running Foreshock over some time.
type liveSeries struct {
	server
	selector, from, to string
}

// held is a series as /api/v1/windows tells it.
type held struct {
	Metric labels.Labels
	Kind   string
	Last   struct{ At record.Instant }
}

// stretch is one series of a matrix, as /api/v1/query tells it.
type stretch struct {
	Metric labels.Labels
	Values []model.SamplePair
}

// figure asks for the series at now: for their samples, and for what was emitted of them.
func (q *liveSeries) figure(ctx context.Context, now time.Time) (plot.Figure, error) {
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	f := plot.Figure{Title: q.selector}
	data, err := q.ask(ctx, http.MethodGet, "api/v1/windows", url.Values{"match[]": {q.selector}, "limit": {strconv.Itoa(mostPanels)}}, nil)
	if err != nil {
		return f, err
	}
	var all []held
	if err := json.Unmarshal(data, &all); err != nil {
		return f, fmt.Errorf("read the answer of %s: %w", q.url, err)
	}
	if len(all) == 0 {
		return f, fmt.Errorf("no series matches %s: check its labels, and whether its samples arrive", q.selector)
	}
	from, to, err := q.span(all, now)
	if err != nil {
		return f, err
	}
	for _, one := range all {
		p, err := q.panel(ctx, one, from, to)
		if err != nil {
			return f, err
		}
		if len(p.Points) > 0 {
			f.Panels = append(f.Panels, p)
		}
	}
	if len(f.Panels) == 0 {
		return f, fmt.Errorf("%s has no samples from %s to %s: what is held ends at %s", q.selector, clock(from, 0), clock(to, 0), clock(newest(all), 0))
	}
	return f, nil
}

func newest(all []held) record.Instant {
	return slices.MaxFunc(all, func(a, b held) int { return cmp.Compare(a.Last.At, b.Last.At) }).Last.At
}

// span is from --from to --to, or the hour before the newest sample.
func (q *liveSeries) span(all []held, now time.Time) (from, to record.Instant, err error) {
	to = newest(all)
	if q.to != "" {
		at, err := momentOf("--to", q.to, now)
		if err != nil {
			return 0, 0, err
		}
		to = record.Instant(at.UnixMilli())
	}
	from = to - record.Instant(time.Hour.Milliseconds())
	if q.from != "" {
		at, err := momentOf("--from", q.from, now)
		if err != nil {
			return 0, 0, err
		}
		from = record.Instant(at.UnixMilli())
	}
	if from >= to {
		return 0, 0, fmt.Errorf("--from %s is not before --to %s", clock(from, 0), clock(to, 0))
	}
	return from, to, nil
}

// panel is one series with its band and score where they were emitted.
func (q *liveSeries) panel(ctx context.Context, one held, from, to record.Instant) (plot.Panel, error) {
	series := foreshock.NewSeries(one.Metric)
	p := plot.Panel{Title: series.String()}
	samples, err := q.samples(ctx, one.Metric, from, to)
	if err != nil {
		return p, err
	}
	for i, s := range samples {
		value := float64(s.Value)
		if one.Kind == "counter" || one.Kind == "bucket" {
			if i == 0 {
				continue
			}
			p.Unit = "per second"
			value = foreshock.Sample{T: int64(s.Timestamp), V: value}.Rate(foreshock.Sample{T: int64(samples[i-1].Timestamp), V: float64(samples[i-1].Value)})
		}
		nan := math.NaN()
		p.Points = append(p.Points, plot.Point{T: int64(s.Timestamp), Value: value, Expected: nan, Lower: nan, Upper: nan, Score: nan})
	}
	for name, set := range map[string]func(*plot.Point, float64){
		foreshock.ExpectedMetric:      func(at *plot.Point, v float64) { at.Expected = v },
		foreshock.ExpectedLowerMetric: func(at *plot.Point, v float64) { at.Lower = v },
		foreshock.ExpectedUpperMetric: func(at *plot.Point, v float64) { at.Upper = v },
		foreshock.ScoreMetric:         func(at *plot.Point, v float64) { at.Score = v },
	} {
		of := labels.NewBuilder(one.Metric).Set(model.MetricNameLabel, name).Set(foreshock.ForLabel, series.Name()).Labels()
		emitted, err := q.samples(ctx, of, from, to)
		if err != nil {
			return p, err
		}
		for _, s := range emitted {
			if i, found := slices.BinarySearchFunc(p.Points, int64(s.Timestamp), func(at plot.Point, t int64) int { return cmp.Compare(at.T, t) }); found {
				set(&p.Points[i], float64(s.Value))
			}
		}
	}
	p.Anomalies = anomalies(p.Points)
	return p, nil
}

// samples are those of the series of exactly these labels, oldest first.
func (q *liveSeries) samples(ctx context.Context, of labels.Labels, from, to record.Instant) ([]model.SamplePair, error) {
	selector := ""
	of.Range(func(l labels.Label) { selector += fmt.Sprintf("%q=%q,", l.Name, l.Value) })
	query := fmt.Sprintf("{%s}[%dms]", selector, to-from)
	at := strconv.FormatFloat(float64(to)/1000, 'f', 3, 64)
	data, err := q.ask(ctx, http.MethodGet, "api/v1/query", url.Values{"query": {query}, "time": {at}}, nil)
	if err != nil {
		return nil, err
	}
	var answer struct{ Result []stretch }
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", q.url, err)
	}
	for _, s := range answer.Result { // others may have more labels
		if labels.Equal(s.Metric, of) {
			return s.Values, nil
		}
	}
	return nil, nil
}

// anomalies are the stretches with scores above 1. The first point of each is marked.
func anomalies(points []plot.Point) []plot.Anomaly {
	var all []plot.Anomaly
	during := false
	for i := range points {
		p := &points[i]
		switch {
		case p.Score > 1 && !during:
			p.Marked, during = true, true
			all = append(all, plot.Anomaly{Start: p.T, Value: p.Value, Lower: p.Lower, Upper: p.Upper, Score: p.Score})
		case p.Score > 1:
			if last := &all[len(all)-1]; p.Score > last.Score {
				last.Score, last.Value, last.Lower, last.Upper = p.Score, p.Value, p.Lower, p.Upper
			}
		case during:
			all[len(all)-1].End, during = p.T, false
		}
	}
	return all
}
