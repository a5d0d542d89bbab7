package eval

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/rules"
)

// chunk is how many samples are appended at a time, about what Prometheus sends in
// one request.
const chunk = 2000

// live scores all streams with one detector at its defaults, as a process would to
// which they had been sent: all series in the order of time, under a rule that has
// every score reported and no gate.
func live(ctx context.Context, streams []*stream) ([]track, Cost, error) {
	return liveWithout(ctx, streams, 0, rules.GroupPlace)
}

// liveWithout is live with parts of the detector left out, under a rule whose series
// are grouped as given.
func liveWithout(ctx context.Context, streams []*stream, parts detector.Parts, group rules.Grouping) ([]track, Cost, error) {
	ears := map[*foreshock.Series]*ear{}
	tracks := make([]track, len(streams))
	series := make([][]*foreshock.Series, len(streams))
	groups := map[string]*ear{} // by stream
	samples := 0
	for i, s := range streams {
		tracks[i] = newTrack(len(s.times))
		tracks[i].alerts = make([]float64, len(s.times))
		samples += s.samples()
		for j := range s.values {
			of := foreshock.NewSeries(labels.FromStrings(
				model.MetricNameLabel, "v"+strconv.Itoa(j), model.InstanceLabel, s.name))
			series[i] = append(series[i], of)
			ears[of] = &ear{of: s, times: s.times, scores: make([]float64, len(s.times)), alerts: tracks[i].alerts}
			if len(s.values) > 1 && group == rules.GroupPlace {
				ears[of].alerts = make([]float64, len(s.times)) // its group speaks for it
			}
		}
		groups[s.name] = &ear{of: s, times: s.times, scores: make([]float64, len(s.times)), alerts: tracks[i].alerts}
	}

	before := heap()
	config := detector.DefaultConfig()
	config.QueueTimeout = model.Duration(math.MaxInt64) // nobody waits but this
	d := detector.New(detector.Options{
		Config:  config,
		Rules:   everything(group),
		Without: parts,
		Shards:  1,
		Observe: func(f foreshock.Findings) {
			to := func(s *foreshock.Series) *ear {
				if e := ears[s]; e != nil {
					return e
				}
				return groups[s.Labels.Get(model.InstanceLabel)]
			}
			for _, s := range f.Scores {
				to(s.Series).score(s)
			}
			for _, a := range f.Anomalies {
				to(a.Series).alert(a)
			}
		},
	})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		d.Run()
	}()
	used := processorTime()
	err := send(ctx, d, streams, series)
	d.Close()
	<-finished
	if err != nil {
		return nil, Cost{}, err
	}
	cost := costOf(used, samples)
	if known := d.Status().Series; known == len(ears) { // none was forgotten, which would leave its room
		cost.Bytes = figure(float64(heap()-before) / float64(known))
	}
	runtime.KeepAlive(d)

	for i, s := range streams {
		for _, of := range series[i] {
			ears[of].rest()
			tracks[i].add(ears[of].scores, len(s.values))
			tracks[i].told.add(&ears[of].told)
		}
		if len(s.values) > 1 && group == rules.GroupPlace {
			groups[s.name].rest()
			tracks[i].told.alerts = groups[s.name].told.alerts
			tracks[i].top = groups[s.name].scores
		}
	}
	return tracks, cost, nil
}

// everything is the rule that selects all series and reports each of their samples.
func everything(group rules.Grouping) *rules.Set {
	named := labels.MustNewMatcher(labels.MatchNotEqual, model.MetricNameLabel, "")
	return &rules.Set{Watches: []*rules.Watch{{
		Name: "eval", Select: rules.Selector{{named}}, Sensitivity: 1, Absence: rules.AbsenceOff, Group: group, Emit: rules.EmitAll,
	}}}
}

// heap is how many bytes live objects take. The second collection takes what the
// first left in pools.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// send appends the rows of all streams in the order of time. Rows of one stream stay
// in the order they were recorded in, whatever their times.
func send(ctx context.Context, d *detector.Detector, streams []*stream, series [][]*foreshock.Series) error {
	var batch foreshock.Batch
	flush := func() error {
		if err := d.Append(ctx, &batch); err != nil {
			return fmt.Errorf("append samples: %w", err)
		}
		batch.Samples = batch.Samples[:0]
		return ctx.Err()
	}
	next := make([]int, len(streams)) // row, by stream
	for {
		first := -1
		for i, s := range streams {
			if next[i] < len(s.times) && (first < 0 || s.times[next[i]] < streams[first].times[next[first]]) {
				first = i
			}
		}
		if first < 0 {
			return flush()
		}
		s, row := streams[first], next[first]
		next[first]++
		for j, values := range s.values {
			if v := values[row]; !math.IsNaN(v) {
				batch.Samples = append(batch.Samples, foreshock.Sample{Series: series[first][j], T: s.times[row], V: v})
			}
		}
		if len(batch.Samples) >= chunk {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// ear writes down, row by row, what is said of one series.
type ear struct {
	of     *stream
	told   telling
	event  int // of the stream: the first that ends at the row scored last, or later
	times  []int64
	scores []float64
	alerts []float64 // of the stream
	next   int       // row
	last   float64   // score
}

// score takes the next score; the rows passed over keep the one before.
func (e *ear) score(s foreshock.Score) {
	for e.times[e.next] != s.T {
		e.scores[e.next] = e.last
		e.next++
	}
	e.note(s)
	e.last = s.Score
	e.scores[e.next] = s.Score
	e.next++
}

// alert takes an anomaly of one of the rows scored last.
func (e *ear) alert(a foreshock.Anomaly) {
	if a.Phase == foreshock.Ended {
		return
	}
	row := e.next - 1
	for e.times[row] != a.T {
		row--
	}
	e.alerts[row] = max(e.alerts[row], a.Score)
	if row >= e.of.from {
		e.told.alerts++
	}
}

// rest fills the rows after the last score.
func (e *ear) rest() {
	for ; e.next < len(e.scores); e.next++ {
		e.scores[e.next] = e.last
	}
}
