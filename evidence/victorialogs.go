package evidence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// victoriaLogs asks VictoriaLogs in LogsQL:
// https://docs.victoriametrics.com/victorialogs/querying/#http-api
type victoriaLogs struct {
	*client
	by string
}

// logsQL takes values behind a field's colon, and in a stream selector. Behind ~ they would
// be a regular expression.
var logsQL = grammar{
	quotes: "\"'`", raw: "`", comment: "#",
	place: func(before string, braces int) bool {
		if braces == 1 {
			return strings.HasSuffix(before, "=")
		}
		return braces == 0 && (strings.HasSuffix(before, ":") || strings.HasSuffix(before, ":="))
	},
	where: "behind the : or := of a field, or behind = or != in a stream selector",
	quote: func(v string) (string, error) { return strconv.Quote(v), nil },
}

var victoriaLogsDefaults = defaults{query: `i(error) or i(fail*)`, by: "_stream", grammar: logsQL}

// counted is what lines are counted in: no field of a log is called so.
const counted = "foreshock_lines"

// Look makes three requests: all lines, lines by a field, and lines by pattern.
func (v *victoriaLogs) Look(ctx context.Context, q Question) (Answer, error) {
	totals, by, patterns := tally{}, tally{}, tally{}
	for _, part := range []struct {
		into  tally
		field string
		pipes string
	}{
		{totals, "", "stats count() as " + counted},
		{by, v.by, fmt.Sprintf("top %d by (%s) hits as %s", q.Top, strconv.Quote(v.by), counted)},
		{patterns, "_msg", fmt.Sprintf("collapse_nums at _msg | top %d by (_msg) hits as %s", q.Top, counted)},
	} {
		if err := v.count(ctx, q, part.pipes, part.field, part.into); err != nil {
			return Answer{}, err
		}
	}
	return Answer{totals[""], by.top(q.Top), patterns.top(q.Top)}, nil
}

// count adds up into t what the query and the pipes after it answer. The query ends in a
// line of its own: it may end in a comment.
func (v *victoriaLogs) count(ctx context.Context, q Question, pipes, field string, t tally) error {
	form := url.Values{
		"query": {q.Query + "\n| " + pipes},
		"start": {q.From.UTC().Format(time.RFC3339Nano)},
		"end":   {q.To.UTC().Format(time.RFC3339Nano)},
	}
	return v.post(ctx, "select/logsql/query", "application/x-www-form-urlencoded", form.Encode(), func(d *json.Decoder) error {
		for {
			var row map[string]string
			if err := d.Decode(&row); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			n, err := strconv.ParseInt(row[counted], 10, 64)
			if err != nil {
				return notOurs
			}
			t.add(row[field], n)
		}
	})
}
