package main

import (
	"fmt"
	"strconv"
)

// usual is what a row has where nothing else is said.
var usual = row{Series: 100_000, Protocol: rw1, Mix: defaultMix, Connections: 4, Cores: 1}

// standard is the table of docs/benchmarks.md. The scrapes are as many as make half a
// second or more of what is measured, and few enough for the whole to end within 20 minutes.
func standard() []row {
	var rows []row
	add := func(change func(*row)) {
		r := usual
		change(&r)
		r.Warm, r.Measured = scrapesFor(r.Series)
		rows = append(rows, r)
	}
	for _, series := range []int{10_000, 100_000, 1_000_000} {
		add(func(r *row) { r.Series = series })
		add(func(r *row) { r.Series, r.Protocol = series, rw2 })
		if series == 1_000_000 { // with rw1, Prometheus alone would take a minute a run
			add(func(r *row) { r.Series, r.Protocol, r.Mix = series, rw2, movingMix })
		} else {
			add(func(r *row) { r.Series, r.Mix = series, movingMix })
		}
	}
	add(func(r *row) { r.Connections = 1 })
	add(func(r *row) { r.Connections = 8 })
	add(func(r *row) { r.Cores = 2 })
	add(func(r *row) { r.Rate = 100_000 })
	return rows
}

// scrapesFor is how many scrapes of so many series warm a server up after the first,
// and how many are measured: 1 M samples of 10k series, 800k of 100k, 2 M of 1M. Those of
// 10k are out of Foreshock's warm-up when the measuring begins, and all channels of their
// forests but the slow level are asked; more series are not, for want of time: every sample
// takes the same way, but nothing alerts yet, and the fast level is not asked either. Windows
// and forests still grow then.
func scrapesFor(series int) (warm, measured int) {
	switch {
	case series <= 10_000:
		return 400, 100
	case series <= 100_000:
		return 8, 8
	default:
		return 2, 2
	}
}

// sweep is a chart: what a sample costs as one thing changes.
type sweep struct {
	file, title, x string
	log            bool
	at             func(r *row) (x float64, label string)
	rows           []row
}

// sweeps are the charts of docs/benchmarks.md.
func sweeps() []sweep {
	vary := func(change ...func(*row)) (rows []row) {
		for _, p := range []protocol{rw1, rw2} {
			for _, f := range change {
				r := usual
				r.Protocol = p
				f(&r)
				r.Warm, r.Measured = scrapesFor(r.Series)
				rows = append(rows, r)
			}
		}
		return rows
	}
	series := func(n int) func(*row) { return func(r *row) { r.Series = n } }
	cores := func(n int) func(*row) { return func(r *row) { r.Cores = n } }
	churn := func(share float64) func(*row) { return func(r *row) { r.Churn = share } }
	return []sweep{
		{
			"series.png", "What a sample costs as series become more, on one core", "series", true,
			func(r *row) (float64, string) { return float64(r.Series), short(r.Series) },
			vary(series(10_000), series(30_000), series(100_000), series(300_000), series(1_000_000)),
		},
		{
			"cores.png", "What a sample costs on one core and on two, of 100k series", "cores", false,
			func(r *row) (float64, string) { return float64(r.Cores), strconv.Itoa(r.Cores) },
			vary(cores(1), cores(2)),
		},
		{
			"churn.png", "What a sample costs as pods come and go, of 100k series on one core", "series replaced within an hour", false,
			func(r *row) (float64, string) { return r.Churn, fmt.Sprintf("%.0f %%", 100*r.Churn) },
			vary(churn(0), churn(0.1), churn(0.25), churn(0.5)),
		},
	}
}
