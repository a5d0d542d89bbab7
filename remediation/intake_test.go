package remediation

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"
)

// captured is what Alertmanager 0.34.2 sent.
const captured = `{"receiver":"foreshock","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"Stuck","pod":"a","remediation":"restart"},` +
	`"annotations":{"summary":"x"},"startsAt":"2026-01-02T03:04:05.678Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prom:9090/graph","fingerprint":"f1e2d3c4b5a69788"}],` +
	`"notification_reason":"new alerts in group","groupLabels":{"alertname":"Stuck"},"commonLabels":{"alertname":"Stuck"},"commonAnnotations":{},"routeLabels":{},` +
	`"externalURL":"http://am:9093","version":"4","groupKey":"{}:{alertname=\"Stuck\"}","truncatedAlerts":0}`

func TestAlertmanagersOwnBody(t *testing.T) {
	w := newWorld(t, Suggest)
	if status := w.post(w.Webhook(), "/", captured, nil); status != http.StatusOK {
		t.Fatal(status)
	}
	e := w.become(stateSuggested)
	want := model.LabelSet{"alertname": "Stuck", "pod": "a", "remediation": "restart"}.Fingerprint().String()
	if e.Plan.Fingerprint != want || !e.Plan.StartsAt.Equal(time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)) {
		t.Errorf("planned %+v", e.Plan)
	}
}

// Whatever cannot be a notification gets a 4xx, and what holds no alert that can be
// one a 200; neither runs anything or leaves a trace, and the next good one is taken.
func TestForgedAndBrokenBodies(t *testing.T) {
	w := newWorld(t, Auto)
	good := body(t, w.an("a"))
	replace := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("%s has no %s", good, from)
		}
		return strings.Replace(good, from, to, 1)
	}
	startsAt := func(at time.Time) string {
		a := w.an("a")
		a.StartsAt = at
		return body(t, a)
	}
	for name, tc := range map[string]struct {
		body string
		want int
	}{
		"nothing":              {"", http.StatusBadRequest},
		"null":                 {"null", http.StatusBadRequest},
		"a list":               {"[]", http.StatusBadRequest},
		"half":                 {good[:len(good)/2], http.StatusBadRequest},
		"two":                  {good + good, http.StatusBadRequest},
		"version 5":            {replace(`"version":"4"`, `"version":"5"`), http.StatusBadRequest},
		"version as a number":  {replace(`"version":"4"`, `"version":4`), http.StatusBadRequest},
		"no version":           {replace(`"version":"4"`, `"v":"4"`), http.StatusBadRequest},
		"labels as a list":     {replace(`"labels":{`, `"labels":[],"x":{`), http.StatusOK},
		"a label as a number":  {replace(`"pod":"a"`, `"pod":1`), http.StatusOK},
		"a label as an object": {replace(`"pod":"a"`, `"pod":{"a":"b"}`), http.StatusOK},
		"no labels":            {replace(`"labels":{`, `"x":{`), http.StatusOK},
		"huge labels":          {replace(`"pod":"a"`, `"pod":"`+strings.Repeat("a", maxLabels)+`"`), http.StatusOK},
		"another status":       {replace(`"firing","labels"`, `"burning","labels"`), http.StatusOK},
		"alerts as an object":  {`{"version":"4","alerts":{"status":"firing"}}`, http.StatusBadRequest},
		"negative truncation":  {`{"version":"4","alerts":[],"truncatedAlerts":-1}`, http.StatusBadRequest},
		"no beginning":         {startsAt(time.Time{}), http.StatusOK},
		"begins in 9999":       {startsAt(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)), http.StatusOK},
		"begins in a quarter":  {startsAt(time.Now().Add(15 * time.Minute)), http.StatusOK},
		"nested 200k deep":     {`{"version":"4","x":` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000) + `}`, http.StatusBadRequest},
		"labels 200k deep":     {`{"version":"4","alerts":[{"labels":` + strings.Repeat(`{"a":`, 100_000) + `}]}`, http.StatusBadRequest},
		"above 1 MiB":          {good + strings.Repeat(" ", maxNotification), http.StatusRequestEntityTooLarge},
		"50 MiB":               {strings.Repeat("x", 50<<20), http.StatusRequestEntityTooLarge},
	} {
		if status := w.post(w.Webhook(), "/", tc.body, nil); status != tc.want {
			t.Errorf("%s: status %d, want %d", name, status, tc.want)
		}
	}
	if l := w.plans(); len(l) != 0 {
		t.Errorf("listed %+v", l)
	}
	if status := w.post(w.Webhook(), "/", good, nil); status != http.StatusOK {
		t.Errorf("the good one: status %d", status)
	}
	w.become(stateSucceeded)
}

