package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"go.uber.org/goleak"

	"github.com/foreshock/foreshock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const start = int64(1_767_225_600_000) // 2026-01-01

// shelf is a Source of what is on it.
type shelf []foreshock.Excerpt

func (s shelf) Read(_ context.Context, matchers []*labels.Matcher, from, to int64, most int) ([]foreshock.Excerpt, error) {
	var found []foreshock.Excerpt
	for _, e := range s {
		matches := !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(e.Series.Labels.Get(m.Name)) })
		lo, _ := slices.BinarySearch(e.T, from)
		hi, _ := slices.BinarySearch(e.T, to+1)
		if matches && lo < hi {
			found = append(found, foreshock.Excerpt{Series: e.Series, T: e.T[lo:hi], V: e.V[lo:hi]})
			if most -= hi - lo + seriesWeight; most < 0 {
				return nil, errors.New("too much at once")
			}
		}
	}
	return found, nil
}

func (s shelf) Names(ctx context.Context, matchers []*labels.Matcher, from, to int64, most int) ([]foreshock.Excerpt, error) {
	found, err := s.Read(ctx, matchers, from, to, most)
	for i := range found {
		found[i].T, found[i].V = nil, nil
	}
	return found, err
}

func (s shelf) Metrics(ctx context.Context, from, to int64) ([]string, error) {
	found, err := s.Read(ctx, nil, from, to, math.MaxInt)
	var all []string
	for _, e := range found {
		all = append(all, e.Series.Name())
	}
	return all, err
}

// counter is a counter that grows by step every 15 s for ten minutes.
func counter(instance string, step float64) foreshock.Excerpt {
	e := foreshock.Excerpt{Series: foreshock.NewSeries(labels.FromStrings("__name__", "requests_total", "instance", instance))}
	for i := range 41 {
		e.T, e.V = append(e.T, start+int64(i)*15_000), append(e.V, float64(i)*step)
	}
	return e
}

func serve(t *testing.T, c Config) (get func(path string, form url.Values) (int, string)) {
	ended := foreshock.Excerpt{
		Series: foreshock.NewSeries(labels.FromStrings("__name__", "up", "instance", "a")),
		T:      []int64{start, start + 15_000}, V: []float64{1, math.Float64frombits(value.StaleNaN)},
	}
	q := New(Options{
		Config:  c,
		Sources: []Source{shelf{counter("a", 30), counter("b", 60)}, shelf{ended}},
		Types: func(context.Context) (map[string]model.MetricType, error) {
			return map[string]model.MetricType{"requests_total": model.MetricTypeCounter, "up": model.MetricTypeGauge}, nil
		},
	})
	s := httptest.NewServer(q.API())
	t.Cleanup(s.Close)
	return func(path string, form url.Values) (int, string) {
		t.Helper()
		for _, send := range []func() (*http.Response, error){
			func() (*http.Response, error) { return s.Client().Get(s.URL + path + "?" + form.Encode()) },
			func() (*http.Response, error) { return s.Client().PostForm(s.URL+path, form) },
		} {
			r, err := send()
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(r.Body)
			r.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			if r.StatusCode != http.StatusMethodNotAllowed {
				return r.StatusCode, strings.TrimSpace(string(body))
			}
		}
		t.Fatalf("%s takes neither GET nor POST", path)
		return 0, ""
	}
}

// at is the time so many seconds after the start, as the API is asked for it.
func at(seconds int) string { return fmt.Sprint(start/1000 + int64(seconds)) }

func TestAPI(t *testing.T) {
	get := serve(t, DefaultConfig())
	for _, c := range []struct {
		path string
		form url.Values
		want string
	}{
		{
			"/api/v1/query",
			url.Values{"query": {"sum(increase(requests_total[1m:15s])) > bool 0 or sum(requests_total)"}, "time": {at(600)}},
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1767226200,"1"]}]}}`,
		},
		{
			"/api/v1/query",
			url.Values{"query": {"up"}, "time": {at(14)}},
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","instance":"a"},"value":[1767225614,"1"]}]}}`,
		},
		{"/api/v1/query", url.Values{"query": {"up"}, "time": {at(16)}}, // stale
			`{"status":"success","data":{"resultType":"vector","result":[]}}`},
		{
			"/api/v1/query",
			url.Values{"query": {"requests_total"}, "time": {at(-1)}},
			`{"status":"success","data":{"resultType":"vector","result":[]}}`,
		},
		{
			"/api/v1/query_range",
			url.Values{"query": {`requests_total{instance="b"}`}, "start": {at(0)}, "end": {at(30)}, "step": {"15"}},
			`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"requests_total","instance":"b"},"values":[[1767225600,"0"],[1767225615,"60"],[1767225630,"120"]]}]}}`,
		},
		{
			"/api/v1/series",
			url.Values{"match[]": {`{instance="a"}`}},
			`{"status":"success","data":[{"__name__":"requests_total","instance":"a"},{"__name__":"up","instance":"a"}]}`,
		},
		{"/api/v1/labels", nil, `{"status":"success","data":["__name__","instance"]}`},
		{"/api/v1/label/instance/values", url.Values{"match[]": {"up"}}, `{"status":"success","data":["a"]}`},
		{
			"/api/v1/metadata",
			url.Values{"limit": {"1"}},
			`{"status":"success","data":{"requests_total":[{"type":"counter","unit":"","help":""}]}}`,
		},
	} {
		if status, body := get(c.path, c.form); status != 200 || body != c.want {
			t.Errorf("%s %v:\n got %d %s\nwant 200 %s", c.path, c.form, status, body, c.want)
		}
	}
}

