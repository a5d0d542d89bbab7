package console

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/foreshock/foreshock/internal/api"
)

// Topic is what a page is to look at again.
type Topic uint8

// The topics, as a set.
const (
	StatusTopic Topic = 1 << iota
	IncidentsTopic
	RemediationsTopic
	everything = StatusTopic | IncidentsTopic | RemediationsTopic
)

// String lists the topics as the pages know them.
func (t Topic) String() string {
	var names []string
	for i, name := range []string{"status", "incidents", "remediations"} {
		if t&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

const (
	// maxStreams are open at once, one a visible page: 64 × ~20 KiB ≈ 1.3 MB. Each is a
	// connection as well, which internal/gate counts.
	maxStreams = 64

	// calmest is the least time between two events of a stream: whoever is told twice a
	// second sees a fault within the scrape that shows it.
	calmest = 500 * time.Millisecond

	// beat is how often a stream says something at least, so that a page notices one that is
	// dead: it waits for three.
	beat = 10 * time.Second

	// statusEvery is how often samples that came in are news.
	statusEvery = 5 * time.Second

	// eventTimeout is how long a page may take to take one in.
	eventTimeout = 10 * time.Second
)

// Events tells pages when to look again, as server-sent events. What there is to see it
// does not say: a page that missed some, as its machine slept or the server was restarted,
// looks at everything when it is connected again, and is as if it had missed none. It is
// safe for concurrent use.
type Events struct {
	refused prometheus.Counter
	closed  chan struct{}

	mu      sync.Mutex
	streams map[*stream]struct{}
	told    time.Time // StatusTopic
	over    bool
}

// stream is one page that listens.
type stream struct {
	wake chan struct{} // a token where there is news
	news Topic         // Events' mu's
}

// NewEvents returns Events that nobody listens to yet. A nil reg registers nothing.
func NewEvents(reg prometheus.Registerer) *Events {
	e := &Events{closed: make(chan struct{}), streams: map[*stream]struct{}{}}
	f := promauto.With(reg)
	e.refused = f.NewCounter(prometheus.CounterOpts{
		Name: "foreshock_console_streams_refused_total",
		Help: "Pages that were not told when to look again because as many as can be listened already; they ask every few seconds.",
	})
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "foreshock_console_streams",
		Help: "Pages that are told when to look again.",
	}, func() float64 {
		e.mu.Lock()
		defer e.mu.Unlock()
		return float64(len(e.streams))
	})
	return e
}

// Tell has all pages look at the topics again. It never blocks.
func (e *Events) Tell(news Topic) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.streams) == 0 {
		return
	}
	if now := time.Now(); news == StatusTopic {
		if now.Sub(e.told) < statusEvery {
			return
		}
		e.told = now
	}
	for s := range e.streams {
		s.news |= news
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// Close ends all streams, and those to come: a server that stops waits for none.
func (e *Events) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.over {
		e.over = true
		close(e.closed)
	}
}

// join returns a stream that has everything to tell, or nil where there is no room.
func (e *Events) join() *stream {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over || len(e.streams) >= maxStreams {
		return nil
	}
	s := &stream{wake: make(chan struct{}, 1), news: everything}
	s.wake <- struct{}{}
	e.streams[s] = struct{}{}
	return s
}

func (e *Events) leave(s *stream) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.streams, s)
}

// take is what s has to tell; it has no more then.
func (e *Events) take(s *stream) Topic {
	e.mu.Lock()
	defer e.mu.Unlock()
	news := s.news
	s.news = 0
	return news
}

// ServeHTTP implements http.Handler: GET /api/v1/events.
func (e *Events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := e.join()
	if s == nil {
		e.refused.Inc()
		w.Header().Set("Retry-After", "10")
		api.Refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("%d pages listen already, or the server stops", maxStreams))
		return
	}
	defer e.leave(s)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // of a proxy in between
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{}) // it has no body that could be slow
	say := func(news Topic) bool {
		if c.SetWriteDeadline(time.Now().Add(eventTimeout)) != nil {
			return false
		}
		_, err := fmt.Fprintf(w, "retry: 1000\ndata: %s\n\n", news)
		return err == nil && c.Flush() == nil
	}
	for {
		news := StatusTopic
		select {
		case <-s.wake:
			news = e.take(s)
		case <-time.After(beat):
		case <-e.closed:
			return
		case <-r.Context().Done():
			return
		}
		if news != 0 && !say(news) {
			return
		}
		select {
		case <-time.After(calmest):
		case <-e.closed:
			return
		case <-r.Context().Done():
			return
		}
	}
}
