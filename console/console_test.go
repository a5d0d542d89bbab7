package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

var (
	load = foreshock.NewSeries(labels.FromStrings("__name__", "node_load1", "instance", "web-1"))
	disk = foreshock.NewSeries(labels.FromStrings("__name__", "node_filesystem_avail_bytes", "instance", "</script><b>"))
)

const noon = int64(1772366400000) // 2026-03-01T12:00:00Z

func serve(t *testing.T, o Options) *httptest.Server {
	t.Helper()
	if o.Status == nil {
		o.Status = func() Status { return Status{Series: 2, Budgets: []Budget{{"fleet", 2, 1.5, 0.25}}} }
	}
	if o.Incidents == nil {
		o.Incidents = func() []foreshock.Incident { return nil }
	}
	if o.Series == nil {
		o.Series = func(context.Context, []*labels.Matcher, int) ([]Series, error) { return nil, nil }
	}
	s := httptest.NewServer(New(o))
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(body)
}

func TestTheAPIAnswersAsPrometheusDoes(t *testing.T) {
	s := serve(t, Options{
		Incidents: func() []foreshock.Incident {
			return []foreshock.Incident{{
				ID: "1f", Kind: foreshock.Breach, State: foreshock.Firing, StartsAt: noon, Updated: noon + 60_000,
				Labels: labels.FromStrings("instance", "</script><b>"), Alerting: true, Rule: "disk",
				Members: []foreshock.Member{{
					Series: disk, Rule: "disk", Onset: noon, Peak: 1.5, Value: 4096,
					Band: foreshock.NoBand(), Channel: "level", Limit: 0, Arrival: foreshock.Arrival{ETA: 90 * time.Minute, Soonest: time.Hour, Latest: -1},
				}},
			}}
		},
		Series: func(context.Context, []*labels.Matcher, int) ([]Series, error) {
			return []Series{{
				Series: load, Kind: "gauge", Rule: "load",
				Last:    foreshock.Score{Series: load, T: noon, Value: 0.5, Score: 2, Band: foreshock.Band{Expected: 0.2, Lower: 0.1, Upper: math.Inf(1)}},
				Samples: []foreshock.Sample{{Series: load, T: noon - 60_000, V: math.NaN()}, {Series: load, T: noon, V: 0.5}},
			}}, nil
		},
	})
	for path, want := range map[string]string{
		"/api/v1/status":                     `{"status":"success","data":{"series":2,"warming":0,"maxSeries":0,"windowBytes":0,"memoryBytes":0,"memoryLimit":0,"batches":0,"samples":0,"scored":0,"late":0,"refused":0,"evicted":0,"skipped":0,"open":1,"firing":1,"budgets":[{"scope":"fleet","budgetPerWeek":2,"realisedPerWeek":1.5,"threshold":0.25}],"blind":false,"blindSince":null,"now":null}}`,
		"/api/v1/incidents":                  `{"status":"success","data":[{"id":"1f","kind":"breach","state":"firing","startsAt":"2026-03-01T12:00:00.000Z","endsAt":null,"updatedAt":"2026-03-01T12:01:00.000Z","labels":{"instance":"\u003c/script\u003e\u003cb\u003e"},"alerting":true,"rule":"disk","lead":{"series":"node_filesystem_avail_bytes{instance=\"\u003c/script\u003e\u003cb\u003e\"}","metric":{"__name__":"node_filesystem_avail_bytes","instance":"\u003c/script\u003e\u003cb\u003e"},"rule":"disk","onset":"2026-03-01T12:00:00.000Z","endedAt":null,"peak":1.5,"value":4096,"channel":"level","expected":null,"lower":null,"upper":null,"limit":0,"etaSeconds":5400,"soonestSeconds":3600,"latestSeconds":null},"members":[{"series":"node_filesystem_avail_bytes{instance=\"\u003c/script\u003e\u003cb\u003e\"}","metric":{"__name__":"node_filesystem_avail_bytes","instance":"\u003c/script\u003e\u003cb\u003e"},"rule":"disk","onset":"2026-03-01T12:00:00.000Z","endedAt":null,"peak":1.5,"value":4096,"channel":"level","expected":null,"lower":null,"upper":null,"limit":0,"etaSeconds":5400,"soonestSeconds":3600,"latestSeconds":null}],"memberCount":1}]}`,
		"/api/v1/windows?match[]=node_load1": `{"status":"success","data":[{"series":"node_load1{instance=\"web-1\"}","metric":{"__name__":"node_load1","instance":"web-1"},"kind":"gauge","rule":"load","ended":false,"warming":false,"last":{"at":"2026-03-01T12:00:00.000Z","value":0.5,"score":2,"expected":0.2,"lower":0.1,"upper":null},"samples":[[1772366340000,null],[1772366400000,0.5]]}]}`,
	} {
		r, body := get(t, s.URL+path)
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "application/json" || strings.TrimSpace(body) != want {
			t.Errorf("%s: %s, %s\n got %s\nwant %s", path, r.Status, r.Header.Get("Content-Type"), body, want)
		}
	}
}

