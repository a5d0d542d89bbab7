// Command foreshock watches what a Prometheus sends it, says what is behaving
// unlike itself, and tells Alertmanager once.
//
// Each subcommand has a file of its own with a function add…, which declares its
// flags and returns its name and what to run; main only picks one and passes on
// its exit code.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
)

const about = `Streaming anomaly detection beside Prometheus.

Point a remote_write at it and every series is scored as it arrives; what happens
together becomes one incident, one alert and, where allowed, one remedy.

  foreshock --config.file=foreshock.yml
  foreshock check foreshock.yml
  foreshock score history.csv --plot history.png
  foreshock backtest --url http://localhost:9090 --from -7d --preset node`

// A command runs with the flags its add function declared and returns the exit code.
type command = func(stdout, stderr io.Writer) int

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	app, commands := commandLine()
	app.UsageWriter(stdout).ErrorWriter(stderr)
	exited := -1
	app.Terminate(func(code int) { exited = code }) // after --help; main alone exits

	chosen, err := app.Parse(joinMoments(args))
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintf(stderr, "foreshock: %v; see foreshock --help\n", err)
		return 2
	}
	return commands[chosen](stdout, stderr)
}

// commandLine is what can be typed, and the commands by their names. docs/cli.md is made
// from it.
func commandLine() (*kingpin.Application, map[string]command) {
	app := kingpin.New("foreshock", about).UsageTemplate(usage)
	app.HelpFlag.Short('h').Help("Show this help; foreshock help COMMAND shows that of a command.")
	commands := map[string]command{}
	for _, add := range []func(*kingpin.Application) (string, command){
		addServe, addCheck, addTest, addPresets, addPresetsShow, addScore, addBacktest, addRecord, addPlotSeries, addPlotIncident, addPlotBacktest, addExplain,
		addIncidentsList, addIncidentsShow, addIncidentsTimeline, addIncidentsDismiss,
		addRemediationList, addRemediationShow, addRemediationApprove, addRemediationDeny, addRemediationStatus,
		addRemediationPause, addRemediationResume, addRemediationCloseBreaker, addRemediationVerifyLedger, addEval, addEvalRCA, addVersion,
	} {
		name, do := add(app)
		commands[name] = do
	}
	return app, commands
}

func addVersion(app *kingpin.Application) (string, command) {
	cmd := app.Command("version", "Print the version and how it was built.")
	return cmd.FullCommand(), func(stdout, _ io.Writer) int {
		fmt.Fprintln(stdout, version.Print("foreshock"))
		return 0
	}
}

// fail prints what went wrong, a line a mistake, and is the exit code 1.
func fail(stderr io.Writer, err error) int {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			fmt.Fprintf(stderr, "foreshock: %v\n", e)
		}
		return 1
	}
	fmt.Fprintf(stderr, "foreshock: %v\n", err)
	return 1
}
