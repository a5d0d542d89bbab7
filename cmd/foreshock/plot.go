package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"golang.org/x/term"

	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/internal/backtest"
	"github.com/foreshock/foreshock/internal/plot"
	"github.com/foreshock/foreshock/internal/record"
	"github.com/foreshock/foreshock/internal/score"
)

const (
	plotHelp  = `Draw series, incidents and backtests, on the terminal or into a file.`
	aboutPlot = `Each series is a picture of its own: its value in the band it was expected in, where it was
anomalous, and its score beneath, with the threshold at 1.

  foreshock plot series 'node_load1{instance="web-1:9100"}'
  foreshock plot series --csv history.csv --file history.png --theme dark
  foreshock plot incident 4f5c
  foreshock plot backtest --url http://localhost:9090 --from -1d --preset node --file day.html`
	aboutPlotSeries = `A running Foreshock is asked for the samples in its windows and for what it emitted of them:
scores and bands are there as far as the series' rule says so by emit. A column of a CSV file is
scored as foreshock score does.`
	aboutPlotIncident = `The series of the incident in the order in which they began to be odd.`
	aboutPlotBacktest = `Every watched series over the whole time, those with anomalies first. Where the samples are is
said as to foreshock backtest, which has the report.`
)

// picture is where one is drawn and how.
type picture struct {
	file, theme string
	width       int
}

// plotCommand declares what is shared by all that draw; kingpin has a command once.
func plotCommand(app *kingpin.Application) *kingpin.CmdClause {
	if cmd := app.GetCommand("plot"); cmd != nil {
		return cmd
	}
	return app.Command("plot", plotHelp).HelpLong(aboutPlot)
}

func (p *picture) flags(cmd *kingpin.CmdClause) {
	cmd.Flag("file", "Draw into this file: .png, .svg or .html. Without it the picture is written to standard output, for a terminal.").PlaceHolder("FILE").StringVar(&p.file)
	cmd.Flag("theme", "Colours: light or dark. Default: dark on a terminal, else light; HTML has both.").PlaceHolder("THEME").EnumVar(&p.theme, "light", "dark")
	cmd.Flag("width", "Characters that a terminal's line has room for. Default: what it has, else 100.").PlaceHolder("N").IntVar(&p.width)
}

