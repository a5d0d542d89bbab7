package config

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock/evidence"
	"github.com/foreshock/foreshock/internal/jsonschema"
	"github.com/foreshock/foreshock/remediation"
	"github.com/foreshock/foreshock/rules"
)

var update = flag.Bool("update", false, "rewrite the pages in docs and the expected messages in testdata")

// TestDocs holds the reference pages against the doc comments, tags and defaults
// they are made from.
func TestDocs(t *testing.T) {
	house := parseHouse(t, "config", "receiver", "detector", "incident", "emitter", "evidence", "query", "remediation", "rules", "internal/warmstart")
	for file, text := range map[string]string{
		"../docs/configuration.md":             configurationPage(t, house),
		"../docs/presets.md":                   presetsPage(t),
		"../docs/rules.md":                     rulesPage(t, house),
		"../docs/schema/foreshock.schema.json": jsonschema.Of("Foreshock's configuration file", Default()),
		"../docs/schema/rules.schema.json":     jsonschema.Of("A rule file of Foreshock", rules.Shape()),
	} {
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(file); err != nil {
			t.Error(err)
		} else if string(got) != text {
			t.Errorf("%s is not what the code says; run make docs", file)
		}
	}
}

func configurationPage(t *testing.T, h house) string {
	c := Default()
	webhook, exec := remediation.DefaultWebhookConfig(), remediation.DefaultExecConfig()
	kubernetes, scale := remediation.DefaultKubernetesConfig(), remediation.DefaultKubernetesScaleConfig()
	kubernetes.Scale = &scale
	ansible, systemd, lambda := remediation.DefaultAnsibleConfig(), remediation.DefaultSystemdConfig(), remediation.DefaultLambdaConfig()
	c.Remediation.Actions = []remediation.ActionConfig{{Webhook: &webhook, Exec: &exec, Ansible: &ansible, Systemd: &systemd, Lambda: &lambda, Kubernetes: &kubernetes}}
	lease, bucket := remediation.DefaultKubernetesLeaseConfig(), remediation.DefaultNATSLeaseConfig()
	c.Remediation.Lease = &remediation.LeaseConfig{Kubernetes: &lease, NATS: &bucket}
	c.Evidence.Sources = []evidence.SourceConfig{evidence.DefaultSourceConfig()}
	return template(t, "configuration.md.in", map[string]string{
		"CONFIG": h.write("config", "Config", tree(t, c)),
	})
}

func rulesPage(t *testing.T, h house) string {
	set, err := rules.ParseFile("default", []byte("groups: [{name: g, rules: [{watch: w, select: up}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	watch := *set.Watches[0]
	watch.Name, watch.Select = "", nil
	return template(t, "rules.md.in", map[string]string{
		"WATCH":     h.write("rules", "Watch", tree(t, watch)),
		"FORECAST":  h.write("rules", "forecastRule", nil),
		"LIMIT":     h.write("rules", "limitRule", nil),
		"CORRELATE": h.write("rules", "Correlate", nil),
		"REMEDY":    h.write("rules", "Remedy", nil),
	})
}

// presetsPage says of each preset what its first comment does, and what its rules select.
func presetsPage(t *testing.T) string {
	var page strings.Builder
	for _, name := range rules.Presets() {
		text, err := rules.Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		set, err := rules.ParseFile(name, text)
		if err != nil {
			t.Fatal(err)
		}
		about, _, _ := strings.Cut(string(text), "\ngroups:")
		about = strings.ReplaceAll(strings.TrimPrefix(about, "# "), "\n#", "\n")
		fmt.Fprintf(&page, "\n## %s\n\n%s\n\n", name, strings.ReplaceAll(about, "\n ", "\n"))
		page.WriteString("| rule | | severity |\n|---|---|---|\n")
		for _, w := range set.Watches {
			side := map[rules.Direction]string{rules.Both: "unlike itself", rules.Above: "above itself", rules.Below: "below itself"}[w.Direction]
			fmt.Fprintf(&page, "| `%s` | %s | %s |\n", w.Name, side, w.Labels["severity"])
		}
		for _, f := range set.Forecasts {
			side := map[bool]string{true: "above", false: "below"}[f.Above]
			fmt.Fprintf(&page, "| `%s` | will be %s %g within %s | %s |\n", f.Name, side, f.Limit, model.Duration(f.Horizon), f.Labels["severity"])
		}
		for _, l := range set.Limits {
			side := map[bool]string{true: "above", false: "below"}[l.Above]
			fmt.Fprintf(&page, "| `%s` | is %s %g | %s |\n", l.Name, side, l.Bound, l.Labels["severity"])
		}
	}
	return template(t, "presets.md.in", map[string]string{"PRESETS": strings.TrimSpace(page.String())})
}

// template fills the page whose text is in testdata: @NAME@ stands for a part.
func template(t *testing.T, name string, parts map[string]string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for part, with := range parts {
		text = strings.ReplaceAll(text, "@"+part+"@\n", with)
	}
	return text
}

// tree is v as YAML nodes, which is where defaults are looked up.
func tree(t *testing.T, v any) *yaml.Node {
	t.Helper()
	var n yaml.Node
	if err := n.Encode(v); err != nil {
		t.Fatal(err)
	}
	return &n
}

// house is the struct types of our packages: package → name → type.
type house map[string]map[string]*ast.StructType

func parseHouse(t *testing.T, packages ...string) house {
	h := house{}
	for _, pkg := range packages {
		files, err := filepath.Glob("../" + pkg + "/*.go")
		pkg := filepath.Base(pkg) // as it is named where it is used
		h[pkg] = map[string]*ast.StructType{}
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if spec, ok := n.(*ast.TypeSpec); ok {
					if s, ok := spec.Type.(*ast.StructType); ok {
						h[pkg][spec.Name.Name] = s
					}
				}
				return true
			})
		}
	}
	return h
}

