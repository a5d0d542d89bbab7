package config

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock/docs/schema"
	"github.com/foreshock/foreshock/internal/yamlstrict"
)

// editor is what an editor knows: the schemas, compiled.
type editor struct{ config, rules, tests *jsonschema.Schema }

func newEditor(t *testing.T) editor {
	t.Helper()
	compile := func(name string, data []byte) *jsonschema.Schema {
		content, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		if err := c.AddResource(name, content); err != nil {
			t.Fatal(err)
		}
		compiled, err := c.Compile(name)
		if err != nil {
			t.Fatal(err)
		}
		return compiled
	}
	return editor{compile("config.json", schema.Config), compile("rules.json", schema.Rules), compile("tests.json", schema.Tests)}
}

// judge is what the editor says of a file, which is a rule file if it has groups, and has
// tests of rules if it has tests.
func (e editor) judge(data []byte) error {
	var content any
	if err := yaml.Unmarshal(data, &content); err != nil {
		return err
	}
	switch keys := yamlstrict.Keys(data); {
	case slices.Contains(keys, "groups"):
		return e.rules.Validate(content)
	case slices.Contains(keys, "tests"):
		return e.tests.Validate(content)
	}
	return e.config.Validate(content)
}

// Whatever is good must not be underlined in red: every example, every preset, and the
// rules in the docs.
func TestSchemaAcceptsWhatIsGood(t *testing.T) {
	e := newEditor(t)
	files := map[string][]byte{}
	for _, root := range []string{"../examples", "../rules/presets", "../internal/e2e/testdata"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			name := filepath.Base(path)
			if err != nil || filepath.Ext(name) != ".yml" || strings.HasPrefix(name, "prometheus") || strings.HasPrefix(name, "alertmanager") {
				return err
			}
			data, err := os.ReadFile(path)
			if isOurs(data) {
				files[path] = data
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, page := range []string{"../docs/rules.md", "../docs/testing.md", "../README.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range yamlBlock.FindAllSubmatch(text, -1) {
			files[page+": "+string(block[1][:min(60, len(block[1]))])] = block[1]
		}
	}
	if len(files) < 5 {
		t.Errorf("only %d files", len(files))
	}
	for name, data := range files {
		if err := e.judge(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The examples tell the editor where their schema is.
func TestExamplesNameTheirSchema(t *testing.T) {
	for name, want := range map[string]string{
		"foreshock.yml": "foreshock", "quickstart/foreshock.yml": "foreshock", "quickstart/rules/cpu.yml": "rules",
		"keda/rules.yml": "rules",
	} {
		file := filepath.Join("../examples", name)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(string(data), "\n")
		path, ok := strings.CutPrefix(line, "# yaml-language-server: $schema=")
		if got := filepath.Join(filepath.Dir(file), path); !ok || got != "../docs/schema/"+want+".schema.json" {
			t.Errorf("%s: begins with %q, which is %s", name, line, got)
		}
	}
}

// isOurs reports whether data is a configuration or a rule file of Foreshock, and not
// one of Prometheus's neighbours among the examples.
func isOurs(data []byte) bool {
	for _, key := range yamlstrict.Keys(data) {
		switch key {
		case "groups", "presets", "rule_files", "receiver", "detector", "incident", "emitter", "remediation":
			return !bytes.Contains(data, []byte("scrape_configs:")) && !bytes.Contains(data, []byte("alert: "))
		}
	}
	return false
}

// Everything that is set, as its default, is a configuration too.
func TestSchemaAcceptsDefaults(t *testing.T) {
	data, err := yaml.Marshal(Default())
	if err != nil {
		t.Fatal(err)
	}
	if err := newEditor(t).judge(data); err != nil {
		t.Error(err)
	}
}

// ofForm matches what is told of a mistake in the form of a file, which an editor that
// has the schema sees while it is made. What is in a text it leaves to us.
var ofForm = regexp.MustCompile(`(?m): (unknown key|required|want (a mapping|a list|a single value, got|a whole number|a finite number, got "[^.]|true or false|a duration|a size|one of))`)

// beyondForm are the files that read like mistakes in form, but whose form is good: what
// is wrong is the size of a number, or what a text says.
var beyondForm = []string{"duration-overflow.yml", "horizon-overflow.yml", "horizon-zero.yml", "absence-misspelt.yml"}

// TestSchemaRefusesBrokenForms shows the files of the TestBroken of both packages to
// the editor: it must find what is wrong in their form.
func TestSchemaRefusesBrokenForms(t *testing.T) {
	e := newEditor(t)
	seen := 0
	for _, name := range []string{"testdata/broken.txtar", "../rules/testdata/broken.txtar"} {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(archive.Files); i += 2 {
			file, told := archive.Files[i], archive.Files[i+1]
			if !ofForm.Match(told.Data) {
				continue
			}
			seen++
			if err := e.judge(file.Data); (err == nil) != slices.Contains(beyondForm, file.Name) {
				t.Errorf("%s: the schema says %v; its author is told\n%s", file.Name, err, told.Data)
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d files are wrong in form", seen)
	}
}
