package eval

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/internal/synthetic"
	"github.com/foreshock/foreshock/rules"
)

// SyntheticRow is what the detector made of the streams of one case of the suite.
type SyntheticRow struct {
	Case       string `json:"case"`
	SeriesDays figure `json:"series_days"` // without an event, after the day that is learned
	AlertDaily figure `json:"alert_daily"` // alerts per series and day of those
	Most       figure `json:"most"`        // the gate: null where the rate is reported only

	Found figure `json:"found"` // share of the events
	Least figure `json:"least"` // the gate: null where there is no event, or it is reported only
	Delay figure `json:"delay"` // mean, minutes from an event's first sample to the alert that found it
	// Channel is the one that found most of the events. Truthful is the share of the
	// events found whose alert names a channel that saw what happened, and Truth the
	// gate.
	Channel  string `json:"channel"`
	Truthful figure `json:"truthful"`
	Truth    figure `json:"truth"`

	Coverage figure `json:"coverage"` // share of the samples in their band, outside of events and anomalies
}

// Holds says what of the row misses its gate, or nothing.
func (r *SyntheticRow) Holds() error {
	switch {
	case r.AlertDaily > r.Most:
		return fmt.Errorf("%s: %.3f alerts per series-day, want at most %v", r.Case, r.AlertDaily, r.Most)
	case r.Found < r.Least:
		return fmt.Errorf("%s: %.1f %% found, want at least %v %%", r.Case, 100*r.Found, 100*r.Least)
	case r.Truthful < r.Truth:
		return fmt.Errorf("%s: %.1f %% of alerts name a channel that saw it, want at least %v %%", r.Case, 100*r.Truthful, 100*r.Truth)
	}
	return nil
}

// runSuite runs the synthetic suite. Every stream goes alone through a detector at its
// defaults: a stream's alerts then owe nothing to what the others are.
func runSuite(ctx context.Context, progress func(what string)) ([]SyntheticRow, error) {
	rows := make([]SyntheticRow, 0, len(suite))
	for i := range suite {
		c := &suite[i]
		progress("synthetic: " + c.name)
		row, err := c.run(ctx)
		if err != nil {
			return nil, fmt.Errorf("evaluate %s: %w", c.name, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// run has the case's streams listened to on all processors.
func (c *synthCase) run(ctx context.Context) (SyntheticRow, error) {
	heard := make([]hearing, c.streams)
	errs := make([]error, c.streams)
	var workers sync.WaitGroup
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), c.streams) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(c.streams) && ctx.Err() == nil; i = next.Add(1) - 1 {
				heard[i], errs[i] = c.listen(ctx, uint64(i))
			}
		})
	}
	workers.Wait()
	if err := cmp.Or(append(errs, ctx.Err())...); err != nil {
		return SyntheticRow{}, err
	}
	return c.row(heard), nil
}

func (c *synthCase) row(heard []hearing) SyntheticRow {
	row := SyntheticRow{Case: c.name, Most: c.most.orUnknown(), Found: unknown, Least: unknown, Delay: unknown, Truthful: unknown, Truth: unknown}
	var all hearing
	found := 0
	var delay time.Duration
	channels := map[string]int{}
	for _, h := range heard {
		all.alerts += h.alerts
		all.quiet += h.quiet
		all.held += h.held
		all.banded += h.banded
		if h.found {
			found++
			delay += h.delay
			channels[h.channel]++
		}
	}
	days := all.quiet.Hours() / 24
	row.SeriesDays, row.AlertDaily = figure(days), figure(float64(all.alerts)/days)
	row.Coverage = figure(float64(all.held) / float64(all.banded))
	if c.pattern.Event.Edit == nil {
		return row
	}
	row.Found, row.Least = figure(float64(found)/float64(len(heard))), c.least.orUnknown()
	row.Delay = figure(delay.Minutes() / float64(found))
	row.Channel = mostly(channels)
	if row.Truth = c.truth.orUnknown(); len(c.saw) > 0 {
		told := 0
		for _, name := range c.saw {
			told += channels[name]
		}
		row.Truthful = figure(float64(told) / float64(found))
	}
	return row
}

