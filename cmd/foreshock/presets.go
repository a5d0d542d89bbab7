package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/rules"
)

// addPresets adds the command that lists the rule files that come with Foreshock.
func addPresets(app *kingpin.Application) (name string, run command) {
	cmd := app.Command("presets", "List the rule files that come with Foreshock, or show one.")
	list := cmd.Command("list", "List them, with a line on each.").Default()
	return list.FullCommand(), func(stdout, stderr io.Writer) int {
		w := tabwriter.NewWriter(stdout, 0, 0, 3, ' ', 0)
		for _, name := range rules.Presets() {
			text, err := rules.Preset(name)
			if err != nil {
				return fail(stderr, err)
			}
			about, _, _ := strings.Cut(string(text), "\n")
			fmt.Fprintf(w, "%s\t%s\n", name, strings.TrimPrefix(about, "# "))
		}
		if err := w.Flush(); err != nil {
			return fail(stderr, err)
		}
		return 0
	}
}

// addPresetsShow adds to presets the command that prints one.
func addPresetsShow(app *kingpin.Application) (name string, run command) {
	cmd := app.GetCommand("presets").Command("show", "Print one: to read it, or to begin a file of your own with it.")
	preset := cmd.Arg("name", "Its name: "+strings.Join(rules.Presets(), ", ")+".").Required().String()
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		text, err := rules.Preset(*preset)
		if err != nil {
			return fail(stderr, err)
		}
		_, _ = stdout.Write(text) // as with all output, nobody to tell
		return 0
	}
}
