package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/config"

	"github.com/foreshock/foreshock/internal/record"
)

const (
	explainHelp  = `Ask a running Foreshock why a series alerted, or why it did not.`
	aboutExplain = `It says what was expected, which channel gave the series away, how far the score was from
the threshold, what held it back, and what moved with it.

  foreshock explain 'node_load1{instance="web-1:9100"}'
  foreshock explain --at 03:00 'node_load1{instance="web-1:9100"}'`
)

const (
	explainPatience = 10 * time.Second
	maxExplanation  = 8 << 20 // bytes of answer
)

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
	where, err := url.Parse(e.url)
	if err != nil || where.Scheme != "http" && where.Scheme != "https" || where.Host == "" {
		return nil, fmt.Errorf("--url %s: want an address such as http://localhost:9797", e.url)
	}
	query := url.Values{"series": {e.series}}
	if e.at != "" {
		at, err := momentOf("--at", e.at, now)
		if err != nil {
			return nil, err
		}
		query.Set("at", at.Format(time.RFC3339Nano))
	}
	client, err := e.client()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	named := where.Redacted()
	where = where.JoinPath("api/v1/explain")
	where.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("--url: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		var outer *url.Error
		if errors.As(err, &outer) {
			err = outer.Err // the rest is the whole query once more
		}
		return nil, fmt.Errorf("ask %s: %w; is foreshock serving there? --url says where it listens", named, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxExplanation))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	switch err := json.Unmarshal(body, &answer); {
	case response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden:
		return nil, fmt.Errorf("%s answered %s: give credentials in --http.config.file", where.Host, response.Status)
	case err != nil || answer.Status == "":
		return nil, fmt.Errorf("%s answered %s, but not as foreshock does: is it what listens there? --url says where to ask", where.Host, response.Status)
	case answer.Status != "success":
		return nil, errors.New(answer.Error)
	}
	return answer.Data, nil
}

func (e *explainer) client() (*http.Client, error) {
	settings, err := clientSettings(e.clientFile)
	if err != nil {
		return nil, err
	}
	client, err := config.NewClientFromConfig(*settings, "explain")
	if err != nil {
		return nil, fmt.Errorf("--http.config.file: %w", err)
	}
	return client, nil
}

func writeIndented(w io.Writer, data json.RawMessage) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(data)
}
