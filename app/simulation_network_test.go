package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/prompb"
)

// network carries requests between what is attached to it.
type network struct {
	note func(format string, a ...any)

	seed uint64

	mu       sync.Mutex
	randoms  map[string]*rand.Rand // by who asks: none disturbs another's
	attached map[string]http.Handler
	cut      map[string]time.Time // until when nothing reaches it
	rough    bool                 // requests are lost, doubled and late
}

func newNetwork(seed uint64, note func(string, ...any)) *network {
	return &network{note: note, seed: seed, randoms: map[string]*rand.Rand{}, attached: map[string]http.Handler{}, cut: map[string]time.Time{}, rough: true}
}

// random is who's own. The caller holds mu.
func (n *network) random(who string) *rand.Rand {
	if n.randoms[who] == nil {
		h := fnv.New64()
		_, _ = io.WriteString(h, who) // it takes all
		n.randoms[who] = rand.New(rand.NewPCG(n.seed, h.Sum64()))
	}
	return n.randoms[who]
}

// attach has requests to the name be served by h; nil is nobody.
func (n *network) attach(name string, h http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.attached[name] = h
}

// weather cuts something off now and then, until the calm.
func (n *network) weather(done <-chan struct{}, calm time.Time) {
	names := []string{"prometheus", "am-0", "am-1", "am-2", "foreshock"}
	for time.Now().Before(calm) {
		n.mu.Lock()
		random := n.random("weather")
		pause := time.Duration(random.IntN(600)) * time.Second
		name := names[random.IntN(len(names))]
		length := time.Duration(random.IntN(900)) * time.Second
		if until := time.Until(calm); length > until {
			length = until
		}
		n.cut[name] = time.Now().Add(length)
		n.mu.Unlock()
		n.note("%s is cut off for %s", name, length)
		time.Sleep(min(pause, time.Until(calm)))
	}
	n.mu.Lock()
	n.rough, n.cut = false, map[string]time.Time{}
	n.mu.Unlock()
	n.note("the network is good from now on")
	<-done
}

// fate is what becomes of a request.
type fate struct {
	to                 http.Handler
	there, back, again time.Duration
	lost, unanswered   bool
	twice              bool
}

func (n *network) decide(from, to string) fate {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := fate{to: n.attached[to]}
	f.lost = f.to == nil || time.Now().Before(n.cut[to])
	if n.rough {
		random := n.random(from + " to " + to)
		chance := func(percent int) bool { return random.IntN(100) < percent }
		f.lost = f.lost || chance(4)
		f.unanswered = chance(4)
		f.twice = chance(4)
		f.there = time.Duration(random.ExpFloat64() * float64(50*time.Millisecond))
		f.back = time.Duration(random.ExpFloat64() * float64(50*time.Millisecond))
		f.again = time.Duration(random.ExpFloat64() * float64(10*time.Second))
		if chance(2) {
			f.back += 20 * time.Second // a slow peer
		}
	}
	return f
}

var errCut = errors.New("simulated: connection refused")

// carry takes a request from one to another, and its answer back.
func (n *network) carry(ctx context.Context, from, to, method, path string, header http.Header, body []byte) (*http.Response, error) {
	f := n.decide(from, to)
	if err := pause(ctx, f.there); err != nil {
		return nil, err
	}
	if f.lost {
		return nil, errCut
	}
	serve := func() *http.Response {
		req := httptest.NewRequest(method, path, bytes.NewReader(body))
		req.Header = header.Clone()
		answer := httptest.NewRecorder()
		f.to.ServeHTTP(answer, req)
		return answer.Result()
	}
	answer := serve()
	if f.twice {
		// A proxy on the way has sent it again; it may overtake later ones.
		_ = pause(ctx, f.again)
		if again := n.decide(from, to); again.to != nil && !again.lost {
			f.to = again.to
			serve()
		}
	}
	if err := pause(ctx, f.back); err != nil {
		return nil, err
	}
	if f.unanswered {
		return nil, io.ErrUnexpectedEOF
	}
	return answer, nil
}

// pause sleeps, or returns why it was not for as long.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// transport is how one life of Foreshock sends, until it hangs up.
type transport struct {
	*network
	life context.Context
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.life.Err() != nil {
		return nil, errCut
	}
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	defer context.AfterFunc(t.life, cancel)()
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		_ = req.Body.Close()
	}
	resp, err := t.carry(ctx, "foreshock", req.URL.Host, req.Method, req.URL.Path, req.Header, body)
	if err != nil {
		return nil, err
	}
	resp.Request = req
	return resp, nil
}

// simulatedReceiver is a Prometheus that is written to. It says no now and then.
type simulatedReceiver struct{ *network }

// ServeHTTP implements http.Handler.
func (r simulatedReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	_, _ = io.Copy(io.Discard, req.Body)
	r.mu.Lock()
	overloaded := r.rough && r.random("receiver").IntN(20) == 0
	r.mu.Unlock()
	if overloaded {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// simulatedAlert is an alert as an Alertmanager knows it.
type simulatedAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
	told        string            // the status that Foreshock was told of last
	toldAt      time.Time
}

func (a simulatedAlert) status() string {
	if a.EndsAt.After(time.Now()) {
		return "firing"
	}
	return "resolved"
}

// simulatedAlertmanager takes alerts and tells Foreshock of each, as often as its two
// brothers do, who know nothing of each other.
type simulatedAlertmanager struct {
	name    string
	network *network

	mu     sync.Mutex
	alerts map[string]simulatedAlert // by fingerprint, as Alertmanager has them
	heard  map[string]simulatedAlert // by fingerprint and beginning: all there ever were
}

// ServeHTTP implements http.Handler.
func (a *simulatedAlertmanager) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodGet { // silences
		fmt.Fprintln(w, "[]")
		return
	}
	var alerts []simulatedAlert
	if err := json.NewDecoder(req.Body).Decode(&alerts); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, alert := range alerts {
		set := model.LabelSet{}
		for name, value := range alert.Labels {
			set[model.LabelName(name)] = model.LabelValue(value)
		}
		fp := set.Fingerprint().String()
		before := a.alerts[fp]
		alert.told, alert.toldAt = before.told, before.toldAt
		a.alerts[fp] = alert
		a.heard[fp+alert.StartsAt.String()] = alert
	}
}

