package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/foreshock/foreshock/remediation"
	"github.com/foreshock/foreshock/rules"
)

// startRemedies serves the remedies of a Foreshock that one alert came to, in mode approve,
// until the script ends. Its storage path is data.
func startRemedies(ts *testscript.TestScript, _ bool, _ []string) {
	c := remediation.DefaultConfig()
	c.Mode, c.WebhookToken, c.ApprovalToken = remediation.Approve, "canary-sender", "canary-person"
	c.SingleInstance = true
	run := remediation.DefaultExecConfig()
	run.Command = []string{"/bin/echo", "restarted", "${target}"}
	c.Actions = []remediation.ActionConfig{{Name: "restart", Targets: []string{"cart-7"}, Exec: &run, Verify: &remediation.VerifyConfig{}}}
	ts.Check(os.MkdirAll(ts.MkAbs("data"), 0o700))
	r, err := remediation.New(remediation.Options{
		Config: c, Dir: ts.MkAbs("data/ledger"), PauseFile: ts.MkAbs("data/paused"),
		Remedies: []*rules.Remedy{{
			Name: "restart-pod", Action: "restart", Target: "pod",
			Match: []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "alertname", "Stuck")},
		}},
	})
	ts.Check(err)
	go r.Run()
	mux := http.NewServeMux()
	mux.Handle("/api/v1/alertmanager/webhook", r.Webhook())
	mux.Handle("/api/v1/remediations", r.API())
	mux.Handle("/api/v1/remediations/", r.API())
	server := httptest.NewServer(mux)
	ts.Defer(func() {
		server.Close()
		ts.Check(r.Close(context.Background()))
	})
	ts.Setenv("URL", server.URL)
	for name, token := range map[string]string{"sender.yml": "canary-sender", "person.yml": "canary-person"} {
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte("authorization: {credentials: "+token+"}\n"), 0o600))
	}
	body, err := json.Marshal(map[string]any{"version": "4", "alerts": []map[string]any{{
		"status": "firing", "startsAt": time.Now().Add(-time.Minute),
		"labels": map[string]string{"alertname": "Stuck", "pod": "cart-7"},
	}}})
	ts.Check(err)
	req, err := http.NewRequest(http.MethodPost, server.URL+"/api/v1/alertmanager/webhook", strings.NewReader(string(body)))
	ts.Check(err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer canary-sender")
	resp, err := server.Client().Do(req)
	ts.Check(err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("the alert was answered %s", resp.Status)
	}
}

// planOf puts the ID and the hash of the first plan in a list as JSON into variables.
func planOf(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: plan ID HASH FILE")
	}
	var list []struct{ ID, Hash string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[2])), &list))
	if len(list) == 0 {
		ts.Fatalf("no plan in %s", args[2])
	}
	ts.Setenv(args[0], list[0].ID)
	ts.Setenv(args[1], list[0].Hash)
}

// settled waits until the only plan has succeeded.
func settled(ts *testscript.TestScript, _ bool, _ []string) {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(ts.Getenv("URL") + "/api/v1/remediations")
		ts.Check(err)
		var answer struct{ Data []struct{ State string } }
		err = json.NewDecoder(resp.Body).Decode(&answer)
		resp.Body.Close()
		ts.Check(err)
		if len(answer.Data) == 1 && answer.Data[0].State == "succeeded" {
			return
		}
	}
	ts.Fatalf("the plan has not succeeded")
}
