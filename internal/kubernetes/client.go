// Package kubernetes asks a Kubernetes API server, as whoever a kubeconfig file or the
// pod around us says we are.
//
// It knows no kind of object: a caller names the path and brings the JSON. client-go's
// REST client would cost 13 CPU seconds at every build for what is a URL, a certificate
// and a token here. Nothing is sent twice, no redirect is followed, and no connection is
// kept: one that died with its API server would hold up the next request for minutes.
package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"

	promconfig "github.com/prometheus/common/config"
)

// maxAnswer bounds an answer, in bytes: etcd keeps no object above 1.5 MiB, and a list
// is asked for in pages of 500.
const maxAnswer = 16 << 20

// Client asks one API server. It is safe for concurrent use.
type Client struct {
	server string
	http   *http.Client
	self   Self
	broken error // why it cannot ask at all
}

// Self is the pod we run in, as far as it is known. It is zero outside a cluster.
type Self struct{ Namespace, Pod string }

// Server is the API server's URL.
func (c *Client) Server() string { return c.server }

// Self is the pod we run in.
func (c *Client) Self() Self { return c.self }

// newClient makes a client of an API server.
func newClient(server string, hc promconfig.HTTPClientConfig) (*Client, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return nil, errors.New("server: must be an http or https URL with a host and without credentials")
	}
	hc.FollowRedirects = false
	if err := hc.Validate(); err != nil {
		return nil, err
	}
	client, err := promconfig.NewClientFromConfig(hc, "kubernetes",
		promconfig.WithUserAgent("Foreshock"), promconfig.WithKeepAlivesDisabled())
	if err != nil {
		return nil, err
	}
	return &Client{server: server, http: client}, nil
}

// Request is one to the API server.
type Request struct {
	Method string
	// Path is below the server's URL: /api/v1/namespaces/shop/pods/cart-7.
	Path  string
	Query url.Values
	// Type is the media type of Body; "" means application/json.
	Type string
	// Body is sent as JSON; nil sends none.
	Body any
}

// MergePatch is the media type of a JSON merge patch (RFC 7396).
const MergePatch = "application/merge-patch+json"

// StatusError is an answer that is not 2xx.
type StatusError struct {
	Code    int
	Reason  string // the machine's word for it, such as Conflict or Forbidden
	Message string
}

func (e *StatusError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("answered %d %s", e.Code, http.StatusText(e.Code))
	}
	return fmt.Sprintf("answered %d: %s", e.Code, e.Message)
}

// Is reports whether err is an answer of that status.
func Is(err error, code int) bool {
	s := (*StatusError)(nil)
	return errors.As(err, &s) && s.Code == code
}

// Do sends the request once and decodes the answer into answer, unless that is nil. An
// answer that is not 2xx is a *StatusError. After any other error it may have acted.
func (c *Client) Do(ctx context.Context, r Request, answer any) error {
	if c.broken != nil {
		return c.broken
	}
	var body io.Reader
	if r.Body != nil {
		b, err := json.Marshal(r.Body)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	address := c.server + path.Clean("/"+r.Path)
	if len(r.Query) > 0 {
		address += "?" + r.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, address, body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", r.contentType())
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if resp.StatusCode/100 != 2 {
		return refused(resp, b)
	}
	switch {
	case err != nil:
		return fmt.Errorf("read answer: %w", err)
	case len(b) > maxAnswer:
		return fmt.Errorf("read answer: above %d bytes", maxAnswer)
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(b, answer); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}

func (r Request) contentType() string {
	if r.Type == "" {
		return "application/json"
	}
	return r.Type
}

// refused reads the Status that an API server explains itself with.
func refused(resp *http.Response, body []byte) error {
	e := &StatusError{Code: resp.StatusCode}
	var status struct{ Kind, Reason, Message string }
	if json.Unmarshal(body, &status) == nil && status.Kind == "Status" {
		e.Reason, e.Message = status.Reason, status.Message
	}
	return e
}
