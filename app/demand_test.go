package app

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/remediation"
	"github.com/foreshock/foreshock/rules"
)

// A shop that is asked for more by day than by night is scaled before the demand is there,
// and back when less is foreseen, within the bounds of the action, by its forecasts alone.
func TestForecastScalesAheadAndBack(t *testing.T) {
	s := newScene(t, `
groups:
  - name: shop
    rules:
      - {forecast: busy, select: demand, scale_horizon: 1h, horizon: 90m, limit: "> 700"}
      - {forecast: quiet, select: demand_again, scale_horizon: 1h, horizon: 90m, limit: "< 300"}
`)
	s.step = 5 * time.Minute
	dir := t.TempDir()
	replicas := filepath.Join(dir, "replicas")
	run := remediation.DefaultExecConfig()
	run.Command = []string{"/bin/sh", "-c", `echo "$1" >> "$0"`, replicas, "${value}"}
	c := remediation.DefaultConfig()
	c.Mode, c.WebhookToken, c.ApprovalToken = remediation.Auto, "token", "another"
	c.MaxPerDay, c.SingleInstance = 24, true
	c.Actions = []remediation.ActionConfig{{
		Name: "scale", Exec: &run,
		Scale:  &remediation.ScaleConfig{Per: 100, Min: 4, Max: 7, MaxError: 1},
		Verify: &remediation.VerifyConfig{}, // scaling does not change the demand
	}}
	began := s.now()
	r, err := remediation.New(remediation.Options{
		Config: c, Dir: filepath.Join(dir, "ledger"),
		Remedies: []*rules.Remedy{{
			Name: "scale_ahead", Action: "scale",
			Match: rules.Matchers{labels.MustNewMatcher(labels.MatchEqual, "remediation", "scale")},
		}},
		Demand: s.demand, Now: s.now, Uptime: func() time.Duration { return s.now().Sub(began) },
	})
	if err != nil {
		t.Fatal(err)
	}
	finished := background(r.Run)
	defer func() {
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		<-finished
	}()
	if err := r.Resume("the test", ""); err != nil {
		t.Fatal(err)
	}

	noise := rand.New(rand.NewPCG(1, 1))
	var demand float64
	now := func(int) float64 { return demand }
	// One forecast rule speaks for a series: a user gives each an expr of its own.
	shop := map[*foreshock.Series]func(int) float64{named("demand", "shop"): now, named("demand_again", "shop"): now}
	have, ups, downs, ahead := 0, 0, 0, 0
	treated := map[string]bool{}
	for range 10 * 288 { // days of samples
		demand = 500 + 300*math.Sin(2*math.Pi*float64(s.at.Load()+s.step.Milliseconds())/86_400_000) + 5*noise.NormFloat64()
		s.play(1, shop)
		for _, in := range s.incidents.firing() {
			if treated[in.ID] || in.Kind != foreshock.Breach {
				continue
			}
			treated[in.ID] = true
			before := demand
			e := treat(t, r, in)
			if e.State == "refused" {
				if !strings.HasPrefix(e.Reason, "it is not known yet how far off forecasts are") && !strings.HasPrefix(e.Reason, "forecasts were off") {
					t.Errorf("%s: %s", in.Rule, e.Reason)
				}
				continue
			}
			text, err := os.ReadFile(replicas)
			if err != nil {
				t.Fatal(err)
			}
			all := strings.Fields(string(text))
			want, err := strconv.Atoi(all[len(all)-1])
			if err != nil || e.Plan.Value != all[len(all)-1] || want < 4 || want > 7 {
				t.Errorf("scaled to %q, planned %q: %v", all[len(all)-1], e.Plan.Value, err)
			}
			switch {
			case in.Rule == "busy":
				ups++
				if before < 700 && want == 7 {
					ahead++
				}
			case want >= have:
				t.Errorf("less is foreseen, and it scales from %d to %d", have, want)
			default:
				downs++
			}
			have = want
		}
	}
	t.Logf("%d times up, of them %d ahead; %d times down", ups, ahead, downs)
	if ups < 5 || ahead != ups || downs < 5 {
		t.Errorf("in ten days it was scaled up %d times, of them %d ahead of the demand, and down %d times", ups, ahead, downs)
	}
}

// shownPlan is a plan as the API has it.
type shownPlan struct {
	State, Reason string
	Plan          struct{ Value string }
}

// treat delivers the alert of the incident as Alertmanager does, and waits for what comes
// of it.
func treat(t *testing.T, r *remediation.Remediation, in foreshock.Incident) shownPlan {
	t.Helper()
	body := fmt.Sprintf(`{"version":"4","alerts":[{"status":"firing","startsAt":%q,"labels":{"remediation":"scale","rule":%q},"annotations":{"incident":%q}}]}`,
		foreshock.Time(in.StartsAt).Format(time.RFC3339), in.Rule, in.ID)
	ask := func(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
		req := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer token")
		req.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		return rec
	}
	if rec := ask(r.Webhook(), http.MethodPost, "/", body); rec.Code != http.StatusOK {
		t.Fatalf("webhook: %d %s", rec.Code, rec.Body)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		var answer struct{ Data []shownPlan }
		rec := ask(r.API(), http.MethodGet, "/api/v1/remediations", "")
		if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		if len(answer.Data) > 0 && answer.Data[0].State != "approved" && answer.Data[0].State != "running" {
			return answer.Data[0]
		}
	}
	t.Fatal("nothing comes of the alert")
	return shownPlan{}
}

func TestNothingIsForeseenWhereNobodyKnows(t *testing.T) {
	s := newScene(t, "groups: [{name: g, rules: [{limit: hot, select: temperature, bound: '> 90'}]}]")
	hot := named("temperature", "a")
	s.play(10, map[*foreshock.Series]func(int) float64{hot: steady(95)})
	for id, want := range map[string]string{
		"0123456789ab":           "incident 0123456789ab is not known any more",
		s.incidents.list()[0].ID: "the alert is not that of a forecast rule",
	} {
		if _, err := s.demand(id); err == nil || err.Error() != want {
			t.Errorf("%s: %v", id, err)
		}
	}
}
