package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"github.com/foreshock/foreshock"
)

// mood is how a downstream behaves.
type mood string

const (
	well       mood = "well"
	refusing   mood = "refusing"   // 503
	hanging    mood = "hanging"    // takes the request and never answers
	dripping   mood = "dripping"   // a byte of its answer every 100 ms
	misleading mood = "misleading" // redirects to another host, where no credentials may go
	lying      mood = "lying"      // takes what is sent, and resets the connection in place of saying so
)

// downstream takes remote write as a store would, and notes which scores came.
type downstream struct {
	*httptest.Server
	mu     sync.Mutex
	mood   mood
	change chan struct{} // closed when the mood changes
	last   map[string]int64
	gap    int64  // the longest between two scores of a series, ms
	where  string // the longest gap was
	scores int
	led    int // requests that followed a redirect to another host, with credentials
}

func newDownstream() *downstream {
	d := &downstream{mood: well, change: make(chan struct{}), last: map[string]int64{}}
	d.Server = httptest.NewServer(d)
	return d
}

func (d *downstream) close() {
	d.CloseClientConnections()
	d.Close()
}

func (d *downstream) become(m mood) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mood = m
	close(d.change)
	d.change = make(chan struct{})
}

// seen is the longest gap between two scores of a series, and how many scores came.
func (d *downstream) seen() (gap time.Duration, scores int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Duration(d.gap) * time.Millisecond, d.scores
}

func (d *downstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	m, change := d.mood, d.change
	if _, _, ok := r.BasicAuth(); ok && r.URL.Path == "/led" {
		d.led++
	}
	d.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	switch m {
	case well:
		d.take(body)
		w.WriteHeader(http.StatusNoContent)
	case refusing:
		http.Error(w, "down", http.StatusServiceUnavailable)
	case hanging:
		select {
		case <-change:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case dripping:
		for {
			if _, err := w.Write([]byte("x")); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush() // who has gone shows at the next byte
			select {
			case <-change:
				panic(http.ErrAbortHandler)
			case <-r.Context().Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	case misleading:
		_, port, _ := net.SplitHostPort(d.Listener.Addr().String()) // it has one
		http.Redirect(w, r, "http://localhost:"+port+"/led", http.StatusTemporaryRedirect)
	case lying:
		d.take(body)
		panic(http.ErrAbortHandler)
	}
}

func (d *downstream) take(body []byte) {
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		return
	}
	var req prompb.WriteRequest
	if req.Unmarshal(raw) != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, ts := range req.Timeseries {
		name, number := "", ""
		for _, l := range ts.Labels {
			switch l.Name {
			case "__name__":
				name = l.Value
			case "number":
				number = l.Value
			}
		}
		if n, err := strconv.Atoi(number); err != nil || n >= watched || name != foreshock.ScoreMetric {
			continue // of others only what is anomalous is emitted
		}
		for _, s := range ts.Samples {
			if (foreshock.Sample{V: s.Value}).Stale() {
				continue
			}
			d.scores++
			if last, ok := d.last[number]; ok && s.Timestamp-last > d.gap {
				d.gap = s.Timestamp - last
				d.where = fmt.Sprintf("of series %s from %s, seen at %s", number, time.UnixMilli(last).UTC().Format(time.TimeOnly), time.Now().UTC().Format(time.TimeOnly))
			}
			d.last[number] = max(d.last[number], s.Timestamp)
		}
	}
}