// draw draws what made returns. A bad --file is told before that is made.
func (p *picture) draw(stdout, stderr io.Writer, made func(context.Context) (plot.Figure, error)) int {
	theme := map[string]plot.Theme{"light": plot.Light, "dark": plot.Dark, "": plot.Light}[p.theme]
	drawFile, err := drawerFor("--file", p.file, theme)
	if err != nil {
		return fail(stderr, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	f, err := made(ctx)
	switch {
	case err != nil:
	case drawFile != nil:
		err = save(p.file, func(w io.Writer) error { return drawFile(f, w) })
	default:
		err = f.Text(stdout, p.terminal(stdout))
	}
	if err != nil {
		return fail(stderr, err)
	}
	return 0
}

// terminal is what standard output is.
func (p *picture) terminal(stdout io.Writer) plot.Terminal {
	t := plot.Terminal{Width: 100, Theme: plot.Dark}
	if p.theme == "light" {
		t.Theme = plot.Light
	}
	if isTerminal(stdout) {
		t.Colour = os.Getenv("NO_COLOR") == ""
		if width, _, err := term.GetSize(int(stdout.(*os.File).Fd())); err == nil {
			t.Width = width
		}
	}
	if p.width > 0 {
		t.Width = p.width
	}
	return t
}

// drawerFor returns what draws into a file of this name; nil where none is wanted.
func drawerFor(flag, file string, t plot.Theme) (func(plot.Figure, io.Writer) error, error) {
	if file == "" {
		return nil, nil
	}
	switch ext := strings.ToLower(filepath.Ext(file)); ext {
	case ".png":
		return func(f plot.Figure, w io.Writer) error { return f.PNG(w, t) }, nil
	case ".svg":
		return func(f plot.Figure, w io.Writer) error { return f.SVG(w, t) }, nil
	case ".html":
		return plot.Figure.HTML, nil
	default:
		return nil, fmt.Errorf("%s %s: want a name that ends in .png, .svg or .html", flag, file)
	}
}

func addPlotSeries(app *kingpin.Application) (string, command) {
	var (
		p picture
		q liveSeries
	)
	cmd := plotCommand(app).Command("series", "Draw series of a running Foreshock, or the columns of a CSV file.").HelpLong(aboutPlotSeries)
	cmd.Arg("selector", "A selector, as in PromQL: 'node_load1{instance=\"web-1:9100\"}'. At most 24 series are drawn.").StringVar(&q.selector)
	csv := cmd.Flag("csv", "Draw the columns of this file of timestamp,value[,value…] instead.").PlaceHolder("FILE").String()
	cmd.Flag("from", "Where to begin: RFC 3339, seconds since 1970, a time of day in UTC, or how long ago (90m). Default: an hour before the end.").PlaceHolder("TIME").StringVar(&q.from)
	cmd.Flag("to", "Where to end, written as --from. Default: the newest sample.").PlaceHolder("TIME").StringVar(&q.to)
	q.server.flags(cmd)
	p.flags(cmd)
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		return p.draw(stdout, stderr, func(ctx context.Context) (plot.Figure, error) {
			if (q.selector == "") == (*csv == "") {
				return plot.Figure{}, errors.New("want a selector of a running Foreshock's series, or --csv FILE")
			}
			if *csv != "" {
				return csvFigure(ctx, *csv)
			}
			return q.figure(ctx, time.Now())
		})
	}
}

// csvFigure scores a file as foreshock score does, to draw it.
func csvFigure(ctx context.Context, file string) (plot.Figure, error) {
	f, err := os.Open(file)
	if err != nil {
		return plot.Figure{}, err // names the deed and the file
	}
	defer f.Close()
	sum, err := score.Run(ctx, io.Discard, f, score.Options{Name: file, Config: detector.DefaultConfig(), Picture: true})
	return sum.Figure, err
}

func addPlotIncident(app *kingpin.Application) (string, command) {
	var (
		p picture
		q incidents
	)
	cmd := plotCommand(app).Command("incident", "Draw the series of one incident, in the order in which they broke.").HelpLong(aboutPlotIncident)
	id := cmd.Arg("id", "The ID of the incident, or how it begins; foreshock incidents has them.").Required().String()
	q.server.flags(cmd)
	p.flags(cmd)
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		return p.draw(stdout, stderr, func(ctx context.Context) (plot.Figure, error) {
			ctx, cancel := context.WithTimeout(ctx, answerPatience)
			defer cancel()
			data, err := q.one(*id, "/timeline")(ctx)
			if err != nil {
				return plot.Figure{}, err
			}
			return q.drawn(data)
		})
	}
}

// drawn is the picture of an incident's timeline.
func (q *incidents) drawn(data json.RawMessage) (plot.Figure, error) {
	var line record.Timeline
	if err := json.Unmarshal(data, &line); err != nil {
		return plot.Figure{}, fmt.Errorf("read the answer of %s: %w", q.url, err)
	}
	f := figureOf(&line)
	if len(f.Panels) == 0 {
		return f, fmt.Errorf("incident %s: nothing to draw, its series are no longer held", line.ID)
	}
	return f, nil
}

func addPlotBacktest(app *kingpin.Application) (string, command) {
	var (
		p picture
		b backtester
	)
	cmd := plotCommand(app).Command("backtest", "Draw what rules make of samples that were.").HelpLong(aboutPlotBacktest)
	b.flags(cmd)
	p.flags(cmd)
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		return p.draw(stdout, stderr, func(ctx context.Context) (plot.Figure, error) {
			report, err := b.report(ctx, stderr, time.Now(), backtest.Options{Figure: true})
			if err != nil {
				return plot.Figure{}, err
			}
			if len(report.Figure.Panels) == 0 {
				return plot.Figure{}, errors.New("nothing to draw: no watched series has samples in that time")
			}
			return report.Figure, nil
		})
	}
}