// Alertmanager sends a group again and again until it is taken: one alert with a
// broken clock must not keep the others from their remedies.
func TestBadAlertDoesNotHoldUpTheOthers(t *testing.T) {
	w := newWorld(t, Suggest)
	bad, huge := w.an("b"), w.an("c")
	bad.StartsAt = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(time.Now().Year(), 0, 0)
	huge.Labels["x"] = strings.Repeat("x", maxLabels)
	if status := w.deliver(bad, w.an("a"), huge); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if l := w.plans(); len(l) != 1 || l[0].Plan.Target != "a" {
		t.Errorf("listed %+v", l)
	}
	if got := testutil.ToFloat64(w.metrics.invalid); got != 2 {
		t.Errorf("%v alerts counted as invalid, want 2", got)
	}
}

// What an action said may hold anything, and the hash is for who may approve.
func TestOutputAndHashAreForWhoMayAsk(t *testing.T) {
	w := newWorld(t, Auto)
	w.answer(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "canary") })
	w.deliver(w.an("a"))
	if e := w.become(stateSucceeded); e.Output != "canary" || e.Hash == "" {
		t.Errorf("with the token: %+v", e)
	}
	for _, authorization := range []string{"", "Bearer wrong"} {
		l := w.listed(authorization)
		if len(l) != 1 || l[0].Output != "" || l[0].Hash != "" || l[0].State != stateSucceeded {
			t.Errorf("%q: listed %+v", authorization, l)
		}
	}
}

func TestWebhookTakesOnlyAuthenticatedJSONPosts(t *testing.T) {
	w := newWorld(t, Auto)
	for name, tc := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"no token":           {func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusUnauthorized},
		"another token":      {func(r *http.Request) { r.Header.Set("Authorization", "Bearer canary") }, http.StatusUnauthorized},
		"a longer token":     {func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token+"x") }, http.StatusUnauthorized},
		"an empty token":     {func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") }, http.StatusUnauthorized},
		"another scheme":     {func(r *http.Request) { r.Header.Set("Authorization", "Basic "+token) }, http.StatusUnauthorized},
		"token in the query": {func(r *http.Request) { r.Header.Del("Authorization"); r.URL.RawQuery = "token=" + token }, http.StatusUnauthorized},
		"another header":     {func(r *http.Request) { r.Header.Del("Authorization"); r.Header.Set("X-Foreshock-Token", "canary") }, http.StatusUnauthorized},
		"a certificate only": {func(r *http.Request) { r.Header.Del("Authorization"); r.TLS = verified }, http.StatusUnauthorized},
		"a form":             {func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, http.StatusUnsupportedMediaType},
		"text":               {func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, http.StatusUnsupportedMediaType},
		"no type":            {func(r *http.Request) { r.Header.Del("Content-Type") }, http.StatusUnsupportedMediaType},
		"GET":                {func(r *http.Request) { r.Method = http.MethodGet }, http.StatusMethodNotAllowed},
		"PUT":                {func(r *http.Request) { r.Method = http.MethodPut }, http.StatusMethodNotAllowed},
		"with a charset":     {func(r *http.Request) { r.Header.Set("Content-Type", "application/json; charset=utf-8") }, http.StatusOK},
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body(t, w.an("a"))))
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		tc.change(req)
		rec := httptest.NewRecorder()
		w.Webhook().ServeHTTP(rec, req)
		if rec.Code != tc.want {
			t.Errorf("%s: status %d, want %d", name, rec.Code, tc.want)
		}
		if strings.Contains(rec.Body.String(), "canary") || rec.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: answered %v %q", name, rec.Header(), rec.Body)
		}
	}
}

var verified = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}

