// Package score runs a file of numbers through the detector and says of each what
// the live process would have said: the same detector, the same batches, the same
// findings, on the file's own clock.
//
// Every row of the input is a row of the output, in the same order and with its
// timestamp and values as they were written. A row that goes back in time, or
// repeats the time before it, is not scored; it is written with its score empty
// and counted. Memory does not grow with the file, unless a picture is wanted.
//
// A file may end before any detector has warmed up. Until then a series is graded
// by the detector's rule for newborn series, which docs/score.md states.
package score

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/internal/plot"
	"github.com/foreshock/foreshock/internal/table"
	"github.com/foreshock/foreshock/rules"
)

// Options are what a run needs.
type Options struct {
	Name   string // of the input, for messages
	Output Format
	// Config is the detector's; how long a batch may wait is the run's.
	Config detector.Config
	// Picture collects what a plot of the run needs: about 100 bytes a value.
	Picture bool
	// Progress, where given, is told now and then how many rows have been scored.
	Progress func(rows int)
}

// Summary is what a run has to say besides its rows.
type Summary struct {
	Rows      int
	Anomalies int // begun
	// Missing counts values that were empty, NaN or infinite.
	Missing int
	// Late and Duplicate count rows that were not scored, because their time was
	// before or at that of an earlier row; FirstLine is the line of the first.
	Late, Duplicate int
	FirstLine       int
	// Figure is empty unless Options.Picture was set.
	Figure plot.Figure
}

// chunkSamples is how many samples are appended at a time, about what Prometheus
// sends in one request.
const chunkSamples = 2000

const (
	metricName  = "value"
	columnLabel = "column"
)

// Run scores the CSV in r and writes the rows to w. Rows read before an error in
// the input have been written when it returns, and the summary counts them.
func Run(ctx context.Context, w io.Writer, r io.Reader, o Options) (Summary, error) {
	in, err := table.Open(o.Name, r)
	if err != nil {
		return Summary{}, err
	}
	o.Config.QueueTimeout = model.Duration(math.MaxInt64) // nobody waits but the file
	found := make(chan foreshock.Findings, 1)             // of the one batch under way
	d := detector.New(detector.Options{
		Config:  o.Config,
		Newborn: true,
		Rules:   everything(),
		Observe: func(f foreshock.Findings) { found <- f },
	})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		d.Run()
	}()
	s := &run{
		Options: o, in: in, out: newWriter(o.Output, w, in.Columns),
		detector: d, found: found, newest: math.MinInt64,
		column: make(map[string]int, len(in.Columns)),
	}
	for i, name := range in.Columns {
		s.column[name] = i
		s.series = append(s.series, foreshock.NewSeries(labels.FromStrings(model.MetricNameLabel, metricName, columnLabel, name)))
	}
	if o.Picture {
		s.picture = newPicture(in.Columns)
	}
	err = s.all(ctx)
	if unwritten := s.out.flush(); err == nil && unwritten != nil {
		err = fmt.Errorf("write scores: %w", unwritten)
	}
	d.Close()
	<-finished
	if s.picture != nil {
		s.summary.Figure = s.picture.figure(o.Name)
	}
	return s.summary, err
}

// everything is the rule that selects all columns and reports each of their samples.
func everything() *rules.Set {
	all := labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, metricName)
	return &rules.Set{Watches: []*rules.Watch{{
		Name: "score", Select: rules.Selector{{all}}, Sensitivity: 1, Absence: rules.AbsenceOff, Emit: rules.EmitAll,
	}}}
}

// run is one pass over a file.
type run struct {
	Options
	in       *table.Table
	out      writer
	series   []*foreshock.Series // one a column
	column   map[string]int      // its place, by name
	detector *detector.Detector
	found    <-chan foreshock.Findings
	picture  *picture
	newest   int64 // time of the newest scored row, ms
	summary  Summary

	rows  []*row // of the current chunk
	batch foreshock.Batch
}

func (s *run) all(ctx context.Context) error {
	for {
		r, err := s.in.Next()
		if err == nil {
			s.take(&row{Row: r})
		}
		if err != nil || len(s.batch.Samples) >= chunkSamples || len(s.rows) >= chunkSamples {
			if unwritten := s.flush(ctx); unwritten != nil {
				return unwritten
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// row is a row of the file and what became of it.
type row struct {
	*table.Row
	unscored bool // not newer than a row before it
}

// take adds a row to the chunk and, where it can be scored, its samples to the batch.
func (s *run) take(r *row) {
	s.rows = append(s.rows, r)
	s.summary.Rows++
	if r.T <= s.newest {
		r.unscored = true
		if r.T < s.newest {
			s.summary.Late++
		} else {
			s.summary.Duplicate++
		}
		if s.summary.FirstLine == 0 {
			s.summary.FirstLine = r.Line
		}
		return
	}
	s.newest = r.T
	for i, c := range r.Cells {
		if math.IsNaN(c.Value) {
			s.summary.Missing++
			continue
		}
		s.batch.Samples = append(s.batch.Samples, foreshock.Sample{Series: s.series[i], T: r.T, V: c.Value})
	}
}

// flush has the chunk scored and writes its rows.
func (s *run) flush(ctx context.Context) error {
	var f foreshock.Findings
	if s.batch.Len() > 0 {
		if err := s.detector.Append(ctx, &s.batch); err != nil {
			return fmt.Errorf("score %s: %w", s.Name, err)
		}
		f = <-s.found
	}
	if err := s.write(f); err != nil {
		return fmt.Errorf("write scores: %w", err)
	}
	s.rows, s.batch.Samples = s.rows[:0], s.batch.Samples[:0]
	if s.Progress != nil {
		s.Progress(s.summary.Rows)
	}
	return nil
}

// write joins the chunk's rows with what was found of them: both are in the order
// of their times.
func (s *run) write(f foreshock.Findings) error {
	answers := make([]answer, len(s.series))
	for _, r := range s.rows {
		clear(answers)
		if !r.unscored {
			for ; len(f.Scores) > 0 && f.Scores[0].T <= r.T; f.Scores = f.Scores[1:] {
				a := s.answerOf(answers, f.Scores[0].Series)
				a.said, a.known = f.Scores[0], true
			}
			for ; len(f.Anomalies) > 0 && f.Anomalies[0].T <= r.T; f.Anomalies = f.Anomalies[1:] {
				a := f.Anomalies[0]
				if a.Phase != foreshock.Ended {
					s.answerOf(answers, a.Series).marked = true
				}
				if a.Phase == foreshock.Started {
					s.summary.Anomalies++
				}
				if s.picture != nil {
					s.picture.anomaly(s.column[a.Series.Labels.Get(columnLabel)], a)
				}
			}
		}
		if err := s.out.row(r, answers); err != nil {
			return err
		}
		if s.picture != nil {
			s.picture.row(r, answers)
		}
	}
	return nil
}

func (s *run) answerOf(answers []answer, of *foreshock.Series) *answer {
	return &answers[s.column[of.Labels.Get(columnLabel)]]
}

// answer is the detector's word on one cell; of a cell that was missing or not
// scored it is not known.
type answer struct {
	said   foreshock.Score
	known  bool
	marked bool // an anomaly began, or grew worse, here
}
