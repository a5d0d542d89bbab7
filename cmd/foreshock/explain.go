package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/internal/record"
)

const (
	explainHelp  = `Ask a running Foreshock why a series alerted, or why it did not.`
	aboutExplain = `It says what was expected, which channel gave the series away, how far the score was from
the threshold, what held it back, and what moved with it.

  foreshock explain 'node_load1{instance="web-1:9100"}'
  foreshock explain --at 03:00 'node_load1{instance="web-1:9100"}'`
)

const explainPatience = 10 * time.Second

// explainer is a question to a running Foreshock.
type explainer struct {
	series, at, url string
	clientFile      string // of HTTP client settings; may be empty
}

// addExplain adds the command that asks a running Foreshock about one series.
func addExplain(app *kingpin.Application) (string, command) {
	var e explainer
	cmd := app.Command("explain", explainHelp).HelpLong(aboutExplain)
	cmd.Arg("series", "A selector of one series, as in PromQL: 'node_load1{instance=\"web-1:9100\"}'.").Required().StringVar(&e.series)
	cmd.Flag("at", "The time to explain instead of the newest sample: RFC 3339, seconds since 1970, a time of day in UTC (03:00 is the last one there was), or how long ago (90m).").PlaceHolder("TIME").StringVar(&e.at)
	cmd.Flag("url", "Where Foreshock listens.").Default("http://localhost:9797").StringVar(&e.url)
	cmd.Flag("http.config.file", "HTTP client settings, such as credentials and TLS, as promtool takes them.").PlaceHolder("FILE").StringVar(&e.clientFile)
	output := cmd.Flag("output", "How the answer is written: text, or json as the API has it.").Short('o').Default("text").Enum("text", "json")
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		ctx, cancel := context.WithTimeout(context.Background(), explainPatience)
		defer cancel()
		data, err := e.ask(ctx, time.Now())
		if err == nil && *output == "json" {
			err = writeIndented(stdout, data)
		} else if err == nil {
			var x record.Explanation
			if err = json.Unmarshal(data, &x); err != nil {
				err = fmt.Errorf("read the answer of %s: %w; use the version of foreshock that serves there", e.url, err)
			} else {
				writeExplanation(stdout, &x)
			}
		}
		if err != nil {
			return fail(stderr, err)
		}
		return 0
	}
}

// ask returns the API's answer to the question, asked at now.
func (e *explainer) ask(ctx context.Context, now time.Time) (json.RawMessage, error) {
	query := url.Values{"series": {e.series}}
	if e.at != "" {
		at, err := momentOf("--at", e.at, now)
		if err != nil {
			return nil, err
		}
		query.Set("at", at.Format(time.RFC3339Nano))
	}
	return server{e.url, e.clientFile}.ask(ctx, http.MethodGet, "api/v1/explain", query, nil)
}

func writeIndented(w io.Writer, data json.RawMessage) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(data)
}
