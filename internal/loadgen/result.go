package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// result is a row with what its runs gave.
type result struct {
	Row  row                       `json:"row"`
	Runs []map[program]measurement `json:"runs"` // of the programs in turn
	// Medians are of each figure over the runs; Ratio is the median of each run's own
	// ratio, Foreshock to Prometheus.
	Medians map[program]figures `json:"medians"`
	Ratio   figures             `json:"ratio"`
	Failed  string              `json:"failed,omitempty"` // of the first run that did
}

// figures are what is compared, by name.
type figures map[string]float64

// figure is one column of the table.
type figure struct {
	name  string // in JSON
	title string
	of    func(m *measurement) float64
	write func(float64) string
}

var columns = []figure{
	{"samplesPerSecond", "samples/s", func(m *measurement) float64 { return m.SamplesPerSecond }, grouped},
	{"samplesPerCPUSecond", "samples/CPU s", func(m *measurement) float64 { return m.SamplesPerCPUSecond }, grouped},
	{"firstScrapeCPUMicrosecondsPerSeries", "first scrape, CPU µs a series", func(m *measurement) float64 { return m.FirstCPU / 1e3 }, digits},
	{"residentBytesPerSeries", "resident B a series", func(m *measurement) float64 { return m.Resident }, grouped},
	{"p50Milliseconds", "p50 ms", func(m *measurement) float64 { return m.P50 }, digits},
	{"p99Milliseconds", "p99 ms", func(m *measurement) float64 { return m.P99 }, digits},
	{"longestPauseMilliseconds", "longest GC stop, ms", func(m *measurement) float64 { return m.Pause }, digits},
	{"loaderCPUNanosecondsPerSample", "loader, CPU ns a sample", func(m *measurement) float64 { return m.LoaderCPU }, grouped},
}

// run measures a row n times, the two programs in turn, with the same bodies.
func (ps *programs) run(ctx context.Context, r row, n int, progress io.Writer) (result, error) {
	res := result{Row: r}
	total := 1 + r.Warm + r.Measured
	// The last sample is five minutes old when encoding begins: neither program is to
	// find one in the future, nor one older than it takes.
	from := time.Now().Add(-5*time.Minute).UnixMilli() - int64(total)*interval
	scrapes, err := encode(ctx, newFleet(r.Mix, r.Churn), r.Protocol, r.Series, total, from)
	if err != nil {
		return res, err
	}
	fmt.Fprintf(progress, "  %s samples in %s\n", grouped(float64(samples(scrapes))), size(scrapes))
	for i := range n {
		runs := map[program]measurement{}
		for _, p := range ps.compared {
			m, err := ps.measure(ctx, p, &r, scrapes)
			if err != nil {
				return res, fmt.Errorf("measure %s: %w", p, err)
			}
			if m.Failed != "" && res.Failed == "" {
				res.Failed = fmt.Sprintf("%s, run %d: %s", p, i+1, m.Failed)
			}
			runs[p] = m
			fmt.Fprintf(progress, "  run %d of %d, %-10s  %9s samples/s  %9s samples/CPU s  %s\n", i+1, n, p,
				grouped(m.SamplesPerSecond), grouped(m.SamplesPerCPUSecond), m.remark())
		}
		res.Runs = append(res.Runs, runs)
	}
	res.summarise()
	return res, nil
}

// remark is what there is to say of a run beside its figures.
func (m *measurement) remark() string {
	switch {
	case m.Failed != "":
		return "FAILED: " + m.Failed
	case m.Refused > 0:
		return fmt.Sprintf("told to come again %d times", m.Refused)
	case m.Evaluations > 0:
		return fmt.Sprintf("%d evaluations of rules took %.2g s in all, %d were missed", m.Evaluations, m.Evaluating, m.Missed)
	default:
		return ""
	}
}

// summarise takes the medians, unless a run failed: then there is nothing to compare.
func (res *result) summarise() {
	res.Medians, res.Ratio = map[program]figures{}, figures{}
	if res.Failed != "" {
		return
	}
	for _, c := range columns {
		of := map[program][]float64{}
		var ratios []float64
		for _, runs := range res.Runs {
			for p, m := range runs {
				of[p] = append(of[p], c.of(&m))
			}
			f, p := runs[foreshock], runs[prometheus]
			if base := c.of(&p); base != 0 {
				ratios = append(ratios, c.of(&f)/base)
			}
		}
		for p, values := range of {
			if res.Medians[p] == nil {
				res.Medians[p] = figures{}
			}
			res.Medians[p][c.name] = median(values)
		}
		if len(of) == 2 && len(ratios) > 0 {
			res.Ratio[c.name] = median(ratios)
		}
	}
}

func median(xs []float64) float64 {
	xs = slices.Sorted(slices.Values(xs))
	n := len(xs)
	return (xs[(n-1)/2] + xs[n/2]) / 2
}