// With no token anywhere acting is refused, and a certificate that the listener
// verified lets in where nothing acts; with neither, the webhook is closed.
func TestWithoutAToken(t *testing.T) {
	w := newWorld(t, Suggest)
	w.stop()
	w.o.Config.WebhookToken = ""
	ask := func(state *tls.ConnectionState) int {
		t.Helper()
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body(t, w.an("a"))))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer ")
		req.TLS = state
		rec := httptest.NewRecorder()
		w.Webhook().ServeHTTP(rec, req)
		return rec.Code
	}
	w.start()
	if got := ask(verified); got != http.StatusForbidden {
		t.Errorf("neither: status %d", got)
	}
	w.stop()
	for _, mode := range []Mode{Approve, Auto} {
		o := w.o
		o.Config.Mode, o.VerifiedClients = mode, true
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), "remediation.mode: must not be "+string(mode)) {
			t.Errorf("%s: started with %v", mode, err)
		}
	}
	w.o.VerifiedClients = true
	w.start()
	for _, tc := range []struct {
		state *tls.ConnectionState
		want  int
	}{
		{nil, http.StatusUnauthorized},
		{&tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}, http.StatusUnauthorized},
		{verified, http.StatusOK},
	} {
		if got := ask(tc.state); got != tc.want {
			t.Errorf("%+v: status %d, want %d", tc.state, got, tc.want)
		}
	}
}

func TestDecisionsNeedTheTokenAndAName(t *testing.T) {
	w := newWorld(t, Approve)
	w.deliver(w.an("a"))
	e := w.become(stateWaiting)
	path := "/api/v1/remediations/" + e.ID + "/approve"
	longName := strings.Repeat("x", maxApprover+1)
	for body, want := range map[string]int{
		`{"hash":"` + e.Hash + `"}`:                               http.StatusBadRequest,
		`{"hash":"` + e.Hash + `","approver":" "}`:                http.StatusBadRequest,
		`{"hash":"` + e.Hash + `","approver":"` + longName + `"}`: http.StatusBadRequest,
		`{"approver":"jane"}`:                                     http.StatusConflict,
		`{"hash":"","approver":"jane"}`:                           http.StatusConflict,
		`{"hash":"` + e.Hash + `","approver":"jane"`:              http.StatusBadRequest,
		`{"hash":1,"approver":"jane"}`:                            http.StatusBadRequest,
		strings.Repeat("x", maxDecision+1):                        http.StatusRequestEntityTooLarge,
	} {
		if status := w.post(w.API(), path, body, nil); status != want {
			t.Errorf("%s: status %d, want %d", body, status, want)
		}
	}
	for _, authorization := range []string{"", "Bearer wrong"} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(`{"hash":"`+e.Hash+`","approver":"eve"}`))
		req.Header.Set("Authorization", authorization)
		req.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		w.API().ServeHTTP(rec, req)
		if rec.Code != http.StatusUnauthorized {
			t.Errorf("%q: status %d", authorization, rec.Code)
		}
	}
	rec := httptest.NewRecorder()
	w.API().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	if rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: status %d", rec.Code)
	}
	w.become(stateWaiting)
	w.called(0)
}

func TestListIsNewestFirstAndNeverNull(t *testing.T) {
	w := newWorld(t, Suggest)
	rec := httptest.NewRecorder()
	w.API().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/remediations", nil))
	if rec.Body.String() != `{"status":"success","data":[]}`+"\n" || rec.Header().Get("Content-Type") != "application/json" || rec.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v %q", rec.Header(), rec.Body)
	}
	for i := range history + 10 {
		a := w.an("a")
		a.Labels["n"] = fmt.Sprint(i)
		w.deliver(a)
	}
	for range 2 {
		l := w.plans()
		if len(l) != history || l[0].Plan.Labels["n"] != fmt.Sprint(history+9) {
			t.Errorf("%d listed, the first %+v", len(l), l[0])
		}
		w.stop()
		w.start()
	}
	// What is listed no more is still known.
	a := w.an("a")
	a.Labels["n"] = "0"
	a.StartsAt = a.StartsAt.Add(-time.Minute)
	w.deliver(a)
	if l := w.plans(); l[0].Plan.Labels["n"] == "0" {
		t.Error("an episode was forgotten")
	}
}

