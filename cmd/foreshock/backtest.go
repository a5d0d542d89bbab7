package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/config"
	"github.com/foreshock/foreshock/internal/backtest"
	"github.com/foreshock/foreshock/internal/capture"
	"github.com/foreshock/foreshock/internal/history"
	"github.com/foreshock/foreshock/internal/plot"
	"github.com/foreshock/foreshock/internal/yamlstrict"
	"github.com/foreshock/foreshock/receiver"
	"github.com/foreshock/foreshock/rules"
)

const aboutBacktest = `Exactly one of --url, --capture, --tsdb and --csv says where the samples are. They go the
way live ones go, through detector, incidents, alerts and remedies, as fast as they can be
read; nobody is told and nothing is run. Standard output is the report.

The last 30 minutes of CPU usage, drawn, is one line:

  foreshock backtest --url http://localhost:9090 --from -30m --plot cpu.html \
    --query 'rate(node_cpu_seconds_total{mode="user"}[1m])'

How often rules would have alerted last week, and what a change to them does to it:

  foreshock backtest --url http://localhost:9090 --from -7d --rules rules.yml --compare new.yml

Without rules every series is watched by itself, and even ten samples of one say something.`

// backtester is what the flags of backtest say.
type backtester struct {
	url, query, capture, tsdb, csv string
	match                          []string
	clientFile                     string
	from, to                       string
	step                           time.Duration
	config, compare                string
	rules, presets                 []string
	html, plot                     string
}

// addBacktest adds the command that runs rules over samples that were.
func addBacktest(app *kingpin.Application) (string, command) {
	var b backtester
	cmd := app.Command("backtest", "Run rules over samples that were, and say what would have been done.").HelpLong(aboutBacktest)
	b.flags(cmd)
	cmd.Flag("compare", "Rule or configuration file to compare with: which alerts it adds and which it takes away.").PlaceHolder("FILE").StringVar(&b.compare)
	cmd.Flag("html", "Draw every incident into this page.").PlaceHolder("FILE").StringVar(&b.html)
	cmd.Flag("plot", "Draw every watched series over the whole time into this file: .png, .svg or .html.").PlaceHolder("FILE").StringVar(&b.plot)
	output := cmd.Flag("output", "How the report is written: text or json.").Short('o').Default("text").Enum("text", "json")
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		report, err := b.run(ctx, stderr, time.Now())
		switch {
		case err != nil:
		case *output == "json":
			err = report.JSON(stdout)
		default:
			err = report.Text(stdout)
		}
		if err != nil {
			return fail(stderr, err)
		}
		return 0
	}
}

// flags say where the samples are and by which rules they are judged.
func (b *backtester) flags(cmd *kingpin.CmdClause) {
	cmd.Flag("url", "A Prometheus, read by remote read: raw samples, as they were sent.").PlaceHolder("URL").StringVar(&b.url)
	cmd.Flag("query", "With --url: what this PromQL expression was, instead of raw samples.").PlaceHolder("PROMQL").StringVar(&b.query)
	cmd.Flag("capture", "Remote-write requests that foreshock record has kept.").PlaceHolder("FILE").StringVar(&b.capture)
	cmd.Flag("tsdb", "Prometheus's data directory, or one block in it.").PlaceHolder("DIR").StringVar(&b.tsdb)
	cmd.Flag("csv", "A file of timestamp,value[,value…]; a column may be named as a series is in PromQL.").PlaceHolder("FILE").StringVar(&b.csv)
	cmd.Flag("from", "Where to begin: RFC 3339, seconds since 1970, or how long ago (-7d). Default: an hour ago with --url, else the first sample.").PlaceHolder("TIME").StringVar(&b.from)
	cmd.Flag("to", "Where to end, written as --from. Default: now with --url, else the last sample.").PlaceHolder("TIME").StringVar(&b.to)
	cmd.Flag("step", "With --query: the time between two values.").Default("15s").DurationVar(&b.step)
	cmd.Flag("match", "With --url or --tsdb: read only what this PromQL selector selects; may be repeated. Default: everything, as a live Foreshock hears it.").PlaceHolder("SELECTOR").StringsVar(&b.match)
	cmd.Flag("http.config.file", "With --url: HTTP client settings, such as credentials and TLS, as promtool takes them.").PlaceHolder("FILE").StringVar(&b.clientFile)
	cmd.Flag("config.file", "Configuration file, with the rules it names, as serve takes it.").PlaceHolder("FILE").StringVar(&b.config)
	cmd.Flag("rules", "Rule file, instead of those of the configuration; may be repeated.").PlaceHolder("FILE").StringsVar(&b.rules)
	cmd.Flag("preset", "Preset of rules, such as node, beside --rules; may be repeated.").PlaceHolder("NAME").StringsVar(&b.presets)
}

