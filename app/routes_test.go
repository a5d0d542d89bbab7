package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/prometheus/prompb"

	"github.com/foreshock/foreshock/internal/openapi"
)

// asker asks a Foreshock that lives without a network.
type asker struct {
	t *testing.T
	*App
}

// newAsker begins a life in which a limit is crossed and a remedy that fails waits for a person.
func newAsker(t *testing.T) *asker {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"rules.yml": `groups: [{name: g, rules: [
			{limit: hot, select: temperature, bound: "> 90"},
			{watch: warm, select: temperature, emit: all},
			{remedy: cool, match: '{rule="hot"}', action: fail}]}]`,
		"foreshock.yml": `
global: {grafana_url: "http://grafana:3000"}
rule_files: [rules.yml]
remediation:
  mode: approve
  single_instance: true
  cooldown: 0s
  webhook_token: token-of-the-webhook
  approval_token: token-of-a-person
  actions: [{name: fail, exec: {command: [/bin/false]}, verify: {within: 0s}}]
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	listen, none, no := []string{}, "", false
	a, err := New(Options{
		ConfigFile: filepath.Join(dir, "foreshock.yml"), StoragePath: filepath.Join(dir, "data"), CheckpointInterval: time.Hour,
		Web: &web.FlagConfig{WebListenAddresses: &listen, WebConfigFile: &none, WebSystemdSocket: &no},
	})
	if err != nil {
		t.Fatal(err)
	}
	stopped := a.start()
	t.Cleanup(func() {
		if err := a.stop(stopped); err != nil {
			t.Error(err)
		}
	})
	asks := &asker{t, a}
	asks.await("the process to be ready", a.ready.Load)
	return asks
}

func (a *asker) await(what string, seen func() bool) {
	a.t.Helper()
	for deadline := time.Now().Add(time.Minute); !seen(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			a.t.Fatal("in vain: ", what)
		}
	}
}

// ask sends a body of the kind, as a person who has the token, and returns the answer.
func (a *asker) ask(method, path, kind, body string) (status int, answer []byte) {
	a.t.Helper()
	r := httptest.NewRequestWithContext(a.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", kind)
	r.Header.Set("X-Foreshock-Token", "token-of-a-person")
	if strings.HasSuffix(path, "/webhook") {
		r.Header.Set("X-Foreshock-Token", "token-of-the-webhook")
	}
	w := httptest.NewRecorder()
	a.server.Handler.ServeHTTP(w, r)
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return w.Code, text
}

// data reads what is answered to a GET as data.
func (a *asker) data(path string, into any) {
	a.t.Helper()
	_, text := a.ask(http.MethodGet, path, "", "")
	if err := json.Unmarshal(text, &struct{ Data any }{into}); err != nil {
		a.t.Fatalf("%s: %v: %s", path, err, text)
	}
}

// hot is five minutes of samples beyond the limit, so many minutes ago, as remote write has them.
func hot(t *testing.T, ago int) string {
	t.Helper()
	end := time.Now().Add(-time.Duration(ago) * time.Minute)
	one := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: "temperature"}, {Name: "instance", Value: `a" OR "b`}}}
	for n := range 60 {
		one.Samples = append(one.Samples, prompb.Sample{Timestamp: end.Add(time.Duration(n-60) * 5 * time.Second).UnixMilli(), Value: 99 + float64(n%3)})
	}
	request := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{one}}
	text, err := request.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return string(snappy.Encode(nil, text))
}

// TestEveryRouteIsDescribed: docs/openapi.json has all that is served but the pages of the
// console, has nothing else, and real answers are as it says.
func TestEveryRouteIsDescribed(t *testing.T) {
	doc, err := openapi.Read(documentFile)
	if err != nil {
		t.Fatal(err)
	}
	a := newAsker(t)
	var served []string
	for _, pattern := range a.routes().Patterns() {
		_, path, _ := strings.Cut(pattern, " ")
		if path == "/{$}" || filepath.Ext(path) != "" { // the page, and its files
			continue
		}
		served = append(served, pattern)
		if !doc.Describes(pattern) {
			t.Errorf("%s is served and not described", pattern)
		}
	}
	for _, pattern := range doc.Patterns() {
		_, path, _ := strings.Cut(pattern, " ")
		if !slices.Contains(served, pattern) && !slices.Contains(served, path) {
			t.Errorf("%s is described and not served", pattern)
		}
	}

	asked := map[string]bool{"GET /api/v1/events": true} // which does not end: the console tests it
	ask := func(pattern, path, kind, body string, want int) []byte {
		t.Helper()
		method, _, _ := strings.Cut(pattern, " ")
		status, text := a.ask(method, path, kind, body)
		if status != want {
			t.Errorf("%s: %d, want %d: %s", pattern, status, want, text)
		}
		if json.Valid(text) {
			if err := doc.Check(pattern, status, text); err != nil {
				t.Error(err)
			}
		}
		asked[pattern] = true
		return text
	}
	const asJSON, form = "application/json", "application/x-www-form-urlencoded"
	for ago := 25; ago >= 0; ago -= 5 { // so that what budgets are kept by is known
		ask("POST /api/v1/write", "/api/v1/write", "application/x-protobuf", hot(t, ago), 204)
	}
	var incidents []struct{ ID, State string }
	a.await("the incident", func() bool {
		a.data("/api/v1/incidents?state=firing", &incidents)
		return len(incidents) == 1
	})
	a.await("what was emitted", func() bool {
		_, text := a.ask(http.MethodGet, "/metrics/anomalies", "", "")
		return bytes.Contains(text, []byte("foreshock_anomaly_score"))
	})
	incident := incidents[0].ID
	alert := func(episode int) string {
		return fmt.Sprintf(`{"version":"4","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"ForeshockLimit","rule":"hot","n":"%d"},"annotations":{"incident":%q},"startsAt":%q}]}`,
			episode, incident, time.Now().Add(-time.Minute).UTC().Format(time.RFC3339))
	}
	var plans []struct{ ID, Hash, State string }
	for n := range 2 {
		ask("POST /api/v1/alertmanager/webhook", "/api/v1/alertmanager/webhook", asJSON, alert(n), 200)
	}
	a.await("both plans", func() bool {
		a.data("/api/v1/remediations", &plans)
		return len(plans) == 2 && plans[0].State == "waiting" && plans[1].State == "waiting"
	})
	decision := func(n int) string { return fmt.Sprintf(`{"hash":%q,"approver":"kim"}`, plans[n].Hash) }
	plan := "/api/v1/remediations/" + plans[0].ID
	ask("GET /api/v1/remediations", "/api/v1/remediations", "", "", 200)
	ask("POST /api/v1/remediations/{id}/deny", "/api/v1/remediations/"+plans[1].ID+"/deny", asJSON, decision(1), 200)
	ask("POST /api/v1/remediations/{id}/approve", plan+"/approve", asJSON, decision(0), 200)
	a.await("the failure", func() bool {
		a.data("/api/v1/remediations", &plans)
		return plans[0].State == "failed"
	})
	ask("GET /api/v1/remediations/{id}", plan, "", "", 200)
	ask("GET /api/v1/remediations/{id}", "/api/v1/remediations/gone", "", "", 404)
	ask("GET /api/v1/remediations/standing", "/api/v1/remediations/standing", "", "", 200)
	ask("POST /api/v1/remediations/close-breaker", "/api/v1/remediations/close-breaker", asJSON, `{"rule":"cool","by":"kim"}`, 200)
	ask("POST /api/v1/remediations/pause", "/api/v1/remediations/pause", asJSON, `{"by":"kim","reason":"lunch"}`, 200)
	ask("POST /api/v1/remediations/resume", "/api/v1/remediations/resume", asJSON, `{"by":"kim"}`, 200)

	const query = "query=temperature%5B1m%5D"
	span := url.Values{"start": {time.Now().Add(-time.Minute).Format(time.RFC3339)}, "end": {time.Now().Format(time.RFC3339)}, "step": {"15s"}, "query": {"rate(temperature[1m])"}}.Encode()
	for _, q := range []struct{ path, asked string }{
		{"query", query},
		{"query", "query=temperature"},
		{"query", "query=1"},
		{"query_range", span},
		{"series", "match[]=temperature"},
		{"labels", ""},
		{"label/{name}/values", ""},
		{"format_query", query},
		{"parse_query", query},
		{"status/buildinfo", ""},
	} {
		path := strings.Replace("/api/v1/"+q.path, "{name}", "instance", 1)
		text := ask("GET /api/v1/"+q.path, path+"?"+q.asked, "", "", 200)
		if bytes.Contains(text, []byte(`"data":[]`)) || bytes.Contains(text, []byte(`"result":[]`)) {
			t.Errorf("%s shows nothing: %s", path, text)
		}
		if doc.Describes("POST /api/v1/" + q.path) {
			ask("POST /api/v1/"+q.path, path, form, q.asked, 200)
		}
	}
	ask("GET /api/v1/query", "/api/v1/query?query=(", "", "", 400)
	for path, asks := range map[string]string{
		"/api/v1/status": "", "/api/v1/incidents": "?recent=1", "/api/v1/incidents/{id}": "", "/api/v1/incidents/{id}/timeline": "",
		"/api/v1/windows": "?match[]=temperature", "/api/v1/curve": "?series=temperature", "/api/v1/explain": "?series=temperature",
		"/api/v1/forecasts": "", "/api/v1/rules": "", "/api/v1/rules/{name}/whatif": "?factor=1", "/api/v1/about": "", "/api/v1/metadata": "",
		"/metrics": "", "/metrics/anomalies": "", "/-/healthy": "", "/-/ready": "",
	} {
		ask("GET "+path, strings.NewReplacer("{id}", incident, "{name}", "warm").Replace(path)+asks, "", "", 200)
	}
	if text := ask("GET /api/v1/rules/{name}/whatif", "/api/v1/rules/warm/whatif?factor=50", "", "", 200); !bytes.Contains(text, []byte(`"then":null`)) || !bytes.Contains(text, []byte(`"budget":{"name":"fleet","rules":1,"weeks":0.00`)) {
		t.Errorf("what if warm were 50 times as sensitive: %s", text)
	}
	ask("POST /api/v1/incidents/{id}/dismiss", "/api/v1/incidents/"+incident+"/dismiss", asJSON, `{"by":"kim","reason":"summer"}`, 200)
	ask("POST /api/v1/push", "/api/v1/push", "application/x-protobuf", hot(t, 0), 204)
	ask("POST /-/reload", "/-/reload", "", "", 403)
	ask("PUT /-/reload", "/-/reload", "", "", 403)
	for _, pattern := range doc.Patterns() {
		if !asked[pattern] {
			t.Errorf("%s was not asked", pattern)
		}
	}
}
