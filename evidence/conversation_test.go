package evidence

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock"
)

// exchange is one request as it must be made, and the answer to it.
type exchange struct {
	method, path string
	params       map[string]string // of the query or the form
	body         string            // JSON, where it is no form
	answer       string
}

// A conversation is written after the documentation of a server that is too heavy to start
// in a test (Loki takes ten minutes of CPU to build) or cannot be had (Splunk,
// Elasticsearch): it proves that we ask and understand as documented, not that such a server
// does. VictoriaLogs is asked for real in victorialogs_test.go.
func converse(t *testing.T, c SourceConfig, query string, exchanges ...exchange) Answer {
	t.Helper()
	next := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if next == len(exchanges) {
			t.Errorf("asked once more: %s", r.URL)
			return
		}
		x := exchanges[next]
		next++
		if r.Method != x.method || r.URL.Path != x.path {
			t.Errorf("asked %s %s, want %s %s", r.Method, r.URL.Path, x.method, x.path)
		}
		if user, password, _ := r.BasicAuth(); user != "foreshock" || password != "canary" {
			t.Error("the credentials are missing")
		}
		if x.body != "" {
			var got, want any
			data, _ := io.ReadAll(r.Body)
			if json.Unmarshal(data, &got) != nil || json.Unmarshal([]byte(x.body), &want) != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("asked %s, want %s", data, x.body)
			}
		} else if err := r.ParseForm(); err != nil || len(r.Form) != len(x.params) {
			t.Errorf("asked with %v, %v, want %v", r.Form, err, x.params)
		}
		for name, want := range x.params {
			if got := r.Form.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		_, _ = io.WriteString(w, x.answer)
	}))
	defer s.Close()
	c.URL = s.URL + "/logs/"
	if err := yamlInto(&c, "{basic_auth: {username: foreshock, password: canary}}"); err != nil {
		t.Fatal(err)
	}
	if err := check(c.Kind, query); err != nil {
		t.Fatal(err)
	}
	source, err := c.source()
	if err != nil {
		t.Fatal(err)
	}
	a, err := source.Look(t.Context(), Question{Query: query, From: onset.Add(-5 * time.Minute), To: onset.Add(5 * time.Minute), Top: 2})
	if err != nil {
		t.Fatal(err)
	}
	if next != len(exchanges) {
		t.Errorf("asked %d times, want %d", next, len(exchanges))
	}
	return a
}

// counts are names and lines.
func counts(pairs ...any) []foreshock.Count {
	all := []foreshock.Count{}
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, foreshock.Count{Name: pairs[i].(string), Lines: int64(pairs[i+1].(int))})
	}
	return all
}

func same(t *testing.T, got, want Answer) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// After https://grafana.com/docs/loki/latest/reference/loki-http-api/: an instant query and
// one over a range.
func TestLokiConversation(t *testing.T) {
	got := converse(t, at(Loki, "a", ""), `{namespace="shop"} |= "error"`,
		exchange{
			method: "GET", path: "/logs/loki/api/v1/query",
			params: map[string]string{
				"query": "sum by (service_name) (count_over_time({namespace=\"shop\"} |= \"error\"\n[600s]))",
				"time":  "1772373900000000000",
			},
			answer: `{"status":"success","data":{"resultType":"vector","result":[
				{"metric":{"service_name":"cart"},"value":[1772373900,"1268"]},
				{"metric":{},"value":[1772373900,"3"]},
				{"metric":{"service_name":"pay"},"value":[1772373900,"29"]}],
				"stats":{"summary":{"bytesProcessedPerSecond":0,"linesProcessedPerSecond":0,"totalLinesProcessed":1300}}}}`,
		},
		exchange{
			method: "GET", path: "/logs/loki/api/v1/query_range",
			params: map[string]string{
				"query": `{namespace="shop"} |= "error"`, "start": "1772373300000000000", "end": "1772373900000000000",
				"limit": "100", "direction": "backward",
			},
			answer: `{"status":"success","data":{"resultType":"streams","result":[
				{"stream":{"service_name":"cart"},"values":[
					["1772373600000000002","error: order 17 not saved"],
					["1772373600000000001","error: order 18 not saved",{"structuredMetadata":{"trace_id":"0242ac"}}]]},
				{"stream":{"service_name":"pay"},"values":[["1772373600000000000","error: timeout"]]}],"stats":{}}}`,
		})
	same(t, got, Answer{1300, counts("cart", 1268, "pay", 29), counts("error: order <N> not saved", 2, "error: timeout", 1)})
}

