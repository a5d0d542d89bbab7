package emitter

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock"
)

func scrape(t *testing.T, e *Emitter, accept string) string {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/metrics/anomalies", nil)
	r.Header.Set("Accept", accept)
	e.Anomalies().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// A page that answers 500 because two series do not look alike shows nothing of any.
func TestAnySeriesCanBeScraped(t *testing.T) {
	e, _ := start(t, Options{Now: clockAt(3600)})
	e.Offer(scored(0, 2,
		series("__name__", "cpu"),
		series("__name__", "cpu", "instance", "a"),
		series("__name__", "cpu", "other", "a\"\\\nb"),
		series("__name__", "cpu", "__replica__", "a"), // as cpu, once its __label is left out
		series("__name__", "résumé count", "böse.name", "ü"),
	))
	e.Offer(forecasting(1, 90*time.Minute, series("__name__", "disk")))
	e.Offer(foreshock.Report{Findings: foreshock.Findings{Now: t0 + 2000}, Incidents: []foreshock.Incident{firingIncident()}})
	waitFor(t, "the incident", func() bool { return strings.Contains(scrape(t, e, ""), "foreshock_incident{") })

	text := scrape(t, e, "text/plain;version=1.0.0;escaping=allow-utf-8")
	families, err := new(expfmt.NewTextParser(model.UTF8Validation)).TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if got := len(families[foreshock.ScoreMetric].GetMetric()); got != 4 {
		t.Errorf("%d scores, want 4:\n%s", got, text)
	}
	for _, line := range []string{
		`foreshock_anomaly_score{for="cpu"} 2`,
		`foreshock_expected_lower{for="cpu",instance="a"} 0.03`,
		`foreshock_anomaly_score{"böse.name"="ü",for="résumé count"} 2`,
		`foreshock_forecast_upper{for="disk",horizon="24h"} 15`,
		`foreshock_time_to_threshold_seconds{for="disk"} 5400`,
		`foreshock_incident{incident="3f2a",instance="node-7",job="node",rule="cpu",state="firing",title="node-7 cpu is unlike itself"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %s in\n%s", line, text)
		}
	}
	if om := scrape(t, e, "application/openmetrics-text;version=1.0.0"); !strings.HasSuffix(om, "# EOF\n") {
		t.Errorf("OpenMetrics does not end:\n%s", om)
	}
}

func TestAnOldValueVanishes(t *testing.T) {
	e, _ := start(t, Options{Now: clockAt(3600)})
	e.Offer(scored(0, 2, series("__name__", "cpu")))
	waitFor(t, "the score", func() bool { return strings.Contains(scrape(t, e, ""), `for="cpu"`) })
	e.Offer(scored(301, 2, series("__name__", "other")))
	waitFor(t, "the other", func() bool { return strings.Contains(scrape(t, e, ""), `for="other"`) })
	if text := scrape(t, e, ""); strings.Contains(text, `for="cpu"`) {
		t.Errorf("still there:\n%s", text)
	}
}
