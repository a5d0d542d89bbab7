package rca

import (
	"context"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/emitter"
	incidents "github.com/foreshock/foreshock/incident"
	"github.com/foreshock/foreshock/incident/cause"
	"github.com/foreshock/foreshock/internal/flow"
	"github.com/foreshock/foreshock/rules"
)

// Stream is what comes of the samples of a set alone, from first to last, where nobody says
// that something is wrong, or when.
type Stream struct {
	Set    string `json:"set"`
	Faults int    `json:"faults"`
	// Found is the share of faults during which an incident was told that began then, and
	// One of those of which there was one such incident.
	Found float64 `json:"found"`
	One   float64 `json:"one"`
	// First and Three are the share of faults whose true place was told as the first cause
	// of such an incident, and among its first three.
	First float64 `json:"first"`
	Three float64 `json:"three"`
	// Quiet are the hours in which nothing was wrong, after the first, which is for
	// learning, and False the incidents told that began in them, an hour.
	Quiet float64 `json:"quiet_hours"`
	False float64 `json:"false_per_quiet_hour"`
}

// learning is the part of a stream that is not judged.
const learning = time.Hour

// followUp is how long after its end a fault may still show.
const followUp = 5 * time.Minute

// watchAll is the rule of who knows nothing of a system but its metrics.
const watchAll = "groups: [{name: all, rules: [{watch: all, select: '{job=\"set\"}'}]}]"

// stream plays the set. Incidents of one stream share their candidates: they are played once.
func (s *set) stream(ctx context.Context) (Stream, error) {
	out := Stream{Set: s.name, Faults: len(s.incidents)}
	var quiet time.Duration
	wrong := 0
	for first := 0; first < len(s.incidents); {
		faults := s.incidents[first:]
		n := 1
		for n < len(faults) && sameStream(&faults[0], &faults[n]) {
			n++
		}
		faults = faults[:n]
		first += n
		told, err := play(ctx, &faults[0].question)
		if err != nil {
			return out, err
		}
		free, alarms := out.judge(faults, told)
		quiet += free
		wrong += alarms
	}
	f := float64(out.Faults)
	out.One /= max(out.Found, 1)
	out.Found, out.First, out.Three = out.Found/f, out.First/f, out.Three/f
	if out.Quiet = quiet.Hours(); out.Quiet > 0 {
		out.False = float64(wrong) / out.Quiet
	}
	return out, nil
}

func sameStream(a, b *incident) bool {
	return len(a.question.Candidates) > 0 && len(b.question.Candidates) > 0 && &a.question.Candidates[0] == &b.question.Candidates[0]
}

// judge counts what was told of the faults of one stream, and returns how long nothing was
// wrong and how many incidents began then.
func (s *Stream) judge(faults []incident, told []foreshock.Incident) (quiet time.Duration, alarms int) {
	begin, end := span(faults[0].question.Candidates)
	begin += learning.Milliseconds()
	quiet = time.Duration(end-begin) * time.Millisecond
	mine := make([]bool, len(told))
	for i := range faults {
		q := &faults[i].question
		from, to := q.Onset-time.Minute.Milliseconds(), q.Until+followUp.Milliseconds()
		quiet -= time.Duration(min(to, end)-from) * time.Millisecond
		var of []foreshock.Incident
		for k := range told {
			if told[k].StartsAt >= from && told[k].StartsAt < to {
				mine[k] = true
				of = append(of, told[k])
			}
		}
		if len(of) == 0 {
			continue
		}
		s.Found++
		if len(of) == 1 {
			s.One++
		}
		best := cause.Told
		for _, in := range of {
			if k := slices.IndexFunc(in.Causes, func(c foreshock.Cause) bool { return c.Place == faults[i].truth }); k >= 0 {
				best = min(best, k)
			}
		}
		if best == 0 {
			s.First++
		}
		if best < 3 {
			s.Three++
		}
	}
	for k := range told {
		if !mine[k] && told[k].StartsAt >= begin {
			alarms++
		}
	}
	return quiet, alarms
}

// span is the time of the first and of the last sample.
func span(candidates []cause.Candidate) (first, last int64) {
	first = math.MaxInt64
	for _, c := range candidates {
		for _, s := range c.Series {
			if n := len(s.T); n > 0 {
				first, last = min(first, s.T[0]), max(last, s.T[n-1])
			}
		}
	}
	return first, last
}

// play has the samples that q knows pass through the flow, and returns the incidents that
// were told, as they were told last.
func play(ctx context.Context, q *cause.Question) ([]foreshock.Incident, error) {
	set, err := rules.ParseFile("watch-all", []byte(watchAll))
	if err != nil {
		return nil, err
	}
	var order []string
	told := map[string]foreshock.Incident{}
	err = flow.Run(ctx, flow.Options{
		Rules: set, Detector: detector.DefaultConfig(), Incident: incidents.DefaultConfig(), Emitter: emitter.Options{},
		Observe: func(o flow.Outcome) {
			for _, in := range o.Incidents {
				if !in.Alerting {
					continue
				}
				if _, known := told[in.ID]; !known {
					order = append(order, in.ID)
				}
				if before := told[in.ID]; len(in.Causes) == 0 {
					in.Inquest = before.Inquest
				}
				told[in.ID] = in
			}
		},
	}, batches(q))
	all := make([]foreshock.Incident, len(order))
	for i, id := range order {
		all[i] = told[id]
	}
	return all, err
}

// batches are the samples of q by time, with a series for each dependency, as a service
// graph has them.
func batches(q *cause.Question) iter.Seq2[*foreshock.Batch, error] {
	type column struct {
		series *foreshock.Series
		t      []int64
		v      []float64
	}
	var columns []column
	for _, c := range q.Candidates {
		where := "service"
		if c.Host {
			where = "node"
		}
		for _, s := range c.Series {
			ls := labels.FromStrings(model.MetricNameLabel, s.Name, "job", "set", where, c.Place, "title", s.Title)
			columns = append(columns, column{foreshock.NewSeries(ls), s.T, s.V})
		}
	}
	var calls []*foreshock.Series
	for _, e := range q.Edges {
		calls = append(calls, foreshock.NewSeries(labels.FromStrings(model.MetricNameLabel, "calls_total",
			"client", q.Candidates[e.From].Place, "server", q.Candidates[e.To].Place)))
	}
	return func(yield func(*foreshock.Batch, error) bool) {
		next := make([]int, len(columns))
		for n := 1.0; ; n++ {
			now := int64(math.MaxInt64)
			for i, c := range columns {
				if next[i] < len(c.t) {
					now = min(now, c.t[next[i]])
				}
			}
			if now == math.MaxInt64 {
				return
			}
			b := &foreshock.Batch{}
			for i, c := range columns {
				if next[i] == len(c.t) || c.t[next[i]] != now {
					continue
				}
				if v := c.v[next[i]]; !math.IsNaN(v) {
					b.Samples = append(b.Samples, foreshock.Sample{Series: c.series, T: now, V: v})
				}
				next[i]++
			}
			for _, s := range calls {
				b.Samples = append(b.Samples, foreshock.Sample{Series: s, T: now, V: n})
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}
