package e2e

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/internal/stack"
)

// prometheusYML scrapes the app ten times a second and speaks the given version of
// remote write.
func prometheusYML(a *app, message string) string {
	return fmt.Sprintf(`
global: {scrape_interval: 100ms, scrape_timeout: 100ms}
scrape_configs:
  - job_name: app
    static_configs: [{targets: [%q]}]
remote_write:
  - url: http://localhost:9797/api/v1/write
    protobuf_message: %s
    queue_config: {batch_send_deadline: 200ms}
`, strings.TrimPrefix(a.URL, "http://"), message)
}

// TestWholeWay follows one fault round the loop, for each version of remote write:
// scraped by Prometheus, scored here, queried back from Prometheus, alerted to
// Alertmanager, remedied through its webhook, recovered, resolved. The second time the
// remedy's command succeeds and helps nothing, which the samples show: a person is told.
func TestWholeWay(t *testing.T) {
	for message, helps := range map[string]bool{"prometheus.WriteRequest": true, "io.prometheus.write.v2.Request": false} {
		t.Run(message, func(t *testing.T) {
			t.Parallel() // it waits most of the time
			a := newApp(t)
			a.latency.Store(20)
			s := start(t, "testdata/stack")
			within := "5m"
			if !helps {
				within = "3s"
			}
			write(t, s, "foreshock.yml", strings.Replace(read(t, s, "foreshock.yml"), "within: 5m", "within: "+within, 1))
			write(t, s, "prometheus.yml", s.Local(prometheusYML(a, message)))

			must[*stack.Process](t)(s.Alertmanager(t.Context()))
			sidecar(t, s)
			resume(t, s)
			must[*stack.Process](t)(s.Prometheus(t.Context()))

			eventually(t, time.Minute, "the app's series, scored and queryable in Prometheus", func() bool {
				return query(t, s, `foreshock_anomaly_score{for="app_latency_seconds"}`) == 1
			})
			eventually(t, time.Minute, "the end of the warm-up", func() bool {
				return query(t, s, `count_over_time(app_latency_seconds[5m]) > 200`) == 1
			})
			if failed := metric(t, s, 9090, "prometheus_remote_storage_samples_failed_total", nil); failed != 0 {
				t.Errorf("Prometheus says %g samples failed", failed)
			}
			if alerts := activeAlerts(t, s); len(alerts) != 0 {
				t.Fatalf("alerts before the fault: %v", alerts)
			}

			a.latency.Store(900)
			eventually(t, time.Minute, "a score above 1 in Prometheus", func() bool {
				return query(t, s, `foreshock_anomaly_score{for="app_latency_seconds"} > 1`) == 1 &&
					asked(t, s, 9797, `max_over_time(foreshock_anomaly_score{for="app_latency_seconds"}[5m]) > 1 and on () app_latency_seconds`) == 1
			})
			eventually(t, time.Minute, "the alert in Alertmanager", func() bool {
				return len(activeAlerts(t, s)) == 1
			})
			eventually(t, time.Minute, "the remedy's effect", func() bool {
				_, err := os.Stat(filepath.Join(s.Dir, "calmed"))
				return err == nil
			})

			want := "recovered "
			if !helps {
				want = "not recovered within 3 s of exec: app_latency_seconds{"
				eventually(t, time.Minute, "a person to be told, by an alert of its own and by that of the incident", func() bool {
					told := activeAlerts(t, s)
					return len(alertsOf(t, s, `alertname="ForeshockRemedyFailed",action="calm"`)) == 1 &&
						len(told) == 1 && strings.HasPrefix(told[0].Annotations["remedy"], "calm: "+want)
				})
			}

			a.latency.Store(20)
			var remediations struct {
				Data []struct{ State, Outcome, Verdict string }
			}
			eventually(t, 2*time.Minute, "the verdict on the remedy", func() bool {
				getJSON(t, s.URL(9797, "/api/v1/remediations"), &remediations)
				return len(remediations.Data) > 0 && remediations.Data[0].Outcome != ""
			})
			if r := remediations.Data[0]; len(remediations.Data) != 1 || r.State != "succeeded" || !strings.HasPrefix(r.Verdict, want) {
				t.Errorf("remediations: %+v, want one that succeeded and %s", remediations.Data, want)
			}
			eventually(t, 2*time.Minute, "the alert to be gone", func() bool {
				return len(activeAlerts(t, s)) == 0
			})
			var incidents struct {
				Data []struct {
					State    string
					Remedies []struct{ Text string }
				}
			}
			getJSON(t, s.URL(9797, "/api/v1/incidents?match[]="+url.QueryEscape(`{__name__="app_latency_seconds"}`)), &incidents)
			if len(incidents.Data) != 1 || incidents.Data[0].State != "resolved" || len(incidents.Data[0].Remedies) != 1 || incidents.Data[0].Remedies[0].Text != remediations.Data[0].Verdict {
				t.Errorf("incidents: %+v, want one that is resolved and says %q", incidents.Data, remediations.Data[0].Verdict)
			}
			if n := query(t, s, `{__name__=~"foreshock_.+",for=~"foreshock_.+"}`); n != 0 {
				t.Errorf("%d series are Foreshock's word on its own output", n)
			}
		})
	}
}

func activeAlerts(t *testing.T, s *stack.Stack) (alerts []struct {
	Labels      map[string]string
	Annotations map[string]string
},
) {
	t.Helper()
	return alertsOf(t, s, `rule="latency"`)
}

// alertsOf are Alertmanager's active alerts that the matchers, separated by commas,
// match.
func alertsOf(t *testing.T, s *stack.Stack, matchers string) (alerts []struct {
	Labels      map[string]string
	Annotations map[string]string
},
) {
	t.Helper()
	query := url.Values{"active": {"true"}, "filter": strings.Split(matchers, ",")}
	getJSON(t, s.URL(9093, "/api/v2/alerts?"+query.Encode()), &alerts)
	return alerts
}