func TestAPISaysWhatIsWrong(t *testing.T) {
	small := DefaultConfig()
	small.MaxSamples = 100
	for _, c := range []struct {
		config Config
		path   string
		form   url.Values
		status int
		kind   string
		says   string
	}{
		{DefaultConfig(), "/api/v1/query", url.Values{"query": {"rate(up)"}}, 400, "bad_data", "expected type range vector"},
		{DefaultConfig(), "/api/v1/query_range", url.Values{"query": {"up"}, "start": {at(0)}, "end": {at(86400 * 365)}, "step": {"1"}}, 400, "bad_data", "11,000 points"},
		{DefaultConfig(), "/api/v1/series", nil, 400, "bad_data", "no match[]"},
		{small, "/api/v1/query", url.Values{"query": {"requests_total[10m:1s]"}, "time": {at(600)}}, 422, "execution", "too many samples"},
		{DefaultConfig(), "/api/v1/metadata", url.Values{"limit": {"x"}}, 400, "bad_data", "must be a number"},
	} {
		status, body := serve(t, c.config)(c.path, c.form)
		var answer struct{ ErrorType, Error string }
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if status != c.status || answer.ErrorType != c.kind || !strings.Contains(answer.Error, c.says) {
			t.Errorf("%s %v: %d %s, want %d %s: … %s", c.path, c.form, status, body, c.status, c.kind, c.says)
		}
	}
}

// Of many requests at once some wait, and none for longer than a query may take.
func TestRequestsTakeTurns(t *testing.T) {
	c := DefaultConfig()
	c.MaxConcurrency, c.Timeout = 1, model.Duration(100*time.Millisecond)
	entered, leave := make(chan struct{}), make(chan struct{})
	q := New(Options{Config: c, Types: func(ctx context.Context) (map[string]model.MetricType, error) {
		entered <- struct{}{}
		<-leave
		return nil, nil
	}})
	api := q.API()
	ask := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/metadata", nil))
		return w
	}
	done := make(chan *httptest.ResponseRecorder)
	go func() { done <- ask() }()
	<-entered
	if w := ask(); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "max_concurrency") {
		t.Errorf("the second: %d %s", w.Code, w.Body)
	}
	close(leave)
	if w := <-done; w.Code != http.StatusOK {
		t.Errorf("the first: %d %s", w.Code, w.Body)
	}
}

// TestHostileQueries: no question takes hours to be read, nor the memory of as many
// readings as it has selectors.
func TestHostileQueries(t *testing.T) {
	c := DefaultConfig()
	c.MaxSamples = 1000 // one selector takes 94
	get := serve(t, c)
	for what, query := range map[string]string{
		"brackets": strings.Repeat("(", 400_000) + "1" + strings.Repeat(")", 400_000),
		"signs":    strings.Repeat("-", 400_000) + "1",
		"regex":    `requests_total{a=~"(?:` + strings.Repeat("a", 600) + `){1000}"}`,
	} {
		began := time.Now()
		code, body := get("/api/v1/query", url.Values{"query": {query}})
		if code == http.StatusOK || time.Since(began) > 2*time.Second {
			t.Errorf("%s: %d after %s: %.200s", what, code, time.Since(began), body)
		}
		if code, body = get("/api/v1/series", url.Values{"match[]": {query}}); code == http.StatusOK {
			t.Errorf("%s: series says %d %.200s", what, code, body)
		}
	}
	at := fmt.Sprint(start/1000 + 600)
	sum := "sum(sum_over_time(requests_total[10m]))"
	if code, body := get("/api/v1/query", url.Values{"query": {sum}, "time": {at}}); code != http.StatusOK {
		t.Errorf("one selector: %d %.200s", code, body)
	}
	if code, body := get("/api/v1/query", url.Values{"query": {sum + strings.Repeat(" + "+sum, 20)}, "time": {at}}); code == http.StatusOK {
		t.Errorf("twenty selectors read more than all may: %d %.200s", code, body)
	}
}
