package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/config"
)

// maxAnswer bounds what a running Foreshock may answer, in bytes.
const maxAnswer = 32 << 20

// server is a running Foreshock.
type server struct {
	url        string
	clientFile string // of HTTP client settings; may be empty
}

// flags say where it is and how it is spoken to.
func (s *server) flags(cmd *kingpin.CmdClause) {
	cmd.Flag("url", "Where Foreshock listens.").Default("http://localhost:9797").StringVar(&s.url)
	cmd.Flag("http.config.file", "HTTP client settings, such as credentials and TLS, as promtool takes them.").PlaceHolder("FILE").StringVar(&s.clientFile)
}

// ask returns what its API answers. A body is JSON.
func (s server) ask(ctx context.Context, method, path string, query url.Values, body []byte) (json.RawMessage, error) {
	where, err := url.Parse(s.url)
	if err != nil || where.Scheme != "http" && where.Scheme != "https" || where.Host == "" {
		return nil, fmt.Errorf("--url %s: want an address such as http://localhost:9797", s.url)
	}
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	named := where.Redacted()
	where = where.JoinPath(path)
	where.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, where.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("--url: %w", err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
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
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	err = json.Unmarshal(text, &answer)
	switch {
	case response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden:
		why := ""
		if answer.Error != "" {
			why = " (" + printable(answer.Error) + ")"
		}
		return nil, fmt.Errorf("%s answered %s%s: give credentials in --http.config.file", where.Host, response.Status, why)
	case err != nil || answer.Status == "":
		return nil, fmt.Errorf("%s answered %s, but not as foreshock does: is it what listens there? --url says where to ask", where.Host, response.Status)
	case answer.Status != "success":
		return nil, errors.New(printable(answer.Error))
	}
	return answer.Data, nil
}

func (s server) client() (*http.Client, error) {
	settings, err := clientSettings(s.clientFile)
	if err != nil {
		return nil, err
	}
	client, err := config.NewClientFromConfig(*settings, "foreshock")
	if err != nil {
		return nil, fmt.Errorf("--http.config.file: %w", err)
	}
	return client, nil
}
