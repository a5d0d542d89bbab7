package evidence

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	promconfig "github.com/prometheus/common/config"

	"github.com/foreshock/foreshock/internal/history"
)

// maxAnswer bounds one answer, unpacked. It is read as it comes and never held as a whole.
const maxAnswer = 1 << 20

// reason is why there is no evidence, in words of our own: what a server sent is never
// repeated, as it may be anything.
type reason string

func (r reason) Error() string { return string(r) }

const (
	tooLarge = reason("the answer is larger than 1 MiB")
	notOurs  = reason("the answer is not what its API answers")
	partial  = reason("the answer is not complete")
	refused  = reason("the search failed")
)

// client asks one server.
type client struct {
	base *url.URL
	http *http.Client
}

// newClient makes a client; it does not go to the network. A redirect is an answer like
// others and not followed, whatever follow_redirects says: credentials go to the configured
// server or nowhere.
func newClient(c SourceConfig) (*client, error) {
	base, err := history.ParseURL(c.URL)
	if err != nil {
		return nil, err
	}
	c.HTTPConfig.FollowRedirects = false
	// Look-ups are rare: a kept connection would be a stale one.
	h, err := promconfig.NewClientFromConfig(c.HTTPConfig, "evidence", promconfig.WithUserAgent("Foreshock"), promconfig.WithKeepAlivesDisabled())
	if err != nil {
		return nil, err
	}
	return &client{base, h}, nil
}

// get asks path with params.
func (c *client) get(ctx context.Context, path string, params url.Values, decode func(*json.Decoder) error) error {
	u := c.base.JoinPath(path)
	u.RawQuery = params.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	return c.do(req, decode)
}

// post asks path with a body.
func (c *client) post(ctx context.Context, path, kind, body string, decode func(*json.Decoder) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.JoinPath(path).String(), strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", kind)
	return c.do(req, decode)
}

func (c *client) do(req *http.Request, decode func(*json.Decoder) error) error {
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return reason(strings.TrimSpace(fmt.Sprintf("it answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))))
	}
	return decode(json.NewDecoder(&boundedReader{resp.Body, maxAnswer}))
}

// boundedReader fails where io.LimitedReader would pretend the end.
type boundedReader struct {
	r    io.Reader
	left int
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, tooLarge
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// why says in our own words what went wrong.
func why(err error) string {
	var (
		ours      reason
		dns       *net.DNSError
		cert      *tls.CertificateVerificationError
		authority x509.UnknownAuthorityError
		record    tls.RecordHeaderError
		syntax    *json.SyntaxError
		shape     *json.UnmarshalTypeError
		timeout   net.Error
	)
	switch {
	case errors.As(err, &ours):
		return string(ours)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "the look-up was broken off"
	case errors.As(err, &syntax), errors.As(err, &shape):
		return string(notOurs)
	case errors.As(err, &dns):
		return "its host is not found"
	case errors.As(err, &cert), errors.As(err, &authority):
		return "its certificate is not trusted"
	case errors.As(err, &record):
		return "it does not speak TLS"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection broke off"
	}
	return "the request failed"
}
