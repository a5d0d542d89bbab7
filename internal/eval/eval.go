// Package eval measures the detector on labelled sets, through the code a running
// process scores with: the same detector, one configuration, its defaults, every
// stream once in the order of time and without a look ahead.
//
// It says how well scores rank (AUC-PR, VUS-PR, NAB), how well alerts do at the
// threshold that ships and at the best one for all sets together (events by their
// onset, false onsets a day), and what scoring costs; on machines also how well it
// foresees. Baselines, where wanted, get the
// same samples and are judged by the same functions. docs/detection.md states the
// rules and holds the table.
//
// The sets themselves are no part of the program: a run is given the folder that
// holds them.
package eval

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Options are what a run measures.
type Options struct {
	Sets      []string // by name; none means all that the folder holds
	Baselines bool     // measure them as well
	Ablation  bool     // measure the detector without each of its parts, too
	Synthetic bool     // run the synthetic suite as well; dir may then be ""
	// Progress, where given, is told what begins.
	Progress func(what string)
}

// Report is what a run measured.
type Report struct {
	Series []Row    `json:"series"` // by set, then method
	Mean   []Row    `json:"mean"`   // of the sets, by method
	NAB    []NABRow `json:"nab"`    // by method

	Told       []TellingRow   `json:"told"`       // by set: what listening to the detector is like
	Synthetic  []SyntheticRow `json:"synthetic"`  // by case
	Budgets    []BudgetRow    `json:"budgets"`    // of a synthetic fleet
	Forecasts  []ForecastRow  `json:"forecasts"`  // by method
	Thresholds []ThresholdRow `json:"thresholds"` // by method
}

// Row is one method on one set of series.
type Row struct {
	Set    string `json:"set"`
	Method string `json:"method"`
	VUSPR  figure `json:"vus_pr"` // mean of the streams that have events
	AUCPR  figure `json:"auc_pr"` // likewise

	Shipped Events `json:"shipped"` // at a score above 1
	// Tuned is at the threshold best for the mean F1 of all sets, on the highest score
	// of a stream's series or on their mean: TunedOn says which, the same for all sets.
	Tuned   Events `json:"tuned"`
	TunedOn string `json:"tuned_on"`

	// WeekRecall is the share of events found at the set's own best threshold with at
	// most one false onset per series and week.
	WeekRecall figure `json:"week_recall"`
	Cost       Cost   `json:"cost"`
}

// Cost is what scoring took.
type Cost struct {
	Nanoseconds figure `json:"ns_per_sample"` // of processor time, collecting garbage included
	Bytes       figure `json:"bytes_per_series"`
}

// NABRow is one method on the files of the Numenta Anomaly Benchmark, each figure
// in the order of profiles: standard, reward low FP, reward low FN.
type NABRow struct {
	Method  string    `json:"method"`
	Shipped [3]figure `json:"shipped"` // alerts as they were raised, at a score above 1
	// Best is at the one threshold best for the profile, on alerts or on scores that
	// exceed all of the 100 rows before them.
	Best [3]figure `json:"best"`
	At   [3]figure `json:"at"` // that threshold
	Cost Cost      `json:"cost"`
}

// figure is a number that may not have been measured: then it is NaN, null in JSON
// and a dash in the table.
type figure float64

var unknown = figure(math.NaN())

// Run measures the sets in the folder dir.
func Run(ctx context.Context, dir string, o Options) (*Report, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	suite, kept := []SyntheticRow{}, []BudgetRow{}
	if o.Synthetic {
		var err error
		if suite, err = runSuite(ctx, o.Progress); err != nil {
			return nil, err
		}
		if kept, err = runBudgets(ctx, o.Progress); err != nil {
			return nil, err
		}
	}
	report := &Report{ // JSON's [], not null
		Series: []Row{}, Mean: []Row{}, NAB: []NABRow{},
		Told: []TellingRow{}, Synthetic: suite, Budgets: kept,
		Forecasts: []ForecastRow{}, Thresholds: []ThresholdRow{},
	}
	if dir == "" && o.Synthetic {
		return report, nil
	}
	sets, err := find(dir)
	if err == nil {
		sets, err = chosen(sets, o.Sets)
	}
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	methods := []method{{"foreshock", live}}
	if o.Baselines {
		methods = append(methods, baselines()...)
	}
	if o.Ablation {
		methods = append(methods, ablations()...)
	}
	judged := make([][]*trial, len(methods)) // by method, then set
	var machines []*stream
	for _, s := range sets {
		streams, err := s.load(dir)
		if err != nil {
			return nil, err
		}
		for _, one := range streams {
			if one.foreseeable() {
				machines = append(machines, one)
			}
		}
		for i, m := range methods {
			o.Progress(fmt.Sprintf("%s: %s", s.name, m.name))
			tracks, cost, err := m.watch(ctx, streams)
			if err != nil {
				return nil, fmt.Errorf("evaluate %s on %s: %w", m.name, s.name, err)
			}
			if i == 0 { // the only one that says more than scores
				report.Told = append(report.Told, tellingRow(s.name, streams, tracks))
			}
			if s.windows {
				report.NAB = append(report.NAB, nabRow(m.name, streams, tracks, cost))
			} else {
				judged[i] = append(judged[i], newTrial(s.name, streams, tracks, cost))
			}
		}
	}
	for i, m := range methods {
		o.Progress("judge " + m.name)
		rows := judge(m.name, judged[i])
		report.Series = append(report.Series, rows...)
		if len(rows) > 1 {
			report.Mean = append(report.Mean, mean(rows))
		}
	}
	if len(machines) > 0 {
		o.Progress("forecasts")
		rows, err := forecasts(ctx, machines, o.Baselines)
		if err != nil {
			return nil, fmt.Errorf("evaluate forecasts: %w", err)
		}
		report.Forecasts = rows
		if len(rows) > 0 {
			report.Thresholds = thresholds(o.Baselines)
		}
	}
	slices.SortStableFunc(report.Series, func(a, b Row) int { return strings.Compare(a.Set, b.Set) })
	return report, nil
}

// method is one way to score streams.
type method struct {
	name  string
	watch func(context.Context, []*stream) ([]track, Cost, error)
}

// track is what a method said of one stream, a value a row. A row that was not
// scored has the scores of the row before. A score of 1 is the method's own threshold.
type track struct {
	// mean is that over the stream's series of min(score, 10): what the threshold-free
	// measures rank. Beyond ten thresholds one series of many would speak for all.
	mean []float64
	top  []float64 // the highest of the stream's series: what alerts as shipped
	// alerts is the score where an alert was raised, 0 elsewhere.
	alerts []float64
	told   telling // by the detector alone
}

const ceiling = 10 // in thresholds: see track.mean

func newTrack(rows int) track {
	return track{mean: make([]float64, rows), top: make([]float64, rows)}
}

// add takes in one of n series of the stream.
func (t *track) add(scores []float64, n int) {
	for i, s := range scores {
		t.mean[i] += min(s, ceiling) / float64(n)
		t.top[i] = max(t.top[i], s)
	}
}

// costOf is the cost of so many samples since the process had used before.
func costOf(before time.Duration, samples int) Cost {
	return Cost{Nanoseconds: figure(float64((processorTime() - before).Nanoseconds()) / float64(samples)), Bytes: unknown}
}

// processorTime is what this process has used: what others do at the same time does
// not count.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it fails for a bad argument alone
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
