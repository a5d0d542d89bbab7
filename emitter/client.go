package emitter

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/version"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/storage/remote"
)

// maxRetryAfter bounds what a receiver may ask for: beyond it a typing mistake
// there would stop us here for good.
const maxRetryAfter = 5 * time.Minute

// maxRedirects is net/http's own bound, which a CheckRedirect replaces.
const maxRedirects = 10

// wire is how a remote write reaches its receiver.
type wire struct {
	config  *promconfig.RemoteWriteConfig
	message remoteapi.WriteMessageType
	client  remote.WriteClient
	answer  *answer
}

// connect makes the client for the message; it does not go to the network. name is
// what it is called.
func connect(name string, c *promconfig.RemoteWriteConfig, message remoteapi.WriteMessageType) (*wire, error) {
	if err := c.Validate(model.UTF8Validation); err != nil {
		return nil, fmt.Errorf("remote write %s: %w", name, err)
	}
	headers := maps.Clone(c.Headers)
	if headers == nil {
		headers = map[string]string{}
	}
	headers["User-Agent"] = "foreshock/" + cmp.Or(version.Version, "devel")
	client, err := remote.NewWriteClient(name, &remote.ClientConfig{
		URL:              c.URL,
		Timeout:          c.RemoteTimeout,
		HTTPClientConfig: c.HTTPClientConfig,
		SigV4Config:      c.SigV4Config,
		AzureADConfig:    c.AzureADConfig,
		GoogleIAMConfig:  c.GoogleIAMConfig,
		Headers:          headers,
		RetryOnRateLimit: c.QueueConfig.RetryOnRateLimit,
		WriteProtoMsg:    message,
		RoundRobinDNS:    c.RoundRobinDNS,
	})
	if err != nil {
		return nil, fmt.Errorf("remote write %s: %w", name, err)
	}
	w := &wire{c, message, client, &answer{}}
	if c, ok := client.(*remote.Client); ok {
		w.answer.next = c.Client.Transport
		c.Client.Transport = w.answer
		c.Client.CheckRedirect = sameOrigin(c.Client.CheckRedirect)
	}
	return w, nil
}

// meetsOnlyV1 tells from the answer to a request whether it was one of 2.0 and the
// receiver does not speak that: one that does confirms how much it wrote, one that does
// not says 415 or, knowing only protobuf, accepts the request and stores nothing.
func (w *wire) meetsOnlyV1(stats remote.WriteResponseStats, err error) bool {
	switch {
	case w.message != remoteapi.WriteV2MessageType:
		return false
	case err != nil:
		return w.answer.status == http.StatusUnsupportedMediaType
	default:
		return !stats.Confirmed
	}
}

// answer notes of the last response what Prometheus's client keeps to itself.
type answer struct {
	next   http.RoundTripper
	status int    // 0 when there was no response
	after  string // Retry-After
}

// RoundTrip is called by one request at a time.
func (a *answer) RoundTrip(req *http.Request) (*http.Response, error) {
	a.status, a.after = 0, ""
	resp, err := a.next.RoundTrip(req)
	if err == nil {
		a.status, a.after = resp.StatusCode, resp.Header.Get("Retry-After")
	}
	return resp, err
}

// retryAfter is how long the receiver asked to be left alone, in seconds or as a
// date; 0 when it did not ask.
func (a *answer) retryAfter(now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(a.after); err == nil {
		return min(time.Duration(seconds), maxRetryAfter/time.Second) * time.Second
	}
	if at, err := http.ParseTime(a.after); err == nil {
		return at.Sub(now)
	}
	return 0
}

// Redirects that are not followed.
var (
	errRedirected = errors.New("redirected to another origin")
	errRedirects  = errors.New("too many redirects")
)

// sameOrigin follows redirects within the configured origin only: what is sent may
// hold credentials. before is asked first.
func sameOrigin(before func(*http.Request, []*http.Request) error) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		if before != nil {
			return before(req, via)
		}
		if first := via[0].URL; req.URL.Scheme != first.Scheme || req.URL.Host != first.Host {
			return errRedirected
		}
		if len(via) >= maxRedirects {
			return errRedirects
		}
		return nil
	}
}

// withoutURL is err's text without the URL that net/http puts in front: its query
// may hold a token.
func withoutURL(err error) string {
	text := err.Error()
	if strings.HasPrefix(text, `Post "`) {
		if _, rest, found := strings.Cut(text, `": `); found {
			return rest
		}
	}
	return text
}
