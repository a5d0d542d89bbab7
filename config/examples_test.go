package config

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/foreshock/foreshock/rules"
)

// Every configuration among the examples must start.
func TestExamples(t *testing.T) {
	var files []string
	for _, glob := range []string{"../examples/foreshock.yml", "../examples/*/foreshock.yml"} {
		found, err := filepath.Glob(glob)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: found %v, %v", glob, found, err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		if c, err := Load(file); err != nil {
			t.Errorf("%s: %v", file, err)
		} else if c.Rules.Len() == 0 {
			t.Errorf("%s: has no rules", file)
		}
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(groups:.*?)```")

// Rules shown in the pages are meant to be copied.
func TestRulesInDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllSubmatch(page, -1)
	if len(blocks) == 0 {
		t.Fatal("no rules in docs/rules.md")
	}
	for _, block := range blocks {
		if _, err := rules.ParseFile("docs/rules.md", block[1]); err != nil {
			t.Error(err)
		}
	}
}
