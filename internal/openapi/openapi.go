// Package openapi holds real answers against docs/openapi.json, for the tests of whoever
// answers.
package openapi

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Document is one that was read. It is not safe for concurrent use.
type Document struct {
	compiler *jsonschema.Compiler
	paths    map[string]any
}

const resource = "openapi.json"

// Read reads the document in the file.
func Read(file string) (*Document, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	content, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	whole, _ := content.(map[string]any)
	d := &Document{compiler: jsonschema.NewCompiler()}
	if d.paths, _ = whole["paths"].(map[string]any); d.paths == nil {
		return nil, fmt.Errorf("read %s: it has no paths", file)
	}
	if err := d.compiler.AddResource(resource, content); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return d, nil
}

// Describes reports whether the document has what a mux serves at the pattern, such as
// GET /api/v1/labels; without a method, whether it has any at that path.
func (d *Document) Describes(pattern string) bool {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		_, ok = d.paths[pattern]
		return ok
	}
	return d.operation(method, path) != nil
}

// Patterns are all that the document has.
func (d *Document) Patterns() (all []string) {
	for path, item := range d.paths {
		for method := range item.(map[string]any) {
			all = append(all, strings.ToUpper(method)+" "+path)
		}
	}
	return all
}

func (d *Document) operation(method, path string) map[string]any {
	item, _ := d.paths[path].(map[string]any)
	operation, _ := item[strings.ToLower(method)].(map[string]any)
	return operation
}

// Check returns how the JSON body of an answer with the status is not as the document says of
// the pattern, GET /api/v1/labels.
func (d *Document) Check(pattern string, status int, body []byte) error {
	method, path, _ := strings.Cut(pattern, " ")
	responses, _ := d.operation(method, path)["responses"].(map[string]any)
	kind := fmt.Sprint(status)
	if responses[kind] == nil {
		kind = "default"
	}
	if responses[kind] == nil {
		return fmt.Errorf("%s: no answer %d is described", pattern, status)
	}
	pointer := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(path)
	schema, err := d.compiler.Compile(fmt.Sprintf("%s#/paths/%s/%s/responses/%s/content/application~1json/schema", resource, pointer, strings.ToLower(method), kind))
	if err != nil {
		return fmt.Errorf("%s: %w", pattern, err)
	}
	content, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", pattern, err)
	}
	if err := schema.Validate(content); err != nil {
		return fmt.Errorf("%s: %w", pattern, err)
	}
	return nil
}