// A quiet day is an empty list: a script that counts must not meet null.
func TestNothingIsAnEmptyList(t *testing.T) {
	s := serve(t, Options{})
	for _, path := range []string{"/api/v1/incidents", "/api/v1/windows?match[]=up"} {
		if _, body := get(t, s.URL+path); strings.TrimSpace(body) != `{"status":"success","data":[]}` {
			t.Errorf("%s: %s", path, body)
		}
	}
}

func TestSeriesAreFoundByMatchersWithinBounds(t *testing.T) {
	var asked []string
	s := serve(t, Options{Series: func(ctx context.Context, ms []*labels.Matcher, limit int) ([]Series, error) {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("a lookup without an end")
		}
		var b strings.Builder
		for _, m := range ms {
			b.WriteString(m.String() + " ")
		}
		asked = append(asked, b.String())
		many := make([]foreshock.Sample, maxSamples+1)
		for i := range many {
			many[i].T = int64(i)
		}
		return []Series{{Series: load, Samples: many}, {Series: disk}}[:min(2, limit)], nil
	}})
	for _, c := range []struct {
		query  string
		code   int
		series int
		text   string // of the error
	}{
		{`match[]=up{job=~"a.*"}`, 200, 2, ""},
		{"match[]=up&match[]=down", 200, 2, ""}, // the same two, once
		{"match[]=up&limit=1", 200, 1, ""},
		{"", 400, 0, "match[]: must be from 1 to 3 selectors, got 0"},
		{strings.Repeat("match[]=up&", 4), 400, 0, "match[]: must be from 1 to 3 selectors, got 4"},
		{"match[]=" + strings.Repeat("u", 4097), 400, 0, "match[]: a selector must be at most 4096 bytes, got 4097"},
		{"match[]=" + url.QueryEscape(`up{job=~"(`+strings.Repeat("a", 600)+`){1000}"}`), 400, 0, "match[]: a regular expression repeats itself to 602000 steps, more than 1472"},
		{"match[]=up{", 400, 0, "match[]: not a series selector: character 4: unexpected end of input inside braces"},
		{"match[]={}", 400, 0, "match[]: selects everything: want at least one matcher that an absent label does not match"},
		{"match[]=up&limit=0", 400, 0, `limit: must be from 1 to 200, got "0"`},
		{"match[]=up&limit=201", 400, 0, `limit: must be from 1 to 200, got "201"`},
		{"match[]=up&limit=all", 400, 0, `limit: must be from 1 to 200, got "all"`},
	} {
		r, body := get(t, s.URL+"/api/v1/windows?"+c.query)
		var got struct {
			Status, ErrorType, Error string
			Data                     []struct{ Samples [][2]float64 }
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%s: %v in %s", c.query, err, body)
		}
		if r.StatusCode != c.code || len(got.Data) != c.series || got.Error != c.text {
			t.Errorf("%s: %s, %d series, error %q; want %d, %d, %q", c.query, r.Status, len(got.Data), got.Error, c.code, c.series, c.text)
		}
		if c.code == 400 && (got.Status != "error" || got.ErrorType != "bad_data") {
			t.Errorf("%s: status %q of type %q", c.query, got.Status, got.ErrorType)
		}
		if c.series > 0 {
			if n := len(got.Data[0].Samples); n != maxSamples || got.Data[0].Samples[n-1][0] != maxSamples {
				t.Errorf("%s: %d samples, the last at %v; want the newest %d", c.query, n, got.Data[0].Samples[n-1], maxSamples)
			}
		}
	}
	if want := `job=~"a.*" __name__="up" `; len(asked) == 0 || asked[0] != want {
		t.Errorf("asked for %q, want first %q", asked, want)
	}
}

