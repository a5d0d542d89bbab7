package rca

import (
	"context"
	"fmt"
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
	// Precision is the share of those incidents' series that the fault changes, and Recall that
	// of the changed series that are among them; 0 where nobody knows which are.
	Precision float64 `json:"members_precision,omitempty"`
	Recall    float64 `json:"members_recall,omitempty"`
	// Quiet are the hours in which nothing was wrong, after those for learning, and False the
	// incidents told that began in them, an hour.
	Quiet float64 `json:"quiet_hours"`
	False float64 `json:"false_per_quiet_hour"`

	quiet                  time.Duration
	alarms                 int
	members, right, should int // series of incidents, those of them that a fault touched, and all that one did
}

// learning is the part of a set's stream that is not judged. The shop's is a day.
const learning = time.Hour

// followUp is how long after its end a fault may still show.
const followUp = 5 * time.Minute

// watchAll is the rule of who knows nothing of a system but its metrics.
const watchAll = "groups: [{name: all, rules: [{watch: all, select: '{job=~\".+\"}'}]}]"

// stream plays the set. Incidents of one stream share their candidates: they are played once.
func (s *set) stream(ctx context.Context) (Stream, error) {
	out := Stream{Set: s.name}
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
		out.judge(faults[0].question.Candidates, faults, told, learning)
	}
	out.finish()
	return out, nil
}

func sameStream(a, b *incident) bool {
	return len(a.question.Candidates) > 0 && len(b.question.Candidates) > 0 && &a.question.Candidates[0] == &b.question.Candidates[0]
}

// shopStreams plays the shop: so many seeds of each of the kinds of faults, and then so many
// stays in which nothing is wrong.
func shopStreams(ctx context.Context, kinds []fault, seeds, calm int, when season, progress func(string)) ([]Stream, error) {
	ill, well := Stream{Set: shopName}, Stream{Set: shopName + ", all well"}
	for k := range kinds {
		progress("shop: " + kinds[k].name + ", as a stream")
		for seed := range seeds {
			in := kinds[k].happens(uint64(k), uint64(seed), when)
			told, err := play(ctx, &in.question)
			if err != nil {
				return nil, err
			}
			ill.judge(in.question.Candidates, []incident{in}, told, day*interval*time.Millisecond)
		}
	}
	for seed := range calm {
		progress(fmt.Sprintf("shop: day %d of %d on which all is well", seed+1, calm))
		in := (&fault{}).happens(uint64(len(kinds)), uint64(seed), season{before: 2 * day, counters: true})
		told, err := play(ctx, &in.question)
		if err != nil {
			return nil, err
		}
		well.judge(in.question.Candidates, nil, told, day*interval*time.Millisecond)
	}
	ill.finish()
	well.finish()
	return []Stream{ill, well}, nil
}

// judge takes in what was told of the faults of one stream, and how long nothing was wrong
// and how many incidents began then. Where a set says which hours those are, no others count.
func (s *Stream) judge(candidates []cause.Candidate, faults []incident, told []foreshock.Incident, learning time.Duration) {
	s.Faults += len(faults)
	begin, end := span(candidates)
	begin += learning.Milliseconds()
	quiet := end - begin
	var until, after int64 // nothing is wrong before and after, as labelled
	if len(faults) > 0 {
		until, after = faults[0].quietUntil, faults[0].quietFrom
	}
	labelled := until != 0
	if labelled {
		quiet = max(0, until-begin) + max(0, end-after)
	}
	mine := make([]bool, len(told))
	for i := range faults {
		from, to := faults[i].began-time.Minute.Milliseconds(), faults[i].question.Until+followUp.Milliseconds()
		if !labelled {
			quiet -= min(to, end) - from
		}
		var of []foreshock.Incident
		for k := range told {
			if told[k].StartsAt >= from && told[k].StartsAt < to {
				mine[k] = true
				of = append(of, told[k])
			}
		}
		s.weigh(&faults[i], of)
	}
	for k := range told {
		at := told[k].StartsAt
		if !mine[k] && at >= begin && (!labelled || at < until || at >= after) {
			s.alarms++
		}
	}
	s.quiet += time.Duration(quiet) * time.Millisecond
}

// weigh takes in the incidents that began with one fault.
func (s *Stream) weigh(fault *incident, of []foreshock.Incident) {
	if len(of) == 0 {
		return
	}
	s.Found++
	if len(of) == 1 {
		s.One++
	}
	best := cause.Told
	seen := map[[2]string]bool{}
	for _, in := range of {
		if k := slices.IndexFunc(in.Causes, func(c foreshock.Cause) bool { return c.Place == fault.truth }); k >= 0 {
			best = min(best, k)
		}
		for _, m := range in.Members {
			if !m.Series.IsGroup() {
				seen[[2]string{m.Series.Labels.Get(m.Series.PlaceLabel()), m.Series.Name()}] = true
			}
		}
	}
	if best == 0 {
		s.First++
	}
	if best < 3 {
		s.Three++
	}
	if fault.touched == nil {
		return
	}
	s.members += len(seen)
	s.should += len(fault.touched)
	for k := range seen {
		if fault.touched[k] {
			s.right++
		}
	}
}

// finish makes shares of what was counted.
func (s *Stream) finish() {
	f := float64(max(s.Faults, 1))
	s.One /= max(s.Found, 1)
	s.Found, s.First, s.Three = s.Found/f, s.First/f, s.Three/f
	s.Precision, s.Recall = float64(s.right)/float64(max(s.members, 1)), float64(s.right)/float64(max(s.should, 1))
	if s.Quiet = s.quiet.Hours(); s.Quiet > 0 {
		s.False = float64(s.alarms) / s.Quiet
	}
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
				if !in.Alerting || in.State == foreshock.Pending {
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
// graph and kube-state-metrics have them.
func batches(q *cause.Question) iter.Seq2[*foreshock.Batch, error] {
	type column struct {
		series *foreshock.Series
		t      []int64
		v      []float64
	}
	var columns []column
	for _, c := range q.Candidates {
		where, job := "service", c.Place
		if c.Host {
			where, job = "node", "node"
		}
		for _, s := range c.Series {
			ls := labels.FromStrings(model.MetricNameLabel, s.Name, "job", job, where, c.Place, "title", s.Title)
			columns = append(columns, column{foreshock.NewSeries(ls), s.T, s.V})
		}
	}
	var calls []*foreshock.Series
	for _, e := range q.Edges {
		from, to := &q.Candidates[e.From], &q.Candidates[e.To]
		ls := labels.FromStrings(model.MetricNameLabel, "calls_total", "client", from.Place, "server", to.Place)
		if to.Host {
			ls = labels.FromStrings(model.MetricNameLabel, foreshock.PodInfoMetric, foreshock.PodLabel, from.Place, "node", to.Place)
		}
		calls = append(calls, foreshock.NewSeries(ls))
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
