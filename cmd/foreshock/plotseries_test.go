package main

import (
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/internal/plot"
)

// TestAnomaliesOfScores: a stretch is as long as scores are above 1, tells its worst, and
// ends where there is no score any more.
func TestAnomaliesOfScores(t *testing.T) {
	nan := math.NaN()
	var points []plot.Point
	for i, s := range []float64{nan, 0.5, 2, 3, 1, 0.2, 1.5, nan, nan, 4} {
		points = append(points, plot.Point{T: int64(i), Value: 10 * float64(i), Score: s})
	}
	want := []plot.Anomaly{{Start: 2, End: 4, Value: 30, Score: 3}, {Start: 6, End: 7, Value: 60, Score: 1.5}, {Start: 9, Value: 90, Score: 4}}
	if got := anomalies(points); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	for i, p := range points {
		if p.Marked != slices.Contains([]int{2, 6, 9}, i) {
			t.Errorf("point %d: marked %t", i, p.Marked)
		}
	}
}

// TestCountersAreDrawnByTheirRate, as they are scored; what another series emitted, which has
// one label more, is not theirs.
func TestCountersAreDrawnByTheirRate(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := `{"result":[]}`
		switch query := r.FormValue("query"); {
		case r.URL.Path == "/api/v1/windows":
			answer = `[{"metric":{"__name__":"a_total"},"kind":"counter","last":{"at":"1970-01-01T00:00:20Z"}}]`
		case strings.Contains(query, `"a_total",}`) && !strings.Contains(query, "for"):
			answer = `{"result":[{"metric":{"__name__":"a_total","x":"y"},"values":[[10,"7"]]},{"metric":{"__name__":"a_total"},"values":[[10,"5"],[20,"25"]]}]}`
		case strings.Contains(query, "foreshock_anomaly_score"):
			answer = `{"result":[{"metric":{"__name__":"foreshock_anomaly_score","for":"a_total"},"values":[[20,"1.5"]]}]}`
		}
		_, _ = w.Write([]byte(`{"status":"success","data":` + answer + `}`))
	}))
	defer s.Close()
	q := liveSeries{server: server{url: s.URL}, selector: "a_total"}
	f, err := q.figure(t.Context(), time.Unix(100, 0))
	if err != nil || len(f.Panels) != 1 {
		t.Fatalf("%+v, %v", f, err)
	}
	p := f.Panels[0]
	if len(p.Points) != 1 || p.Points[0].T != 20_000 || p.Points[0].Value != 2 || p.Points[0].Score != 1.5 || p.Unit != "per second" {
		t.Errorf("%+v", p)
	}
}
