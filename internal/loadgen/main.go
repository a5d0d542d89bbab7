// Command bench-ingest measures what Foreshock costs beside what everybody who runs it
// runs already: it starts Foreshock and a real Prometheus in turn, each alone on one
// core, sends both the very same remote-write requests, and prints what each needed.
//
// It listens and sends on loopback only, ends by itself, and stops nothing but what it
// started. docs/benchmarks.md says how to read it.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
)

const about = `Compare Foreshock with Prometheus at taking in remote write.

Both get the same pre-encoded requests of 2000 samples, like those of node_exporter and
kube-state-metrics, in turn, each alone on its cores with the loader on another. Foreshock
decodes, keeps, scores and grades every sample; Prometheus stores it.

Without flags that name a load it runs the table of docs/benchmarks.md, in some 20
minutes. With one it runs every combination of what is named:

    bench-ingest --series 100000 --protocol rw1 --protocol rw2 --runs 5
    bench-ingest --series 100000 --rate 100000     # open loop: latency at a given load
    bench-ingest --series 1000 --runs 1            # some seconds: does it work?

A row is FAILED, and the exit code 1, unless each server says it kept every sample sent.`

// options are the flags.
type options struct {
	programs
	series, connections, cores  []int
	protocols, mixes            []string
	rate, churn                 float64
	rules, warm, measured, runs int
	only, output, plots         string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	k := kingpin.New("bench-ingest", about)
	k.UsageWriter(stdout).ErrorWriter(stderr)
	k.HelpFlag.Short('h')
	exited := -1
	k.Terminate(func(code int) { exited = code })
	k.Flag("series", "Series sent; may be repeated, as the next four.").IntsVar(&o.series)
	k.Flag("protocol", "rw1 or rw2: the version of remote write.").EnumsVar(&o.protocols, string(rw1), string(rw2))
	k.Flag("mix", "default: 68 of 100 series rest, as on a real host; moving: none does.").EnumsVar(&o.mixes, string(defaultMix), string(movingMix))
	k.Flag("connections", "Connections, each with a share of the series.").IntsVar(&o.connections)
	k.Flag("cores", "Cores of the server. Where none is left for the loader it shares the last.").IntsVar(&o.cores)
	k.Flag("rate", "Samples a second to send, whatever the server does, latency counted from when a request was due; 0 sends as fast as they are taken.").Float64Var(&o.rate)
	k.Flag("churn", "Share of the series replaced by new ones within an hour of samples, from 0 to 1.").Float64Var(&o.churn)
	k.Flag("rules", "Rules with expressions that Foreshock evaluates every 15 s of the samples' time, over all hosts.").IntVar(&o.rules)
	k.Flag("warm", "Scrapes before the measured ones, after the first; 0 chooses by the number of series.").IntVar(&o.warm)
	k.Flag("scrapes", "Scrapes measured; 0 chooses by the number of series.").IntVar(&o.measured)
	k.Flag("runs", "Runs of each program, in turn; the medians are shown.").Default("3").IntVar(&o.runs)
	k.Flag("only", "Run one program by itself, foreshock or prometheus: to profile it, or to see what many more scrapes change.").EnumVar(&o.only, string(foreshock), string(prometheus))
	k.Flag("profile", "Save a CPU profile of Foreshock, of the first ten seconds that are measured: --only foreshock --scrapes 100 make that many.").PlaceHolder("FILE").StringVar(&o.profile)
	k.Flag("output", "text, markdown, or json with every run.").Short('o').Default("text").EnumVar(&o.output, "text", "markdown", "json")
	k.Flag("plots", "Draw what a sample costs against series, cores and churn, as PNGs into this directory, instead of running the table.").PlaceHolder("DIR").StringVar(&o.plots)
	k.Flag("foreshock", "Foreshock's binary.").Default("bin/foreshock").StringVar(&o.foreshock)
	k.Flag("tools", "Directory of the binary prometheus.").Default(".tools/bin").StringVar(&o.tools)
	k.Flag("dir", "Where to make the directories that the servers run in and that go afterwards; by default the system's temporary one.").StringVar(&o.dir)
	_, err := k.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err == nil {
		err = o.check()
	}
	if err != nil {
		fmt.Fprintf(stderr, "bench-ingest: %v; see --help\n", err)
		return 2
	}
	if err := o.bench(ctx, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "bench-ingest: %v\n", err)
		return 1
	}
	return 0
}

