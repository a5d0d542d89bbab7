// Package annotation writes the annotations of alerts: Go templates with the
// variables and functions of Prometheus's alerting rules, but for the functions that
// query, as there is nothing here to query. Prometheus's own package for them would
// bring its whole query engine along.
//
// A template may call nothing that reads a file, the network or a clock, and what it
// writes is bounded, as is how long it may go in circles.
package annotation

import (
	"fmt"
	"strings"
	"text/template"
	"time"
)

// maxText bounds, in bytes, what one template may write.
const maxText = 16 << 10

// variables stand before every template, as in Prometheus.
const variables = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"

// Data is what a template sees.
type Data struct {
	Labels         map[string]string
	ExternalLabels map[string]string
	ExternalURL    string
	Value          float64
	Now            time.Time // what the function now answers
}

// Template is a parsed annotation.
type Template struct{ parsed *template.Template }

// Parse parses the text of an annotation. The error says what is wrong with it.
func Parse(text string) (*Template, error) {
	parsed, err := template.New("annotation").Option("missingkey=zero").
		Funcs(functions).Funcs(Data{}.functions()).Funcs(template.FuncMap{"step": counter()}).Parse(variables + text)
	if err != nil {
		_, what, _ := strings.Cut(strings.TrimPrefix(err.Error(), "template: annotation:"), ": ") // after the line
		return nil, fmt.Errorf("not a template: %s", what)
	}
	if err := guard(parsed); err != nil {
		return nil, fmt.Errorf("not a template: %w", err)
	}
	return &Template{parsed}, nil
}

// Execute returns what the template makes of d.
func (t *Template) Execute(d Data) (string, error) {
	bound, err := t.parsed.Clone()
	if err != nil {
		return "", err
	}
	var out boundedText
	if err := bound.Funcs(d.functions()).Funcs(template.FuncMap{"step": counter()}).Execute(&out, d); err != nil {
		return "", err
	}
	return out.String(), nil
}

// boundedText refuses to grow beyond maxText.
type boundedText struct{ strings.Builder }

func (b *boundedText) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxText {
		return 0, fmt.Errorf("longer than %d bytes", maxText)
	}
	return b.Builder.Write(p)
}
