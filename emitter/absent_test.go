package emitter

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foreshock/foreshock"
)

// route is a network of Alertmanagers, by host, on which some are away.
type route struct {
	mu     sync.Mutex
	away   map[string]func(*http.Request) (*http.Response, error)
	took   map[string][]postedAlert
	asked  map[string]int // requests with and without alerts
	tookAt map[string]time.Time
}

func newRoute() *route {
	return &route{away: map[string]func(*http.Request) (*http.Response, error){}, took: map[string][]postedAlert{}, asked: map[string]int{}, tookAt: map[string]time.Time{}}
}

func answered(req *http.Request, status int) *http.Response {
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{}, Body: http.NoBody, Request: req}
}

// RoundTrip implements http.RoundTripper.
func (w *route) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	away := w.away[req.URL.Host]
	w.asked[req.URL.Host]++
	w.mu.Unlock()
	if away != nil {
		return away(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var alerts []postedAlert
	if err := json.Unmarshal(body, &alerts); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(alerts) > 0 {
		w.took[req.URL.Host] = append(w.took[req.URL.Host], alerts...)
		w.tookAt[req.URL.Host] = time.Now()
	}
	return answered(req, http.StatusOK), nil
}

// set says what becomes of requests to the host; nil is that it takes them.
func (w *route) set(host string, away func(*http.Request) (*http.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away[host], w.took[host], w.asked[host] = away, nil, 0
}

func (w *route) told(host string) (alerts []postedAlert, asked int, last time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.took[host], w.asked[host], w.tookAt[host]
}

// tellTwo has an Emitter tell the Alertmanagers "one" and "two" of an incident that begins
// now, until the test ends.
func tellTwo(t *testing.T, w *route, o Options) {
	o.Config, o.Transport, o.Now = DefaultConfig(), w, time.Now
	o.Alerting = alertingConfig(t, "alertmanagers: [{static_configs: [{targets: [one, two]}]}]")
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	go e.Run()
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	i := firingIncident()
	i.StartsAt = time.Now().UnixMilli()
	e.Offer(foreshock.Report{Findings: foreshock.Findings{Now: i.StartsAt}, Incidents: []foreshock.Incident{i}})
}

// TestAnHourAway: whatever way an Alertmanager was away for an hour, it is told of all that
// fires within ten seconds of its return, as it began; its brother is told once a minute.
func TestAnHourAway(t *testing.T) {
	for how, away := range map[string]func(*http.Request) (*http.Response, error){
		"refused":     func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") },
		"unavailable": func(r *http.Request) (*http.Response, error) { return answered(r, http.StatusServiceUnavailable), nil },
		"hangs": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		},
	} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { anHourAway(t, away) })
		})
	}
}

func anHourAway(t *testing.T, away func(*http.Request) (*http.Response, error)) {
	w := newRoute()
	w.set("one", away)
	began := time.Now()
	tellTwo(t, w, Options{
		Blindness: func() foreshock.Blindness { return foreshock.Blindness{Since: began, Why: "no samples come"} },
		Troubles: func() []foreshock.Trouble {
			return []foreshock.Trouble{{Rule: "cpu", Action: "restart", Text: "it failed", Since: began}}
		},
	})
	time.Sleep(time.Hour + 5*time.Second) // between two repeats
	if got, asked, _ := w.told("one"); len(got) > 0 || asked > 3600/2 {
		t.Errorf("who was away took %d alerts and was asked %d times in an hour", len(got), asked)
	}
	if got, _, _ := w.told("two"); len(got) < 3*60 || len(got) > 3*62 {
		t.Errorf("who was there was told %d times of three alerts in an hour, want once a minute", len(got))
	}
	w.set("two", nil)
	w.set("one", nil)
	back := time.Now()
	time.Sleep(10 * time.Second)
	got, _, last := w.told("one")
	names := map[string]bool{}
	for _, a := range got {
		names[a.Labels["alertname"]] = true
		if !a.StartsAt.Equal(began) || !a.EndsAt.After(back) {
			t.Errorf("%s from %s to %s, want from %s and firing", a.Labels["alertname"], a.StartsAt, a.EndsAt, began)
		}
	}
	if len(names) != 3 {
		t.Errorf("told of %v within ten seconds, want the incident, the remedy and the blindness", names)
	}
	t.Logf("told %s after the return", last.Sub(back))
	if got, _, _ := w.told("two"); len(got) > 2*3 {
		t.Errorf("its brother was told of %d alerts meanwhile", len(got))
	}
}

// TestWhoAnswersAndTakesNothing: an Alertmanager that answers, and takes no alerts, does
// not have everybody told without end.
func TestWhoAnswersAndTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newRoute()
		w.set("one", func(r *http.Request) (*http.Response, error) {
			if body, _ := io.ReadAll(r.Body); strings.TrimSpace(string(body)) == "[]" {
				return answered(r, http.StatusOK), nil
			}
			return answered(r, http.StatusInternalServerError), nil
		})
		tellTwo(t, w, Options{})
		time.Sleep(time.Hour)
		if got, _, _ := w.told("two"); len(got) < 60 || len(got) > 2*60+10 {
			t.Errorf("its brother was told %d times in an hour", len(got))
		}
	})
}
