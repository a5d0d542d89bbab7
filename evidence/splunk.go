package evidence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// splunk has Splunk's REST API stream the results of one search and keep no job:
// https://docs.splunk.com/Documentation/Splunk/latest/RESTREF/RESTsearch#search.2Fjobs.2Fexport
type splunk struct{ *client }

// spl takes values behind = in the search before the first pipe. Further on they could be a
// regular expression.
var spl = grammar{
	quotes: `"'`, escapes: true,
	place: func(before string, _ int) bool {
		return strings.HasSuffix(before, "=") && !strings.Contains(before, "|")
	},
	where: "behind = before the first |",
	quote: func(v string) (string, error) {
		// An asterisk stays a wildcard between quotes and cannot be escaped there; a
		// backquote may begin a macro.
		if strings.ContainsFunc(v, func(r rune) bool { return strings.ContainsRune("*`\\", r) || unicode.IsControl(r) }) {
			return "", errors.New("holds what cannot be quoted in Splunk: * ` \\ or a control character")
		}
		return `"` + strings.ReplaceAll(v, `"`, `\"`) + `"`, nil
	},
}

var splunkDefaults = defaults{query: `search index=main "error" OR "fail" | stats count by sourcetype`, grammar: spl}

// readingCommands are those that change nothing and call nothing outside of Splunk.
var readingCommands = []string{
	"bin", "chart", "cluster", "dedup", "eval", "eventstats", "fields", "fillnull", "head", "rare", "regex",
	"rename", "rex", "search", "sort", "spath", "stats", "table", "tail", "top", "where",
}

var splunkString = regexp.MustCompile(`"(?:\\.|[^"\\])*"`)

// readsOnly refuses a search of which it cannot be said that it only reads.
func readsOnly(search string) error {
	bare := splunkString.ReplaceAllString(search, `""`)
	if strings.ContainsAny(bare, "[`") {
		return errors.New("must hold neither a subsearch, [ ], nor a macro, ` `, which may do anything")
	}
	for i, command := range strings.Split(bare, "|") {
		words := strings.Fields(command)
		if len(words) == 0 {
			return errors.New("must begin with search, and have a command after each |")
		}
		if i == 0 && words[0] != "search" {
			return errors.New("must begin with search")
		}
		if !slices.Contains(readingCommands, words[0]) {
			return fmt.Errorf("must hold only commands that read: %s", strings.Join(readingCommands, ", "))
		}
	}
	return nil
}

// splunkRow is one line of the stream: a result, or what there is to say.
type splunkRow struct {
	Preview  *bool          `json:"preview"`
	Result   map[string]any `json:"result"`
	Messages []struct {
		Type string `json:"type"`
	} `json:"messages"`
}

// Look makes one request. A result with a count counts by its other fields; one without is
// a line.
func (s *splunk) Look(ctx context.Context, q Question) (Answer, error) {
	form := url.Values{
		"search":        {q.Query},
		"earliest_time": {epoch(q.From)},
		"latest_time":   {epoch(q.To)},
		"output_mode":   {"json"},
		"preview":       {"false"},
	}
	by, patterns := tally{}, tally{}
	var total int64
	err := s.post(ctx, "services/search/jobs/export", "application/x-www-form-urlencoded", form.Encode(), func(d *json.Decoder) error {
		for {
			var row splunkRow
			if err := d.Decode(&row); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			for _, m := range row.Messages {
				if m.Type == "FATAL" || m.Type == "ERROR" {
					return refused
				}
			}
			if row.Preview == nil && row.Messages == nil {
				return notOurs
			}
			if row.Preview != nil && *row.Preview || row.Result == nil {
				continue
			}
			n, name := int64(1), ""
			if text, ok := row.Result["count"].(string); ok {
				var err error
				if n, err = strconv.ParseInt(text, 10, 64); err != nil {
					return notOurs
				}
				name = fieldsOf(row.Result)
				by.add(name, n)
			} else if line, ok := row.Result["_raw"].(string); ok {
				patterns.add(pattern(line), 1)
			} else {
				return notOurs
			}
			total += tally{}.add("", n)
		}
	})
	if err != nil {
		return Answer{}, err
	}
	return Answer{total, by.top(q.Top), patterns.top(q.Top)}, nil
}

// fieldsOf names a result by its fields other than count: the value of one, or all with
// their names.
func fieldsOf(result map[string]any) string {
	var named, plain []string
	for _, name := range slices.Sorted(maps.Keys(result)) {
		if name != "count" && !strings.HasPrefix(name, "_") {
			named = append(named, fmt.Sprintf("%s=%v", name, result[name]))
			plain = append(plain, fmt.Sprint(result[name]))
		}
	}
	if len(plain) == 1 {
		return plain[0]
	}
	return strings.Join(named, " ")
}

// epoch is t in seconds, with milliseconds.
func epoch(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
