package evidence

import (
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// hostile are label values that try to become more than a value.
var hostile = []string{
	`shop`, `x"} or {a=~".+`, `x" OR "`, "x`} | line_format `", `x\`, `x\" OR *`, "x\n| delete", `'; drop`, `x" | stats count() #`, `*`, `${namespace}`, "ü\u202e", "a/b/",
}

// ends is where the string that begins at 0 ends in the language, read by its own rules.
func ends(t *testing.T, g grammar, text string) int {
	t.Helper()
	end, err := grammar{quotes: `"`}.skip(strings.ReplaceAll(text, "${", "__"), 0)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return end
}

func TestHostileLabelsStayValues(t *testing.T) {
	for kind, of := range map[Kind]struct{ template, before, after string }{
		Loki:          {`{namespace=${namespace}} |= "error"`, `{namespace=`, `} |= "error"`},
		VictoriaLogs:  {`namespace:=${namespace} error`, `namespace:=`, ` error`},
		Elasticsearch: {`namespace:${namespace} AND error`, `namespace:`, ` AND error`},
		Splunk:        {`search index=main namespace=${namespace} error | stats count by host`, `search index=main namespace=`, ` error | stats count by host`},
	} {
		q, err := kinds[kind].grammar.parse(of.template)
		if err != nil {
			t.Fatal(kind, err)
		}
		for _, value := range hostile {
			text, err := q.fill(labels.FromStrings("namespace", value))
			if err != nil {
				if kind != Splunk || !strings.ContainsAny(value, "*`\\\n") {
					t.Errorf("%s refuses %q: %v", kind, value, err)
				}
				continue
			}
			if kind == Splunk && strings.ContainsAny(value, "*`\\\n") {
				t.Errorf("splunk takes %q", value)
			}
			quoted, ok := strings.CutPrefix(text, of.before)
			if !ok {
				t.Fatalf("%s: %s", kind, text)
			}
			if end := ends(t, kinds[kind].grammar, quoted); quoted[end:] != of.after {
				t.Errorf("%s: %q gets out of its quotes: %s", kind, value, text)
			}
		}
	}
}

// What each language's own rules make of quotes and backslashes, letter by letter.
func TestQuotes(t *testing.T) {
	for _, test := range []struct {
		kind        Kind
		value, want string
	}{
		{Loki, "a\"b\\c\nd`", `"a\"b\\c\nd` + "`\""},
		{VictoriaLogs, "a\"b\\c\nd'", `"a\"b\\c\nd'"`},
		{Elasticsearch, `a"b\c*d/ AND (`, `"a\"b\\c*d/ AND ("`},
		{Splunk, `a"b | delete [x]`, `"a\"b | delete [x]"`},
	} {
		got, err := kinds[test.kind].grammar.quote(test.value)
		if err != nil || got != test.want {
			t.Errorf("%s: %q is %s, %v, want %s", test.kind, test.value, got, err, test.want)
		}
	}
}

func TestTemplatesThatAreRefused(t *testing.T) {
	for _, test := range []struct {
		kind       Kind
		text, want string
	}{
		{Loki, `{a="${x}"}`, "within quotes"},
		{Loki, "{a=`${x}`}", "within quotes"},
		{Loki, `{a=~${x}}`, "must stand"},
		{Loki, `{a="b"} |~ ${x}`, "must stand"},
		{Loki, `{a="b"} | label_format c=${x}`, "must stand"},
		{Loki, `{a="b"} # ${x}`, "comment"},
		{Loki, `{a=${}}`, "name of a label"},
		{Loki, `{a="b}`, "does not end"},
		{VictoriaLogs, `a:~${x}`, "must stand"},
		{VictoriaLogs, `a:'${x}'`, "within quotes"},
		{VictoriaLogs, `{a=~${x}}`, "must stand"},
		{VictoriaLogs, `error ${x}`, "must stand"},
		{Elasticsearch, `a:/${x}/`, "within quotes"},
		{Elasticsearch, `a:\"${x} OR "b`, "must stand"},
		{Elasticsearch, `${x}`, "must stand"},
		{Splunk, `search a="${x}"`, "within quotes"},
		{Splunk, `search a=b | regex _raw=${x}`, "must stand"},
		{Splunk, `search a=b | delete`, "only commands that read"},
		{Splunk, `search a="|" | outputlookup b`, "only commands that read"},
		{Splunk, `search [search b | delete]`, "subsearch"},
		{Splunk, "search `macro`", "macro"},
		{Splunk, `| rest /services`, "must begin with search"},
		{Loki, " \n", "empty"},
		{Loki, `{a="` + strings.Repeat("b", maxQuery) + `"}`, "bytes"},
	} {
		if err := check(test.kind, test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %s: got %v, want %q", test.kind, test.text, err, test.want)
		}
	}
	for kind, of := range kinds {
		if err := check(kind, of.query); err != nil {
			t.Errorf("the default of %s: %v", kind, err)
		}
	}
}

func TestLongLabelIsRefused(t *testing.T) {
	q, err := logQL.parse(`{a=${a}}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.fill(labels.FromStrings("a", strings.Repeat("x", maxValue+1))); err == nil {
		t.Error("taken")
	}
}

// Whatever a template is, it is refused or its values stand whole in what comes out.
func FuzzTemplate(f *testing.F) {
	for _, value := range hostile {
		f.Add(`{a=${x}} |= "b"`, value)
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		for kind, of := range kinds {
			q, err := of.grammar.parse(text)
			if err != nil || value == "" {
				continue
			}
			if len(q.texts) != len(q.labels)+1 {
				t.Fatalf("%s: %d texts, %d labels", kind, len(q.texts), len(q.labels))
			}
			_, _ = q.fill(labels.FromStrings("x", value))
		}
	})
}

func TestPatterns(t *testing.T) {
	for line, want := range map[string]string{
		"request 17 to 10.0.0.1:8080 took 3ms": "request <N> to <N>.<N>.<N>.<N>:<N> took <N>ms",
		"id 3f2504e0-4f89 at 0xC0FFEE1 failed": "id <N>-<N> at <N> failed",
		"decade of a cafe":                     "decade of a cafe",
	} {
		if got := pattern(line); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if got := shown("a\x1b[31m\u202eb\nc" + strings.Repeat("ü", maxText)); strings.ContainsAny(got, "\x1b\u202e\n") || len(got) > maxText {
		t.Errorf("%q", got)
	}
}
