package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// sender drives a server over a fixed number of connections. Each request of a scrape
// has its connection, the same at every scrape, as the shards of Prometheus's remote
// write have their series: so the samples of a series arrive in order.
type sender struct {
	url         string
	headers     http.Header
	connections []*http.Client
	refused     atomic.Int64 // requests answered with "come again"
}

func newSender(url string, p protocol, connections int) *sender {
	s := &sender{url: url, headers: http.Header{}}
	for _, h := range p.headers() {
		s.headers.Set(h[0], h[1])
	}
	for range connections {
		s.connections = append(s.connections, &http.Client{
			Timeout: time.Minute,
			Transport: &http.Transport{
				MaxConnsPerHost: 1, MaxIdleConnsPerHost: 1, DisableCompression: true, WriteBufferSize: 64 << 10,
			},
		})
	}
	return s
}

func (s *sender) close() {
	for _, c := range s.connections {
		c.CloseIdleConnections()
	}
}

// play sends the scrapes and returns how long each request took. A rate of 0 is a closed
// loop: every connection sends its next request when its last was answered. Otherwise
// it is an open one: requests are due at that many samples a second, whatever becomes of
// those before, and the time is taken from when a request was due: one that had to wait
// for a slow one before it has waited too (no coordinated omission).
func (s *sender) play(ctx context.Context, scrapes []scrape, rate float64) ([]time.Duration, error) {
	took := make([][]time.Duration, len(s.connections))
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for c, client := range s.connections {
		g.Go(func() error {
			sent := 0 // samples due before the request at hand, over all connections
			for _, requests := range scrapes {
				for i, r := range requests {
					due := start.Add(time.Duration(float64(sent) / max(rate, 1) * 1e9))
					sent += r.samples
					if i%len(s.connections) != c {
						continue
					}
					if rate == 0 {
						due = time.Now()
					} else if err := sleepUntil(ctx, due); err != nil {
						return err
					}
					if err := s.deliver(ctx, client, r.body); err != nil {
						return err
					}
					took[c] = append(took[c], time.Since(due))
				}
			}
			return nil
		})
	}
	err := g.Wait()
	var all []time.Duration
	for _, ds := range took {
		all = append(all, ds...)
	}
	return all, err
}

func sleepUntil(ctx context.Context, t time.Time) error {
	d := time.Until(t)
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// patience is how long a sender tries to get rid of a request.
const patience = 2 * time.Minute

// deliver sends one request until it is taken, as Prometheus's remote write does: a
// server that has no room for it says when to come again, or is asked after 30 ms, then
// 60, to 5 s at most. All of that counts as the time the request took.
func (s *sender) deliver(ctx context.Context, c *http.Client, body []byte) error {
	backoff := 30 * time.Millisecond
	for deadline := time.Now().Add(patience); ; backoff = min(2*backoff, 5*time.Second) {
		resp, err := s.post(ctx, c, body)
		switch {
		case err != nil:
			return err
		case resp.code/100 == 2:
			return nil
		case resp.code != http.StatusServiceUnavailable && resp.code != http.StatusTooManyRequests || time.Now().After(deadline):
			return fmt.Errorf("%d %s: %s", resp.code, http.StatusText(resp.code), resp.text)
		}
		s.refused.Add(1)
		wait := backoff
		if resp.retryAfter > 0 {
			wait = resp.retryAfter
		}
		if err := sleepUntil(ctx, time.Now().Add(wait)); err != nil {
			return err
		}
	}
}

// response is what a server answered.
type response struct {
	code       int
	retryAfter time.Duration
	text       []byte
}

func (s *sender) post(ctx context.Context, c *http.Client, body []byte) (response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return response{}, err
	}
	req.Header = s.headers
	resp, err := c.Do(req)
	if err != nil {
		return response{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // 0 where there is none
	return response{resp.StatusCode, time.Duration(seconds) * time.Second, bytes.TrimSpace(text)}, err
}
