package emitter

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds what a receiver may ask for: beyond it a typing mistake
// there would stop us here for good.
const maxRetryAfter = 5 * time.Minute

// maxRedirects is net/http's own bound, which a CheckRedirect replaces.
const maxRedirects = 10

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
