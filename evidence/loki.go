package evidence

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// sampledLines is of how many lines, the newest, the patterns are made where the server
// makes none: 100 lines of 10 KiB are an answer of 1 MiB.
const sampledLines = 100

// loki asks Grafana Loki's HTTP API in LogQL:
// https://grafana.com/docs/loki/latest/reference/loki-http-api/
type loki struct {
	*client
	by string
}

// logQL takes values in a stream selector, and as the text of a line filter. Behind =~ they
// would be a regular expression, behind label_format a template.
var logQL = grammar{
	quotes: "\"`", raw: "`", comment: "#",
	place: func(before string, braces int) bool {
		return strings.HasSuffix(before, "|=") || braces == 1 && strings.HasSuffix(before, "=")
	},
	where: "behind = or != in a selector, or behind |=",
	quote: func(v string) (string, error) { return strconv.Quote(v), nil },
}

var lokiLabel = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

var lokiDefaults = defaults{query: `{service_name=~".+"} |~ "(?i)error|fail"`, by: "service_name", grammar: logQL}

// lokiAnswer is both of an instant query and of one over a range.
type lokiAnswer struct {
	Status string `json:"status"`
	Data   struct {
		ResultType string `json:"resultType"`
		Result     []struct {
			Metric map[string]string `json:"metric"` // of a vector
			Value  [2]any            `json:"value"`
			Values [][]any           `json:"values"` // of streams: time, line, and what may follow
		} `json:"result"`
	} `json:"data"`
}

// Look makes two requests: lines by a label, and the newest lines.
func (l *loki) Look(ctx context.Context, q Question) (Answer, error) {
	by, patterns := tally{}, tally{}
	var total int64
	seconds := max(int64(q.To.Sub(q.From).Seconds()), 1)
	counted, err := l.ask(ctx, "loki/api/v1/query", "vector", url.Values{
		// The query ends in a line of its own: it may end in a comment.
		"query": {fmt.Sprintf("sum by (%s) (count_over_time(%s\n[%ds]))", l.by, q.Query, seconds)},
		"time":  {strconv.FormatInt(q.To.UnixNano(), 10)},
	})
	if err != nil {
		return Answer{}, err
	}
	for _, r := range counted.Data.Result {
		text, _ := r.Value[1].(string)
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || n != n {
			return Answer{}, notOurs
		}
		total += by.add(r.Metric[l.by], int64(min(n, 1<<60)))
	}
	sampled, err := l.ask(ctx, "loki/api/v1/query_range", "streams", url.Values{
		"query":     {q.Query},
		"start":     {strconv.FormatInt(q.From.UnixNano(), 10)},
		"end":       {strconv.FormatInt(q.To.UnixNano(), 10)},
		"limit":     {strconv.Itoa(sampledLines)},
		"direction": {"backward"},
	})
	if err != nil {
		return Answer{}, err
	}
	for _, r := range sampled.Data.Result {
		for _, v := range r.Values {
			if len(v) < 2 {
				return Answer{}, notOurs
			}
			line, ok := v[1].(string)
			if !ok {
				return Answer{}, notOurs
			}
			patterns.add(pattern(line), 1)
		}
	}
	return Answer{total, by.top(q.Top), patterns.top(q.Top)}, nil
}

func (l *loki) ask(ctx context.Context, path, resultType string, params url.Values) (a lokiAnswer, err error) {
	err = l.get(ctx, path, params, func(d *json.Decoder) error { return d.Decode(&a) })
	if err == nil && (a.Status != "success" || a.Data.ResultType != resultType) {
		err = notOurs
	}
	return a, err
}
