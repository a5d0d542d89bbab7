// Command generate writes the dashboards of examples/grafana with Grafana's foundation SDK,
// which knows what a dashboard may hold. It is a module of its own, so that the SDK is nobody
// else's dependency: `make docs` runs it.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "generate: %v\n", err)
		os.Exit(1)
	}
}

func write(folder string) error {
	files, err := generate()
	for name, text := range files {
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name), text, 0o644)
		}
	}
	return err
}

// generate makes every dashboard's file, each read back strictly by the SDK: what it does
// not know, Grafana may not.
func generate() (map[string][]byte, error) {
	plugins.RegisterDefaultPlugins() // the kinds of panels and queries
	files := map[string][]byte{}
	for _, p := range []page{overview, explorer, forecasts, remediation, itself} {
		built, err := p.build()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		text, err := json.Marshal(built)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		if err := check(text); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		if text, err = json.MarshalIndent(worded(built), "", "  "); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		files[p.name+".json"] = append(text, '\n')
	}
	return files, nil
}

// annotation is one with what Grafana's data source for Prometheus says of it when it is
// pointed at, which the SDK does not know: templates over the labels.
type annotation struct {
	dashboard.AnnotationQuery
	TitleFormat string `json:"titleFormat"`
	TextFormat  string `json:"textFormat"`
	TagKeys     string `json:"tagKeys"` // separated by commas
}

// worded is d with words for its annotations, which are incidents.
func worded(d dashboard.Dashboard) any {
	w := struct {
		dashboard.Dashboard
		Annotations struct {
			List []annotation `json:"list"`
		} `json:"annotations"`
	}{Dashboard: d}
	for _, a := range d.Annotations.List {
		w.Annotations.List = append(w.Annotations.List, annotation{a, "{{title}}", "incident {{incident}}", "rule"})
	}
	return w
}

func check(text []byte) error {
	var d dashboard.Dashboard
	if err := d.UnmarshalJSONStrict(text); err != nil {
		return err
	}
	return d.Validate()
}
