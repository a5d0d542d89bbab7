package console

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// listen opens a stream and returns what it says, event by event.
func listen(t *testing.T, url string) (status int, events <-chan string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 100)
	go func() {
		defer close(said)
		defer answer.Body.Close()
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				said <- data
			}
		}
	}()
	return answer.StatusCode, said
}

func next(t *testing.T, events <-chan string) string {
	t.Helper()
	select {
	case said, ok := <-events:
		if !ok {
			return "over"
		}
		return said
	case <-time.After(5 * time.Second):
		t.Fatal("nothing was said")
		return ""
	}
}

// Whoever comes looks at everything once: what was missed meanwhile is no matter. Then only
// what is news is said, and what comes at once is said once.
func TestEventsSayWhatToLookAt(t *testing.T) {
	e := NewEvents(nil)
	s := serve(t, Options{Events: e})
	_, events := listen(t, s.URL)
	if said := next(t, events); said != "status incidents remediations" {
		t.Errorf("at first %q", said)
	}
	for range 1000 {
		e.Tell(IncidentsTopic)
		e.Tell(StatusTopic)
	}
	if said := next(t, events); said != "status incidents" {
		t.Errorf("then %q", said)
	}
	e.Tell(StatusTopic) // samples that came in are news every few seconds
	e.Tell(RemediationsTopic)
	if said := next(t, events); said != "remediations" {
		t.Errorf("at last %q", said)
	}
	e.Close()
	if said := next(t, events); said != "over" {
		t.Errorf("after the end %q", said)
	}
	if status, _ := listen(t, s.URL); status != http.StatusServiceUnavailable {
		t.Errorf("after the end: %d", status)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	e := NewEvents(nil)
	s := serve(t, Options{Events: e})
	t.Cleanup(e.Close) // before the server waits for them
	for range maxStreams {
		if status, events := listen(t, s.URL); status != http.StatusOK || next(t, events) == "" {
			t.Fatal(status)
		}
	}
	if status, _ := listen(t, s.URL); status != http.StatusServiceUnavailable {
		t.Errorf("one more: %d", status)
	}
}
