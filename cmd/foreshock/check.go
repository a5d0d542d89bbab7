package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/config"
	"github.com/foreshock/foreshock/internal/yamlstrict"
	"github.com/foreshock/foreshock/rules"
)

// addCheck adds the command that reads files as the live process would and says
// all that is wrong with them.
func addCheck(app *kingpin.Application) (name string, run func(stdout, stderr io.Writer) int) {
	cmd := app.Command("check", "Check configuration and rule files, and say everything that is wrong with them.")
	files := cmd.Arg("file", "A configuration file, which is checked with the rule files it names, or a rule file.").Required().Strings()
	output := cmd.Flag("output", "How results are written: text, or json for editors, an object a file.").Short('o').Default("text").Enum("text", "json")
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
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

// checked is what was found in one file and in those it names.
type checked struct {
	File     string              `json:"file"`
	OK       bool                `json:"ok"`
	Rules    int                 `json:"rules"` // 0 unless OK
	Mistakes yamlstrict.Mistakes `json:"mistakes"`
}

func check(file string) checked {
	set, err := load(file)
	if err == nil {
		return checked{File: file, OK: true, Rules: set.Len(), Mistakes: yamlstrict.Mistakes{}}
	}
	var ms yamlstrict.Mistakes
	if !errors.As(err, &ms) {
		ms = yamlstrict.Mistakes{{File: file, What: err.Error()}}
	}
	return checked{File: file, Mistakes: ms}
}

// load reads a rule file, known by its key groups, or else a configuration file.
func load(file string) (*rules.Set, error) {
	data, err := yamlstrict.Read(file)
	if err != nil {
		return nil, err
	}
	if isRuleFile(data) {
		return rules.ParseFile(file, data)
	}
	c, err := config.Load(file)
	if err != nil {
		return nil, err
	}
	return c.Rules, nil
}

// isRuleFile tells a rule file from a configuration file.
func isRuleFile(data []byte) bool { return slices.Contains(yamlstrict.Keys(data), "groups") }

func (c checked) print(stdout, stderr io.Writer) {
	switch {
	case !c.OK:
		fmt.Fprintln(stderr, c.Mistakes)
	case c.Rules == 1:
		fmt.Fprintf(stdout, "%s: ok, 1 rule\n", c.File)
	default:
		fmt.Fprintf(stdout, "%s: ok, %d rules\n", c.File, c.Rules)
	}
}
