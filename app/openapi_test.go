package app

import (
	"bytes"
	"encoding/json"
	"flag"
	"log/slog"
	"math"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	v1 "github.com/prometheus/prometheus/web/api/v1"
	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock/console"
	"github.com/foreshock/foreshock/internal/api"
	"github.com/foreshock/foreshock/internal/record"
	"github.com/foreshock/foreshock/query"
	"github.com/foreshock/foreshock/remediation"
)

const documentFile = "../docs/openapi.json"

var update = flag.Bool("update", false, "write docs/openapi.json anew")

type object = map[string]any

// schemas are those of structs, by their names, for others to refer to.
type schemas map[string]object

// of is how encoding/json writes values of type x, in the words of JSON Schema.
func (s schemas) of(x reflect.Type) object {
	switch x {
	case reflect.TypeFor[record.Number]():
		return object{"type": []string{"number", "null"}}
	case reflect.TypeFor[record.Instant]():
		return object{"type": []string{"string", "null"}, "format": "date-time"}
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[labels.Labels]():
		return object{"type": "object", "additionalProperties": object{"type": "string"}}
	}
	switch x.Kind() {
	case reflect.Pointer:
		of := s.of(x.Elem())
		if kind, ok := of["type"].(string); ok {
			of["type"] = []string{kind, "null"}
			return of
		}
		return object{"oneOf": []object{of, {"type": "null"}}}
	case reflect.Slice, reflect.Array:
		return object{"type": []string{"array", "null"}, "items": s.of(x.Elem())}
	case reflect.Struct:
		properties, required := object{}, []string{}
		s.fields(x, properties, &required, true)
		whole := object{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
		name := strings.ToUpper(x.Name()[:1]) + x.Name()[1:]
		if other, taken := s[name]; taken && !reflect.DeepEqual(other, whole) {
			panic("two types are called " + name)
		}
		s[name] = whole
		return object{"$ref": "#/components/schemas/" + name}
	case reflect.Map:
		return object{"type": []string{"object", "null"}, "additionalProperties": s.of(x.Elem())}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float64:
		return object{"type": "number"}
	}
	return object{"type": "integer"}
}

// fields adds those of x, and of what it embeds; always says that x is there.
func (s schemas) fields(x reflect.Type, properties object, required *[]string, always bool) {
	for f := range x.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Pointer:
			s.fields(f.Type.Elem(), properties, required, false)
		case f.Anonymous && name == "":
			s.fields(f.Type, properties, required, always)
		case f.IsExported() && name != "-":
			properties[name] = s.of(f.Type)
			if always && options == "" {
				*required = append(*required, name)
			}
		}
	}
}

var inPath = regexp.MustCompile(`\{(\w+)\}`)

