package console

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/grafana"
	"github.com/foreshock/foreshock/internal/record"
)

var update = flag.Bool("update", false, "write docs/openapi.json anew")

type object = map[string]any

// schemas are those of structs, by their names, for others to refer to.
type schemas map[string]object

// of is how encoding/json writes values of type x, in the words of JSON Schema. Where s is
// nil it refers to nothing.
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
		if s == nil {
			return whole
		}
		name := strings.ToUpper(x.Name()[:1]) + x.Name()[1:]
		if other, taken := s[name]; taken && !reflect.DeepEqual(other, whole) {
			panic("two types are called " + name)
		}
		s[name] = whole
		return object{"$ref": "#/components/schemas/" + name}
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

// openAPI is the document of all operations.
func openAPI() object {
	text := object{"type": "string"}
	failure := object{"description": "Why there is no answer.", "content": object{"application/json": object{"schema": object{
		"type": "object", "required": []string{"status", "errorType", "error"},
		"properties": object{"status": object{"const": "error"}, "errorType": text, "error": text},
	}}}}
	success := func(data object) object {
		return object{"200": object{"description": "The answer.", "content": object{"application/json": object{"schema": object{
			"type": "object", "required": []string{"status", "data"}, "properties": object{"status": object{"const": "success"}, "data": data},
		}}}}, "default": failure}
	}
	paths, named := object{}, schemas{}
	parametersOf := func(path string, query []parameter) []object {
		all := []object{}
		for _, m := range inPath.FindAllStringSubmatch(path, -1) {
			all = append(all, object{"name": m[1], "in": "path", "required": true, "schema": text})
		}
		for _, p := range query {
			all = append(all, object{"name": p.name, "in": "query", "description": p.about, "schema": text})
		}
		return all
	}
	for _, op := range operations {
		paths[op.path] = object{"get": object{
			"summary": op.summary, "parameters": parametersOf(op.path, op.query), "responses": success(named.of(reflect.TypeOf(op.answer))),
		}}
	}
	dismiss := "/api/v1/incidents/{id}/dismiss"
	paths[dismiss] = object{"post": object{
		"summary": "Say that an incident was a false alarm.", "parameters": parametersOf(dismiss, nil), "security": []object{{"token": []string{}}},
		"requestBody": object{"required": true, "content": object{"application/json": object{"schema": named.of(reflect.TypeFor[verdict]())}}},
		"responses":   success(named.of(reflect.TypeFor[record.Incident]())),
	}}
	paths["/api/v1/events"] = object{"get": object{
		"summary":   "When to look again, as server-sent events: status, incidents, remediations.",
		"responses": object{"200": object{"description": "A stream that does not end.", "content": object{"text/event-stream": object{"schema": text}}}, "503": failure},
	}}
	return object{
		"openapi":    "3.1.0",
		"info":       object{"title": "Foreshock", "version": "1", "description": "What the console shows. Remediation and PromQL are described in docs/remediation.md and docs/promql.md."},
		"components": object{"schemas": named, "securitySchemes": object{"token": object{"type": "apiKey", "in": "header", "name": "X-Foreshock-Token"}}},
		"paths":      paths,
	}
}