// names reports whether a person who reads the alert finds the host in it.
func (a simulatedAlert) names(host string) bool {
	return a.Labels["host"] == host || strings.Contains(a.Annotations["description"], strconv.Quote(host))
}

// run tells Foreshock of what is new, and again every four minutes.
func (a *simulatedAlertmanager) run(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-time.After(time.Second):
		}
		a.mu.Lock()
		due := map[string]simulatedAlert{}
		for fp, alert := range a.alerts {
			if alert.told != alert.status() || time.Since(alert.toldAt) > 4*time.Minute && alert.status() == "firing" {
				due[fp] = alert
			}
		}
		a.mu.Unlock()
		for fp, alert := range due {
			status := alert.status()
			if !a.tell(alert) {
				continue
			}
			a.mu.Lock()
			now := a.alerts[fp]
			now.told, now.toldAt = status, time.Now()
			a.alerts[fp] = now
			a.mu.Unlock()
		}
	}
}

// tell sends one notification, and reports whether it was taken.
func (a *simulatedAlertmanager) tell(alert simulatedAlert) bool {
	type one struct {
		simulatedAlert
		Status string `json:"status"`
	}
	body, err := json.Marshal(map[string]any{"version": "4", "status": alert.status(), "alerts": []one{{alert, alert.status()}}})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	header := http.Header{"Authorization": {"Bearer simulated"}, "Content-Type": {"application/json"}}
	resp, err := a.network.carry(ctx, a.name, "foreshock", http.MethodPost, "/api/v1/alertmanager/webhook", header, body)
	return err == nil && resp.StatusCode/100 == 2
}

// simulatedSender is a Prometheus that scrapes half of the hosts and sends in order,
// again and again until it is taken.
type simulatedSender struct {
	name       string
	network    *network
	noise      *rand.Rand
	simulation *simulation

	acknowledged map[string]map[int64]float64 // by series, then time
}

type scraped struct {
	at     int64
	values map[string]float64 // by series: metric/host
}

// run scrapes and sends until done, and then what is left.
func (x *simulatedSender) run(done <-chan struct{}) {
	scrapes := make(chan scraped, 10_000)
	go func() {
		defer close(scrapes)
		every := time.NewTicker(simulatedEvery)
		defer every.Stop()
		for {
			select {
			case <-done:
				return
			case now := <-every.C:
				scrapes <- x.scrape(now)
			}
		}
	}()
	for s := range scrapes {
		if !x.send(s, done) {
			for range scrapes { // nobody waits for what was never acknowledged
			}
			return
		}
	}
}

func (x *simulatedSender) scrape(now time.Time) scraped {
	s := scraped{now.UnixMilli(), map[string]float64{}}
	for host := range simulatedHosts {
		if fmt.Sprint("sender-", host%2) != x.name {
			continue
		}
		latency := 0.2 + 0.02*x.noise.NormFloat64()
		for _, f := range x.simulation.faults {
			if f.host == host && now.After(f.from) && now.Before(f.to) {
				latency += 3
			}
		}
		s.values["app_latency_seconds/"+hostName(host)] = latency
		s.values["app_queue_length/"+hostName(host)] = float64(x.noise.IntN(30))
	}
	return s
}

// send sends until it is taken or done, and reports whether it was taken.
func (x *simulatedSender) send(s scraped, done <-chan struct{}) bool {
	body := encodeScrape(s)
	header := http.Header{"Content-Encoding": {"snappy"}, "Content-Type": {"application/x-protobuf"}, "X-Prometheus-Remote-Write-Version": {"0.1.0"}}
	for wait := 30 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		resp, err := x.network.carry(ctx, x.name, "foreshock", http.MethodPost, "/api/v1/write", header, body)
		cancel()
		if err == nil && resp.StatusCode/100 == 2 {
			for series, v := range s.values {
				if x.acknowledged[series] == nil {
					x.acknowledged[series] = map[int64]float64{}
				}
				x.acknowledged[series][s.at] = v
			}
			return true
		}
		if err == nil && resp.StatusCode/100 == 4 && resp.StatusCode != http.StatusTooManyRequests {
			reason, _ := io.ReadAll(resp.Body)
			x.simulation.t.Errorf("a good request was answered with %s: %s", resp.Status, reason)
			return true
		}
		select {
		case <-done:
			return false
		case <-time.After(wait):
		}
	}
}

func encodeScrape(s scraped) []byte {
	var w prompb.WriteRequest
	for _, series := range slices.Sorted(maps.Keys(s.values)) {
		metric, host, _ := bytes.Cut([]byte(series), []byte("/"))
		w.Timeseries = append(w.Timeseries, prompb.TimeSeries{
			Labels:  []prompb.Label{{Name: "__name__", Value: string(metric)}, {Name: "host", Value: string(host)}},
			Samples: []prompb.Sample{{Timestamp: s.at, Value: s.values[series]}},
		})
	}
	raw, err := w.Marshal()
	if err != nil {
		panic(err)
	}
	return snappy.Encode(nil, raw)
}