// run reads, reports, and draws what is wanted.
func (b *backtester) run(ctx context.Context, stderr io.Writer, now time.Time) (*backtest.Report, error) {
	draw, err := drawerFor("--plot", b.plot, plot.Light)
	if err != nil {
		return nil, err
	}
	report, err := b.report(ctx, stderr, now, backtest.Options{Figure: draw != nil, Pictures: b.html != ""})
	if err != nil {
		return nil, err
	}
	if draw != nil && len(report.Figure.Panels) > 0 {
		err = save(b.plot, func(w io.Writer) error { return draw(report.Figure, w) })
	}
	if b.html != "" {
		err = errors.Join(err, save(b.html, report.Page().HTML))
	}
	return report, err
}

// report reads the samples and plays them.
func (b *backtester) report(ctx context.Context, stderr io.Writer, now time.Time, o backtest.Options) (*backtest.Report, error) {
	var err error
	if o.Config, err = b.rulesToRun(); err != nil {
		return nil, err
	}
	if o.Config.Rules.Len() == 0 {
		o.Config.Rules, o.Newborn = backtest.Everything(), true
		if b.query != "" {
			o.Config.Name = b.query
		}
	}
	if b.compare != "" {
		other, err := b.named(b.compare, o.Config.Config)
		if err != nil {
			return nil, err
		}
		o.Compare = &other
	}
	source, span, err := b.source(o.Config.Receiver, slog.New(slog.NewTextHandler(stderr, nil)), now)
	if err != nil {
		return nil, err
	}
	if c, ok := source.(io.Closer); ok {
		defer c.Close()
	}
	o.Source, o.Span = source, span
	began := time.Now()
	watched := isTerminal(stderr)
	if watched {
		o.Progress = bar(stderr)
	}
	report, err := backtest.Run(ctx, o)
	if watched {
		fmt.Fprint(stderr, "\r\033[K")
	}
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	fmt.Fprintf(stderr, "read in %s: %.0f × as fast as it was\n", took.Round(time.Millisecond), float64(report.Length())/float64(max(took, 1)))
	if c, ok := source.(*capture.Source); ok && c.Torn() > 0 {
		fmt.Fprintf(stderr, "%s: the last %d bytes were torn by a crash and are passed over\n", b.capture, c.Torn())
	}
	return report, nil
}

// save writes a file that is whole or, where it cannot be drawn, not touched.
func save(file string, draw func(io.Writer) error) error {
	var text bytes.Buffer
	if err := draw(&text); err != nil {
		return err
	}
	return os.WriteFile(file, text.Bytes(), 0o644)
}

// rulesToRun are those of the configuration, or others in its place.
func (b *backtester) rulesToRun() (backtest.Named, error) {
	c, err := config.Load(b.config)
	if err != nil {
		return backtest.Named{}, err
	}
	n := backtest.Named{Name: cmp.Or(b.config, "no rules"), Config: c}
	if len(b.rules)+len(b.presets) == 0 {
		return n, nil
	}
	n.Name = strings.Join(append(b.presets, b.rules...), ", ")
	n.Rules, err = rules.Load(b.presets, b.rules, "")
	return n, err
}

// named is the file, of rules on top of the configuration c, or of another configuration.
func (b *backtester) named(file string, c *config.Config) (backtest.Named, error) {
	data, err := yamlstrict.Read(file)
	if err != nil {
		return backtest.Named{}, err
	}
	other := *c
	if isRuleFile(data) {
		other.Rules, err = rules.ParseFile(file, data)
		return backtest.Named{Name: file, Config: &other}, err
	}
	loaded, err := config.Load(file)
	return backtest.Named{Name: file, Config: loaded}, err
}

