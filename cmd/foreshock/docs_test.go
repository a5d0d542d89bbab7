package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
)

var update = flag.Bool("update", false, "rewrite the pages in docs")

const cliIntro = `# Command line

<!-- Made from the code by ` + "`make docs`" + `; edit the help texts there. -->

` + "`foreshock`" + ` without a command is ` + "`foreshock serve`" + `. What this page says of a command,
` + "`foreshock COMMAND --help`" + ` says too. Results go to standard output; mistakes, and how far a long run is,
go to standard error, the latter on a terminal only.

| exit code | means |
|---|---|
| 0 | done, and nothing was wrong |
| 1 | it could not be done, or what was checked has mistakes; standard error says what |
| 2 | the command line has a mistake |
`

// TestDocsCLI holds docs/cli.md against what can be typed.
func TestDocsCLI(t *testing.T) {
	const file = "../../docs/cli.md"
	page := cliPage()
	if *update {
		if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(file); err != nil {
		t.Error(err)
	} else if string(got) != page {
		t.Errorf("%s is not what the code says; run make docs", file)
	}
}

// Every command says in one sentence what it does, and something of each flag.
func TestHelpIsWorthReading(t *testing.T) {
	for _, c := range documented() {
		if c.Help == "" || strings.Contains(c.Help, "\n") || !strings.HasSuffix(c.Help, ".") {
			t.Errorf("%s: want one sentence, got %q", c.FullCommand, c.Help)
		}
		for _, f := range c.Flags {
			if f.Help == "" {
				t.Errorf("%s --%s: no help", c.FullCommand, f.Name)
			}
		}
	}
}

// documented are the commands that one may type, but for help.
func documented() []*kingpin.CmdModel {
	app, _ := commandLine()
	var cs []*kingpin.CmdModel
	for _, c := range app.Model().FlattenedCommands() {
		if !c.Hidden && c.Name != "help" {
			cs = append(cs, c)
		}
	}
	return cs
}

func cliPage() string {
	var b strings.Builder
	b.WriteString(cliIntro)
	for _, c := range documented() {
		fmt.Fprintf(&b, "\n## foreshock %s\n\n%s\n", c.FullCommand, c.Help)
		fmt.Fprintf(&b, "\n```\nforeshock %s%s\n```\n", c.FullCommand, synopsis(c))
		if c.HelpLong != "" {
			b.WriteString("\n" + markdown(c.HelpLong) + "\n")
		}
		if len(c.Args) > 0 {
			b.WriteString("\n| argument | |\n|---|---|\n")
			for _, a := range c.Args {
				fmt.Fprintf(&b, "| `%s` | %s%s |\n", a.Name, cell(a.Help), defaultOf(a.Default))
			}
		}
		if len(c.Flags) > 0 {
			b.WriteString("\n| flag | |\n|---|---|\n")
			for _, f := range c.Flags {
				if !f.Hidden {
					fmt.Fprintf(&b, "| %s | %s%s |\n", flagName(f), cell(f.Help), defaultOf(f.Default))
				}
			}
		}
	}
	return b.String()
}

// synopsis is how the command is typed, but for its flags one by one.
func synopsis(c *kingpin.CmdModel) string {
	s := ""
	if len(c.Flags) > 0 {
		s += " [flags]"
	}
	for _, a := range c.Args {
		name := "<" + a.Name + ">"
		if cumulative, ok := a.Value.(interface{ IsCumulative() bool }); ok && cumulative.IsCumulative() {
			name += "…"
		}
		if !a.Required {
			name = "[" + name + "]"
		}
		s += " " + name
	}
	return s
}

// markdown is a HelpLong: paragraphs, and examples that are indented.
func markdown(help string) string {
	var parts []string
	for _, p := range strings.Split(strings.TrimSpace(help), "\n\n") {
		if trimmed := strings.TrimLeft(p, "\n"); strings.HasPrefix(trimmed, "  ") {
			p = "```\n" + strings.TrimPrefix(strings.ReplaceAll(trimmed, "\n  ", "\n"), "  ") + "\n```"
		}
		parts = append(parts, p)
	}
	return strings.Join(parts, "\n\n")
}

func flagName(f *kingpin.FlagModel) string {
	name := "`--" + f.Name
	if !f.IsBoolFlag() {
		name += "=" + cmp.Or(f.PlaceHolder, "…")
	}
	if name += "`"; f.Short != 0 {
		name = fmt.Sprintf("`-%c`, %s", f.Short, name)
	}
	return strings.ReplaceAll(name, "|", `\|`)
}

func defaultOf(values []string) string {
	if len(values) == 0 || values[0] == "" {
		return ""
	}
	return " Default: `" + strings.Join(values, "`, `") + "`."
}

// cell is text that fits in a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}
