package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/internal/eval"
)

const aboutEval = `The sets are read from a folder laid out as docs/detection.md says; the synthetic suite
is made up from seeds. How far it is goes to stderr.

  foreshock eval --synthetic
  foreshock eval --baselines -o json ~/anomaly-sets > report.json`

// addEval adds the command that measures the detector on labelled sets, and on streams
// made for it.
func addEval(app *kingpin.Application) (string, command) {
	cmd := app.Command("eval", "Measure the detector on labelled sets: how well it ranks, alerts and what it costs.").HelpLong(aboutEval)
	dir := cmd.Arg("dir", "The folder that holds the sets, as docs/detection.md describes it. Without one, only --synthetic can be measured.").String()
	sets := cmd.Flag("sets", "Only this set; may be repeated.").PlaceHolder("NAME").Strings()
	baselines := cmd.Flag("baselines", "Measure what people use instead, too.").Bool()
	ablation := cmd.Flag("ablation", "Measure the detector without each of its parts, too.").Bool()
	synthetic := cmd.Flag("synthetic", "Run the synthetic suite, which needs no folder.").Bool()
	output := cmd.Flag("output", "How the report is written: table or json.").Short('o').Default("table").Enum("table", "json")
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		if *dir == "" && !*synthetic {
			return fail(stderr, errors.New("eval: required argument 'dir' not provided; --synthetic needs none"))
		}
		report, err := eval.Run(context.Background(), *dir, eval.Options{
			Sets:      *sets,
			Baselines: *baselines,
			Ablation:  *ablation,
			Synthetic: *synthetic,
			Progress:  func(what string) { fmt.Fprintln(stderr, what) },
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
