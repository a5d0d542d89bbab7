package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/internal/ruletest"
	"github.com/foreshock/foreshock/internal/yamlstrict"
)

const aboutTest = `A test file says which series come, and which anomalies, incidents, alerts and remedies
are to follow. The series go through the live process's own detector, and nothing is
sent or run. What happened and was not expected is shown with +, what was expected and
did not happen with -. The exit code is 1 unless every test passed.`

// addTest adds the command that tests rules.
func addTest(app *kingpin.Application) (name string, run command) {
	cmd := app.Command("test", "Run unit tests of rules: what is to follow from which series.").HelpLong(aboutTest)
	files := cmd.Arg("file", "A test file.").Required().Strings()
	only := cmd.Flag("run", "Run only the tests whose name matches.").PlaceHolder("REGEX").Regexp()
	output := cmd.Flag("output", "How results are written: text, or json, an object a test.").Short('o').Default("text").Enum("text", "json")
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		t := tester{only: *only, json: json.NewEncoder(stdout), stdout: stdout, stderr: stderr}
		if *output == "text" {
			t.json = nil
		}
		for _, file := range *files {
			t.file(file)
		}
		return t.end()
	}
}

// tester runs the tests of files and says how they went.
type tester struct {
	only           *regexp.Regexp // nil: all
	json           *json.Encoder  // nil: text
	stdout, stderr io.Writer

	ran, failed int
	broken      bool
}

// tested is how a test went, or what is wrong with a file.
type tested struct {
	File        string                `json:"file"`
	Line        int                   `json:"line,omitempty"`
	Test        string                `json:"test,omitempty"`
	OK          bool                  `json:"ok"`
	Differences []ruletest.Difference `json:"differences,omitempty"`
	Mistakes    yamlstrict.Mistakes   `json:"mistakes,omitempty"`
}

func (t *tester) file(name string) {
	tests, err := ruletest.Load(name)
	if err != nil {
		t.reject(name, err)
		return
	}
	began := time.Now()
	for i, test := range tests {
		if t.only != nil && !t.only.MatchString(test.Name) {
			continue
		}
		progress := ""
		if isTerminal(t.stderr) && time.Since(began) > patience {
			progress = fmt.Sprintf("\r\033[K%s: %d of %d: %s", name, i+1, len(tests), test.Name)
			fmt.Fprint(t.stderr, progress)
		}
		result, err := test.Run(context.Background())
		if progress != "" {
			fmt.Fprint(t.stderr, "\r\033[K")
		}
		if err != nil {
			t.reject(name, err)
			continue
		}
		t.tell(test, result)
	}
}

// reject tells what is wrong with a file.
func (t *tester) reject(name string, err error) {
	t.broken = true
	if t.json == nil {
		fmt.Fprintln(t.stderr, err)
		return
	}
	var ms yamlstrict.Mistakes
	if !errors.As(err, &ms) {
		ms = yamlstrict.Mistakes{{File: name, What: err.Error()}}
	}
	_ = t.json.Encode(tested{File: name, Mistakes: ms}) // as with all output, nobody to tell
}

// tell says how a test went.
func (t *tester) tell(test *ruletest.Test, r ruletest.Result) {
	t.ran++
	if !r.OK() {
		t.failed++
	}
	switch {
	case t.json != nil:
		_ = t.json.Encode(tested{File: test.File, Line: test.Line, Test: test.Name, OK: r.OK(), Differences: r.Differences})
	case r.OK():
		fmt.Fprintf(t.stdout, "ok    %s:%d: %s\n", test.File, test.Line, test.Name)
	default:
		fmt.Fprintf(t.stdout, "FAIL  %s:%d: %s\n%s", test.File, test.Line, test.Name, r.Diff())
	}
}

// end is the exit code. That nothing ran is a mistake: someone meant a test.
func (t *tester) end() int {
	if t.ran == 0 && !t.broken {
		fmt.Fprintf(t.stderr, "foreshock: no test has a name that matches %s\n", t.only)
		return 1
	}
	if t.failed > 0 && t.json == nil {
		fmt.Fprintf(t.stdout, "%d of %d tests failed\n", t.failed, t.ran)
	}
	if t.failed > 0 || t.broken {
		return 1
	}
	return 0
}