// check refuses what makes no sense, and makes paths absolute: the servers run elsewhere.
func (o *options) check() (err error) {
	for _, n := range slices.Concat(o.series, o.connections, o.cores, []int{o.runs}) {
		if n <= 0 {
			return errors.New("series, connections, cores and runs must be positive")
		}
	}
	if o.rate < 0 || o.churn < 0 || o.churn > 1 || o.rules < 0 || o.warm < 0 || o.measured < 0 {
		return errors.New("rate, churn, rules, warm and scrapes must not be negative, nor churn above 1")
	}
	for _, path := range []*string{&o.foreshock, &o.tools} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	if o.compared = both; o.only != "" {
		o.compared = []program{program(o.only)}
	}
	o.cpus, err = allowedCPUs()
	return err
}

// errFailed is that a server did not keep what it was sent.
var errFailed = errors.New("a row FAILED: its figures mean nothing")

func (o *options) bench(ctx context.Context, stdout, stderr io.Writer) error {
	// The loader has one core, and as many threads at work: it must not take turns
	// with the server. Afterwards all is as it was.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	defer pinSelf(setOf(o.cpus))
	measure := func() ([]result, error) { return o.measureAll(ctx, o.rows(), stderr) }
	if o.plots != "" {
		measure = func() ([]result, error) { return o.drawAll(ctx, stderr) }
	}
	results, err := measure()
	if len(results) == 0 {
		return cmp.Or(err, errors.New("nothing was measured"))
	}
	// Who interrupts it after ten minutes still wants to see them.
	if err := errors.Join(err, write(stdout, o.output, results)); err != nil {
		return err
	}
	if slices.ContainsFunc(results, func(r result) bool { return r.Failed != "" }) {
		return errFailed
	}
	return nil
}

// measureAll measures the rows; what it has if something goes wrong, it returns too.
func (o *options) measureAll(ctx context.Context, rows []row, progress io.Writer) ([]result, error) {
	var results []result
	for i, r := range rows {
		fmt.Fprintf(progress, "%d of %d: %s\n", i+1, len(rows), &r)
		if r.Cores > len(o.cpus) {
			fmt.Fprintf(progress, "  skipped: there are no %d cores here\n", r.Cores)
			continue
		}
		res, err := o.run(ctx, r, o.runs, progress)
		if err != nil {
			return results, err
		}
		results = append(results, res)
	}
	return results, nil
}

// rows are every combination of what the flags name, or the standard table.
func (o *options) rows() []row {
	numbers := o.rules + o.warm + o.measured + len(o.series) + len(o.protocols) + len(o.mixes) + len(o.connections) + len(o.cores)
	if numbers == 0 && o.rate+o.churn == 0 {
		return standard()
	}
	r := usual
	r.Rate, r.Churn, r.Rules = o.rate, o.churn, o.rules
	rows := []row{r}
	rows = each(rows, o.series, func(r *row, n int) { r.Series = n })
	rows = each(rows, o.protocols, func(r *row, p string) { r.Protocol = protocol(p) })
	rows = each(rows, o.mixes, func(r *row, m string) { r.Mix = mix(m) })
	rows = each(rows, o.connections, func(r *row, n int) { r.Connections = n })
	rows = each(rows, o.cores, func(r *row, n int) { r.Cores = n })
	for i := range rows {
		rows[i].Warm, rows[i].Measured = scrapesFor(rows[i].Series)
		if o.warm > 0 {
			rows[i].Warm = o.warm
		}
		if o.measured > 0 {
			rows[i].Measured = o.measured
		}
	}
	return rows
}

// each is every row with every value, or the rows as they are where none is given.
func each[T any](rows []row, values []T, set func(*row, T)) []row {
	if len(values) == 0 {
		return rows
	}
	var all []row
	for _, r := range rows {
		for _, v := range values {
			set(&r, v)
			all = append(all, r)
		}
	}
	return all
}
