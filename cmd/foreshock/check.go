package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/config"
	"github.com/foreshock/foreshock/docs/schema"
	"github.com/foreshock/foreshock/internal/yamlstrict"
	"github.com/foreshock/foreshock/rules"
)

const aboutCheck = `Files are read as a start or a reload would read them: a configuration together with the
rule files, scripts, tokens and certificates it names. Nothing is started or sent. A file
is taken for a rule file if it has the key groups. Each mistake is a line,
file:line:column: key: what, on stderr; the exit code is 1 if there is any.

  foreshock check /etc/foreshock/foreshock.yml
  foreshock check -o json rules/*.yml
  foreshock check --schema rules > rules.schema.json`

// addCheck adds the command that reads files as the live process would and says
// all that is wrong with them.
func addCheck(app *kingpin.Application) (name string, run func(stdout, stderr io.Writer) int) {
	cmd := app.Command("check", "Check configuration and rule files, and say everything that is wrong with them.").HelpLong(aboutCheck)
	files := cmd.Arg("file", "A configuration file, which is checked with the rule files it names, or a rule file.").Strings()
	output := cmd.Flag("output", "How results are written: text, or json for editors and CI, an object a file.").Short('o').Default("text").Enum("text", "json")
	form := cmd.Flag("schema", "Print the JSON Schema of configuration files (config), of rule files (rules) or of their unit tests (tests), for editors, and check nothing.").
		PlaceHolder("config|rules|tests").Enum("config", "rules", "tests")
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		switch {
		case *form != "":
			return printSchema(*form, stdout)
		case len(*files) == 0:
			fmt.Fprintln(stderr, "foreshock: name a file to check; see foreshock check --help")
			return 2
		}
		code := 0
		for _, file := range *files {
			result := check(file)
			if !result.OK {
				code = 1
			}
			if *output == "json" {
				_ = json.NewEncoder(stdout).Encode(result) // as with all output, nobody to tell
			} else {
				result.print(stdout, stderr)
			}
		}
		return code
	}
}

// printSchema prints what docs/schema publishes.
func printSchema(of string, stdout io.Writer) int {
	data := map[string][]byte{"config": schema.Config, "rules": schema.Rules, "tests": schema.Tests}[of]
	_, _ = stdout.Write(data) // as with all output, nobody to tell
	return 0
}

// checked is what was found in one file and in those it names.
type checked struct {
	File     string              `json:"file"`
	OK       bool                `json:"ok"`
	Rules    int                 `json:"rules"`           // 0 unless OK
	Notes    []string            `json:"notes,omitempty"` // what it brings about that nobody may expect
	Mistakes yamlstrict.Mistakes `json:"mistakes"`
}

func check(file string) checked {
	c, err := load(file)
	if err == nil {
		return checked{File: file, OK: true, Rules: c.Rules.Len(), Notes: c.Notes(), Mistakes: yamlstrict.Mistakes{}}
	}
	var ms yamlstrict.Mistakes
	if !errors.As(err, &ms) {
		ms = yamlstrict.Mistakes{{File: file, What: err.Error()}}
	}
	return checked{File: file, Mistakes: ms}
}

// load reads a configuration file, or a rule file, known by its key groups, as if nothing
// else were configured.
func load(file string) (*config.Config, error) {
	data, err := yamlstrict.Read(file)
	if err != nil {
		return nil, err
	}
	if isRuleFile(data) {
		c := config.Default()
		c.Rules, err = rules.ParseFile(file, data)
		return c, err
	}
	return config.Load(file)
}

// isRuleFile tells a rule file from a configuration file.
func isRuleFile(data []byte) bool { return slices.ContainsFunc(yamlstrict.Keys(data), isGroups) }

// isGroups reports whether key is groups, or was meant to be.
func isGroups(key string) bool { return yamlstrict.Suggest(key, []string{"groups"}) != "" }

func (c checked) print(stdout, stderr io.Writer) {
	switch {
	case !c.OK:
		show := excerpts{on: isTerminal(stderr)}
		for _, m := range c.Mistakes {
			fmt.Fprintln(stderr, m)
			fmt.Fprint(stderr, show.of(m))
		}
	case c.Rules == 1:
		fmt.Fprintf(stdout, "%s: ok, 1 rule\n", c.File)
	default:
		fmt.Fprintf(stdout, "%s: ok, %d rules\n", c.File, c.Rules)
	}
	for _, note := range c.Notes {
		fmt.Fprintf(stdout, "%s: note: %s\n", c.File, note)
	}
}