// parameters are those of the operation, in its path and after it.
func parameters(op *api.Operation) []object {
	all := []object{}
	for _, m := range inPath.FindAllStringSubmatch(op.Pattern, -1) {
		all = append(all, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	for _, p := range op.Query {
		schema := object{"type": "string"}
		if n := p.Number; n != nil {
			schema = object{"type": "number", "minimum": n.Least, "maximum": n.Most}
			if n.Whole {
				schema["type"] = "integer"
			}
			if !math.IsNaN(n.Usual) {
				schema["default"] = n.Usual
			}
		}
		if p.Many {
			schema = object{"type": "array", "items": schema}
		}
		all = append(all, object{"name": p.Name, "in": "query", "description": p.About, "schema": schema})
	}
	return all
}

// content is something of the schema.
func content(kind string, schema object) object { return object{kind: object{"schema": schema}} }

// failure is how every error of the API looks.
var failure = object{"description": "Why there is no answer.", "content": content("application/json", object{
	"type": "object", "required": []string{"status", "errorType", "error"}, "additionalProperties": false,
	"properties": object{"status": object{"const": "error"}, "errorType": object{"type": "string"}, "error": object{"type": "string"}},
})}

// operation is op in the words of OpenAPI.
func (s schemas) operation(op *api.Operation) object {
	answer := object{"description": "The answer."}
	switch {
	case op.Answer != nil:
		answer["content"] = content("application/json", object{
			"type": "object", "required": []string{"status", "data"}, "additionalProperties": false,
			"properties": object{"status": object{"const": "success"}, "data": s.of(reflect.TypeOf(op.Answer))},
		})
	case op.Type != "":
		answer["content"] = content(op.Type, object{"type": "string"})
	}
	said := object{"summary": op.Summary, "parameters": parameters(op), "responses": object{"200": answer, "default": failure}}
	if !strings.Contains(op.Pattern, "/api/") || op.BodyType == "application/x-protobuf" {
		said["responses"] = object{"2XX": answer, "default": object{"description": "Why not, as text."}}
	}
	if op.Body != nil {
		said["requestBody"] = object{"required": true, "content": content("application/json", s.of(reflect.TypeOf(op.Body)))}
	} else if op.BodyType != "" {
		said["requestBody"] = object{"required": true, "content": content(op.BodyType, object{})}
	}
	if op.Token {
		said["security"] = []object{{"token": []string{}}, {"bearer": []string{}}}
	}
	return said
}

// borrowed describes what is answered by Prometheus's own handlers, in its own words but for
// the examples, and the schemas that takes.
func borrowed(t *testing.T) (paths map[string]object, named object) {
	t.Helper()
	told := httptest.NewRecorder()
	v1.NewOpenAPIBuilder(v1.OpenAPIOptions{}, slog.New(slog.DiscardHandler)).ServeOpenAPI(told, httptest.NewRequest("GET", "/", nil))
	var whole struct {
		Paths      map[string]object
		Components struct{ Schemas object }
	}
	if err := yaml.Unmarshal(told.Body.Bytes(), &whole); err != nil {
		t.Fatal(err)
	}
	paths, named = map[string]object{}, object{}
	var take func(x any)
	take = func(x any) {
		switch x := x.(type) {
		case []any:
			for _, inner := range x {
				take(inner)
			}
		case object:
			delete(x, "example")
			delete(x, "examples")
			if x["responses"] != nil { // an operation
				delete(x, "tags")
				delete(x, "operationId")
			}
			if ref, ok := x["$ref"].(string); ok {
				name := ref[strings.LastIndex(ref, "/")+1:]
				if named[name] == nil {
					named[name] = whole.Components.Schemas[name]
					take(named[name])
				}
			}
			for _, inner := range x {
				take(inner)
			}
		}
	}
	for _, path := range query.New(query.Options{Config: query.DefaultConfig()}).API().Patterns() {
		item := whole.Paths[strings.TrimPrefix(path, "/api/v1")]
		if strings.Contains(path, " ") { // answered here
			continue
		}
		if item == nil {
			t.Errorf("Prometheus does not describe %s", path)
			continue
		}
		delete(item, "delete") // there is nothing to delete
		take(item)
		paths[path] = item
	}
	return paths, named
}

// openAPI is the document of all that is answered.
func openAPI(t *testing.T) object {
	t.Helper()
	named := schemas{}
	paths, theirs := borrowed(t)
	for _, op := range slices.Concat(operations, console.Operations(), remediation.Operations(), query.Operations()) {
		method, path, _ := strings.Cut(op.Pattern, " ")
		if paths[path] == nil {
			paths[path] = object{}
		}
		paths[path][strings.ToLower(method)] = named.operation(&op)
	}
	for name, schema := range theirs {
		if named[name] != nil {
			t.Errorf("Prometheus has a schema %s, too", name)
		}
		named[name] = schema.(object)
	}
	return object{
		"openapi": "3.1.0",
		"info":    object{"title": "Foreshock", "version": "1", "description": "All that is served beside the pages of the console. docs/console.md, docs/incidents.md, docs/remediation.md and docs/promql.md say more."},
		"components": object{"schemas": named, "securitySchemes": object{
			"token":  object{"type": "apiKey", "in": "header", "name": "X-Foreshock-Token"},
			"bearer": object{"type": "http", "scheme": "bearer"},
		}},
		"paths": paths,
	}
}

func TestDocsOfTheAPI(t *testing.T) {
	want, err := json.MarshalIndent(openAPI(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(documentFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(documentFile); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the code says (%v): make docs", documentFile, err)
	}
}