// Alerts by the hundred, each with labels that take six times their room in JSON,
// still fit the ledger: a notification that can never be recorded would be sent for
// ever.
func TestLargestNotificationIsRecorded(t *testing.T) {
	w := newWorld(t, Suggest)
	var alerts []alert
	for i := range 60 {
		a := w.an("a")
		a.Labels["n"] = fmt.Sprint(i)
		a.Labels["evil"] = strings.Repeat("\x01", maxLabels-200)
		alerts = append(alerts, a)
	}
	post := func(alerts []alert) int {
		// A sender may write < as it is; we write \u003c.
		text := strings.ReplaceAll(body(t, alerts...), `\u0001`, "<")
		if len(text) > maxNotification {
			t.Fatalf("body of %d bytes", len(text))
		}
		return w.post(w.Webhook(), "/", text, nil)
	}
	if status := post(alerts); status != http.StatusOK {
		t.Fatal(status)
	}
	if l := w.plans(); len(l) != len(alerts) || l[0].State != stateSuggested {
		t.Errorf("%d listed", len(l))
	}
}

func TestMetricsCountWhatHappened(t *testing.T) {
	w := newWorld(t, Auto)
	w.stop()
	reg := prometheus.NewRegistry()
	w.o.Registerer = reg
	w.start()
	if n, err := testutil.GatherAndCount(reg, "foreshock_remediation_transitions_total", "foreshock_remediation_refusals_total"); err != nil || n != len(states)+len(refusals) {
		t.Errorf("%d counters before anything happened: %v", n, err)
	}
	w.deliver(w.an("a"), w.an("x"))
	w.deliver(w.an("a").resolvedAt(w.now()))
	w.post(w.Webhook(), "/", "{}", nil)
	w.eventually("it is done", func(l []entry) bool { return l[0].State.settled() && l[1].State.settled() })
	const want = `
# HELP foreshock_remediation_alerts_total Alerts received, by their status.
# TYPE foreshock_remediation_alerts_total counter
foreshock_remediation_alerts_total{status="firing"} 2
foreshock_remediation_alerts_total{status="resolved"} 1
# HELP foreshock_remediation_notifications_rejected_total Webhooks whose body was not a notification.
# TYPE foreshock_remediation_notifications_rejected_total counter
foreshock_remediation_notifications_rejected_total 1
# HELP foreshock_remediation_notifications_total Webhooks received, whoever sent them.
# TYPE foreshock_remediation_notifications_total counter
foreshock_remediation_notifications_total 3
# HELP foreshock_remediation_pending_plans Plans that wait for approval or for their turn.
# TYPE foreshock_remediation_pending_plans gauge
foreshock_remediation_pending_plans 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "foreshock_remediation_alerts_total",
		"foreshock_remediation_notifications_total", "foreshock_remediation_notifications_rejected_total",
		"foreshock_remediation_pending_plans"); err != nil {
		t.Error(err)
	}
	if got := testutil.ToFloat64(w.metrics.refusals[refusedTarget]); got != 1 {
		t.Errorf("%v refusals for want of a target", got)
	}
}

// Whatever is accepted can be planned, recorded and read back.
func FuzzDecodeNotification(f *testing.F) {
	now := time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC)
	f.Add([]byte(captured))
	for _, from := range []string{`"4"`, `"firing"`, `2026-01-02T03:04:05.678Z`, `"a"`} {
		f.Add([]byte(strings.ReplaceAll(captured, from, `"\u0000\ud800"`)))
	}
	f.Add([]byte(`{"version":"4","alerts":[{"status":"firing","labels":{"":"x"},"startsAt":"9999-12-31T23:59:59-23:59"}]}`))
	f.Add([]byte(`{"VERSION":"4","alerts":[null]}`))
	f.Add([]byte(strings.Repeat(`{"alerts":[`, 1000)))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := decodeNotification(b, now)
		if err != nil {
			return
		}
		for _, a := range n.alerts {
			p := plan{Status: string(a.Status), Labels: a.Labels, Fingerprint: fingerprint(a.Labels), StartsAt: a.StartsAt.UTC()}
			record, err := json.Marshal(page{Entries: []entry{{ID: p.id(), Plan: p, Hash: p.hash(deed{})}}})
			if err != nil {
				t.Fatal(err)
			}
			var back page
			if err := json.Unmarshal(record, &back); err != nil {
				t.Fatal(err)
			}
			if got := back.Entries[0].Plan; got.id() != p.id() || got.hash(deed{}) != p.hash(deed{}) {
				t.Errorf("recorded %+v, read %+v", p, got)
			}
		}
	})
}
