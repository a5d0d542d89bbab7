package evidence

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onset is when the tests' incidents begin.
var onset = time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)

// clock is set by hand.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time      { return time.Unix(0, c.ns.Load()) }
func (c *clock) set(d time.Duration) { c.ns.Store(onset.Add(d).UnixNano()) }

// at is a source of the kind at url.
func at(kind Kind, name, url string) SourceConfig {
	c := DefaultSourceConfig()
	c.Name, c.Kind, c.URL = name, kind, url
	return c
}

func configOf(sources ...SourceConfig) Config {
	c := DefaultConfig()
	c.Sources = sources
	return c
}

// start runs an Evidence whose clock stands at onset + after.
func start(t *testing.T, c Config, after time.Duration) (*Evidence, *clock, *prometheus.Registry) {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	k := &clock{}
	k.set(after)
	reg := prometheus.NewRegistry()
	e, err := New(Options{Config: c, Now: k.now, Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(e.Run)
	t.Cleanup(func() {
		e.Close()
		done.Wait()
	})
	return e, k, reg
}

// firing is an incident with the labels name, value, …
func firing(id string, pairs ...string) foreshock.Incident {
	return foreshock.Incident{ID: id, State: foreshock.Firing, Alerting: true, StartsAt: onset.UnixMilli(), Labels: labels.FromStrings(pairs...)}
}

func evidenceOf(e *Evidence, id string) []foreshock.Evidence {
	list := []foreshock.Incident{{ID: id}}
	e.Attach(list)
	return list[0].Evidence
}

// await returns the evidence of the incident once n sources have answered.
func await(t *testing.T, e *Evidence, id string, n int) []foreshock.Evidence {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if found := evidenceOf(e, id); len(found) >= n {
			return found
		}
	}
	t.Fatalf("no evidence of %s", id)
	return nil
}

var allKinds = []Kind{Loki, VictoriaLogs, Elasticsearch, Splunk}

// beginnings are how an answer of the kind begins that never ends.
var beginnings = map[Kind]struct{ head, again string }{
	Loki:          {`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"service_name":"a"},"value":[1,"1"]}`, `,{"metric":{"service_name":"a"},"value":[1,"1"]}`},
	VictoriaLogs:  {``, `{"foreshock_lines":"1"}` + "\n"},
	Elasticsearch: {`{"hits":{"total":{"value":1},"hits":[{}`, `,{"fields":{"message":["x"]}}`},
	Splunk:        {``, `{"preview":false,"result":{"sourcetype":"a","count":"1"}}` + "\n"},
}

// Whatever a server does, nothing happens but that the evidence says why it is missing.
func TestHostileServers(t *testing.T) {
	var followed atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	defer elsewhere.Close()
	for name, of := range map[string]struct {
		want  string
		serve func(Kind, http.ResponseWriter, *http.Request)
	}{
		"hangs": {"no answer within 300ms", func(_ Kind, _ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}},
		"drips": {"no answer within 300ms", func(k Kind, w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, beginnings[k].head)
			for r.Context().Err() == nil {
				fmt.Fprint(w, " ")
				w.(http.Flusher).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		}},
		"says what is no JSON": {string(notOurs), func(_ Kind, w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "<html>canary</html>")
		}},
		"says other JSON": {string(notOurs), func(_ Kind, w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"status":"canary","hits":7,"foreshock_lines":"many","canary":{}}`)
		}},
		"says a list": {string(notOurs), func(_ Kind, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `["canary"]`) }},
		"says a gigabyte": {string(tooLarge), func(k Kind, w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, beginnings[k].head)
			chunk := strings.Repeat(beginnings[k].again, 1000)
			for sent := 0; sent < 1<<30; sent += len(chunk) {
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
		}},
		// Nothing packed was asked for, and nothing is unpacked.
		"says a gigabyte, packed": {string(notOurs), func(_ Kind, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			fmt.Fprint(z, `"`)
			zeros := bytes.Repeat([]byte("0"), 1<<20)
			for range 64 {
				if _, err := z.Write(zeros); err != nil {
					return
				}
			}
			z.Close()
		}},
		"resets": {"the connection broke off", func(_ Kind, w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = c.(*net.TCPConn).SetLinger(0)
				c.Close()
			}
		}},
		"ends in the middle": {"the connection broke off", func(k Kind, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			fmt.Fprint(w, beginnings[k].head)
		}},
		"redirects": {"it answered 302 Found", func(_ Kind, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		}},
		"refuses": {"it answered 401 Unauthorized", func(_ Kind, w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "canary", http.StatusUnauthorized)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var sources []SourceConfig
			for _, kind := range allKinds {
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { of.serve(kind, w, r) }))
				defer s.Close()
				c := at(kind, string(kind), s.URL)
				c.HTTPConfig.FollowRedirects = true
				if strings.Contains(of.want, "300ms") {
					c.Timeout = model.Duration(300 * time.Millisecond)
				}
				sources = append(sources, c)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			e, _, reg := start(t, configOf(sources...), 0)
			began := time.Now()
			e.Offer([]foreshock.Incident{firing("1")})
			if d := time.Since(began); d > 100*time.Millisecond {
				t.Errorf("the flow waited %s", d)
			}
			for i, found := range await(t, e, "1", len(allKinds)) {
				if found.Missing != of.want || found.Source != string(allKinds[i]) {
					t.Errorf("%s: %q, want %q", found.Source, found.Missing, of.want)
				}
			}
			runtime.ReadMemStats(&after)
			// Four answers of 1 MiB, what they become as Go values, and the server's own.
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 128<<20 {
				t.Errorf("%d MiB were allocated", grown>>20)
			}
			if n := testutil.CollectAndCount(e.metrics.failed); n != len(allKinds) || testutil.ToFloat64(e.metrics.failed.WithLabelValues("loki")) != 1 {
				t.Errorf("%d sources have failures counted", n)
			}
			_ = reg
		})
	}
	if n := followed.Load(); n > 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

func TestNobodyIsThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	l.Close()
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	defer tls.Close()
	e, _, _ := start(t, configOf(at(Loki, "gone", url), at(Splunk, "untrusted", tls.URL)), 0)
	e.Offer([]foreshock.Incident{firing("1")})
	found := await(t, e, "1", 2)
	if found[0].Missing != "connection refused" || found[1].Missing != "its certificate is not trusted" {
		t.Errorf("%+v", found)
	}
}

// counting is a Splunk that answers as many lines as it was asked times.
func counting(t *testing.T) (url string, asked *atomic.Int64) {
	asked = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"preview":false,"result":{"sourcetype":"a","count":"%d"}}`, asked.Add(1))
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

// An incident that goes on is looked up when it fires and when its time is over, however
// often it changes; one of old samples once.
func TestLooksTwice(t *testing.T) {
	url, asked := counting(t)
	e, k, _ := start(t, configOf(at(Splunk, "logs", url)), time.Minute)
	one := firing("1")
	e.Offer([]foreshock.Incident{one})
	first := await(t, e, "1", 1)[0]
	if first.Total != 1 || first.To != onset.Add(time.Minute).UnixMilli() || first.From != onset.Add(-5*time.Minute).UnixMilli() {
		t.Errorf("%+v", first)
	}
	e.Offer([]foreshock.Incident{one, one})
	k.set(5*time.Minute + settle)
	for deadline := time.Now().Add(20 * time.Second); evidenceOf(e, "1")[0].Total == 1 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if second := evidenceOf(e, "1")[0]; second.Total != 2 || second.To != onset.Add(5*time.Minute).UnixMilli() {
		t.Errorf("%+v", second)
	}
	e.Offer([]foreshock.Incident{one})
	time.Sleep(2 * tick)
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

// Nobody is asked about what is pending, over, or of no interest to any rule.
func TestLooksUpWhatSomebodyIsToldOf(t *testing.T) {
	url, asked := counting(t)
	e, _, _ := start(t, configOf(at(Splunk, "logs", url)), time.Hour)
	pending, over, untold := firing("a"), firing("b"), firing("c")
	pending.State, over.State, untold.Alerting = foreshock.Pending, foreshock.Resolved, false
	e.Offer([]foreshock.Incident{pending, over, untold, firing("d")})
	await(t, e, "d", 1)
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// The first query is asked whose labels the incident has.
func TestQueryOfTheLabelsThereAre(t *testing.T) {
	url, _ := counting(t)
	c := at(Splunk, "logs", url)
	c.Queries = []string{`search pod=${pod}`, `search ns=${ns} error`}
	e, _, _ := start(t, configOf(c), time.Hour)
	e.Offer([]foreshock.Incident{firing("1", "ns", `a"b`), firing("2", "job", "x"), firing("3", "ns", "a*")})
	if q := await(t, e, "1", 1)[0].Query; q != `search ns="a\"b" error` {
		t.Error(q)
	}
	if why := await(t, e, "2", 1)[0].Missing; why != "the incident has no label ns" {
		t.Error(why)
	}
	if why := await(t, e, "3", 1)[0].Missing; !strings.Contains(why, "the label ns holds what cannot be quoted") {
		t.Error(why)
	}
}