// After https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-search, which
// https://docs.opensearch.org/latest/api-reference/search-apis/search/ answers alike.
func TestElasticsearchConversation(t *testing.T) {
	c := at(Elasticsearch, "a", "")
	c.Index, c.By = "logs-shop,logs-pay", "service.name"
	got := converse(t, c, `error AND namespace:"shop"`, exchange{
		method: "POST", path: "/logs/logs-shop,logs-pay/_search",
		body: `{"size":100,"track_total_hits":true,"_source":false,"fields":["message"],"sort":[{"@timestamp":"desc"}],
			"query":{"bool":{"filter":[
				{"range":{"@timestamp":{"gte":1772373300000,"lte":1772373900000,"format":"epoch_millis"}}},
				{"query_string":{"query":"error AND namespace:\"shop\"","default_field":"message","allow_leading_wildcard":false}}]}},
			"aggs":{"by":{"terms":{"field":"service.name","size":2}}}}`,
		answer: `{"took":5,"timed_out":false,"_shards":{"total":2,"successful":2,"skipped":0,"failed":0},
			"hits":{"total":{"value":1300,"relation":"eq"},"max_score":null,"hits":[
				{"_index":"logs-shop","_id":"0","_score":null,"fields":{"message":["error: order 17 not saved"]},"sort":[1772373600002]},
				{"_index":"logs-shop","_id":"1","_score":null,"fields":{"message":["error: order 18 not saved"]},"sort":[1772373600001]},
				{"_index":"logs-pay","_id":"2","_score":null,"sort":[1772373600000]}]},
			"aggregations":{"by":{"doc_count_error_upper_bound":0,"sum_other_doc_count":3,"buckets":[
				{"key":"cart","doc_count":1268},{"key":"pay","doc_count":29}]}}}`,
	})
	same(t, got, Answer{1300, counts("cart", 1268, "pay", 29), counts("error: order <N> not saved", 2)})
}

// After https://docs.splunk.com/Documentation/Splunk/latest/RESTREF/RESTsearch: search jobs
// export with output_mode=json, a JSON object a line.
func TestSplunkConversation(t *testing.T) {
	search := splunkDefaults.query
	ask := func(answer string) exchange {
		return exchange{
			method: "POST", path: "/logs/services/search/jobs/export",
			params: map[string]string{
				"search": search, "earliest_time": "1772373300.000", "latest_time": "1772373900.000", "output_mode": "json", "preview": "false",
			},
			answer: answer,
		}
	}
	same(t, converse(t, at(Splunk, "a", ""), search, ask(
		`{"preview":true,"offset":0,"result":{"sourcetype":"cart","count":"7"}}
{"preview":false,"offset":0,"result":{"sourcetype":"cart","count":"1268"}}
{"preview":false,"offset":1,"lastrow":true,"result":{"sourcetype":"pay","count":"29"}}
`)), Answer{1297, counts("cart", 1268, "pay", 29), counts()})

	// Nothing was found.
	same(t, converse(t, at(Splunk, "a", ""), search, ask(`{"preview":false,"lastrow":true}`)), Answer{0, counts(), counts()})

	// By two fields.
	search = `search error | stats count by sourcetype, host`
	same(t, converse(t, at(Splunk, "a", ""), search, ask(
		`{"preview":false,"offset":0,"lastrow":true,"result":{"sourcetype":"cart","host":"a","count":"2"}}`)), Answer{2, counts("host=a sourcetype=cart", 2), counts()})

	// Lines as they are.
	search = `search error | head 2`
	same(t, converse(t, at(Splunk, "a", ""), search, ask(
		`{"preview":false,"offset":0,"result":{"_raw":"error: order 17 not saved","host":"a","count":["odd"]}}
{"preview":false,"offset":1,"lastrow":true,"result":{"_raw":"error: order 18 not saved","host":"b"}}`)), Answer{2, counts(), counts("error: order <N> not saved", 2)})
}

// What is answered in part or as a failure is no evidence.
func TestPartialAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		kind   Kind
		answer string
		want   reason
	}{
		"Elasticsearch ran out of time":     {Elasticsearch, `{"timed_out":true,"_shards":{"failed":0},"hits":{"total":{"value":1},"hits":[]}}`, partial},
		"a shard of Elasticsearch failed":   {Elasticsearch, `{"timed_out":false,"_shards":{"failed":1},"hits":{"total":{"value":1},"hits":[]}}`, partial},
		"Splunk does not know the index":    {Splunk, `{"messages":[{"type":"FATAL","text":"canary"}]}`, refused},
		"Loki refuses in a good answer":     {Loki, `{"status":"error","error":"canary"}`, notOurs},
		"a count is none":                   {Loki, `{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"NaN"]}]}}`, notOurs},
		"a count of VictoriaLogs is none":   {VictoriaLogs, `{"foreshock_lines":"1e3"}`, notOurs},
		"VictoriaLogs says nothing of ours": {VictoriaLogs, `{"_msg":"x"}`, notOurs},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, test.answer) }))
			defer s.Close()
			source, err := at(test.kind, "a", s.URL).source()
			if err != nil {
				t.Fatal(err)
			}
			if a, err := source.Look(t.Context(), Question{Query: "x", From: onset, To: onset.Add(time.Minute), Top: 5}); why(err) != string(test.want) {
				t.Errorf("got %+v, %v, want %v", a, err, test.want)
			}
		})
	}
}

// yamlInto decodes an http_config as the configuration does.
func yamlInto(c *SourceConfig, text string) error {
	return yaml.Unmarshal([]byte(text), &c.HTTPConfig)
}
