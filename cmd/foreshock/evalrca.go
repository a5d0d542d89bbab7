package main

import (
	"context"
	"fmt"
	"io"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/internal/rca"
)

const aboutEvalRCA = `How often the true cause is first, among the first three and the first five, of a
made-up shop's seeded faults and of labelled incidents, beside what guessing, the largest
z-score and the earliest onset find, and with the onset assumed a minute late. Sets are
folders below DIR/causes as docs/causes.md says. How far it is goes to stderr.

  foreshock eval-rca
  foreshock eval-rca -o json ~/anomaly-sets > report.json`

// addEvalRCA adds the command that measures how well causes are found.
func addEvalRCA(app *kingpin.Application) (string, command) {
	cmd := app.Command("eval-rca", "Measure how often the cause of an incident is found, on seeded faults and labelled sets.").HelpLong(aboutEvalRCA)
	dir := cmd.Arg("dir", "The folder that holds the sets. Without one, only the seeded faults are measured.").String()
	sets := cmd.Flag("sets", "Only this set; may be repeated.").PlaceHolder("NAME").Strings()
	streams := cmd.Flag("stream", "Play each set as a stream, too, where nobody says when something broke, and count incidents.").Bool()
	output := cmd.Flag("output", "How the report is written: table or json.").Short('o').Default("table").Enum("table", "json")
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		report, err := rca.Run(context.Background(), rca.Options{
			Dir:      *dir,
			Sets:     *sets,
			Streams:  *streams,
			Progress: func(what string) { fmt.Fprintln(stderr, what) },
		})
		if err != nil {
			return fail(stderr, err)
		}
		write := report.Table
		if *output == "json" {
			write = report.JSON
		}
		if err := write(stdout); err != nil {
			return fail(stderr, err)
		}
		return 0
	}
}
