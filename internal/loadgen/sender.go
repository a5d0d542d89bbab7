package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
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
					if err := s.post(ctx, client, r.body); err != nil {
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

// post sends one request. Any answer but success is an error: what was not taken at once
// must not count.
func (s *sender) post(ctx context.Context, c *http.Client, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = s.headers
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(text))
	}
	return nil
}
