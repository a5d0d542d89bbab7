package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/value"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/history"
	"github.com/foreshock/foreshock/internal/stack"
)

// TestHistoryWithoutRemoteRead: from a real Prometheus whose remote read is refused the
// same history is read at every step, and what ended ends; what fails otherwise is no reason
// to read it so.
func TestHistoryWithoutRemoteRead(t *testing.T) {
	s := start(t, "testdata/stack")
	write(t, s, "prometheus.yml", "")
	must[*stack.Process](t)(s.Prometheus(t.Context()))
	const scrapes, every = 280, 15 * time.Second
	end := time.Now().Truncate(time.Second)
	from := end.Add(-(scrapes - 1) * every)
	for _, request := range fleet(from, scrapes) {
		if status, err := post(s.URL(9090, "/api/v1/write"), marshal(t, request), nil); err != nil || status != http.StatusNoContent {
			t.Fatalf("%d %v", status, err)
		}
	}
	var whole map[string]float64 // by remote read
	var markers int
	prometheus := must[*url.URL](t)(url.Parse(s.URL(9090, "")))
	for _, status := range []int{0, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusForbidden} {
		proxy := httputil.NewSingleHostReverseProxy(prometheus)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if status != 0 && strings.HasSuffix(r.URL.Path, "/api/v1/read") {
				http.Error(w, "no", status)
				return
			}
			// Whole, as the proxy gives up an answer that is there before it saw the body's end.
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			proxy.ServeHTTP(w, r)
		}))
		source := must[*history.Prometheus](t)(history.NewPrometheus(history.Server{URL: must[*url.URL](t)(url.Parse(server.URL))}, nil))
		got, ends := map[string]float64{}, 0
		err := source.Read(t.Context(), history.Span{From: from.UnixMilli(), To: end.UnixMilli()}, func(_ context.Context, b *foreshock.Batch) error {
			for _, x := range b.Samples {
				if value.IsStaleNaN(x.V) {
					ends++
					continue
				}
				got[fmt.Sprint(x.T, x.Series)] = x.V
			}
			return nil
		})
		server.Close()
		if status == http.StatusForbidden {
			if err == nil || len(got) > 0 {
				t.Errorf("forbidden: %d samples, error %v", len(got), err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%d: %v", status, err)
		}
		if status == 0 {
			whole, markers = got, ends
			continue
		}
		// A step finds what was scraped then, or, where a scrape is missing, what was before.
		for at, v := range whole {
			if w, ok := got[at]; !ok || math.Float64bits(v) != math.Float64bits(w) {
				t.Errorf("%d: %s is %v, want %v", status, at, w, v)
				break
			}
		}
		if more := len(got) - len(whole); len(whole) == 0 || more <= 0 || more > len(whole)/20 {
			t.Errorf("%d: %d samples, where remote read has %d and one scrape of forty is missing", status, len(got), len(whole))
		}
		if ends != markers || ends == 0 {
			t.Errorf("%d: %d ends, want %d", status, ends, markers)
		}
	}
}