// write documents a struct as Prometheus's documentation does: comments, then
// [ key: <type> | default = value ].
func (h house) write(pkg, name string, defaults *yaml.Node) string {
	var b strings.Builder
	h.fields(&b, pkg, h[pkg][name], defaults, "")
	return b.String()
}

func (h house) fields(b *strings.Builder, pkg string, s *ast.StructType, defaults *yaml.Node, indent string) {
	for _, field := range s.Fields.List {
		if field.Tag == nil {
			continue
		}
		key, options, _ := strings.Cut(reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("yaml"), ",")
		if key == "-" {
			continue
		}
		inPkg, nested, list := h.resolve(pkg, field.Type)
		if options == "inline" {
			h.fields(b, inPkg, nested, defaults, indent)
			continue
		}
		if b.Len() > 0 && !strings.HasSuffix(b.String(), ":\n") && !strings.HasSuffix(b.String(), "-\n") {
			b.WriteString("\n")
		}
		goName := field.Names[0].Name
		for line := range strings.Lines(field.Doc.Text()) {
			if rest, ok := strings.CutPrefix(line, goName+" "); ok {
				line = key + " " + rest
			}
			b.WriteString(strings.TrimRight(indent+"# "+line, " \n") + "\n")
		}
		value := lookup(defaults, key)
		switch {
		case nested == nil || nested.Fields.List[0].Tag == nil:
			fmt.Fprintf(b, "%s[ %s: %s%s ]\n", indent, key, typeName(field.Type), defaultText(value))
		case list:
			fmt.Fprintf(b, "%s%s:\n%s  -\n", indent, key, indent)
			h.fields(b, inPkg, nested, first(value), indent+"    ")
		default:
			fmt.Fprintf(b, "%s%s:\n", indent, key)
			h.fields(b, inPkg, nested, value, indent+"  ")
		}
	}
}

// resolve returns the struct of ours that a field's type is, or is a list of.
func (h house) resolve(pkg string, e ast.Expr) (inPkg string, s *ast.StructType, list bool) {
	switch e := e.(type) {
	case *ast.Ident:
		return pkg, h[pkg][e.Name], false
	case *ast.StarExpr:
		return h.resolve(pkg, e.X)
	case *ast.ArrayType:
		inPkg, s, _ = h.resolve(pkg, e.Elt)
		return inPkg, s, true
	case *ast.SelectorExpr:
		from := e.X.(*ast.Ident).Name
		return from, h[from][e.Sel.Name], false
	}
	return pkg, nil, false
}

// typeNames are those that the pages explain, where a type's own name would not do.
var typeNames = map[string]string{
	"Base2Bytes": "size", "Matchers": "selector", "float64": "float", "RemoteWriteConfig": "remote_write",
	"AlertingConfig": "alerting", "HTTPClientConfig": "http_config", "SigV4Config": "sigv4",
}

// typeName is what to write for a value of the type.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		if name, ok := typeNames[e.Name]; ok {
			return "<" + name + ">"
		}
		return "<" + strings.ToLower(e.Name) + ">"
	case *ast.SelectorExpr:
		return typeName(e.Sel)
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.ArrayType:
		return "[" + typeName(e.Elt) + ", …]"
	case *ast.MapType:
		return "{" + typeName(e.Key) + ": " + typeName(e.Value) + ", …}"
	}
	return "<any>"
}

// lookup returns the value of key in the mapping n, or nil.
func lookup(n *yaml.Node, key string) *yaml.Node {
	if n == nil {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func first(n *yaml.Node) *yaml.Node {
	if n == nil || len(n.Content) == 0 {
		return nil
	}
	return n.Content[0]
}

// defaultText names the default, unless it is nothing at all.
func defaultText(n *yaml.Node) string {
	if n == nil || n.Value == "" && len(n.Content) == 0 || n.Tag == "!!null" {
		return ""
	}
	n.Style |= yaml.FlowStyle
	text, err := yaml.Marshal(n)
	if err != nil {
		return ""
	}
	return " | default = " + strings.TrimSpace(string(text))
}
