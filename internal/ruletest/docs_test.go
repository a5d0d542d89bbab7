package ruletest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/docs/schema"
	"github.com/foreshock/foreshock/internal/jsonschema"
)

var block = regexp.MustCompile("(?s)```(yaml|text)\n(.*?)```")

var update = flag.Bool("update", false, "rewrite the schema of test files in docs/schema")

// The schema of test files is what the code says.
func TestDocsOfTestFiles(t *testing.T) {
	const page = "../../docs/schema/tests.schema.json"
	want := jsonschema.Of("Unit tests of Foreshock's rules", Shape())
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := string(schema.Tests); !*update && got != want {
		t.Errorf("%s is not what the code says; run make docs", page)
	}
}

// TestPage runs the examples of docs/testing.md, and holds the answers it shows against
// what the tests say.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var shown []string
	for _, m := range block.FindAllStringSubmatch(string(page), -1) {
		if m[1] == "text" {
			shown = append(shown, m[2])
			continue
		}
		name, found := strings.CutPrefix(strings.SplitN(m[2], "\n", 2)[0], "# ")
		if !found {
			t.Fatalf("a block without the name of its file:\n%s", m[2])
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(m[2]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	if got := play(t, "queue_test.yml"); got != "" {
		t.Errorf("the example fails:\n%s", got)
	}
	if got := play(t, "wrong_test.yml"); len(shown) != 1 || got != shown[0] {
		t.Errorf("the page shows:\n%s\nbut it is:\n%s", shown, got)
	}
}

// play runs the tests of a file and returns what failed.
func play(t *testing.T, file string) string {
	t.Helper()
	tests, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	var failed strings.Builder
	for _, test := range tests {
		r, err := test.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !r.OK() {
			fmt.Fprintf(&failed, "FAIL  %s:%d: %s\n%s", test.File, test.Line, test.Name, r.Diff())
		}
	}
	return failed.String()
}