// mostly is the most frequent of the names: the first by the alphabet where two are,
// so that a run is like the next.
func mostly(names map[string]int) string {
	most := ""
	for name, n := range names {
		if n > names[most] || n == names[most] && name < most {
			most = name
		}
	}
	return most
}

// hearing is what was said of one stream.
type hearing struct {
	alerts       int           // outside of the event, after the day that is learned
	quiet        time.Duration // for so long
	found        bool
	delay        time.Duration
	channel      string
	held, banded int // samples in their band, and samples with one, outside of event and anomalies
}

// listen sends the stream of a seed through a detector and keeps what it says. The
// stream ends when its event can no longer be found.
func (c *synthCase) listen(ctx context.Context, seed uint64) (hearing, error) {
	s := c.pattern.Stream(seed, c.interval, time.Duration(c.days)*day)
	points := s.Points
	learned, onset := int64(synthetic.Start)+day.Milliseconds(), int64(math.MaxInt64)
	h := hearing{quiet: time.Duration(c.days-1) * day}
	if s.From < len(points) {
		onset = points[s.From].T
		h.quiet = time.Duration(onset-learned) * time.Millisecond
		end, _ := slices.BinarySearchFunc(points[s.From:], onset+c.within.Milliseconds(),
			func(p synthetic.Point, t int64) int { return cmp.Compare(p.T, t) })
		points = points[:s.From+end]
	}
	name := "synthetic"
	if c.pattern.Counter {
		name = "synthetic_total"
	}
	of := foreshock.NewSeries(labels.FromStrings(model.MetricNameLabel, name))

	config := detector.DefaultConfig()
	config.QueueSamples = 4 * chunk
	config.QueueTimeout = model.Duration(math.MaxInt64)
	d := detector.New(detector.Options{
		Config: config,
		Rules:  everything(rules.GroupPlace),
		Shards: 1,
		Observe: func(f foreshock.Findings) {
			for _, s := range f.Scores {
				// An anomaly's score is 1 or more for as long as it lasts.
				if s.T >= learned && s.T < onset && s.Band.Known() && s.Score < 1 {
					h.banded++
					if s.Band.Contains(s.Value) {
						h.held++
					}
				}
			}
			for _, a := range f.Anomalies {
				switch {
				case a.Phase == foreshock.Ended || a.T < learned:
				case a.T < onset:
					h.alerts++
				case !h.found:
					h.found, h.channel = true, a.Channel
					h.delay = time.Duration(a.T-onset) * time.Millisecond
				}
			}
		},
	})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		d.Run()
	}()
	err := play(ctx, d, of, points)
	d.Close()
	<-finished
	return h, err
}

// play appends the points in the order they arrived in.
func play(ctx context.Context, d *detector.Detector, of *foreshock.Series, points []synthetic.Point) error {
	batch := foreshock.Batch{Samples: make([]foreshock.Sample, 0, chunk)}
	for some := range slices.Chunk(points, chunk) {
		batch.Samples = batch.Samples[:0]
		for _, p := range some {
			batch.Samples = append(batch.Samples, foreshock.Sample{Series: of, T: p.T, V: p.V})
		}
		if err := d.Append(ctx, &batch); err != nil {
			return fmt.Errorf("append samples: %w", err)
		}
	}
	return nil
}

// syntheticTable writes the suite's rows for people, as Markdown.
func syntheticTable(w io.Writer, rows []SyntheticRow) error {
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| synthetic \t| series-days \t| alerts/d \t| at most \t| found % \t| at least \t| delay, min \t| by, mostly \t| true channel % \t| at least \t| band holds % \t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, r := range rows {
		fmt.Fprintf(t, "| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t|\n",
			r.Case, r.SeriesDays.to(0), r.AlertDaily.to(3), r.Most.to(3),
			(100 * r.Found).to(1), (100 * r.Least).to(0), r.Delay.to(1), cmp.Or(r.Channel, "–"),
			(100 * r.Truthful).to(1), (100 * r.Truth).to(0), (100 * r.Coverage).to(1))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