// source opens what the samples are read from, and says of what time.
func (b *backtester) source(c receiver.Config, logger *slog.Logger, now time.Time) (history.Source, history.Span, error) {
	span := history.Span{From: math.MinInt64, To: math.MaxInt64}
	given := 0
	for _, s := range []string{b.url, b.capture, b.tsdb, b.csv} {
		if s != "" {
			given++
		}
	}
	selectors, err := b.selectors()
	switch {
	case err != nil:
		return nil, span, err
	case given != 1:
		return nil, span, errors.New("want one of --url, --capture, --tsdb and --csv to read samples from")
	case b.query != "" && b.url == "":
		return nil, span, errors.New("--query needs --url: a Prometheus works it out")
	case b.query != "" && len(selectors) > 0:
		return nil, span, errors.New("--match selects raw samples; select within --query instead")
	}
	var source history.Source
	switch {
	case b.url != "":
		span = history.Span{From: now.Add(-time.Hour).UnixMilli(), To: now.UnixMilli()}
		source, err = b.prometheus(selectors, logger)
	case b.tsdb != "":
		var t *history.TSDB
		if t, err = history.OpenTSDB(b.tsdb, selectors); err == nil {
			source, span = t, t.Span()
		}
	case b.capture != "":
		source = capture.NewSource(b.capture, c)
	default:
		source, err = csvSource(b.csv)
	}
	if err == nil {
		span, err = b.span(span, now)
	}
	return source, span, err
}

// span is usual, but for what --from and --to say.
func (b *backtester) span(usual history.Span, now time.Time) (history.Span, error) {
	for _, end := range []struct {
		flag, text string
		t          *int64
	}{{"--from", b.from, &usual.From}, {"--to", b.to, &usual.To}} {
		if end.text == "" {
			continue
		}
		at, err := momentOf(end.flag, end.text, now)
		if err != nil {
			return usual, err
		}
		*end.t = at.UnixMilli()
	}
	if usual.From > usual.To {
		return usual, fmt.Errorf("--from %s is after --to %s", foreshock.Time(usual.From).Format(time.RFC3339), foreshock.Time(usual.To).Format(time.RFC3339))
	}
	return usual, nil
}

func (b *backtester) selectors() (all history.Selectors, err error) {
	for _, text := range b.match {
		matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(text)
		if err != nil {
			return nil, fmt.Errorf("--match %s: %w", text, err)
		}
		all = append(all, matchers)
	}
	return all, nil
}

func (b *backtester) prometheus(selectors history.Selectors, logger *slog.Logger) (history.Source, error) {
	where, err := history.ParseURL(b.url)
	if err != nil {
		return nil, fmt.Errorf("--url: %w", err)
	}
	client, err := clientSettings(b.clientFile)
	if err != nil {
		return nil, err
	}
	server := history.Server{URL: where, HTTP: *client, Logger: logger}
	if b.query != "" {
		return history.NewQuery(server, b.query, b.step)
	}
	return history.NewPrometheus(server, selectors)
}

// clientSettings are those of a file, or the usual ones where there is none.
func clientSettings(file string) (*promconfig.HTTPClientConfig, error) {
	if file == "" {
		return &promconfig.DefaultHTTPClientConfig, nil
	}
	c, _, err := promconfig.LoadHTTPConfigFile(file)
	if err != nil {
		return nil, fmt.Errorf("--http.config.file: %w", err)
	}
	return c, nil
}

func csvSource(file string) (history.Source, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file; it may have to be read more than once", file)
	}
	return history.NewCSV(file, info.Size(), func() (io.ReadCloser, error) { return os.Open(file) }), nil
}

// bar shows on a terminal how far a run is, once it has taken a second.
func bar(terminal io.Writer) func(backtest.Progress) {
	const (
		patience, often = time.Second, 200 * time.Millisecond
		width           = 30
	)
	next := time.Now().Add(patience)
	return func(p backtest.Progress) {
		if now := time.Now(); now.After(next) {
			next = now.Add(often)
			done := int(p.Share * width)
			fmt.Fprintf(terminal, "\r\033[K[%s%s] %3.0f %%  %s  %d samples", strings.Repeat("=", done), strings.Repeat(" ", width-done),
				100*p.Share, foreshock.Time(p.T).Format(time.DateTime), p.Samples)
		}
	}
}