func TestDocsOfTheAPI(t *testing.T) {
	want, err := json.MarshalIndent(openAPI(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	const file = "../docs/openapi.json"
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the code says (%v): make docs", file, err)
	}
}

// unlike is where value is not as the schema says.
func unlike(at string, value any, schema object) []string {
	if value == nil {
		if kinds, ok := schema["type"].([]string); ok && kinds[1] == "null" {
			return nil
		}
		return []string{at + " is null"}
	}
	var wrong []string
	switch v := value.(type) {
	case map[string]any:
		properties, _ := schema["properties"].(object)
		for name, inner := range v {
			known, ok := properties[name].(object)
			if more, open := schema["additionalProperties"].(object); !ok && open {
				known, ok = more, true
			}
			if !ok {
				wrong = append(wrong, at+"."+name+" is not described")
				continue
			}
			wrong = append(wrong, unlike(at+"."+name, inner, known)...)
		}
		required, _ := schema["required"].([]string)
		for _, name := range required {
			if _, ok := v[name]; !ok {
				wrong = append(wrong, at+"."+name+" is missing")
			}
		}
	case []any:
		items, ok := schema["items"].(object)
		if !ok {
			return []string{at + " is a list"}
		}
		for _, inner := range v {
			wrong = append(wrong, unlike(at+"[]", inner, items)...)
		}
	default:
		kind := map[reflect.Kind][]string{reflect.String: {"string"}, reflect.Bool: {"boolean"}, reflect.Float64: {"number", "integer"}}[reflect.TypeOf(v).Kind()]
		is, _ := schema["type"].(string)
		if either, ok := schema["type"].([]string); ok {
			is = either[0]
		}
		if is != kind[0] && is != kind[len(kind)-1] {
			wrong = append(wrong, at+" is a "+kind[0]+", not a "+is)
		}
	}
	return wrong
}

// What is answered is what the document says.
func TestAnswersAreAsDescribed(t *testing.T) {
	s := serve(t, described(t))
	for _, op := range operations {
		path := strings.NewReplacer("{id}", "aaaa1", "{name}", "load").Replace(op.path) + map[string]string{
			"/api/v1/windows": "?match[]=node_load1", "/api/v1/curve": "?series=node_load1", "/api/v1/explain": "?series=node_load1",
			"/api/v1/rules/{name}/whatif": "?factor=2", "/api/v1/incidents": "?recent=1",
		}[op.path]
		r, body := get(t, s.URL+path)
		var answer struct{ Data any }
		if err := json.Unmarshal([]byte(body), &answer); err != nil || r.StatusCode != 200 {
			t.Errorf("%s: %s %v %s", path, r.Status, err, body)
			continue
		}
		if list, ok := answer.Data.([]any); ok && len(list) == 0 {
			t.Errorf("%s: an empty list shows nothing", path)
		}
		for _, wrong := range unlike("data", answer.Data, schemas(nil).of(reflect.TypeOf(op.answer))) {
			t.Errorf("%s: %s", path, wrong)
		}
	}
}

// described are options that have something of everything.
func described(t *testing.T) Options {
	t.Helper()
	now := foreshock.Moment{T: noon, Value: 1, Score: 2, Band: foreshock.NoBand(), Channels: []foreshock.ChannelScore{{Channel: "level", Score: 1}}}
	return Options{
		Incidents: func() []foreshock.Incident {
			all := three()
			all[0].Severity, all[0].Evidence = "page", []foreshock.Evidence{{Source: "loki", By: []foreshock.Count{{Name: "x"}}}}
			all[0].Inquest = foreshock.Inquest{AsOf: noon, Causes: []foreshock.Cause{{Place: "web-1", Evidence: []foreshock.Clue{{Text: "x"}}}}, Changes: []foreshock.Change{{T: noon}}}
			all[0].Remedies = []foreshock.Remedy{{Rule: "r", At: noon}}
			return all
		},
		Series: func(context.Context, []*labels.Matcher, int) ([]Series, error) {
			return []Series{{Series: load, Season: &Season{Day: []record.Number{1}}, Samples: []foreshock.Sample{{T: noon, V: 1}}}}, nil
		},
		Curve: func(context.Context, *foreshock.Series, []int64, int64, int64) ([]foreshock.Moment, error) {
			return []foreshock.Moment{now}, nil
		},
		Explain: func(context.Context, []*labels.Matcher, int64, int) ([]foreshock.Explanation, error) {
			return []foreshock.Explanation{{Series: load, Moment: now, Around: []foreshock.Moment{now}, Incident: "aaaa1", Together: []foreshock.Member{{Series: disk}}}}, nil
		},
		Recent: func(_ context.Context, all []foreshock.Incident) [][]float64 {
			rows := make([][]float64, len(all))
			rows[0] = []float64{1}
			return rows
		},
		Forecasts: func() []foreshock.Forecast { return []foreshock.Forecast{{Series: load, T: noon, Rule: "f"}} },
		Rules: func(context.Context) ([]Rule, error) {
			return []Rule{{Name: "load", Cost: &Expression{Error: "x"}, Sensitivity: 1, BudgetPerWeek: 1}}, nil
		},
		Near: notes,
		About: func() (About, error) {
			return About{Version: "1", Revision: "2"}, nil
		},
		Elsewhere: func() Elsewhere {
			return Elsewhere{Alertmanagers: []string{"http://am"}, Grafana: grafana.At("http://grafana")}
		},
	}
}