// Ten thousand incidents at once neither wait nor are remembered without end, and a source
// that hangs takes nothing from another.
func TestFloodIsDroppedAndCounted(t *testing.T) {
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(hanging.Close) // after those who wait for it
	url, _ := counting(t)
	e, _, _ := start(t, configOf(at(Splunk, "hanging", hanging.URL), at(Splunk, "logs", url)), time.Hour)
	e.Offer([]foreshock.Incident{firing("first")})
	for len(evidenceOf(e, "first")) == 0 {
		time.Sleep(time.Millisecond)
	}
	if found := evidenceOf(e, "first"); found[0].Source != "logs" {
		t.Errorf("%+v", found)
	}
	var many []foreshock.Incident
	for i := range 10_000 {
		many = append(many, firing(fmt.Sprint(i)))
	}
	began := time.Now()
	e.Offer(many)
	if d := time.Since(began); d > time.Second {
		t.Errorf("the flow waited %s", d)
	}
	if dropped := testutil.ToFloat64(e.metrics.dropped.WithLabelValues("hanging")); dropped < 10_000-maxWaiting-workers {
		t.Errorf("%v were dropped", dropped)
	}
	if len(e.kept) != maxKept || len(e.order) != maxKept {
		t.Errorf("%d kept", len(e.kept))
	}
	if found := evidenceOf(e, "9999"); len(found) == 0 || found[0].Missing != "too many look-ups were waiting" {
		t.Errorf("%+v", found)
	}
}

// A reload goes over to other sources and keeps what was found in those that stay.
func TestReload(t *testing.T) {
	url, _ := counting(t)
	logs := at(Splunk, "logs", url)
	e, _, _ := start(t, configOf(logs), time.Hour)
	e.Offer([]foreshock.Incident{firing("1")})
	await(t, e, "1", 1)
	commit, err := e.Prepare(configOf(at(Splunk, "more", url), logs))
	if err != nil {
		t.Fatal(err)
	}
	commit()
	if found := evidenceOf(e, "1"); len(found) != 1 || found[0].Total != 1 {
		t.Errorf("%+v", found)
	}
	e.Offer([]foreshock.Incident{firing("2")})
	if found := await(t, e, "2", 2); found[0].Source != "more" || found[1].Source != "logs" {
		t.Errorf("%+v", found)
	}
	bad := at(Splunk, "bad", url)
	bad.HTTPConfig.TLSConfig.CAFile = "/nonexistent"
	if _, err := e.Prepare(configOf(bad)); err == nil {
		t.Error("a client without its certificates was made")
	}
}

func TestConfigIsJudged(t *testing.T) {
	bad := at("syslog", "a b", "http://user:canary@host?x=1")
	twice := at(Splunk, "x", "http://h")
	twice.By, twice.Timeout, twice.Queries = "y", 0, []string{"| delete"}
	err := Config{Sources: []SourceConfig{bad, twice, twice}}.Validate()
	for _, want := range []string{
		"evidence.after: ", "evidence.top: ", "evidence.sources[0].name: ", "evidence.sources[0].url: ", "evidence.sources[0].kind: ",
		"evidence.sources[1].by: means nothing to splunk", "evidence.sources[1].timeout: ", "evidence.sources[1].queries[0]: ", "evidence.sources[2].name: must be unique",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing from %v", want, err)
		}
	}
	if strings.Contains(fmt.Sprint(err), "canary") {
		t.Error("the password shows")
	}
}

func TestSecretsAreMasked(t *testing.T) {
	c := at(Loki, "a", "http://h")
	c.HTTPConfig.BasicAuth = &promconfig.BasicAuth{Username: "u", Password: "canary"}
	text, err := yaml.Marshal(configOf(c))
	if err != nil || strings.Contains(string(text), "canary") || !strings.Contains(string(text), "<secret>") {
		t.Errorf("%v\n%s", err, text)
	}
}
