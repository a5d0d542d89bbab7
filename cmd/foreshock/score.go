package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"golang.org/x/term"

	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/internal/plot"
	"github.com/foreshock/foreshock/internal/score"
)

const aboutScore = `The rows are in order of time; a header is optional. Every sample is written with its
score, whether it is an anomaly, and the band it was expected in. There are no rules and
no other series, so what needs those is not used. docs/score.md has the details.

  foreshock score history.csv --plot history.html
  foreshock score -o json < history.csv`

// addScore adds the command that scores a CSV file the way the live process would.
func addScore(app *kingpin.Application) (string, command) {
	cmd := app.Command("score", "Score a CSV file of timestamp,value[,value…], exactly as live samples are.").HelpLong(aboutScore)
	file := cmd.Arg("file", "The file; - is standard input.").Default("-").String()
	output := cmd.Flag("output", "How scores are written: csv or json, an object a line.").Short('o').Default("csv").Enum("csv", "json")
	picture := cmd.Flag("plot", "Draw series, expected band, anomalies and scores into this file: .png, .svg or .html.").PlaceHolder("FILE").String()
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		if err := scoreFile(*file, *output, *picture, stdout, stderr); err != nil {
			return fail(stderr, err)
		}
		return 0
	}
}

func scoreFile(file, output, picture string, stdout, stderr io.Writer) error {
	draw, err := drawerFor("--plot", picture, plot.Light)
	if err != nil {
		return err
	}
	o := score.Options{Config: detector.DefaultConfig(), Picture: draw != nil}
	if output == "json" {
		o.Output = score.JSON
	}
	in := io.Reader(os.Stdin)
	if file == "-" {
		o.Name = "standard input"
	} else {
		f, err := os.Open(file)
		if err != nil {
			return err // names the deed and the file
		}
		defer f.Close()
		in, o.Name = f, file
	}
	watched := isTerminal(stderr)
	if watched {
		o.Progress = countRows(stderr)
	}
	sum, err := score.Run(context.Background(), stdout, in, o)
	if watched {
		fmt.Fprintf(stderr, "\r\033[K%s: rows: %d, anomalies: %d, values missing: %d\n", o.Name, sum.Rows, sum.Anomalies, sum.Missing)
	}
	if unscored := sum.Late + sum.Duplicate; unscored > 0 {
		fmt.Fprintf(stderr, "%s: %d of %d rows not scored: %d before the time of an earlier row, %d at it, the first on line %d; sort the file by time\n",
			o.Name, unscored, sum.Rows, sum.Late, sum.Duplicate, sum.FirstLine)
	}
	if err != nil {
		return err
	}
	if draw == nil {
		return nil
	}
	return save(picture, func(w io.Writer) error { return draw(sum.Figure, w) })
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// patience is how long something may take before it shows on a terminal how far it is.
const patience = 2 * time.Second

// countRows shows on a terminal how far a run is, once that has taken a while.
func countRows(terminal io.Writer) func(rows int) {
	const often = 200 * time.Millisecond
	next := time.Now().Add(patience)
	return func(rows int) {
		if now := time.Now(); now.After(next) {
			next = now.Add(often)
			fmt.Fprintf(terminal, "\r%d rows scored", rows)
		}
	}
}
