package main

import (
	"context"
	"encoding/json"
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

// addExplain adds the command that asks a running Foreshock about one series.
func addExplain(app *kingpin.Application) (string, command) {
	var (
		q          question
		series, at string
		x          record.Explanation
	)
	cmd := app.Command("explain", explainHelp).HelpLong(aboutExplain)
	cmd.Arg("series", "A selector of one series, as in PromQL: 'node_load1{instance=\"web-1:9100\"}'.").Required().StringVar(&series)
	cmd.Flag("at", "The time to explain instead of the newest sample: RFC 3339, seconds since 1970, a time of day in UTC (03:00 is the last one there was), or how long ago (90m).").PlaceHolder("TIME").StringVar(&at)
	q.flags(cmd)
	return cmd.FullCommand(), func(stdout, stderr io.Writer) int {
		return q.run(stdout, stderr, func(ctx context.Context) (json.RawMessage, error) {
			return explain(ctx, q.server, series, at, time.Now())
		}, &x, func() error { writeExplanation(stdout, &x); return nil })
	}
}

// explain returns what the API says of the series, asked at now.
func explain(ctx context.Context, s server, series, at string, now time.Time) (json.RawMessage, error) {
	query := url.Values{"series": {series}}
	if at != "" {
		moment, err := momentOf("--at", at, now)
		if err != nil {
			return nil, err
		}
		query.Set("at", moment.Format(time.RFC3339Nano))
	}
	return s.ask(ctx, http.MethodGet, "api/v1/explain", query, nil)
}