func TestErrorsKeepTheirMeaning(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		kind string
	}{
		{foreshock.ErrClosed, 503, "unavailable"},
		{foreshock.ErrOverloaded, 503, "unavailable"},
		{context.DeadlineExceeded, 504, "timeout"},
		{errors.New("broken"), 500, "internal"},
	} {
		s := serve(t, Options{Series: func(context.Context, []*labels.Matcher, int) ([]Series, error) { return nil, c.err }})
		r, body := get(t, s.URL+"/api/v1/windows?match[]=up")
		want := `{"status":"error","errorType":"` + c.kind + `","error":"` + c.err.Error() + `"}`
		if r.StatusCode != c.code || strings.TrimSpace(body) != want {
			t.Errorf("%v: %s %s, want %d %s", c.err, r.Status, body, c.code, want)
		}
	}
}

// A storm of incidents must not be a storm of JSON: the page asks every few seconds.
func TestIncidentsAreBounded(t *testing.T) {
	storm := make([]foreshock.Incident, maxIncidents+1)
	for i := range storm {
		storm[i] = foreshock.Incident{ID: strconv.Itoa(i), Members: make([]foreshock.Member, maxMembers+1), Dropped: 5}
		for k := range storm[i].Members {
			storm[i].Members[k].Series = load
		}
	}
	s := serve(t, Options{Incidents: func() []foreshock.Incident { return storm }})
	for query, want := range map[string]int{"": defaultIncidents, "?limit=3": 3, "?limit=1000": maxIncidents, "?limit=1001": 0, "?limit=0": 0, "?limit=all": 0} {
		r, body := get(t, s.URL+"/api/v1/incidents"+query)
		var got struct {
			Data []struct {
				ID          string
				Members     []any
				MemberCount int
			}
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Data) != want || (r.StatusCode == http.StatusOK) != (want > 0) {
			t.Errorf("%q: %s, %d incidents, want %d", query, r.Status, len(got.Data), want)
		}
		if want > 0 && (got.Data[0].ID != "0" || len(got.Data[0].Members) != maxMembers || got.Data[0].MemberCount != maxMembers+6) {
			t.Errorf("%q: %d of %d members", query, len(got.Data[0].Members), got.Data[0].MemberCount)
		}
	}
}

func TestOnlyReadingIsAllowed(t *testing.T) {
	s := serve(t, Options{})
	for path, code := range map[string]int{
		"/": 405, "/assets/console.js": 405, "/api/v1/status": 405, "/api/v1/incidents": 405, "/api/v1/windows": 405, "/api/v1/explain": 405,
		"/api/v1/nothing": 404, "/assets/": 404, "/assets/console.go": 404, "/index.html": 404,
	} {
		for _, method := range []string{"POST", "PUT", "DELETE"} {
			r, err := http.NewRequest(method, s.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != code {
				t.Errorf("%s %s: %s, want %d", method, path, answer.Status, code)
			}
		}
	}
}

// A browser keeps the page and its parts, and is told when they are still the same.
func TestAssetsAreRevalidated(t *testing.T) {
	s := serve(t, Options{})
	first, _ := get(t, s.URL+"/assets/console.js")
	r, err := http.NewRequest("GET", s.URL+"/assets/console.js", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("If-None-Match", first.Header.Get("ETag"))
	again, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	again.Body.Close()
	if again.StatusCode != http.StatusNotModified || first.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("%s after %s with Cache-Control %q", again.Status, first.Status, first.Header.Get("Cache-Control"))
	}
}

// The policy forbids what these would do, and the browser would only say so in a
// console nobody has open.
func TestThePageStaysWithinItsPolicy(t *testing.T) {
	forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|style="|<style|\son[a-z]+=|javascript:|https?://`)
	for _, name := range []string{"index.html", "console.js", "console.css"} {
		text, err := os.ReadFile("assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		clean := strings.ReplaceAll(string(text), "http://www.w3.org/2000/svg", "")
		if found := forbidden.FindString(clean); found != "" {
			t.Errorf("%s holds %q", name, found)
		}
	}
	page, _ := os.ReadFile("assets/index.html")
	script, _ := os.ReadFile("assets/console.js")
	for _, id := range regexp.MustCompile(`page\('([a-z-]+)'\)`).FindAllStringSubmatch(string(script), -1) {
		if !strings.Contains(string(page), `id="`+id[1]+`"`) {
			t.Errorf("the script looks for #%s, which the page does not have", id[1])
		}
	}
}
