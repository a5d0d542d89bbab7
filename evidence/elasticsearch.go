package evidence

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// elasticsearch asks Elasticsearch or OpenSearch, which answer this search alike:
// https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-search
type elasticsearch struct {
	*client
	index, by, message string
}

// lucene is the query_string syntax. A string between quotes is a phrase: wildcards and
// operators in it are text.
var lucene = grammar{
	quotes: `"/`, escapes: true, // between slashes stands a regular expression
	place: func(before string, _ int) bool { return strings.HasSuffix(before, ":") },
	where: "behind the : of a field",
	quote: func(v string) (string, error) {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`, nil
	},
}

var elasticsearchDefaults = defaults{query: `error OR fail*`, by: "service.name", message: "message", index: "logs-*", grammar: lucene}

type elasticsearchAnswer struct {
	TimedOut bool `json:"timed_out"`
	Shards   struct {
		Failed int `json:"failed"`
	} `json:"_shards"`
	Hits *struct {
		Total struct {
			Value int64 `json:"value"`
		} `json:"total"`
		Hits []struct {
			Fields map[string][]any `json:"fields"`
		} `json:"hits"`
	} `json:"hits"`
	Aggregations struct {
		By struct {
			Buckets []struct {
				Key   any   `json:"key"`
				Lines int64 `json:"doc_count"`
			} `json:"buckets"`
		} `json:"by"`
	} `json:"aggregations"`
}

// Look makes one request: how many match, by a field, and the newest of them.
func (e *elasticsearch) Look(ctx context.Context, q Question) (Answer, error) {
	type object = map[string]any
	body, err := json.Marshal(object{
		"size":             sampledLines,
		"track_total_hits": true,
		"_source":          false,
		"fields":           []string{e.message},
		"sort":             []any{object{"@timestamp": "desc"}},
		"query": object{"bool": object{"filter": []any{
			object{"range": object{"@timestamp": object{"gte": q.From.UnixMilli(), "lte": q.To.UnixMilli(), "format": "epoch_millis"}}},
			object{"query_string": object{"query": q.Query, "default_field": e.message, "allow_leading_wildcard": false}},
		}}},
		"aggs": object{"by": object{"terms": object{"field": e.by, "size": q.Top}}},
	})
	if err != nil {
		return Answer{}, err
	}
	var a elasticsearchAnswer
	err = e.post(ctx, e.index+"/_search", "application/json", string(body), func(d *json.Decoder) error { return d.Decode(&a) })
	switch {
	case err != nil:
		return Answer{}, err
	case a.Hits == nil:
		return Answer{}, notOurs
	case a.TimedOut, a.Shards.Failed > 0:
		return Answer{}, partial
	}
	by, patterns, total := tally{}, tally{}, tally{}
	for _, b := range a.Aggregations.By.Buckets {
		by.add(fmt.Sprint(b.Key), b.Lines)
	}
	for _, h := range a.Hits.Hits {
		for _, line := range h.Fields[e.message] {
			patterns.add(pattern(fmt.Sprint(line)), 1)
		}
	}
	return Answer{total.add("", a.Hits.Total.Value), by.top(q.Top), patterns.top(q.Top)}, nil
}
